// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills a Config from a YAML syntax tree and remembers the line of every key, so that later checks of several
// values can name it as well.
type decoder struct {
	file     string
	lines    map[string]int // key path -> line
	bad      map[string]bool
	problems Problems
}

// add reports a problem at a key, or at the nearest ancestor of the key that the file has.
func (d *decoder) add(key, what, do string) {
	d.bad[key] = true
	d.problems = append(d.problems, Problem{File: d.file, Line: d.line(key), Key: key, What: what, Do: do})
}

func (d *decoder) line(key string) int {
	for key != "" {
		if l, ok := d.lines[key]; ok {
			return l
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return 1
}

// given says whether the file has the key.
func (d *decoder) given(key string) bool {
	_, ok := d.lines[key]
	return ok
}

// failed says whether a problem is known already for the key, what contains it or what it contains: then further checks
// of it would only repeat that.
func (d *decoder) failed(key string) bool {
	for bad := range d.bad {
		if inside(bad, key) || inside(key, bad) {
			return true
		}
	}
	return false
}

func inside(key, parent string) bool {
	rest, ok := strings.CutPrefix(key, parent)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// defaulter is a list entry with defaults of its own.
type defaulter interface{ setDefaults() }

func (a *AMF) setDefaults()         { *a = DefaultAMF() }
func (t *SupportedTA) setDefaults() { *t = DefaultSupportedTA() }

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

func (d *decoder) value(n ast.Node, v reflect.Value, key string, tag reflect.StructTag) {
	switch n := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.add(key, "anchors, aliases and tags are not read here", "write the value out")
		return
	case *ast.NullNode, nil:
		d.add(key, "has no value", "give it one, or remove the key to get its default")
		return
	case *ast.MappingValueNode: // a mapping of one entry
		d.value(ast.Mapping(n.GetToken(), false, n), v, key, tag)
		return
	}
	isText := reflect.PointerTo(v.Type()).Implements(textUnmarshaler)
	switch {
	case v.Kind() == reflect.Struct && !isText:
		if m, ok := n.(*ast.MappingNode); ok {
			d.mapping(m, v, key)
			return
		}
		d.add(key, "is "+kindOf(n)+" where a mapping belongs", "write its keys indented below it: "+strings.Join(keysOf(v.Type()), ", "))
	case v.Kind() == reflect.Slice:
		s, ok := n.(*ast.SequenceNode)
		if !ok {
			d.add(key, "is "+kindOf(n)+" where a list belongs", "write [a, b], or one \"- \" line for each entry")
			return
		}
		d.sequence(s, v, key, tag)
	default:
		text, ok := scalarText(n)
		if !ok {
			d.add(key, "is "+kindOf(n)+" where a single value belongs", "write the value after the colon")
			return
		}
		d.scalar(text, v, key, tag)
	}
}

func (d *decoder) mapping(m *ast.MappingNode, v reflect.Value, key string) {
	fields := fieldsOf(v.Type())
	for _, entry := range m.Values {
		name := entry.Key.GetToken().Value
		path := join(key, name)
		line := entry.Key.GetToken().Position.Line
		if first, ok := d.lines[path]; ok {
			d.problems = append(d.problems, Problem{d.file, line, path, fmt.Sprintf("stands here and on line %d", first), "remove one of them"})
			continue
		}
		d.lines[path] = line
		index, ok := fields[name]
		if !ok {
			d.add(path, "unknown key", suggest(name, keysOf(v.Type())))
			continue
		}
		d.value(entry.Value, v.Field(index), path, v.Type().Field(index).Tag)
	}
}

func (d *decoder) sequence(s *ast.SequenceNode, v reflect.Value, key string, tag reflect.StructTag) {
	list := reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values))
	for i, n := range s.Values {
		path := fmt.Sprintf("%s[%d]", key, i)
		d.lines[path] = d.line(key)
		if n != nil && n.GetToken() != nil {
			d.lines[path] = firstToken(n)
		}
		if e, ok := list.Index(i).Addr().Interface().(defaulter); ok {
			e.setDefaults()
		}
		d.value(n, list.Index(i), path, tag)
	}
	v.Set(list)
}

// firstToken returns the line where a list entry begins. The token of a mapping is its first colon.
func firstToken(n ast.Node) int {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return n.Values[0].Key.GetToken().Position.Line
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken().Position.Line
	}
	return n.GetToken().Position.Line
}

func (d *decoder) scalar(text string, v reflect.Value, key string, tag reflect.StructTag) {
	p := v.Addr().Interface()
	switch p := p.(type) {
	case *time.Duration:
		d.duration(text, p, key, tag)
		return
	case *Secret:
		*p = Secret(text)
		return
	case encoding.TextUnmarshaler:
		if err := p.UnmarshalText([]byte(text)); err != nil {
			d.add(key, fmt.Sprintf("%q is not %s", text, nounOf(v.Type())), hintOf(v.Type()))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		if options := tag.Get("enum"); options != "" && !contains(options, text) {
			d.add(key, fmt.Sprintf("%q is not a choice here", text), "write one of: "+strings.ReplaceAll(options, ",", ", "))
			return
		}
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			d.add(key, fmt.Sprintf("%q is neither true nor false", text), "write one of them")
			return
		}
		v.SetBool(text == "true")
	default:
		d.number(text, v, key, tag)
	}
}

func (d *decoder) duration(text string, p *time.Duration, key string, tag reflect.StructTag) {
	if text == "0" {
		text = "0s"
	}
	t, err := time.ParseDuration(text)
	if err != nil {
		d.add(key, fmt.Sprintf("%q is not a duration", text), "write a number with its unit, such as 500ms, 30s, 10m or 24h")
		return
	}
	low, high, ok := strings.Cut(tag.Get("range"), ",")
	if ok && (t < mustDuration(low) || t > mustDuration(high)) {
		d.add(key, text+" is out of range", fmt.Sprintf("choose %s to %s", low, high))
		return
	}
	*p = t
}

func (d *decoder) number(text string, v reflect.Value, key string, tag reflect.StructTag) {
	low, high := limits(v.Type(), tag)
	choose := fmt.Sprintf("choose %s to %s", plain(low), plain(high))
	var f float64
	var err error
	switch v.Kind() {
	case reflect.Float64:
		f, err = strconv.ParseFloat(text, 64)
	default:
		var i int64
		i, err = parseInt(text)
		f = float64(i)
	}
	switch {
	case err != nil && v.Kind() == reflect.Float64:
		d.add(key, fmt.Sprintf("%q is not a number", text), choose)
	case err != nil:
		d.add(key, fmt.Sprintf("%q is not a whole number", text), choose)
	case !(f >= low && f <= high):
		d.add(key, text+" is out of range", choose)
	case v.CanInt():
		v.SetInt(int64(f))
	case v.CanUint():
		v.SetUint(uint64(f))
	default:
		v.SetFloat(f)
	}
}

// parseInt reads decimal and 0x numbers. YAML 1.1 takes 010 for eight; nobody who configures a port means that.
func parseInt(text string) (int64, error) {
	if hex, ok := strings.CutPrefix(text, "0x"); ok {
		return strconv.ParseInt(hex, 16, 64)
	}
	return strconv.ParseInt(text, 10, 64)
}

// limits returns the bounds of a number: those of its range tag, else those of its type. All types in use are well
// inside the 53 bits that a float64 holds exactly.
func limits(t reflect.Type, tag reflect.StructTag) (low, high float64) {
	if l, h, ok := strings.Cut(tag.Get("range"), ","); ok {
		low, _ = strconv.ParseFloat(l, 64)
		high, _ = strconv.ParseFloat(h, 64)
		return low, high
	}
	if bits := t.Bits(); t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64 {
		return 0, math.Pow(2, float64(min(bits, 53))) - 1
	}
	return -(1 << 53), 1 << 53
}

func mustDuration(s string) time.Duration {
	t, err := time.ParseDuration(s)
	if err != nil {
		panic("config: range tag: " + err.Error())
	}
	return t
}

func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	}
	return "a single value"
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func contains(options, text string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == text {
			return true
		}
	}
	return false
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}
