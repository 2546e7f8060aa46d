// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"net/netip"
	"sync"
)

// errNoAddress says that all inner addresses are taken; the UE is told INTERNAL_ADDRESS_FAILURE (RFC 7296 3.10.1).
var errNoAddress = errors.New("no free inner address; enlarge nwu.uePools")

// addressPool gives inner addresses to UEs, one at a time and in turn, so that an address rests as long as possible before another
// UE gets it: packets of its former owner may still be under way.
type addressPool struct {
	mu       sync.Mutex
	prefixes []netip.Prefix
	used     map[netip.Addr]bool // reserved addresses stay in it for ever
	prefix   int                 // where the search goes on
	next     netip.Addr
}

// newAddressPool makes a pool that never gives out the reserved addresses, nor the network and broadcast address of an IPv4 prefix.
func newAddressPool(prefixes []netip.Prefix, reserved ...netip.Addr) *addressPool {
	p := &addressPool{used: map[netip.Addr]bool{}}
	for _, prefix := range prefixes {
		prefix = prefix.Masked()
		p.prefixes = append(p.prefixes, prefix)
		if a := prefix.Addr(); prefix.Bits() < a.BitLen()-1 {
			p.used[a] = true
			if a.Is4() {
				p.used[lastAddr(prefix)] = true
			}
		}
	}
	for _, a := range reserved {
		p.used[a] = true
	}
	if len(p.prefixes) > 0 {
		p.next = p.prefixes[0].Addr()
	}
	return p
}

// allocate takes a free address. It looks at each address once at most, and at no more than one beyond the used ones.
func (p *addressPool) allocate() (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.prefixes) == 0 {
		return netip.Addr{}, errNoAddress
	}
	for range len(p.used) + len(p.prefixes) + 1 {
		a := p.next
		p.advance()
		if !p.used[a] {
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
