// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"fmt"
	"net/netip"
)

// Path is where the packets of an SA go: our address and the peer's. It is a value; two paths are the same when they compare equal.
// Addresses are never IPv4-mapped IPv6 addresses.
type Path struct {
	Local  netip.AddrPort
	Remote netip.AddrPort
	// NATT tells that ESP is encapsulated in UDP (RFC 3948) and that IKE carries the non-ESP marker (RFC 7296 3.1). Without it ESP is
	// IP protocol 50 (RFC 4303), where the ports mean nothing, and IKE goes without marker (port 500).
	NATT bool
}

// String gives the path as "local -> remote (udp|plain)".
func (p Path) String() string {
	kind := "plain"
	if p.NATT {
		kind = "udp"
	}
	return fmt.Sprintf("%s -> %s (%s)", p.Local, p.Remote, kind)
}

// SameESP tells whether ESP packets on both paths look the same on the wire: ports do not count for plain ESP.
func (p Path) SameESP(q Path) bool {
	if p.NATT != q.NATT {
		return false
	}
	if p.NATT {
		return p.Remote == q.Remote && p.Local == q.Local
	}
	return p.Remote.Addr() == q.Remote.Addr() && p.Local.Addr() == q.Local.Addr()
}

// Validate tells what is wrong with p as the path of an SA: addresses missing, of two families, or ports missing for UDP.
func (p Path) Validate() error {
	l, r := p.Local.Addr(), p.Remote.Addr()
	switch {
	case !l.IsValid() || !r.IsValid() || l.IsUnspecified() || r.IsUnspecified():
		return fmt.Errorf("%w: %s: both addresses must be given", ErrPath, p)
	case l.Is4In6() || r.Is4In6():
		return fmt.Errorf("%w: %s: IPv4-mapped address", ErrPath, p)
	case l.Is4() != r.Is4():
		return fmt.Errorf("%w: %s: addresses of two families", ErrPath, p)
	case p.NATT && (p.Local.Port() == 0 || p.Remote.Port() == 0):
		return fmt.Errorf("%w: %s: UDP encapsulation needs both ports", ErrPath, p)
	}
	return nil
}

// Target is a path and how far it may be used.
type Target struct {
	Path Path
	// Limit is how many octets of ESP packets (outer headers not counted) may be sent to the path while it is unproven, shared by all
	// SAs of one Move; Unlimited for a proven path. 0 holds: nothing is sent until the next Move.
	Limit int64
	// Room, when not nil and the Limit is above 0, is what is used up instead. Whoever keeps it for a peer's address has that address
	// counted on over any number of Moves and Installs, and whatever lies between.
	Room *Room
}

// NewRoom is what is left of an unproven path: t.Room, or a new one of t.Limit octets.
func (t Target) NewRoom() *Room {
	if t.Room != nil && t.Limit > 0 {
		return t.Room
	}
	return NewRoom(t.Limit)
}

// Unlimited is the Limit of a path whose peer is known to be there (return routability shown, or policy does not ask).
const Unlimited int64 = -1
