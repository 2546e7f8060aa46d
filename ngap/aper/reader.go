// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"fmt"
	"math/bits"
)

// reader takes bits from data[:end]. The first error sticks; later reads give zeros.
type reader struct {
	data   []byte
	pos    int // in bits
	end    int // in bits
	err    *Error
	path   []string // innermost first, filled while unwinding from err
	issues []Issue
	depth  int // containers around the present value
	// unknown is set when an enumeration value beyond the description was read; the container that
	// surrounds it turns it into an issue.
	unknown bool
}

func (r *reader) fail(k ErrorKind, detail string) {
	if r.err == nil {
		r.err = &Error{Kind: k, Offset: r.pos, Detail: detail}
	}
}

func (r *reader) need(n int) bool {
	if r.err != nil {
		return false
	}
	if n > r.end-r.pos {
		r.fail(Truncated, "value ends early")
		return false
	}
	return true
}

// bits reads n bits, n at most 64.
func (r *reader) bits(n int) uint64 {
	if !r.need(n) {
		return 0
	}
	var v uint64
	for n > 0 {
		free := 8 - r.pos&7
		take := min(free, n)
		b := uint64(r.data[r.pos>>3]) >> (free - take) & (1<<take - 1)
		v = v<<take | b
		r.pos += take
		n -= take
	}
	return v
}

func (r *reader) bit() bool { return r.bits(1) == 1 }

func (r *reader) align() {
	if r.err == nil && r.pos&7 != 0 {
		r.pos = min((r.pos+7)&^7, r.end)
	}
}

// octets returns n octets from an octet boundary, without copying.
func (r *reader) octets(n int) []byte {
	if n > (r.end-r.pos)>>3 {
		r.need(8*n + 1)
		return nil
	}
	if r.err != nil {
		return nil
	}
	p := r.pos >> 3
	r.pos += 8 * n
	return r.data[p : p+n : p+n]
}

// bitField returns n bits left-aligned with zero padding. It aliases the input where that is possible.
func (r *reader) bitField(n int) []byte {
	if !r.need(n) {
		return nil
	}
	if r.pos&7 == 0 && n&7 == 0 {
		return r.octets(n / 8)
	}
	out := make([]byte, (n+7)/8)
	for i := range out {
		k := min(8, n-8*i)
		out[i] = byte(r.bits(k) << (8 - k))
	}
	return out
}

// constrained reads a whole number of lb..ub (X.691 11.5).
func (r *reader) constrained(lb, ub uint64) uint64 {
	span := ub - lb // range - 1
	switch {
	case span == 0:
		return lb
	case span < 255:
		v := r.bits(bits.Len64(span))
		if v > span {
			r.fail(Constraint, "number above its upper bound")
			return lb
		}
		return lb + v
	case span == 255:
		r.align()
		return lb + r.bits(8)
	case span < 65536:
		r.align()
		v := r.bits(16)
		if v > span {
			r.fail(Constraint, "number above its upper bound")
			return lb
		}
		return lb + v
	}
	octets := uint64(bits.Len64(span)+7) / 8
	n := r.bits(bits.Len64(octets-1)) + 1
	if n > octets {
		r.fail(Malformed, "length of number above that of its upper bound")
		return lb
	}
	r.align()
	v := r.bits(int(n) * 8)
	if v > span {
		r.fail(Constraint, "number above its upper bound")
		return lb
	}
	return lb + v
}

// unconstrained reads a two's complement number with a length (X.691 11.8), as its 64-bit pattern; negative tells
// the sign.
func (r *reader) unconstrained() (v uint64, negative bool) {
	n := r.length()
	if r.err != nil {
		return 0, false
	}
	b := r.octets(n)
	if r.err != nil {
		return 0, false
	}
	if n == 0 {
		r.fail(Malformed, "number without octets")
		return 0, false
	}
	negative = b[0]&0x80 != 0
	if n > 9 || n == 9 && b[0] != 0 {
		r.fail(Constraint, "number above 64 bits")
		return 0, false
	}
	if negative {
		v = ^uint64(0)
	}
	for _, o := range b {
		v = v<<8 | uint64(o)
	}
	return v, negative
}

// semiConstrained reads an unsigned number with a length, lower bound 0 (X.691 11.7).
func (r *reader) semiConstrained() uint64 {
	n := r.length()
	b := r.octets(n)
	if r.err != nil {
		return 0
	}
	if n == 0 {
		r.fail(Malformed, "number without octets")
		return 0
	}
	var v uint64
	for i, o := range b {
		if n-i > 8 && o != 0 {
			r.fail(Constraint, "number above 64 bits")
			return 0
		}
		v = v<<8 | uint64(o)
	}
	return v
}

// normallySmall reads a normally small non-negative number (X.691 11.6).
func (r *reader) normallySmall() uint64 {
	if !r.bit() {
		return r.bits(6)
	}
	return r.semiConstrained()
}

// length reads a general length that must not be fragmented.
func (r *reader) length() int {
	n, more := r.fragment()
	if more {
		r.fail(Malformed, "fragmented where a short length is due")
		return 0
	}
	return n
}

// fragment reads one general length determinant (X.691 11.9.3.5 to 11.9.3.8); more says that another one follows
// the n units.
func (r *reader) fragment() (n int, more bool) {
	r.align()
	switch b := r.bits(8); {
	case b < 0x80:
		return int(b), false
	case b < 0xc0:
		return int(b&0x3f)<<8 | int(r.bits(8)), false
	default:
		m := int(b & 0x3f)
		if m < 1 || m > 4 {
			r.fail(Malformed, "fragment of no or more than 4 times 16384 units")
			return 0, false
		}
		return m << 14, true
	}
}

// generalOctets reads octets with a general length, reassembling fragments. Only fragments are copied.
func (r *reader) generalOctets() []byte {
	n, more := r.fragment()
	b := r.octets(n)
	if !more {
		return b
	}
	out := append([]byte(nil), b...)
	for more && r.err == nil {
		n, more = r.fragment()
		out = append(out, r.octets(n)...)
	}
	return out
}

// size reads the length of a value with the bounds s, not fragmented: a count of bits, octets or items.
func (r *reader) size(s *size) (n int, extended bool) {
	if s.extensible && r.bit() {
		return r.length(), true
	}
	if !s.bounded {
		return r.length(), false
	}
	if s.ub < 65536 {
		return int(r.constrained(uint64(s.lb), uint64(s.ub))), false
	}
	n = r.length()
	if r.err == nil && (n < s.lb || n > s.ub) {
		r.fail(Constraint, "size out of bounds")
		return 0, false
	}
	return n, false
}

// open decodes the content of an open type with f.
func (r *reader) open(f func()) {
	data, more := r.peekOpen()
	if r.err != nil {
		return
	}
	if !more { // in place
		outer := r.end
		r.end = r.pos + 8*data
		start := r.pos
		f()
		r.finish(start)
		r.end = outer
		return
	}
	whole := append([]byte(nil), r.octets(data)...)
	for more && r.err == nil {
		var n int
		n, more = r.fragment()
		whole = append(whole, r.octets(n)...)
	}
	if r.err != nil {
		return
	}
	saved := *r
	r.data, r.pos, r.end = whole, 0, 8*len(whole)
	f()
	r.finish(0)
	r.data, r.pos, r.end = saved.data, saved.pos, saved.end
}

// finish skips the padding at the end of a complete encoding. Octets beyond it are an error: extensions announce
// themselves, so nothing can legitimately follow.
func (r *reader) finish(start int) {
	if r.err != nil {
		return
	}
	if r.end-max(r.pos, start+1) >= 8 { // a value of no bits takes one octet
		r.fail(Malformed, fmt.Sprintf("%d octets after the value", (r.end-r.pos)/8))
		return
	}
	r.pos = r.end
}

func (r *reader) peekOpen() (n int, more bool) {
	n, more = r.fragment()
	if r.err == nil && 8*n > r.end-r.pos {
		r.fail(Truncated, "open type ends early")
	}
	return n, more
}
