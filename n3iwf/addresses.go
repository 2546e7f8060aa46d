// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
)

// errNoAddress says that all inner addresses are taken; the UE is told INTERNAL_ADDRESS_FAILURE (RFC 7296 3.10.1).
var errNoAddress = errors.New("no free inner address; enlarge nwu.uePools")

// addressPool gives inner addresses to UEs, one at a time and in turn, so that an address rests as long as possible before another
// UE gets it: packets of its former owner may still be under way.
type addressPool struct {
	mu       sync.Mutex
	prefixes []netip.Prefix
	reserved map[netip.Addr]bool // never given out
	used     map[netip.Addr]bool
	lent     map[netip.Addr]bool // of used, those whose UE has gone to another node
	node     int                 // gives out only its own share of the addresses
	bits     int
	prefix   int // where the search goes on
	next     netip.Addr
}

// newAddressPool makes a pool that never gives out the reserved addresses, nor the network and broadcast address of an IPv4 prefix.
func newAddressPool(prefixes []netip.Prefix, node, bits int, reserved ...netip.Addr) *addressPool {
	p := &addressPool{used: map[netip.Addr]bool{}, lent: map[netip.Addr]bool{}, node: node, bits: bits}
	p.set(prefixes, reserved)
	return p
}

// set gives the pool other prefixes and reserved addresses.
func (p *addressPool) set(prefixes []netip.Prefix, reserved []netip.Addr) {
	p.prefixes, p.reserved = nil, map[netip.Addr]bool{}
	for _, prefix := range prefixes {
		prefix = prefix.Masked()
		p.prefixes = append(p.prefixes, prefix)
		if a := prefix.Addr(); prefix.Bits() < a.BitLen()-1 {
			p.reserved[a] = true
			if a.Is4() {
				p.reserved[lastAddr(prefix)] = true
			}
		}
	}
	for _, a := range reserved {
		p.reserved[a] = true
	}
	if p.prefix = slices.IndexFunc(p.prefixes, func(prefix netip.Prefix) bool { return p.next.IsValid() && prefix.Contains(p.next) }); p.prefix >= 0 {
		return // the search goes on where it was
	}
	p.prefix, p.next = 0, netip.Addr{}
	if len(p.prefixes) > 0 {
		p.next = p.prefixes[0].Addr()
	}
}

// outside counts the addresses of UEs that the pool would not have any more with these prefixes and reserved addresses. p.mu is held.
func (p *addressPool) outside(prefixes []netip.Prefix, reserved []netip.Addr) (n int) {
	var next addressPool
	next.set(prefixes, reserved)
	for a := range p.used {
		if !next.has(a) {
			n++
		}
	}
	return n
}

// prefixOf is the prefix of an address that the pool has given out.
func (p *addressPool) prefixOf(a netip.Addr) netip.Prefix {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, prefix := range p.prefixes {
		if prefix.Contains(a) {
			return prefix
		}
	}
	return netip.PrefixFrom(a, a.BitLen())
}

// has tells whether the address is one that UEs can have.
func (p *addressPool) has(a netip.Addr) bool {
	return !p.reserved[a] && slices.ContainsFunc(p.prefixes, func(prefix netip.Prefix) bool { return prefix.Contains(a) })
}

// empty tells that there are no prefixes of this family.
func (p *addressPool) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.prefixes) == 0
}

// allocate takes a free address. It looks at each address once at most, and at no more than one beyond the used ones of this node's share.
func (p *addressPool) allocate() (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.prefixes) == 0 {
		return netip.Addr{}, errNoAddress
	}
	for range (len(p.used) + len(p.reserved) + len(p.prefixes) + 1) << p.bits {
		a := p.next
		p.advance()
		if !p.used[a] && !p.reserved[a] && nodeOfAddress(a, p.bits) == p.node {
			p.used[a] = true
			return a, nil
		}
	}
	return netip.Addr{}, errNoAddress
}

func (p *addressPool) advance() {
	p.next = p.next.Next()
	if !p.next.IsValid() || !p.prefixes[p.prefix].Contains(p.next) {
		p.prefix = (p.prefix + 1) % len(p.prefixes)
		p.next = p.prefixes[p.prefix].Addr()
	}
}

// take takes the address that a UE brings from another node. False when another UE has it.
func (p *addressPool) take(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used[a] && !p.lent[a] || !p.has(a) {
		return false
	}
	delete(p.lent, a)
	p.used[a] = true
	return true
}

// undoTake gives an address back that take has taken, to whom it was lent.
func (p *addressPool) undoTake(a netip.Addr) {
	p.lend(a)
}

// lend lets an address go with its UE to another node. One of this node's share is not given to anybody else until it is released.
func (p *addressPool) lend(a netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if nodeOfAddress(a, p.bits) == p.node {
		p.lent[a] = true
	} else {
		delete(p.used, a)
	}
}

// takeBack releases an address that was lent, and no other.
func (p *addressPool) takeBack(a netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lent[a] {
		delete(p.lent, a)
		delete(p.used, a)
	}
}

// release gives an address back. The zero address is ignored.
func (p *addressPool) release(a netip.Addr) {
	p.mu.Lock()
	delete(p.used, a)
	p.mu.Unlock()
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
