// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// pool gives IPv4 addresses: first those that were never used, then the one that was free for the longest time.
type pool struct {
	next, last uint64 // not used yet
	freed      []netip.Addr
}

func newPool(p netip.Prefix) (pool, error) {
	if !p.IsValid() || !p.Addr().Is4() {
		return pool{}, fmt.Errorf("%w: pool %s: give an IPv4 prefix", ErrInvalid, p)
	}
	a := p.Masked().Addr().As4()
	first := uint64(binary.BigEndian.Uint32(a[:]))
	last := first + 1<<(32-p.Bits()) - 1
	if p.Bits() <= 30 {
		first, last = first+1, last-1 // without the network's and the broadcast address
	}
	return pool{next: first, last: last}, nil
}

func (p *pool) take() (a netip.Addr, ok bool) {
	if p.next <= p.last {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(p.next))
		p.next++
		return netip.AddrFrom4(b), true
	}
	if len(p.freed) == 0 {
		return a, false
	}
	a, p.freed = p.freed[0], p.freed[1:]
	return a, true
}

func (p *pool) give(a netip.Addr) { p.freed = append(p.freed, a) }
