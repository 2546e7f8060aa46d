// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"fmt"
	"math/bits"
	"reflect"
	"unicode/utf8"
)

type boolCodec struct{}

func (boolCodec) encode(w *writer, v reflect.Value) { w.bit(v.Bool()) }
func (boolCodec) decode(r *reader, v reflect.Value) { v.SetBool(r.bit()) }
func (boolCodec) print(p *printer, v reflect.Value) { fmt.Fprint(p, v.Bool()) }
func (boolCodec) minBits() int                      { return 1 }

type nullCodec struct{}

func (nullCodec) encode(*writer, reflect.Value)     {}
func (nullCodec) decode(*reader, reflect.Value)     {}
func (nullCodec) print(p *printer, _ reflect.Value) { p.WriteString("NULL") }
func (nullCodec) minBits() int                      { return 0 }

// intCodec is X.691 clause 13.
type intCodec struct {
	lb, ub       uint64
	hasLB, hasUB bool
	extensible   bool
	signed       bool // the Go kind
}

func (c *intCodec) encode(w *writer, v reflect.Value) {
	var u uint64
	negative := false
	if c.signed {
		negative = v.Int() < 0
		u = uint64(v.Int())
	} else {
		u = v.Uint()
	}
	in := !c.hasLB || !negative && u >= c.lb && (!c.hasUB || u <= c.ub)
	if c.extensible {
		w.bit(!in)
		if !in {
			w.unconstrained(u, negative)
			return
		}
	}
	switch {
	case !in:
		w.fail(fmt.Sprintf("%v outside of %d..%d", v, c.lb, c.ub))
	case c.hasUB:
		w.constrained(u, c.lb, c.ub)
	case c.hasLB:
		w.semiConstrained(u)
	default:
		w.unconstrained(u, negative)
	}
}

func (c *intCodec) decode(r *reader, v reflect.Value) {
	var u uint64
	negative := false
	switch {
	case c.extensible && r.bit():
		u, negative = r.unconstrained()
	case c.hasUB:
		u = r.constrained(c.lb, c.ub)
	case c.hasLB:
		u = r.semiConstrained()
	default:
		u, negative = r.unconstrained()
	}
	if r.err != nil {
		return
	}
	if c.signed {
		if !negative && u>>63 != 0 || v.OverflowInt(int64(u)) {
			r.fail(Constraint, "number above its Go type")
			return
		}
		v.SetInt(int64(u))
		return
	}
	if negative || v.OverflowUint(u) {
		r.fail(Constraint, "extension value above its Go type")
		return
	}
	v.SetUint(u)
}

func (c *intCodec) print(p *printer, v reflect.Value) { fmt.Fprint(p, v.Interface()) }

func (c *intCodec) minBits() int {
	n := 0
	if c.extensible {
		n++
	}
	switch {
	case !c.hasUB:
		n += 16
	case c.ub-c.lb < 256:
		n += bits.Len64(c.ub - c.lb)
	case c.ub-c.lb < 65536:
		n += 16
	default:
		n += 8
	}
	return n
}

// enumCodec is X.691 clause 14.
type enumCodec struct {
	names      []string
	root       int
	extensible bool
	max        uint64
}

func (c *enumCodec) encode(w *writer, v reflect.Value) {
	u := v.Uint()
	in := u < uint64(c.root)
	if c.extensible {
		w.bit(!in)
		if !in {
			w.normallySmall(u - uint64(c.root))
			return
		}
	}
	if !in {
		w.fail(fmt.Sprintf("%d is no value of the enumeration", u))
		return
	}
	w.constrained(u, 0, uint64(c.root-1))
}

func (c *enumCodec) decode(r *reader, v reflect.Value) {
	var u uint64
	if c.extensible && r.bit() {
		u = r.normallySmall()
		if u > c.max-uint64(c.root) {
			r.fail(Constraint, "enumeration value above its Go type")
			return
		}
		u += uint64(c.root)
		if u >= uint64(len(c.names)) {
			r.unknown = true
		}
	} else {
		u = r.constrained(0, uint64(c.root-1))
	}
	v.SetUint(u)
}

func (c *enumCodec) name(u uint64) string {
	if u < uint64(len(c.names)) {
		return c.names[u]
	}
	return fmt.Sprintf("unknown(%d)", u)
}

func (c *enumCodec) print(p *printer, v reflect.Value) { p.WriteString(c.name(v.Uint())) }

func (c *enumCodec) minBits() int {
	n := bits.Len(uint(c.root - 1))
	if c.extensible {
		n = 1 + min(n, 7)
	}
	return n
}

// uintBitsCodec is a fixed BIT STRING in an integer, X.691 clause 16.
type uintBitsCodec struct{ n int }

func (c uintBitsCodec) encode(w *writer, v reflect.Value) {
	if bits.Len64(v.Uint()) > c.n {
		w.fail(fmt.Sprintf("%#x has more than %d bits", v.Uint(), c.n))
		return
	}
	if c.n > 16 {
		w.align()
	}
	w.bits(v.Uint(), c.n)
}

func (c uintBitsCodec) decode(r *reader, v reflect.Value) {
	if c.n > 16 {
		r.align()
	}
	v.SetUint(r.bits(c.n))
}

func (c uintBitsCodec) print(p *printer, v reflect.Value) {
	fmt.Fprintf(p, "%0*x", (c.n+3)/4, v.Uint())
}
func (c uintBitsCodec) minBits() int { return c.n }

// uintOctetsCodec is a fixed OCTET STRING in a big-endian integer, X.691 clause 17.
type uintOctetsCodec struct{ n int }

func (c uintOctetsCodec) encode(w *writer, v reflect.Value) {
	if bits.Len64(v.Uint()) > 8*c.n {
		w.fail(fmt.Sprintf("%#x has more than %d octets", v.Uint(), c.n))
		return
	}
	if c.n > 2 {
		w.align()
	}
	w.bits(v.Uint(), 8*c.n)
}

func (c uintOctetsCodec) decode(r *reader, v reflect.Value) {
	if c.n > 2 {
		r.align()
	}
	v.SetUint(r.bits(8 * c.n))
}

func (c uintOctetsCodec) print(p *printer, v reflect.Value) {
	fmt.Fprintf(p, "%0*x", 2*c.n, v.Uint())
}
func (c uintOctetsCodec) minBits() int { return 8 * c.n }

// arrayCodec is a fixed BIT or OCTET STRING of whole octets in an array.
type arrayCodec struct {
	n       int
	aligned bool
}

func (c arrayCodec) encode(w *writer, v reflect.Value) {
	if c.aligned {
		w.align()
	}
	w.octets(v.Bytes())
}

func (c arrayCodec) decode(r *reader, v reflect.Value) {
	if c.aligned {
		r.align()
	}
	copy(v.Bytes(), r.bitField(8*c.n))
}

func (c arrayCodec) print(p *printer, v reflect.Value) { fmt.Fprintf(p, "%x", v.Bytes()) }
func (c arrayCodec) minBits() int                      { return 8 * c.n }

// bitStringCodec is X.691 clause 16 for every other size.
type bitStringCodec struct{ size size }

func (c bitStringCodec) encode(w *writer, v reflect.Value) {
	b, n := v.Field(0).Bytes(), int(v.Field(1).Int())
	if n < 0 || len(b) != (n+7)/8 {
		w.fail(fmt.Sprintf("bit string of %d bits in %d octets", n, len(b)))
		return
	}
	if w.size(n, &c.size) || !c.size.fixed() || n > 16 {
		w.align()
	}
	w.bitField(b, n)
}

func (c bitStringCodec) decode(r *reader, v reflect.Value) {
	n, extended := r.size(&c.size)
	if extended || !c.size.fixed() || n > 16 {
		r.align()
	}
	b := r.bitField(n)
	if r.err != nil {
		return
	}
	v.Field(0).SetBytes(b)
	v.Field(1).SetInt(int64(n))
}

func (c bitStringCodec) print(p *printer, v reflect.Value) {
	fmt.Fprintf(p, "%x/%d", v.Field(0).Bytes(), v.Field(1).Int())
}
func (c bitStringCodec) minBits() int { return c.size.minBits(1) }

// minBits is that of a string of units of so many bits.
func (s *size) minBits(unit int) int {
	switch {
	case s.extensible:
		return 2
	case !s.bounded:
		return 8
	case s.fixed():
		return s.lb * unit
	}
	return 1 + s.lb*unit
}

// octetsCodec is X.691 clause 17.
type octetsCodec struct{ size size }

func (c octetsCodec) encode(w *writer, v reflect.Value) { encodeOctets(w, v.Bytes(), &c.size) }

func (c octetsCodec) decode(r *reader, v reflect.Value) {
	if b := decodeOctets(r, &c.size); r.err == nil {
		if b == nil {
			b = []byte{}
		}
		v.SetBytes(b)
	}
}

func (c octetsCodec) print(p *printer, v reflect.Value) { fmt.Fprintf(p, "%x", v.Bytes()) }
func (c octetsCodec) minBits() int                      { return c.size.minBits(8) }

func encodeOctets(w *writer, b []byte, s *size) {
	if !s.bounded && !s.extensible {
		w.generalOctets(b)
		return
	}
	if w.size(len(b), s) || !s.fixed() || len(b) > 2 {
		w.align()
	}
	w.octets(b)
}

func decodeOctets(r *reader, s *size) []byte {
	if !s.bounded && !s.extensible {
		return r.generalOctets()
	}
	n, extended := r.size(s)
	if extended || !s.fixed() || n > 2 {
		r.align()
	}
	return r.bitField(8 * n)
}

// openCodec keeps an open type as its octets.
type openCodec struct{}

func (openCodec) encode(w *writer, v reflect.Value) { w.generalOctets(v.Bytes()) }
func (openCodec) decode(r *reader, v reflect.Value) { v.SetBytes(r.generalOctets()) }
func (openCodec) print(p *printer, v reflect.Value) { fmt.Fprintf(p, "%x", v.Bytes()) }
func (openCodec) minBits() int                      { return 8 }

// stringCodec is X.691 clause 30, for alphabets that take 8 bits a character. PrintableString is let through with
// the larger VisibleString alphabet: names with an underscore are common in the field. UTF8String is coded with its
// size constraint like a VisibleString of octets, as all known NGAP peers do.
type stringCodec struct {
	size size
	utf8 bool
}

func (c stringCodec) valid(s string) bool {
	if c.utf8 {
		return utf8.ValidString(s)
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

func (c stringCodec) encode(w *writer, v reflect.Value) {
	s := v.String()
	if s == "" && c.size.lb > 0 {
		w.fail("empty string")
		return
	}
	if !c.valid(s) {
		w.fail("character outside of the alphabet")
		return
	}
	encodeOctets(w, []byte(s), &c.size)
}

func (c stringCodec) decode(r *reader, v reflect.Value) {
	s := string(decodeOctets(r, &c.size))
	if r.err != nil {
		return
	}
	if s == "" && c.size.lb > 0 {
		r.fail(Constraint, "empty string")
		return
	}
	if !c.valid(s) {
		r.fail(Constraint, "character outside of the alphabet")
		return
	}
	v.SetString(s)
}

func (c stringCodec) print(p *printer, v reflect.Value) { fmt.Fprintf(p, "%q", v.String()) }
func (c stringCodec) minBits() int                      { return c.size.minBits(8) }
