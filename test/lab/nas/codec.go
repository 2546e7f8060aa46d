// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A tag is `nas:"FORMAT[,IEI]"`. The formats are those of TS 24.007 clause 11.2.1.1, IEI in hexadecimal:
//
//	lo hi    mandatory half octet; lo and hi in succession share an octet
//	V LV LVE mandatory, with no, one-octet or two-octet length
//	TV TLV TLVE optional
//	T1       optional, identifier and value in half an octet each
type format uint8

const (
	formatLo format = iota + 1
	formatHi
	formatV
	formatLV
	formatLVE
	formatTV
	formatT1
	formatTLV
	formatTLVE
)

var formats = map[string]format{"lo": formatLo, "hi": formatHi, "V": formatV, "LV": formatLV, "LVE": formatLVE,
	"TV": formatTV, "T1": formatT1, "TLV": formatTLV, "TLVE": formatTLVE}

func (f format) optional() bool { return f >= formatTV }

// field is one information element of a message.
type field struct {
	name   string
	index  int
	format format
	iei    uint8
	size   int // octets of the value in the formats V and TV
}

// description is what a message is made of, in the order of the standard's table.
type description struct {
	fields []field
	byIEI  map[uint8]*field // optional elements; T1 by the octet with a zero value
}

// encoder and decoder are information elements with a structure of their own.
type (
	encoder interface {
		appendNAS(b []byte) ([]byte, error)
	}
	decoder interface{ decodeNAS(b []byte) error }
)

// describe reads the tags of a message struct. A wrong tag is a mistake of this package, so it panics; every
// message is described at start-up.
func describe(t reflect.Type) *description {
	d := &description{byIEI: map[uint8]*field{}}
	for i := range t.NumField() {
		tag, ok := t.Field(i).Tag.Lookup("nas")
		if !ok {
			continue
		}
		name, iei, _ := strings.Cut(tag, ",")
		f := field{name: t.Field(i).Name, index: i, format: formats[name]}
		if f.format == 0 {
			panic(fmt.Sprintf("nas: %s.%s: unknown format %q", t.Name(), f.name, name))
		}
		if f.format.optional() {
			n, err := strconv.ParseUint(iei, 16, 8)
			if err != nil {
				panic(fmt.Sprintf("nas: %s.%s: identifier %q", t.Name(), f.name, iei))
			}
			if f.iei = uint8(n); f.format == formatT1 {
				f.iei <<= 4
			}
		}
		if f.format == formatV || f.format == formatTV {
			f.size = int(indirect(t.Field(i).Type).Size())
		}
		d.fields = append(d.fields, f)
	}
	for i := range d.fields {
		if f := &d.fields[i]; f.format.optional() {
			if d.byIEI[f.iei] != nil {
				panic(fmt.Sprintf("nas: %s.%s: identifier used twice", t.Name(), f.name))
			}
			d.byIEI[f.iei] = f
		}
	}
	return d
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// decode reads the elements of a message after its header.
func (d *description) decode(t MessageType, v reflect.Value, b []byte) error {
	bad := func(name, format string, args ...any) error {
		return &Error{Cause: CauseInvalidMandatory, Message: t, IE: name, Reason: fmt.Sprintf(format, args...)}
	}
	for i, f := range d.fields {
		if f.format.optional() {
			break
		}
		var val []byte
		n := f.size
		switch f.format {
		case formatLo:
			if len(b) < 1 {
				return bad(f.name, "missing")
			}
			val = []byte{b[0] & 15}
			if i+1 == len(d.fields) || d.fields[i+1].format != formatHi {
				b = b[1:]
			}
		case formatHi:
			val, b = []byte{b[0] >> 4}, b[1:] // a lo always stands before and has left the octet
		case formatLV, formatLVE:
			var ok bool
			if n, b, ok = cutLength(b, f.format == formatLVE); !ok {
				return bad(f.name, "missing")
			}
			fallthrough
		case formatV:
			if len(b) < n {
				return bad(f.name, "%d of %d octets", len(b), n)
			}
			val, b = b[:n], b[n:]
		}
		if err := decodeValue(v.Field(f.index), val); err != nil {
			return bad(f.name, "%v", err)
		}
	}
	return d.decodeOptional(t, v, b)
}

// decodeOptional reads the optional elements, which may come in any order. Unknown, repeated and malformed ones
// are ignored (TS 24.501 clauses 7.6.1, 7.6.3 and 7.7.1); one that runs past the message is an error.
func (d *description) decodeOptional(t MessageType, v reflect.Value, b []byte) error {
	for len(b) > 0 {
		iei := b[0]
		if iei >= 0x80 {
			iei &= 0xf0 // only half-octet elements have such identifiers
		}
		f := d.byIEI[iei]
		var val []byte
		switch {
		case iei >= 0x80:
			val, b = []byte{b[0] & 15}, b[1:]
		case f != nil && f.format == formatTV:
			if len(b)-1 < f.size {
				return &Error{Cause: CauseProtocolError, Message: t, IE: f.name, Reason: "runs past the message"}
			}
			val, b = b[1:1+f.size], b[1+f.size:]
		default:
			n, rest, ok := cutLength(b[1:], iei&0xf0 == 0x70)
			if !ok || len(rest) < n {
				return &Error{Cause: CauseProtocolError, Message: t, IE: fmt.Sprintf("identifier %02x", iei), Reason: "runs past the message"}
			}
			val, b = rest[:n], rest[n:]
		}
		if f == nil || !v.Field(f.index).IsNil() {
			continue
		}
		if err := decodeValue(v.Field(f.index), val); err != nil {
			v.Field(f.index).SetZero()
		}
	}
	return nil
}

func cutLength(b []byte, wide bool) (n int, rest []byte, ok bool) {
	switch {
	case wide && len(b) >= 2:
		return int(binary.BigEndian.Uint16(b)), b[2:], true
	case !wide && len(b) >= 1:
		return int(b[0]), b[1:], true
	}
	return 0, nil, false
}

func decodeValue(v reflect.Value, b []byte) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(v.Elem(), b)
	}
	if d, ok := v.Addr().Interface().(decoder); ok {
		return d.decodeNAS(b)
	}
	switch v.Kind() {
	case reflect.Slice:
		v.SetBytes(append([]byte{}, b...))
	case reflect.Array:
		if len(b) != v.Len() {
			return fmt.Errorf("%d octets, want %d", len(b), v.Len())
		}
		reflect.Copy(v, reflect.ValueOf(b))
	case reflect.Uint8:
		if len(b) < 1 {
			return fmt.Errorf("empty")
		}
		v.SetUint(uint64(b[0])) // octets after it are extensions
	default:
		panic("nas: no decoding for " + v.Type().String())
	}
	return nil
}

// encode appends the elements of a message.
func (d *description) encode(t MessageType, v reflect.Value, b []byte) ([]byte, error) {
	bad := func(name string, format string, args ...any) error {
		return &Error{Cause: CauseInvalidMandatory, Message: t, IE: name, Reason: fmt.Sprintf(format, args...)}
	}
	for _, f := range d.fields {
		fv := v.Field(f.index)
		if f.format.optional() && fv.IsNil() {
			continue
		}
		val, err := encodeValue(fv)
		if err != nil {
			return nil, bad(f.name, "%v", err)
		}
		switch f.format {
		case formatLo:
			b = append(b, val[0]&15)
		case formatHi:
			b[len(b)-1] |= val[0] << 4
		case formatT1:
			b = append(b, f.iei|val[0]&15)
			continue
		case formatTV, formatTLV, formatTLVE:
			b = append(b, f.iei)
		}
		switch f.format {
		case formatLV, formatTLV:
			if len(val) > 0xff {
				return nil, bad(f.name, "%d octets, at most 255", len(val))
			}
			b = append(b, byte(len(val)))
		case formatLVE, formatTLVE:
			if len(val) > 0xffff {
				return nil, bad(f.name, "%d octets, at most 65535", len(val))
			}
			b = binary.BigEndian.AppendUint16(b, uint16(len(val)))
		case formatLo, formatHi:
			continue
		}
		b = append(b, val...)
	}
	return b, nil
}

func encodeValue(v reflect.Value) ([]byte, error) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if e, ok := v.Interface().(encoder); ok {
		return e.appendNAS(nil)
	}
	switch v.Kind() {
	case reflect.Slice:
		return v.Bytes(), nil
	case reflect.Array:
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		return b, nil
	case reflect.Uint8:
		return []byte{byte(v.Uint())}, nil
	}
	panic("nas: no encoding for " + v.Type().String())
}
