// SPDX-License-Identifier: Apache-2.0

// Package cluster is the link between the nodes of one N3IWF: messages that are authenticated, encrypted, in order, and paced by the receiver. It knows
// nothing of UEs.
//
// Two nodes have one TCP connection with TLS 1.3. Each proves by its certificate that it knows the secret of the cluster: the certificate's key is made
// from the secret, so that a node needs no other credentials and a stranger with the certificate alone has nothing. The node with the lower
// number calls. A receiver that is slow makes TCP's window close, then the sender's queue fill, and then Send wait or Offer refuse.
package cluster
