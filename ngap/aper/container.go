// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"reflect"
	"sort"
)

// containerCodec is a ProtocolIE-Container or ProtocolExtensionContainer: a SEQUENCE OF {id, criticality, open type}
// (TS 38.413 9.4.8) whose members are fields of the surrounding struct.
type containerCodec struct {
	members    []member
	byID       []int // indices of members, sorted by id
	unmodelled *member
	lb         uint64
}

func newContainer(members []member, unmodelled *member, lb uint64, where string) *containerCodec {
	if len(members) > 64 {
		panic("aper: " + where + ": container of more than 64 members")
	}
	c := &containerCodec{members: members, unmodelled: unmodelled, lb: lb}
	for i := range members {
		c.byID = append(c.byID, i)
	}
	sort.Slice(c.byID, func(i, j int) bool { return members[c.byID[i]].id < members[c.byID[j]].id })
	return c
}

// find returns the index of the member id, or -1.
func (c *containerCodec) find(id uint16) int {
	i := sort.Search(len(c.byID), func(i int) bool { return c.members[c.byID[i]].id >= id })
	if i < len(c.byID) && c.members[c.byID[i]].id == id {
		return c.byID[i]
	}
	return -1
}

func (c *containerCodec) rest(v reflect.Value) *Unmodelled {
	return c.unmodelled.field(v).Interface().(*Unmodelled)
}

// encodes says whether member i goes into the encoding. A mandatory member that was missing when the container was
// decoded, and has not been set since, stays missing.
func (c *containerCodec) encodes(i int, v reflect.Value, rest *Unmodelled) bool {
	m := &c.members[i]
	f := m.field(v)
	if !m.mandatory {
		return present(f)
	}
	if rest == nil || rest.order == nil || !f.IsZero() {
		return true
	}
	for _, h := range rest.order {
		if h.id == m.id {
			return true
		}
	}
	return false
}

func (c *containerCodec) count(v reflect.Value) int {
	rest := c.rest(v)
	n := 0
	for i := range c.members {
		if c.encodes(i, v, rest) {
			n++
		}
	}
	if rest != nil {
		n += len(rest.IEs)
	}
	return n
}

func (c *containerCodec) encode(w *writer, v reflect.Value, n int) {
	w.constrained(uint64(n), c.lb, 65535)
	rest := c.rest(v)
	var done uint64
	put := func(i int, h ieHeader) {
		done |= 1 << i
		encodeHeader(w, h)
		w.open(func() { c.members[i].encode(w, v) })
	}
	var raw []RawIE
	if rest != nil {
		raw = rest.IEs
	}
	if rest != nil && rest.order != nil {
		// As received. What has been added since follows in the order of the description.
		raw = append([]RawIE(nil), raw...)
		for _, h := range rest.order {
			if i := c.find(h.id); i >= 0 && done>>i&1 == 0 {
				if c.encodes(i, v, rest) {
					put(i, h)
				}
				done |= 1 << i
				continue
			}
			for j := range raw {
				if raw[j].ID == h.id {
					encodeRaw(w, &raw[j])
					raw = append(raw[:j], raw[j+1:]...)
					break
				}
			}
		}
	}
	for i := range c.members {
		if done>>i&1 == 0 && c.encodes(i, v, rest) {
			put(i, ieHeader{c.members[i].id, c.members[i].criticality})
		}
		if w.err != nil {
			return
		}
	}
	for i := range raw {
		encodeRaw(w, &raw[i])
	}
}

func encodeHeader(w *writer, h ieHeader) {
	w.constrained(uint64(h.id), 0, 65535)
	w.constrained(uint64(h.criticality), 0, uint64(Notify))
}

func encodeRaw(w *writer, ie *RawIE) {
	encodeHeader(w, ieHeader{ie.ID, ie.Criticality})
	w.generalOctets(ie.Value)
}

func decodeHeader(r *reader) ieHeader {
	return ieHeader{id: uint16(r.constrained(0, 65535)), criticality: Criticality(r.constrained(0, uint64(Notify)))}
}

// memberBits is the least that a member takes: identity, criticality with padding, length.
const memberBits = 32

func (c *containerCodec) decode(r *reader, v reflect.Value) {
	n := int(r.constrained(c.lb, 65535))
	if r.err != nil || !r.need(n*memberBits) {
		return
	}
	var few [32]ieHeader
	order := few[:0]
	canonical, last := true, -1
	var seen uint64
	var raw []RawIE
	r.depth++
	for range n {
		h := decodeHeader(r)
		if r.err != nil {
			return
		}
		order = append(order, h)
		i := c.find(h.id)
		if i >= 0 && seen>>i&1 == 0 {
			seen |= 1 << i
			m := &c.members[i]
			if i < last || len(raw) > 0 || h.criticality != m.criticality {
				canonical = false
			}
			last = i
			if decodeMember(r, m, v, h); r.err != nil {
				return
			}
			continue
		}
		kind := NotUnderstood
		if i >= 0 {
			kind, canonical = Repeated, false
		}
		value := r.generalOctets()
		if r.err != nil {
			return
		}
		raw = append(raw, RawIE{ID: h.id, Criticality: h.criticality, Value: value})
		r.issues = append(r.issues, Issue{ID: h.id, Criticality: h.criticality, Kind: kind, Nested: r.depth > 1})
	}
	for i := range c.members {
		if m := &c.members[i]; m.mandatory && seen>>i&1 == 0 {
			canonical = false
			r.issues = append(r.issues, Issue{ID: m.id, Criticality: m.criticality, Kind: Missing, Nested: r.depth > 1})
		}
	}
	r.depth--
	if canonical && raw == nil {
		return
	}
	rest := &Unmodelled{IEs: raw}
	if !canonical {
		rest.order = append([]ieHeader{}, order...)
	}
	c.unmodelled.field(v).Set(reflect.ValueOf(rest))
}

// decodeMember decodes the open type of m and reports a value that is not comprehended.
func decodeMember(r *reader, m *member, v reflect.Value, h ieHeader) {
	outer := r.unknown
	r.unknown = false
	r.open(func() { m.decode(r, v) })
	if r.unknown {
		r.issues = append(r.issues, Issue{ID: h.id, Criticality: h.criticality, Kind: NotUnderstood, Nested: r.depth > 1})
	}
	r.unknown = outer
}
