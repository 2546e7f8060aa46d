// SPDX-License-Identifier: Apache-2.0

package aper

import "math/bits"

// writer appends bits to buf. The outermost value starts at an octet boundary of buf, so that alignment counts from
// the start of buf. The first error sticks.
type writer struct {
	buf  []byte
	free int // unused low bits of the last octet, 0..7
	err  *Error
	path []string
}

func (w *writer) fail(detail string) {
	if w.err == nil {
		w.err = &Error{Kind: Constraint, Offset: 8*len(w.buf) - w.free, Detail: detail}
	}
}

// bits writes the low n bits of v, n at most 64.
func (w *writer) bits(v uint64, n int) {
	for n > 0 {
		if w.free == 0 {
			w.buf = append(w.buf, 0)
			w.free = 8
		}
		take := min(w.free, n)
		w.buf[len(w.buf)-1] |= byte(v >> (n - take) & (1<<take - 1) << (w.free - take))
		w.free -= take
		n -= take
	}
}

func (w *writer) bit(b bool) {
	if b {
		w.bits(1, 1)
	} else {
		w.bits(0, 1)
	}
}

func (w *writer) align() { w.free = 0 }

func (w *writer) octets(b []byte) {
	if w.free == 0 {
		w.buf = append(w.buf, b...)
		return
	}
	for _, o := range b {
		w.bits(uint64(o), 8)
	}
}

// bitField writes the first n bits of b.
func (w *writer) bitField(b []byte, n int) {
	w.octets(b[:n/8])
	if k := n % 8; k != 0 {
		w.bits(uint64(b[n/8]>>(8-k)), k)
	}
}

func (w *writer) constrained(v, lb, ub uint64) {
	if v < lb || v > ub {
		w.fail("number out of bounds")
		return
	}
	span := ub - lb
	v -= lb
	switch {
	case span == 0:
	case span < 255:
		w.bits(v, bits.Len64(span))
	case span == 255:
		w.align()
		w.bits(v, 8)
	case span < 65536:
		w.align()
		w.bits(v, 16)
	default:
		octets := uint64(bits.Len64(span)+7) / 8
		n := max(1, (bits.Len64(v)+7)/8)
		w.bits(uint64(n-1), bits.Len64(octets-1))
		w.align()
		w.bits(v, 8*n)
	}
}

// unconstrained writes a number in minimal two's complement; negative says that v is the pattern of an int64.
func (w *writer) unconstrained(v uint64, negative bool) {
	var n int
	if negative {
		n = bits.Len64(^v)/8 + 1
	} else {
		n = bits.Len64(v)/8 + 1
	}
	w.length(n)
	if n == 9 {
		w.bits(0, 8)
		n = 8
	}
	w.bits(v, 8*n)
}

func (w *writer) semiConstrained(v uint64) {
	n := max(1, (bits.Len64(v)+7)/8)
	w.length(n)
	w.bits(v, 8*n)
}

func (w *writer) normallySmall(v uint64) {
	if v < 64 {
		w.bits(v, 7)
		return
	}
	w.bits(1, 1)
	w.semiConstrained(v)
}

// length writes a general length below 16384.
func (w *writer) length(n int) {
	w.align()
	switch {
	case n < 128:
		w.buf = append(w.buf, byte(n))
	case n < 16384:
		w.buf = append(w.buf, 0x80|byte(n>>8), byte(n))
	default:
		w.fail("length needs fragments here")
	}
}

// generalOctets writes octets with a general length, in fragments from 16384 on.
func (w *writer) generalOctets(b []byte) {
	for len(b) >= 16384 {
		m := min(4, len(b)>>14)
		w.align()
		w.buf = append(w.buf, 0xc0|byte(m))
		w.buf = append(w.buf, b[:m<<14]...)
		b = b[m<<14:]
	}
	w.length(len(b))
	w.buf = append(w.buf, b...)
}

// size writes the length n of a value with the bounds s and says whether the value is outside of the root.
func (w *writer) size(n int, s *size) (extended bool) {
	in := !s.bounded || n >= s.lb && n <= s.ub
	if s.extensible {
		w.bit(!in)
		if !in {
			w.length(n)
			return true
		}
	}
	switch {
	case !in:
		w.fail("size out of bounds")
	case s.bounded && s.ub < 65536:
		w.constrained(uint64(n), uint64(s.lb), uint64(s.ub))
	default:
		w.length(n)
	}
	return false
}

// open writes an open type whose content f writes. The content is written in place and moved when its length needs
// more than one octet.
func (w *writer) open(f func()) {
	w.align()
	start := len(w.buf)
	w.buf = append(w.buf, 0)
	f()
	w.align()
	n := len(w.buf) - start - 1
	switch {
	case n == 0:
		w.buf[start] = 1
		w.buf = append(w.buf, 0)
	case n < 128:
		w.buf[start] = byte(n)
	case n < 16384:
		w.buf = append(w.buf, 0)
		copy(w.buf[start+2:], w.buf[start+1:])
		w.buf[start], w.buf[start+1] = 0x80|byte(n>>8), byte(n)
	default:
		content := append([]byte(nil), w.buf[start+1:]...)
		w.buf = w.buf[:start]
		w.generalOctets(content)
	}
}
