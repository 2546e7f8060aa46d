// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"slices"
)

// elsewhereAfter is how many repetitions in vain send a responder's address list to the peer's other addresses.
const elsewhereAfter = 2

// routes are the paths that a request goes on now. It is the present one, but for
//   - a check of another path,
//   - an initiator's test of several, during which whatever is outstanding is the probe, so that the window is kept,
//   - a responder's wish that the peer leaves an address that has gone, which a NAT may let in from there only,
//   - the news of a responder's addresses, which also tries the peer's other ones (RFC 4555 3.6).
func (s *Session) routes(r *request) []Path {
	switch {
	case r.only != nil:
		return []Path{*r.only}
	case s.test != nil:
		return s.test.round(r, len(s.sa.outstanding))
	case r.kind == requestSwitch && s.switching.former.Local.IsValid():
		return []Path{s.switching.former, s.path}
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
