// SPDX-License-Identifier: Apache-2.0

package aper

import "reflect"

// seqCodec is X.691 clause 19. An iE-Extensions container, if any, is its last root member.
type seqCodec struct {
	name       string
	extensible bool
	root       []member
	additions  []member
	ies        *containerCodec // the message is this container
	extensions *containerCodec
	min        int
}

func (c *seqCodec) encode(w *writer, v reflect.Value) {
	added := 0
	for i := range c.additions {
		if present(c.additions[i].field(v)) {
			added++
		}
	}
	if c.extensible {
		w.bit(added > 0)
	}
	for i := range c.root {
		if m := &c.root[i]; m.optional {
			w.bit(present(m.field(v)))
		}
	}
	extensions := 0
	if c.extensions != nil {
		extensions = c.extensions.count(v)
		w.bit(extensions > 0)
	}
	for i := range c.root {
		if m := &c.root[i]; !m.optional || present(m.field(v)) {
			if m.encode(w, v); w.err != nil {
				return
			}
		}
	}
	if c.ies != nil {
		c.ies.encode(w, v, c.ies.count(v))
	}
	if extensions > 0 {
		c.extensions.encode(w, v, extensions)
	}
	if added == 0 {
		return
	}
	n := len(c.additions)
	if n > 64 {
		w.bits(1, 1)
		w.length(n)
	} else {
		w.normallySmall(uint64(n - 1))
	}
	for i := range c.additions {
		w.bit(present(c.additions[i].field(v)))
	}
	for i := range c.additions {
		if m := &c.additions[i]; present(m.field(v)) {
			w.open(func() { m.encode(w, v) })
		}
	}
}

func (c *seqCodec) decode(r *reader, v reflect.Value) {
	extended := c.extensible && r.bit()
	var here uint64
	for i := range c.root {
		if c.root[i].optional && r.bit() {
			here |= 1 << i
		}
	}
	extensions := c.extensions != nil && r.bit()
	for i := range c.root {
		if m := &c.root[i]; !m.optional || here>>i&1 == 1 {
			if m.decode(r, v); r.err != nil {
				return
			}
		}
	}
	if c.ies != nil {
		c.ies.decode(r, v)
	}
	if extensions {
		c.extensions.decode(r, v)
	}
	if extended {
		c.decodeAdditions(r, v)
	}
}

func (c *seqCodec) decodeAdditions(r *reader, v reflect.Value) {
	n := 0
	if r.bit() {
		n = r.length()
	} else {
		n = int(r.bits(6)) + 1
	}
	if !r.need(n) {
		return
	}
	bitmap := r.bitField(n)
	for i := range n {
		if r.err != nil {
			return
		}
		if bitmap[i/8]>>(7-i%8)&1 == 0 {
			continue
		}
		if i < len(c.additions) {
			r.open(func() { c.additions[i].decode(r, v) })
		} else {
			r.generalOctets()
		}
	}
}

func (c *seqCodec) minBits() int { return c.min }

func (c *seqCodec) countMinBits() int {
	n := 0
	if c.extensible {
		n++
	}
	if len(c.root) > 64 {
		panic("aper: " + c.name + ": more than 64 members")
	}
	for i := range c.root {
		if c.root[i].optional {
			n++
		} else {
			n += c.root[i].codec.minBits()
		}
	}
	if c.ies != nil {
		n += 16
	}
	if c.extensions != nil {
		n++
	}
	return n
}
