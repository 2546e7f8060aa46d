// SPDX-License-Identifier: Apache-2.0

// Package eap5g is the EAP-5G method of TS 24.502 clauses 7.3 and 9.3: an EAP method (RFC 3748,
// expanded type of vendor 3GPP) that authenticates nobody by itself but carries NAS messages between
// a UE and the N3IWF while their IKE SA is not yet authenticated, together with the access network
// parameters by which the N3IWF chooses an AMF. The package has the packet codec and the method for
// both ends, [Server] for the N3IWF and [Peer] for the UE. It does no I/O and keeps no time; inside
// IKEv2 lost packets are repeated by IKE, so the method only sees each packet once and in order.
package eap5g
