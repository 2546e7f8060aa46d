// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// SetAddresses tells the peer our whole list of addresses. An initiator leaves out the one that it uses, which the source
// of the message tells (RFC 4555 3.6); see addressNotifies for a responder. It replaces Options.AdditionalAddresses for
// this session. At most 15 are told. A responder whose peer does not answer at its present address tries the peer's other
// ones; one that has had to leave an address goes back to it with the list that has it again, unless the peer has moved
// meanwhile.
func (s *Session) SetAddresses(now time.Time, additional []netip.Addr) Output {
	s.begin(now)
	s.own = slices.Clone(additional)
	s.localGone = s.localGone && !slices.Contains(additional, s.path.Local.Addr().Unmap())
	if s.state == stateEstablished && s.mobike {
		back := s.left.Local.IsValid() && slices.Contains(additional, s.left.Local.Addr().Unmap())
		switch {
		case back:
			if s.switching.former.Local.IsValid() {
				s.switching = switching{} // there is nothing to leave any more
			}
			s.goTo(s.left)
			s.announce()
			s.retransmitAll()
		case s.localGone && !s.origInitiator && s.leaveLocal():
		default:
			s.announce()
		}
	}
	return s.finish()
}

// LocalAddressGone says that we can send from one of our addresses no more. The peer gets the list without it. If it
// was the address of the session, a responder sends from another one of its addresses from now on, the Child SAs too
// (RFC 4555 3.6 allows that where the old address cannot be used): to the peer's address if that is of the same IP
// version, else to another one that the peer has told. A peer behind a NAT, which may let in nobody but the old address,
// is asked to move if it knows how, also from the old address: the data plane sends from there as long as it can; that
// ends with SwitchDone, and the list follows. An initiator tests its other paths and moves. Without another address
// nothing changes until SetAddresses or Move.
func (s *Session) LocalAddressGone(now time.Time, gone netip.Addr) Output {
	s.begin(now)
	gone = gone.Unmap()
	told := len(s.own)
	s.own = slices.DeleteFunc(slices.Clone(s.own), func(a netip.Addr) bool { return a.Unmap() == gone })
	if s.state != stateEstablished || !s.mobike {
		return s.finish()
	}
	if s.path.Local.Addr().Unmap() != gone {
		if len(s.own) < told {
			s.announce()
		}
		return s.finish()
	}
	if s.origInitiator {
		s.localGone = true
		if pairs := s.pairs(); len(pairs) > 0 {
			s.testPaths(pairs, true)
		}
		return s.finish()
	}
	s.localGone = !s.leaveLocal()
	return s.finish()
}

// leaveLocal moves a responder, whose local address has gone, to another one of its addresses; false: there is none.
func (s *Session) leaveLocal() bool {
	p, ok := s.otherLocal(s.path.Local.Addr().Unmap())
	if !ok {
		return false
	}
	left := s.left
	if !left.Local.IsValid() {
		left = s.path
	}
	former := s.path
	s.goTo(p)
	s.left = left
	if !s.switchFrom(former) {
		s.announce()
	}
	s.retransmitAll()
	return true
}

// goTo lets a responder send on p, from another address of its own.
func (s *Session) goTo(p Path) {
	if p.Remote == s.espPath.Remote && p.Remote != s.followed && !s.rr.wanted {
		s.prove(p) // it is in use
	}
	s.setPath(p)
	s.checkRoutability()
}

// otherLocal chooses the path that replaces the present one when its local address has gone.
func (s *Session) otherLocal(gone netip.Addr) (Path, bool) {
	remotes := append([]netip.Addr{s.path.Remote.Addr()}, s.peerAddrs...)
	for _, r := range remotes {
		for _, l := range s.own {
			p := s.path
			p.Local = netip.AddrPortFrom(l.Unmap(), s.path.Local.Port())
			p.Remote = netip.AddrPortFrom(r.Unmap(), s.path.Remote.Port())
			if p.Local.Addr() != gone && sameFamily(p) && DefaultAcceptPath(p) == nil {
				return p, true
			}
		}
	}
	return Path{}, false
}

// ownAddresses are our further addresses as notifies.
func (s *Session) ownAddresses() []message.Payload {
	var out []message.Payload
	for _, a := range s.own {
		a = a.Unmap()
		if a.IsValid() && a != s.path.Local.Addr().Unmap() && len(out) < maxAddresses-1 {
			out = append(out, addressNotify(a))
		}
	}
	return out
}

// addressNotifies are the whole list, which can also say that there is no other address. A responder's has the address in
// use too: a repetition of the message may come from another one, and a list that its source completes would say then
// that this one has gone (RFC 4555 3.6).
func (s *Session) addressNotifies() []message.Payload {
	out := s.ownAddresses()
	if len(out) == 0 {
		return []message.Payload{notify(message.NO_ADDITIONAL_ADDRESSES, nil)}
	}
	if local := s.path.Local.Addr().Unmap(); !s.origInitiator && !s.localGone && local.IsValid() && !local.IsUnspecified() && len(out) < maxAddresses-1 {
		out = append(out, addressNotify(local))
	}
	return out
}

func addressNotify(a netip.Addr) message.Payload {
	if a.Is4() {
		return notify(message.ADDITIONAL_IP4_ADDRESS, a.AsSlice())
	}
	return notify(message.ADDITIONAL_IP6_ADDRESS, a.AsSlice())
}

// announce sends the list. One that waits for room in the window is made when it leaves and so is up to date.
func (s *Session) announce() {
	if s.sa.queued(requestAddresses) {
		return
	}
	s.enqueue(s.addressesRequest(), true)
}

func (s *Session) addressesRequest() *request {
	return &request{
		kind:     requestAddresses,
		exchange: message.INFORMATIONAL,
		build: func(*request) []message.Payload {
			return append(s.addressNotifies(), s.noNATs()...)
		},
		done: s.announced,
	}
}

func (s *Session) announced(r *request, in []message.Payload) {
	// An initiator's list is relative to the source in the IP header, so one that left from several may mean anything: it
	// is told again in a new message (RFC 4555 3.6).
	for _, p := range r.paths {
		if s.origInitiator && p.Local.Addr() != s.path.Local.Addr() {
			s.announce()
			return
		}
	}
	if message.GetNotify(in, message.UNEXPECTED_NAT_DETECTED) != nil {
		s.retryNoNATs(s.announceAt)
		return
	}
	s.natRetries = 0
}

func (s *Session) announceAt(at time.Time) {
	s.announce()
	for _, r := range s.sa.queue {
		if r.kind == requestAddresses {
			r.notBefore = at
		}
	}
}

// announcing tells whether a list is on its way, or waits for the request before it.
func (s *Session) announcing() bool {
	return s.sa.queued(requestAddresses) ||
		slices.ContainsFunc(s.sa.outstanding, func(r *request) bool { return r.kind == requestAddresses })
}
