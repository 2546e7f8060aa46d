// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"fmt"
	"math/bits"
	"reflect"
	"strconv"
	"strings"
)

// member is a field of a SEQUENCE, CHOICE or container.
type member struct {
	name        string
	index       []int
	codec       codec
	optional    bool
	mandatory   bool // of a container
	id          uint16
	criticality Criticality
}

func (m *member) field(v reflect.Value) reflect.Value {
	if len(m.index) == 1 {
		return v.Field(m.index[0])
	}
	return v.FieldByIndex(m.index)
}

func present(f reflect.Value) bool {
	switch f.Kind() {
	case reflect.Pointer, reflect.Slice:
		return !f.IsNil()
	case reflect.String:
		return f.Len() > 0
	}
	return true
}

func (m *member) encode(w *writer, v reflect.Value) {
	f := m.field(v)
	if f.Kind() == reflect.Pointer {
		f = f.Elem()
	}
	m.codec.encode(w, f)
	if w.err != nil {
		w.path = append(w.path, m.name)
	}
}

func (m *member) decode(r *reader, v reflect.Value) {
	f := m.field(v)
	if f.Kind() == reflect.Pointer {
		p := reflect.New(f.Type().Elem())
		m.codec.decode(r, p.Elem())
		f.Set(p)
	} else {
		m.codec.decode(r, f)
	}
	if r.err != nil {
		r.path = append(r.path, m.name)
	}
}

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

type choiceCodec struct {
	name         string
	extensible   bool
	alternatives []member
	additions    []member
	single       []member // inside of choice-Extensions
	raw          *member  // *RawIE of choice-Extensions; nil without
}

func compileStruct(t reflect.Type) codec {
	where := t.String()
	seq := &seqCodec{name: t.Name(), extensible: true}
	choice := &choiceCodec{name: t.Name()}
	isChoice := false
	var ies, exts []member
	var unmodelled *member
	isMessage := false
	var walk func(t reflect.Type, prefix []int)
	walk = func(t reflect.Type, prefix []int) {
		for i := range t.NumField() {
			f := t.Field(i)
			index := append(append([]int(nil), prefix...), i)
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				walk(f.Type, index)
				continue
			}
			if f.Name == "_" {
				switch f.Tag.Get("aper") {
				case "choice":
					isChoice = true
				case "choice,extensible":
					isChoice, choice.extensible = true, true
				case "seq":
					seq.extensible = false
				}
				continue
			}
			m, where := parseMember(f, index, where)
			switch {
			case f.Type == unmodelledType:
				unmodelled = &m
				isMessage = f.Tag.Get("aper") == "ies"
			case f.Type == rawIEType:
				choice.raw = &m
			case where == "ie":
				ies = append(ies, m)
			case where == "ext":
				exts = append(exts, m)
			case where == "sc":
				choice.single = append(choice.single, m)
			case where == "add":
				seq.additions = append(seq.additions, m)
				choice.additions = append(choice.additions, m)
			default:
				seq.root = append(seq.root, m)
				choice.alternatives = append(choice.alternatives, m)
			}
		}
	}
	walk(t, nil)
	if isChoice {
		return choice
	}
	switch {
	case isMessage:
		seq.ies = newContainer(ies, unmodelled, 0, where)
	case unmodelled != nil:
		seq.extensions = newContainer(exts, unmodelled, 1, where)
	}
	if len(ies) > 0 && seq.ies == nil || len(exts) > 0 && seq.extensions == nil {
		panic("aper: " + where + ": container without its *Unmodelled")
	}
	seq.min = seq.countMinBits()
	return seq
}

// parseMember reads the tag of f; section is ie, ext, sc, add or empty.
func parseMember(f reflect.StructField, index []int, where string) (m member, section string) {
	m = member{name: f.Name, index: index}
	if f.Type == unmodelledType || f.Type == rawIEType {
		return m, ""
	}
	where += "." + f.Name
	desc := ""
	words := splitTag(f.Tag.Get("aper"))
	for i, word := range words {
		key, id, hasID := strings.Cut(word, "=")
		switch {
		case hasID && (key == "ie" || key == "ext" || key == "sc"):
			section = key
			n, err := strconv.ParseUint(id, 10, 16)
			if err != nil || i+1 >= len(words) {
				panic("aper: " + where + ": bad identity")
			}
			m.id = uint16(n)
		case word == "reject":
			m.criticality = Reject
		case word == "ignore":
			m.criticality = Ignore
		case word == "notify":
			m.criticality = Notify
		case word == "mandatory":
			m.mandatory = true
		case word == "optional":
			m.optional = true
		case word == "add":
			section = "add"
		default:
			desc = word
		}
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if desc == "" {
		m.codec = planOf(t)
	} else {
		m.codec = compile(t, desc, where)
	}
	return m, section
}

// splitTag splits at commas outside of parentheses.
func splitTag(tag string) []string {
	var out []string
	depth, start := 0, 0
	for i, c := range tag {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, tag[start:i])
				start = i + 1
			}
		}
	}
	if start < len(tag) {
		out = append(out, tag[start:])
	}
	return out
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

// choiceCodec is X.691 clause 23.

func (c *choiceCodec) encode(w *writer, v reflect.Value) {
	chosen := 0
	for _, set := range [...][]member{c.alternatives, c.single, c.additions} {
		for i := range set {
			if present(set[i].field(v)) {
				chosen++
			}
		}
	}
	if c.raw != nil && present(c.raw.field(v)) {
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
			encodeHeader(w, ieHeader{m.id, m.criticality})
			w.open(func() { m.encode(w, v) })
			return
		}
	}
	encodeRaw(w, c.raw.field(v).Interface().(*RawIE))
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
			// A single container has no place to keep a deviating criticality; it has no meaning either once
			// the member is understood.
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

// listCodec is SEQUENCE OF, X.691 clause 20.
type listCodec struct {
	size     size
	item     codec
	itemBits int
}

func (c *listCodec) general() bool { return !c.size.bounded || c.size.ub >= 65536 }

func (c *listCodec) encode(w *writer, v reflect.Value) {
	n, i := v.Len(), 0
	if c.size.bounded && (n < c.size.lb || n > c.size.ub) && !c.size.extensible {
		w.fail(fmt.Sprintf("%d items, must be %d to %d", n, c.size.lb, c.size.ub))
		return
	}
	if c.general() && !c.size.extensible {
		for n-i >= 16384 {
			m := min(4, (n-i)>>14)
			w.align()
			w.buf = append(w.buf, 0xc0|byte(m))
			for end := i + m<<14; i < end; i++ {
				c.encodeItem(w, v, i)
			}
		}
		w.length(n - i)
	} else {
		w.size(n, &c.size)
	}
	for ; i < n && w.err == nil; i++ {
		c.encodeItem(w, v, i)
	}
}

func (c *listCodec) encodeItem(w *writer, v reflect.Value, i int) {
	if c.item.encode(w, v.Index(i)); w.err != nil {
		w.path = append(w.path, "["+strconv.Itoa(i)+"]")
	}
}

func (c *listCodec) decode(r *reader, v reflect.Value) {
	if !c.general() || c.size.extensible {
		n, _ := r.size(&c.size)
		c.decodeItems(r, v, n)
		return
	}
	for more := true; more && r.err == nil; {
		var n int
		n, more = r.fragment()
		c.decodeItems(r, v, n)
	}
	if n := v.Len(); r.err == nil && c.size.bounded && (n < c.size.lb || n > c.size.ub) {
		r.fail(Constraint, "number of items out of bounds")
	}
}

// decodeItems appends n items. It makes room only for items whose bits are there.
func (c *listCodec) decodeItems(r *reader, v reflect.Value, n int) {
	if r.err != nil || !r.need(n*c.itemBits) {
		return
	}
	start := v.Len()
	if v.IsNil() {
		v.Set(reflect.MakeSlice(v.Type(), n, n))
	} else {
		v.Grow(n)
		v.SetLen(start + n)
	}
	for i := start; i < start+n; i++ {
		if c.item.decode(r, v.Index(i)); r.err != nil {
			r.path = append(r.path, "["+strconv.Itoa(i)+"]")
			return
		}
	}
}

func (c *listCodec) minBits() int {
	n := c.itemBits * c.size.lb
	if c.general() {
		n += 8
	}
	return n
}
