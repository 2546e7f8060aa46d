// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"fmt"
	"reflect"
	"strings"
)

type printer struct{ strings.Builder }

// Print returns the value that v points to as text on one line, members that are absent left out. A type with a
// String method prints itself, so that keys stay hidden and addresses are readable.
func Print(v any) string {
	var p printer
	rv := pointee(v)
	planOf(rv.Type()).print(&p, rv)
	return p.String()
}

var stringerType = reflect.TypeFor[fmt.Stringer]()

func (p *printer) value(c codec, f reflect.Value) {
	if f.Kind() == reflect.Pointer {
		f = f.Elem()
	}
	if f.Type().Implements(stringerType) {
		p.WriteString(f.Interface().(fmt.Stringer).String())
		return
	}
	c.print(p, f)
}

func (p *printer) members(v reflect.Value, members []member, first bool) bool {
	for i := range members {
		m := &members[i]
		f := m.field(v)
		if !present(f) {
			continue
		}
		if !first {
			p.WriteString(", ")
		}
		first = false
		p.WriteString(m.name)
		p.WriteString(": ")
		p.value(m.codec, f)
	}
	return first
}

func (p *printer) rest(u *Unmodelled, first bool) {
	if u == nil {
		return
	}
	for _, ie := range u.IEs {
		if !first {
			p.WriteString(", ")
		}
		first = false
		p.WriteString(ie.String())
	}
}

func (c *seqCodec) print(p *printer, v reflect.Value) {
	p.WriteString(c.name + "{")
	first := p.members(v, c.root, true)
	if c.ies != nil {
		first = p.members(v, c.ies.members, first)
		p.rest(c.ies.rest(v), first)
	}
	if c.extensions != nil {
		first = p.members(v, c.extensions.members, first)
		p.rest(c.extensions.rest(v), first)
	}
	p.members(v, c.additions, first)
	p.WriteByte('}')
}

func (c *choiceCodec) print(p *printer, v reflect.Value) {
	p.WriteString(c.name + "{")
	p.members(v, c.alternatives, true)
	p.members(v, c.single, true)
	p.members(v, c.additions, true)
	if c.raw != nil {
		if raw := c.raw.field(v).Interface().(*RawIE); raw != nil && raw.Value != nil {
			p.WriteString(raw.String())
		}
	}
	p.WriteByte('}')
}

func (c *listCodec) print(p *printer, v reflect.Value) {
	p.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			p.WriteByte(' ')
		}
		p.value(c.item, v.Index(i))
	}
	p.WriteByte(']')
}
