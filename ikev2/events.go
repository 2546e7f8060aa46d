// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Event tells the owner what happened in a session. The types of this file are all there are.
type Event interface{ event() }

// EAPStart (responder): an initiator sent its first IKE_AUTH request without AUTH, so it wants EAP. The owner answers
// with Session.SendEAP (the first EAP request) or Session.EAPFailure.
type EAPStart struct {
	Peer Identity
	// Wanted is the IDr that the peer asked for; its Data is nil when it did not.
	Wanted Identity
	// Notifies are all notifies of the request, for instance an owner's private ones.
	Notifies []*message.Notify
}

// EAPReceived brings an EAP packet of the peer. A responder answers with SendEAP, EAPSuccess or EAPFailure; an
// initiator with SendEAP, or with SetMSK when the packet is EAP-Success.
type EAPReceived struct{ Packet []byte }

// AuthRequest (responder): the peer is authenticated, and its last IKE_AUTH request waits for AuthorizeChild.
type AuthRequest struct {
	Peer Identity
	// Certificates is the verified chain's payloads, leaf first, when the peer authenticated with one.
	Certificates [][]byte
	// Config is the peer's CFG_REQUEST, or nil.
	Config *message.Configuration
	// LocalTS and RemoteTS are the proposed selectors (TSr and TSi); empty when the peer wants no Child SA.
	LocalTS, RemoteTS []message.TrafficSelector
	MOBIKE            bool
	// MOBIKEData is the content of the peer's MOBIKE_SUPPORTED, which RFC 4555 ignores.
	MOBIKEData     []byte
	InitialContact bool
	Notifies       []*message.Notify
}

// Established says that the IKE SA is up, on both sides.
type Established struct {
	Peer   Identity
	Path   Path
	MOBIKE bool
	// PPK says that a post-quantum preshared key is in the keys (RFC 8784).
	PPK bool
	// Config is the responder's CFG_REPLY (initiator only), or nil.
	Config   *message.Configuration
	Notifies []*message.Notify
	NAT      NATStatus
}

// ChildUp says that a Child SA can be installed. Inbound must be ready before the datagrams of this Output leave.
type ChildUp struct {
	Child *ChildSA
	// Replaces is the inbound SPI of the pair that this one rekeys, or 0. A new pair (0) is used in both directions at
	// once. With a rekeyed one, go on sending on the old one until ChildSwitched: only then is the peer known to
	// receive on it (RFC 7296 2.8). The old one ends with a ChildDown of its own.
	Replaces uint32
	// Notifies came with the peer's message.
	Notifies []*message.Notify
}

// ChildFailed says that a child that we asked for does not come up. Err is a *NotifyError when the peer refused.
type ChildFailed struct {
	Tag any
	Err error
}

// ChildSwitched says that from now on Child, which a rekey made, is sent on instead of the pairs that it goes on for.
type ChildSwitched struct{ Child *ChildSA }

// ChildDown says that a Child SA must be removed. Late packets may still come on it for some seconds.
type ChildDown struct {
	Child  *ChildSA
	ByPeer bool
	// Superseded is set when another pair goes on in its place, or was never left: its rekey is complete, or two rekeys
	// collided. Without it nothing is left of what Tag stands for.
	Superseded bool
	// Lost is set when the peer did not know the pair any more (CHILD_SA_NOT_FOUND): the owner may want to make
	// another one.
	Lost bool
}

// RekeyFailed says that the peer refused to rekey a Child SA, or the IKE SA when Child is nil. What is in use goes on
// until its hard lifetime.
type RekeyFailed struct {
	Child *ChildSA
	Err   error
}

// PathChanged says that the IKE SA itself uses another path. User data follows with ChildrenMoved only.
type PathChanged struct {
	Old, New Path
	NAT      NATStatus
}

// ChildrenMoved says that all Child SAs must send on Path from now on.
type ChildrenMoved struct {
	Old, Path Path
	// Unproven is set under RoutabilityAfter: until RoutabilityProven for Path the data plane must cap what it sends
	// there (three times what it received from there and 64 KiB is a good cap), and count on when the peer goes
	// elsewhere and comes back.
	Unproven bool
}

// RoutabilityProven says that the peer showed that it receives at Path.
type RoutabilityProven struct{ Path Path }

// RoutabilityFailed says that no proof for Path came in time. With RoutabilityAfter the data plane must stop sending
// there; the session goes on trying until its retransmissions end.
type RoutabilityFailed struct{ Path Path }

// RoutabilityAnswered says that the peer checked our path with COOKIE2 and that the answer is on its way.
type RoutabilityAnswered struct{ Path Path }

// MoveDone (initiator) says that the peer accepted the latest UPDATE_SA_ADDRESSES.
type MoveDone struct{ Path Path }

// MoveRefused (initiator) says that the peer answered UPDATE_SA_ADDRESSES with an error; the owner may Move elsewhere.
type MoveRefused struct {
	Path Path
	Err  error
}

// MoveRejected (responder) says that an UPDATE_SA_ADDRESSES of the peer was refused and changed nothing.
type MoveRejected struct {
	Path Path
	Err  error
}

// PathTested (initiator) is the outcome of TestPaths, or of the session's own search for a path.
type PathTested struct {
	// Path answered first. Its zero value: none did.
	Path Path
	// Tested are the paths that were tried.
	Tested []Path
}

// SwitchDone (responder) is the outcome of SwitchTo, or of what LocalAddressGone has asked a peer behind a NAT.
type SwitchDone struct {
	To      netip.AddrPort
	Outcome SwitchOutcome
}

// SwitchFollowed (initiator) says that the peer asked us to move to another address of its, and that we do.
type SwitchFollowed struct{ Path Path }

// NATChanged says that the NAT situation on the current path is another one than before.
type NATChanged struct{ NAT NATStatus }

// PeerAddresses brings the peer's whole new list (RFC 4555 3.6): the source of the message first, at most 16.
type PeerAddresses struct{ Addresses []netip.Addr }

// InfoReceived brings the notifies of an INFORMATIONAL request that this package does not handle itself.
type InfoReceived struct{ Notifies []*message.Notify }

// InfoDone is the outcome of Session.Notify. Err is a *NotifyError when the peer refused.
type InfoDone struct {
	Tag      any
	Notifies []*message.Notify
	Err      error
}

// Alive says that a fresh protected message of the peer arrived after Probe was called.
type Alive struct{}

// SPIAdded says that messages for SPI must reach this session, too: two rekeys of the IKE SA collided, and it is not
// known yet which one counts. SPIForgotten follows, perhaps after SPIChanged made it the current one.
type SPIAdded struct{ SPI message.SPI }

// SPIChanged says that a rekey of the IKE SA gave it another own SPI. Both must lead to the session until SPIForgotten.
type SPIChanged struct{ Old, New message.SPI }

// SPIForgotten says that messages for SPI need not reach this session any more.
type SPIForgotten struct{ SPI message.SPI }

// Resynced says that the peer agreed to new message IDs after Session.Resync.
type Resynced struct{}

// SequenceSkipped says that the peer, another node than before, may not know which of our packets it had (RFC 6311 5.2):
// the data plane must skip By sequence numbers of what it sends on every Child SA.
type SequenceSkipped struct{ By uint64 }

// Quiescent says that after Quiesce nothing stands in the way of Export any more.
type Quiescent struct{}

// Closed is the last event of a session. All its Child SAs are gone without a ChildDown each. The owner should keep
// the session for Linger after that to answer retransmissions.
type Closed struct {
	// Reason says why; see the errors of this package.
	Reason error
	ByPeer bool
	// Notifies came with the answer that refused an initiator's IKE_AUTH: a status notify beside the error may say when to try again.
	Notifies []*message.Notify
}

func (EAPStart) event()            {}
func (EAPReceived) event()         {}
func (AuthRequest) event()         {}
func (Established) event()         {}
func (ChildUp) event()             {}
func (ChildFailed) event()         {}
func (ChildSwitched) event()       {}
func (ChildDown) event()           {}
func (RekeyFailed) event()         {}
func (PathChanged) event()         {}
func (ChildrenMoved) event()       {}
func (RoutabilityProven) event()   {}
func (RoutabilityFailed) event()   {}
func (RoutabilityAnswered) event() {}
func (MoveDone) event()            {}
func (MoveRefused) event()         {}
func (MoveRejected) event()        {}
func (PathTested) event()          {}
func (SwitchDone) event()          {}
func (SwitchFollowed) event()      {}
func (NATChanged) event()          {}
func (PeerAddresses) event()       {}
func (InfoReceived) event()        {}
func (InfoDone) event()            {}
func (Alive) event()               {}
func (SPIAdded) event()            {}
func (SPIChanged) event()          {}
func (SPIForgotten) event()        {}
func (Redirected) event()          {}
func (Resynced) event()            {}
func (SequenceSkipped) event()     {}
func (Quiescent) event()           {}
func (Closed) event()              {}
