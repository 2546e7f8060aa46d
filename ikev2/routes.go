// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"slices"
)

// maxUnprovenOctets bounds what our requests and their repetitions send to an address that the peer has named but not
// proven (RFC 4555 3.7): a forged source must not make us a weapon against its owner.
const maxUnprovenOctets = 64 << 10

// elsewhereAfter is how many repetitions in vain send a responder's address list to the peer's other addresses.
const elsewhereAfter = 2

// routes are the paths that a request goes on now. It is the present one, but for
//   - a check of another path,
//   - an initiator's test of several, during which whatever is outstanding is the probe, so that the window is kept,
//   - the news of a responder's addresses, which also tries the peer's other ones (RFC 4555 3.6).
func (s *Session) routes(r *request) []Path {
	switch {
	case r.only != nil:
		return []Path{*r.only}
	case s.test != nil:
		return s.test.pairs
	case !s.origInitiator && r.tries >= elsewhereAfter && s.announcing():
		all := s.peerPaths()
		return []Path{all[(r.tries-elsewhereAfter)%len(all)]}
	}
	return []Path{s.path}
}

// transmit sends a request, bit-identical each time (RFC 7296 2.1), on the paths that are due (RFC 4555 3.5).
func (s *Session) transmit(r *request) {
	for _, p := range s.routes(r) {
		if !s.mayReach(p, r) {
			continue
		}
		if !slices.Contains(r.paths, p) {
			r.paths = append(r.paths, p)
		}
		s.send(p, r.datagrams)
	}
}

// mayReach keeps account of what goes to an unproven address. The check itself always may: it is small, and the
// repetitions of one request are few.
func (s *Session) mayReach(p Path, r *request) bool {
	if s.origInitiator || !s.rr.wanted || p.Remote.Addr() != s.rr.target.Remote.Addr() {
		return true
	}
	n := 0
	for _, d := range r.datagrams {
		n += len(d)
	}
	if r.kind != requestRoutability && s.rr.octets+n > maxUnprovenOctets {
		return false
	}
	s.rr.octets += n
	return true
}

// peerPaths are the present path and those to the peer's other addresses that our local address can reach.
func (s *Session) peerPaths() []Path {
	all := []Path{s.path}
	for _, a := range s.peerAddrs {
		p := s.path
		p.Remote = netip.AddrPortFrom(a, s.path.Remote.Port())
		if sameFamily(p) && DefaultAcceptPath(p) == nil && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

func sameFamily(p Path) bool { return p.Local.Addr().Unmap().Is4() == p.Remote.Addr().Unmap().Is4() }
