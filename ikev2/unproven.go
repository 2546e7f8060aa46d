// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"slices"
)

const (
	// maxUnprovenOctets bounds what our requests and their repetitions send to an address that the peer has named but not
	// proven (RFC 4555 3.7): a forged source must not make us a weapon against its owner.
	maxUnprovenOctets = 64 << 10
	// maxUnproven bounds the addresses that have an account of their own; all further ones share one.
	maxUnproven = 16
)

// unproven is the account of an address: what was sent there since it was proven last. It stays when the peer goes
// elsewhere and comes back, so that going to and fro gains nothing.
type unproven struct {
	addr   netip.Addr // zero: all that there is no room for
	octets int
}

// account is that of a.
func (m *mobility) account(a netip.Addr) *unproven {
	if len(m.unproven) >= maxUnproven && !slices.ContainsFunc(m.unproven, func(u unproven) bool { return u.addr == a }) {
		a = netip.Addr{}
	}
	i := slices.IndexFunc(m.unproven, func(u unproven) bool { return u.addr == a })
	if i < 0 {
		i = len(m.unproven)
		m.unproven = append(m.unproven, unproven{addr: a})
	}
	return &m.unproven[i]
}

// mayReach keeps account of what goes to an unproven address. The check itself always may: it is small, and the
// repetitions of one request are few. When the account is used up, the oldest request still may once after each update:
// a window that stays full would keep the check back for ever.
func (s *Session) mayReach(p Path, r *request) bool {
	if s.origInitiator || !s.rr.wanted || p.Remote.Addr() != s.rr.target.Remote.Addr() {
		return true
	}
	n := 0
	for _, d := range r.datagrams {
		n += len(d)
	}
	u := s.account(p.Remote.Addr())
	if r.kind != requestRoutability && u.octets+n > maxUnprovenOctets {
		if s.rr.opened || len(s.sa.outstanding) > 0 && s.sa.outstanding[0] != r {
			return false
		}
		s.rr.opened = true
	}
	u.octets += n
	return true
}
