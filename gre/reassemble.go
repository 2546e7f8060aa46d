// SPDX-License-Identifier: Apache-2.0

package gre

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A UE's stack may fragment the carrier rather than the ESP packet: Linux does so when a user packet does not fit its tunnel
// device. The limits keep what unfinished packets cost below 1 MiB a Reassembler, and one UE from taking it all.
const (
	reassemblySlots    = 32
	reassemblyPerOwner = 4
	reassemblyPieces   = 16       // fragments of one packet
	reassemblyMax      = 16 << 10 // octets behind the IP header: more than the largest MTU in use
	reassemblyTimeout  = 10 * time.Second
)

// Reassembler joins the fragments of carrier packets (RFC 791 3.2, RFC 8200 4.5). It belongs to one goroutine.
type Reassembler struct {
	slots [reassemblySlots]assembly
	whole []byte
}

// assembly is one packet of which not all fragments have come.
type assembly struct {
	used   bool
	key    fragmentKey
	began  time.Time
	data   []byte // what has come, at its place
	head   [ipv6Len]byte
	total  int // length of data when the last fragment has come, else 0
	first  bool
	pieces []piece // in order of arrival, not overlapping
}

type piece struct{ from, upto int }

type fragmentKey struct {
	owner               uint64
	source, destination netip.Addr
	id                  uint32
	protocol            uint8
}

// fragment is a fragment's place.
type fragment struct {
	key     fragmentKey
	head    []byte // IP header that the whole packet gets
	from    int
	more    bool
	payload []byte
}

// Add takes a packet for which Decode said DropFragment. owner is whose it is (the child SA), so that UEs cannot mix their
// fragments into those of others. When the packet is complete it is returned, ready for Decode, good until the next call; its
// IPv4 checksum is not renewed. kept tells that the fragment waits for others. Neither: it is malformed, overlaps another or is
// one too many, and what had come of its packet is dropped with it.
func (r *Reassembler) Add(owner uint64, packet []byte, now time.Time) (whole []byte, kept bool) {
	f, ok := parseFragment(owner, packet)
	if !ok {
		return nil, false
	}
	a := r.slot(f.key, now)
	if !a.add(f) {
		a.used = false
		return nil, false
	}
	if !a.complete() {
		return nil, true
	}
	a.used = false
	n := ipv4Len
	if f.key.source.Is6() {
		n = ipv6Len
		binary.BigEndian.PutUint16(a.head[4:], uint16(a.total))
	} else {
		binary.BigEndian.PutUint16(a.head[2:], uint16(ipv4Len+a.total))
	}
	r.whole = append(append(r.whole[:0], a.head[:n]...), a.data[:a.total]...)
	return r.whole, false
}

// parseFragment reads the IP header of a fragment; options of IPv4 are left out of the whole packet.
func parseFragment(owner uint64, b []byte) (f fragment, ok bool) {
	if len(b) < ipv4Len {
		return f, false
	}
	var field uint16
	f.key.owner = owner
	switch b[0] >> 4 {
	case 4:
		ihl, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
		if ihl < ipv4Len || total < ihl || total > len(b) {
			return f, false
		}
		f.key.source, f.key.destination = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		f.key.id, f.key.protocol = uint32(binary.BigEndian.Uint16(b[4:])), b[9]
		field = binary.BigEndian.Uint16(b[6:])
		f.from, f.more = int(field&0x1fff)*8, field&0x2000 != 0
		f.head, f.payload = b[:ipv4Len], b[ihl:total]
	case 6:
		const fragmentHeader = 8
		if len(b) < ipv6Len+fragmentHeader || b[6] != 44 {
			return f, false
		}
		total := ipv6Len + int(binary.BigEndian.Uint16(b[4:]))
		if total < ipv6Len+fragmentHeader || total > len(b) {
			return f, false
		}
		f.key.source, f.key.destination = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		f.key.id, f.key.protocol = binary.BigEndian.Uint32(b[44:]), b[40]
		field = binary.BigEndian.Uint16(b[42:])
		f.from, f.more = int(field&0xfff8), field&1 != 0
		f.head, f.payload = b[:ipv6Len], b[ipv6Len+fragmentHeader:total]
	default:
		return f, false
	}
	// Only GRE is of interest; all but the last fragment are multiples of 8 octets.
	if f.key.protocol != protocolGRE || len(f.payload) == 0 || f.more && len(f.payload)%8 != 0 || f.from+len(f.payload) > reassemblyMax {
		return f, false
	}
	return f, true
}

// slot finds the packet of a fragment, or makes room for it: in a free or expired slot, else in the owner's oldest when it has
// its share already, else in the oldest of all.
func (r *Reassembler) slot(key fragmentKey, now time.Time) *assembly {
	var free, oldest, own *assembly
	owned := 0
	for i := range r.slots {
		a := &r.slots[i]
		if a.used && now.Sub(a.began) > reassemblyTimeout {
			a.used = false
		}
		if !a.used {
			free = a
			continue
		}
		if a.key == key {
			return a
		}
		if a.key.owner == key.owner {
			if owned++; own == nil || a.began.Before(own.began) {
				own = a
			}
		}
		if oldest == nil || a.began.Before(oldest.began) {
			oldest = a
		}
	}
	a := free
	if owned >= reassemblyPerOwner {
		a = own
	} else if a == nil {
		a = oldest
	}
	*a = assembly{used: true, key: key, began: now, data: a.data[:0], pieces: a.pieces[:0]}
	return a
}

// add puts a fragment in its place; false gives the packet up.
func (a *assembly) add(f fragment) bool {
	p := piece{f.from, f.from + len(f.payload)}
	for _, q := range a.pieces {
		if q == p {
			return true // a duplicate
		}
		if p.from < q.upto && q.from < p.upto {
			return false
		}
		if !f.more && q.upto > p.upto {
			return false // behind the end
		}
	}
	if len(a.pieces) == reassemblyPieces || a.total > 0 && (!f.more || p.upto > a.total) {
		return false
	}
	if f.from == 0 {
		copy(a.head[:], f.head)
		if len(f.head) == ipv4Len {
			a.head[0] = 0x45
			a.head[6], a.head[7] = 0, 0
		} else {
			a.head[6] = f.key.protocol
		}
		a.first = true
	}
	if !f.more {
		a.total = p.upto
	}
	if p.upto > len(a.data) {
		if cap(a.data) < p.upto {
			a.data = append(make([]byte, 0, reassemblyMax), a.data...)
		}
		a.data = a.data[:p.upto]
	}
	copy(a.data[p.from:], f.payload)
	a.pieces = append(a.pieces, p)
	return true
}

// complete tells whether all octets have come: pieces do not overlap, so adding them up is enough.
func (a *assembly) complete() bool {
	sum := 0
	for _, p := range a.pieces {
		sum += p.upto - p.from
	}
	return a.first && a.total > 0 && sum == a.total
}
