// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"fmt"
	"math/bits"
	"reflect"
)

// choiceCodec is X.691 clause 23.
type choiceCodec struct {
	name         string
	extensible   bool
	alternatives []member
	additions    []member
	single       []member // inside of choice-Extensions
	raw          *member  // *RawIE of choice-Extensions; nil without
}

func (c *choiceCodec) encode(w *writer, v reflect.Value) {
	chosen := 0
	for _, set := range [...][]member{c.alternatives, c.single, c.additions} {
		for i := range set {
			if present(set[i].field(v)) {
				chosen++
			}
		}
	}
	var raw *RawIE
	if c.raw != nil {
		raw = c.raw.field(v).Interface().(*RawIE)
	}
	if raw != nil && raw.Value != nil {
		chosen++
	}
	if chosen != 1 {
		w.fail(fmt.Sprintf("%d alternatives of CHOICE %s are set, must be 1", chosen, c.name))
		return
	}
	n := c.rootCount()
	for i := range c.alternatives {
		if m := &c.alternatives[i]; present(m.field(v)) {
			c.encodeIndex(w, i, n)
			m.encode(w, v)
			return
		}
	}
	for i := range c.additions {
		if m := &c.additions[i]; present(m.field(v)) {
			w.bit(true)
			w.normallySmall(uint64(i))
			w.open(func() { m.encode(w, v) })
			return
		}
	}
	c.encodeIndex(w, n-1, n)
	for i := range c.single {
		if m := &c.single[i]; present(m.field(v)) {
			h := ieHeader{m.id, m.criticality}
			if raw != nil {
				h.criticality = raw.Criticality
			}
			encodeHeader(w, h)
			w.open(func() { m.encode(w, v) })
			return
		}
	}
	encodeRaw(w, raw)
}

func (c *choiceCodec) rootCount() int {
	n := len(c.alternatives)
	if c.raw != nil {
		n++
	}
	return n
}

func (c *choiceCodec) encodeIndex(w *writer, i, n int) {
	if c.extensible {
		w.bit(false)
	}
	w.constrained(uint64(i), 0, uint64(n-1))
}

func (c *choiceCodec) decode(r *reader, v reflect.Value) {
	if c.extensible && r.bit() {
		i := r.normallySmall()
		if r.err != nil {
			return
		}
		if i >= uint64(len(c.additions)) {
			r.fail(Malformed, fmt.Sprintf("unknown alternative %d of CHOICE %s", i, c.name))
			return
		}
		r.open(func() { c.additions[i].decode(r, v) })
		return
	}
	i := int(r.constrained(0, uint64(c.rootCount()-1)))
	if r.err != nil {
		return
	}
	if i < len(c.alternatives) {
		c.alternatives[i].decode(r, v)
		return
	}
	h := decodeHeader(r)
	for i := range c.single {
		if m := &c.single[i]; m.id == h.id {
			if h.criticality != m.criticality {
				c.raw.field(v).Set(reflect.ValueOf(&RawIE{ID: h.id, Criticality: h.criticality}))
			}
			decodeMember(r, m, v, h)
			return
		}
	}
	value := r.generalOctets()
	if r.err != nil {
		return
	}
	c.raw.field(v).Set(reflect.ValueOf(&RawIE{ID: h.id, Criticality: h.criticality, Value: value}))
	r.issues = append(r.issues, Issue{ID: h.id, Criticality: h.criticality, Kind: NotUnderstood, Nested: true})
}

func (c *choiceCodec) minBits() int {
	n := bits.Len(uint(c.rootCount() - 1))
	if c.extensible {
		n++
	}
	if n == 0 {
		n = c.alternatives[0].codec.minBits()
	}
	return n
}
