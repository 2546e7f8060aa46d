// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// codec is the compiled description of one type. Values passed to it are addressable.
type codec interface {
	encode(w *writer, v reflect.Value)
	decode(r *reader, v reflect.Value)
	print(p *printer, v reflect.Value)
	// minBits is the least number of bits that any value takes.
	minBits() int
}

var plans sync.Map // reflect.Type -> codec, for types that describe themselves

func planOf(t reflect.Type) codec {
	if c, ok := plans.Load(t); ok {
		return c.(codec)
	}
	c := compile(t, "", t.String())
	plans.Store(t, c)
	return c
}

var (
	describedType  = reflect.TypeFor[Described]()
	bitStringType  = reflect.TypeFor[BitString]()
	unmodelledType = reflect.TypeFor[*Unmodelled]()
	rawIEType      = reflect.TypeFor[*RawIE]()
)

// compile panics on a description that makes no sense: that is a bug of the program, found by its first use.
func compile(t reflect.Type, desc, where string) codec {
	if desc == "" && t.Implements(describedType) {
		desc = reflect.Zero(t).Interface().(Described).APER()
	}
	word, args, _ := strings.Cut(strings.TrimSuffix(desc, ")"), "(")
	bad := func(why string) {
		panic(fmt.Sprintf("aper: %s (%v, %q): %s", where, t, desc, why))
	}
	kind := t.Kind()
	unsigned := kind >= reflect.Uint && kind <= reflect.Uint64
	octetArray := kind == reflect.Array && t.Elem().Kind() == reflect.Uint8
	octetSlice := kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8
	switch word {
	case "":
		switch kind {
		case reflect.Struct:
			if t.NumField() == 0 {
				return nullCodec{}
			}
			return compileStruct(t)
		case reflect.Bool:
			return boolCodec{}
		}
		bad("no description")
	case "int":
		if !unsigned && (kind < reflect.Int || kind > reflect.Int64) {
			bad("not an integer")
		}
		return parseInt(args, !unsigned, bad)
	case "enum":
		if !unsigned {
			bad("not an unsigned integer")
		}
		return parseEnum(args, t, bad)
	case "bits":
		s := parseSize(args, bad)
		switch {
		case unsigned:
			if !s.fixed() || s.extensible || s.lb > t.Bits() {
				bad("does not fit")
			}
			return uintBitsCodec{n: s.lb}
		case octetArray:
			if !s.fixed() || s.extensible || s.lb != 8*t.Len() || s.lb <= 16 {
				bad("does not fit")
			}
			return arrayCodec{n: t.Len(), aligned: true}
		case t.ConvertibleTo(bitStringType):
			return bitStringCodec{size: s}
		}
		bad("wrong Go type")
	case "octets":
		s := parseSize(args, bad)
		switch {
		case unsigned:
			if !s.fixed() || s.extensible || 8*s.lb > t.Bits() {
				bad("does not fit")
			}
			return uintOctetsCodec{n: s.lb}
		case octetArray:
			if !s.fixed() || s.extensible || s.lb != t.Len() {
				bad("does not fit")
			}
			return arrayCodec{n: t.Len(), aligned: s.lb > 2}
		case octetSlice:
			return octetsCodec{size: s}
		}
		bad("wrong Go type")
	case "open":
		if !octetSlice {
			bad("wrong Go type")
		}
		return openCodec{}
	case "printable", "visible", "utf8":
		if kind != reflect.String {
			bad("not a string")
		}
		return stringCodec{size: parseSize(args, bad), utf8: word == "utf8"}
	case "list":
		if kind != reflect.Slice {
			bad("not a slice")
		}
		item := compile(t.Elem(), "", where)
		c := listCodec{size: parseSize(args, bad), item: item, itemBits: item.minBits()}
		if c.itemBits == 0 {
			bad("items of no bits")
		}
		return &c
	default:
		bad("unknown word")
	}
	return nil
}

// size bounds the length of a value.
type size struct {
	lb, ub     int
	bounded    bool
	extensible bool
}

func (s *size) fixed() bool { return s.bounded && s.lb == s.ub }

func parseSize(args string, bad func(string)) size {
	s := size{}
	args, s.extensible = strings.CutSuffix(args, ",...")
	if args == "" {
		return s
	}
	lo, hi, ranged := strings.Cut(args, "..")
	if !ranged {
		hi = lo
	}
	var err1, err2 error
	s.lb, err1 = strconv.Atoi(lo)
	s.ub, err2 = strconv.Atoi(hi)
	s.bounded = true
	if err1 != nil || err2 != nil || s.lb > s.ub {
		bad("bad size")
	}
	return s
}

func parseInt(args string, signed bool, bad func(string)) codec {
	c := &intCodec{signed: signed}
	args, c.extensible = strings.CutSuffix(args, ",...")
	if args == "" {
		return c
	}
	lo, hi, ok := strings.Cut(args, "..")
	var err1, err2 error
	c.lb, err1 = strconv.ParseUint(lo, 10, 64)
	c.hasLB = true
	if hi != "" {
		c.ub, err2 = strconv.ParseUint(hi, 10, 64)
		c.hasUB = true
	}
	if !ok || err1 != nil || err2 != nil || c.hasUB && c.lb > c.ub || !c.hasUB && c.lb != 0 {
		bad("bad range")
	}
	return c
}

func parseEnum(args string, t reflect.Type, bad func(string)) codec {
	c := &enumCodec{root: -1, max: math.MaxUint64 >> (64 - t.Bits())}
	for _, name := range strings.Fields(args) {
		if name == "..." {
			c.root = len(c.names)
			continue
		}
		c.names = append(c.names, name)
	}
	c.extensible = c.root >= 0
	if !c.extensible {
		c.root = len(c.names)
	}
	if c.root == 0 {
		bad("no values")
	}
	return c
}

// EnumString returns the name that the description gives to the ENUMERATED value v, or its number.
func EnumString(v Described) string {
	rv := reflect.ValueOf(v)
	if c, ok := planOf(rv.Type()).(*enumCodec); ok {
		return c.name(rv.Uint())
	}
	return fmt.Sprint(rv)
}
