// SPDX-License-Identifier: Apache-2.0

package gre

import "encoding/binary"

const (
	fragmentHeaderLen = 8 // IPv6
	// MaxFragmentHead is the most that Fragment writes: IPv6 header, fragment header and GRE header.
	MaxFragmentHead = ipv6Len + fragmentHeaderLen + HeaderLen
	// MinFragment is the shortest packet that Fragment can be asked for: its headers and 8 octets more.
	MinFragment = MaxFragmentHead + 8
)

// Fragment makes one IP fragment (RFC 791 3.2, RFC 8200 4.5) of the carrier packet with that PDU: the headers in b, whose length is given, and
// the part of the PDU that follows them. from is 0 for the first one, then what the call before gave as next, until that is 0. No fragment is
// longer than longest (at least MinFragment). id must differ between packets of this carrier. For the one who must not allocate: the PDU is not
// copied, b (of MaxFragmentHead octets) is the caller's.
func (c *Carrier) Fragment(b []byte, h Header, pdu []byte, from int, id uint32, longest int) (head int, part []byte, next int) {
	n := int(c.ipLen)
	if n == ipv6Len {
		n += fragmentHeaderLen
	}
	total := HeaderLen + len(pdu) // what is cut into pieces
	end := total
	more := uint16(0)
	if room := longest - n; total-from > room {
		end, more = from+room&^7, 1
	}
	copy(b[:c.ipLen], c.template[:c.ipLen])
	if c.ipLen == ipv4Len {
		length := uint16(n + end - from)
		field := more<<13 | uint16(from/8)
		binary.BigEndian.PutUint16(b[2:], length)
		binary.BigEndian.PutUint16(b[4:], uint16(id))
		binary.BigEndian.PutUint16(b[6:], field)
		binary.BigEndian.PutUint16(b[10:], fold(c.sum+uint32(length)+id&0xffff+uint32(field)))
	} else {
		const nextFragment = 44
		binary.BigEndian.PutUint16(b[4:], uint16(fragmentHeaderLen+end-from))
		b[6] = nextFragment
		b[40], b[41] = protocolGRE, 0
		binary.BigEndian.PutUint16(b[42:], uint16(from)|more)
		binary.BigEndian.PutUint32(b[44:], id)
	}
	if from == 0 {
		h.Put(b[n:])
		n += HeaderLen
		from = HeaderLen
	}
	if more == 1 {
		next = end
	}
	return n, pdu[from-HeaderLen : end-HeaderLen], next
}
