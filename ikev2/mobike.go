// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// maxAddresses bounds the peer's address list (RFC 4555 3.6).
const maxAddresses = 16

// mobility is the MOBIKE state of a session. An IKE SA rekey does not touch it.
type mobility struct {
	mobike       bool
	peerAddrs    []netip.Addr
	rr           routability
	proven       []provenPath
	unproven     []unproven
	natReference []byte // what the peer said last about our address; nil when nothing comparable is known
	moved        bool   // the request under way moved the session; requests follow its response

	own        []netip.Addr // our further addresses
	localGone  bool         // the local address of the path is not ours any more
	left       Path         // a responder's: the last path of the peer's choice, when its local address went away
	test       *pathTest
	natRetries int
	rebinding  rebinding
	followed   netip.AddrPort // the remote address that was followed without proof
	moveLimit  int            // 0: Options.MovesPerMinute
	moveCount  moveCount
	canSwitch  bool // the peer knows SWITCH_TO_IP_ADDRESS
	switching  switching
}

// mobikeRequest works on the MOBIKE part of an INFORMATIONAL request. The result is the error to answer, or 0.
func (s *Session) mobikeRequest(in []message.Payload, path Path) message.NotifyType {
	update := message.GetNotify(in, message.UPDATE_SA_ADDRESSES) != nil
	if update && !s.sa.lastUpdate.newer(s.sa.pending.mid) {
		update = false // a later one has overtaken it (RFC 4555 3.5); what it says of NATs is as old
	} else if !s.natsAllowed(in, path) {
		if update && !s.origInitiator {
			s.emit(MoveRejected{Path: path, Err: &NotifyError{Type: message.UNEXPECTED_NAT_DETECTED}})
		}
		return message.UNEXPECTED_NAT_DETECTED
	}
	// Only the original initiator moves; an update from the original responder means nothing (RFC 4555 2.1).
	if update && !s.origInitiator {
		if err := s.acceptPath(path); err != nil {
			s.emit(MoveRejected{Path: path, Err: err})
			return message.UNACCEPTABLE_ADDRESSES
		}
		s.update(in, path)
	}
	if hasAddressList(in) && s.sa.lastList.newer(s.sa.pending.mid) && s.addressList(in, path) {
		s.emit(PeerAddresses{Addresses: s.peerAddrs})
		s.leaveGoneAddress()
	}
	return 0
}

// update moves the IKE SA to the path of an UPDATE_SA_ADDRESSES request (RFC 4555 3.5). The Child SAs follow now or
// when the path is proven.
func (s *Session) update(in []message.Payload, path Path) {
	before := s.nat
	s.detectNAT(in, s.sa.spiI, s.sa.spiR, path)
	s.setPath(path)
	s.left = Path{}
	if s.nat != before {
		s.emit(NATChanged{NAT: s.nat})
	}
	s.moved = true
	s.checkRoutability()
	s.switchMoved(path)
}

// setPath changes the path of the IKE SA.
func (s *Session) setPath(path Path) {
	if path == s.path {
		return
	}
	old := s.path
	s.path = path
	s.natReference = nil
	s.small, s.localGone, s.left = false, false, Path{}
	s.endRebinding()
	s.emit(PathChanged{Old: old, New: path, NAT: s.nat})
}

// afterUpdate runs when the response to an update is on its way: what is outstanding is sent to the new path at once,
// where it may be answered at last (RFC 4555 3.5).
func (s *Session) afterUpdate() {
	if !s.moved {
		return
	}
	s.moved = false
	s.retransmitAll()
}

// moveChildren makes all Child SAs send on path.
func (s *Session) moveChildren(path Path, unproven bool) {
	if path == s.espPath {
		return
	}
	old := s.espPath
	s.espPath = path
	for _, c := range s.children {
		moved := *c.sa
		moved.Path = path
		c.sa = &moved
	}
	s.emit(ChildrenMoved{Old: old, Path: path, Unproven: unproven})
}

// DefaultAcceptPath refuses paths that cannot be a peer's: unspecified, multicast, broadcast, our own address; and
// loopback and link-local remote addresses, unless our side is such an address as well.
func DefaultAcceptPath(p Path) error {
	remote, local := p.Remote.Addr().Unmap(), p.Local.Addr().Unmap()
	switch {
	case !remote.IsValid() || remote.IsUnspecified() || remote.IsMulticast() || p.Remote.Port() == 0:
		return errUnusable
	case remote == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errUnusable
	case remote.IsLoopback() && !local.IsLoopback():
		return errUnusable
	case remote.IsLinkLocalUnicast() && !local.IsLinkLocalUnicast():
		return errUnusable
	case p.Remote == p.Local:
		return errUnusable
	}
	return nil
}

var errUnusable = errors.New("ikev2: not an address of a peer")

// latest is the message ID of the latest request of a kind, plus 1. With a window of several, requests come out of
// order, and the one with the higher message ID counts.
type latest uint64

func (l *latest) newer(mid uint32) bool {
	if uint64(mid)+1 <= uint64(*l) {
		return false
	}
	*l = latest(mid) + 1
	return true
}

func hasAddressList(in []message.Payload) bool {
	return message.GetNotify(in, message.ADDITIONAL_IP4_ADDRESS) != nil ||
		message.GetNotify(in, message.ADDITIONAL_IP6_ADDRESS) != nil || message.GetNotify(in, message.NO_ADDITIONAL_ADDRESSES) != nil
}

// addressList replaces the list of the peer's addresses when the message has one of the three notifies about it (RFC
// 4555 3.6), and tells whether it did.
func (s *Session) addressList(in []message.Payload, path Path) bool {
	list := []netip.Addr{path.Remote.Addr().Unmap()}
	found := false
	for _, n := range message.All[*message.Notify](in) {
		switch n.Type {
		case message.ADDITIONAL_IP4_ADDRESS, message.ADDITIONAL_IP6_ADDRESS:
			found = true
			a, ok := netip.AddrFromSlice(n.Data)
			if ok && a.Is4() == (n.Type == message.ADDITIONAL_IP4_ADDRESS) && len(list) < maxAddresses && !slices.Contains(list, a) {
				list = append(list, a)
			}
		case message.NO_ADDITIONAL_ADDRESSES:
			found = true
		}
	}
	if found {
		s.peerAddrs = list
	}
	return found
}

// leaveGoneAddress lets an initiator that may move by itself do so when the peer's new list lacks the address that it
// uses. It may still answer there, but not for long.
func (s *Session) leaveGoneAddress() {
	withdrawn := func(p Path) bool { return !slices.Contains(s.peerAddrs, p.Remote.Addr().Unmap()) }
	if s.opt.TestPathsAfter > 0 && s.mayTest() && withdrawn(s.path) {
		s.testPaths(slices.DeleteFunc(s.pairs(), withdrawn), true)
	}
}

// mobilityAt is when mobilityDue has something to do.
func (s *Session) mobilityAt() time.Time {
	t := earliest(s.rr.deadline, s.rebinding.deadline)
	if s.test != nil {
		t = earliest(t, s.test.deadline)
	}
	if s.switching.phase != switchIdle {
		t = earliest(t, s.switching.deadline)
	}
	return t
}

func (s *Session) mobilityDue() {
	s.testDue()
	s.routabilityDue()
	s.rebindingDue()
	s.switchDue()
}
