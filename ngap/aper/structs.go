// SPDX-License-Identifier: Apache-2.0

package aper

import (
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
