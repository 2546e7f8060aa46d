// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// Keys protects one direction of a Child SA. Encr holds the cipher key followed by its salt where the cipher has one
// (RFC 7296 2.17); Integ is empty for an AEAD.
type Keys struct {
	Encr, Integ []byte
}

// ChildSA is a pair of ESP SAs in tunnel mode, as the data plane needs it. A session never changes one that it has
// handed out.
type ChildSA struct {
	// InboundSPI was chosen by us and identifies the SA at our side; OutboundSPI was chosen by the peer.
	InboundSPI, OutboundSPI   uint32
	Suite                     suite.ESP
	InboundKeys, OutboundKeys Keys
	LocalTS, RemoteTS         []message.TrafficSelector
	// Path is where the pair sends at the time of the event, or of Session.Children. While return routability is pending
	// it can differ from the IKE SA's path.
	Path Path
	// Initiator tells whether we started the exchange that made the pair.
	Initiator bool
	// Tag is what the owner put into its ChildRequest, ChildOffer answer or authorization; a rekeyed pair inherits it.
	Tag any
}
