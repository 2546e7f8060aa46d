// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

func (l *link) String() string {
	if l.behind == nil {
		return l.addr.String()
	}
	return fmt.Sprintf("%v behind %v (%v)", l.addr, l.behind.public, l.behind.kind)
}

func (k natKind) String() string {
	return [...]string{"full cone", "restricted cone", "port-restricted cone", "symmetric"}[k]
}

func sortLinks(all []*link) {
	slices.SortFunc(all, func(a, b *link) int { return a.addr.Compare(b.addr) })
}

// newLink finds a network for a UE: public, of either family, or behind one of the NATs. Addresses that others have
// left are used again. With allowed it is one that every gateway serves.
func (n *network) newLink(u *ue, rng *rand.Rand, allowed bool) *link {
	for {
		l := &link{}
		switch rng.IntN(4) {
		case 0:
			last := byte(1 + rng.IntN(6))
			if one(rng, 4) {
				last += 192 // forbidden by some
			}
			l.addr = netip.AddrFrom4([4]byte{198, 51, 100, last})
		case 1:
			l.addr = netip.MustParseAddr(fmt.Sprintf("2001:db8:1::%d", 1+rng.IntN(6)))
		default:
			i := rng.IntN(len(n.nats))
			l.behind = n.nats[i]
			l.addr = netip.AddrFrom4([4]byte{10, byte(i), byte(u.index), byte(1 + rng.IntN(3))})
		}
		taken := n.where[l.addr] != nil || u.host.links[l.addr] != nil
		if taken || allowed && l.behind == nil && forbidden(l.addr) {
			continue
		}
		return l
	}
}

func newNetwork(w *world) *network {
	n := &network{w: w, rng: w.random("network"), where: map[netip.Addr]any{}, captive: map[netip.Addr]bool{}}
	p := &w.profile
	n.loss, n.dup, n.corrupt, n.latency, n.jitter = p.loss, p.dup, p.corrupt, p.latency, p.jitter
	rng := w.random("nats")
	for i := range p.nats {
		public := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + 10*i)})
		t := newNAT(w, natKind(rng.IntN(int(natKinds))), public, time.Duration(35+rng.IntN(200))*time.Second, one(rng, 2), rng)
		n.nats = append(n.nats, t)
		n.where[public] = t
	}
	return n
}

// rebind makes a NAT lose its mappings, and perhaps its address.
func (n *network) rebind(t *nat, rng *rand.Rand, address bool) {
	t.forget()
	if address {
		for {
			next := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + rng.IntN(200))})
			if n.where[next] == nil {
				delete(n.where, t.public)
				t.public = next
				n.where[next] = t
				break
			}
		}
	}
	if n.w.log.on() {
		n.w.log.print("%-10s NAT %v forgot its mappings", "net", t.public)
	}
}
