// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Field types of the vectors; the description stands in the tag of the field of seq.
type seq[T any] struct {
	_ struct{} `aper:"seq"`
	V T
}

// roundTrip encodes v of type T under the description desc, optionally behind the 3 bits 101, compares with want and
// decodes again.
func roundTrip[T any](t *testing.T, desc string, v T, behind bool, want string) {
	t.Helper()
	fields := []reflect.StructField{{
		Name: "_", PkgPath: "github.com/open-n3iwf/n3iwf/ngap/aper", Type: reflect.TypeFor[struct{}](), Tag: `aper:"seq"`,
	}}
	if behind {
		fields = append(fields, reflect.StructField{Name: "P", Type: reflect.TypeFor[uint8](), Tag: `aper:"int(0..7)"`})
	}
	tag := reflect.StructTag("")
	if desc != "" {
		tag = reflect.StructTag(`aper:"` + desc + `"`)
	}
	fields = append(fields, reflect.StructField{Name: "V", Type: reflect.TypeFor[T](), Tag: tag})
	typ := reflect.StructOf(fields)
	p := reflect.New(typ)
	if behind {
		p.Elem().FieldByName("P").SetUint(5)
	}
	p.Elem().FieldByName("V").Set(reflect.ValueOf(v))
	b, err := Encode(p.Interface())
	require.NoError(t, err)
	require.Equal(t, want, hex.EncodeToString(b))
	q := reflect.New(typ)
	_, err = Decode(b, q.Interface())
	require.NoError(t, err)
	require.Equal(t, v, q.Elem().FieldByName("V").Interface())
	for i := range b {
		_, err := Decode(b[:i], reflect.New(typ).Interface())
		require.Error(t, err, "cut to %d octets", i)
	}
}

func TestVectorWholeNumbers(t *testing.T) {
	for _, c := range []struct {
		desc string
		v    uint64
		want string
	}{
		{"int(1..10)", 1, "00"}, {"int(1..10)", 3, "20"}, {"int(1..10)", 10, "90"},
		{"int(1..127,...)", 1, "00"}, {"int(1..127,...)", 8, "07"}, {"int(1..127,...)", 127, "7e"},
		{"int(0..255)", 0, "00"}, {"int(0..255)", 27, "1b"}, {"int(0..255)", 255, "ff"},
		{"int(1..256,...)", 1, "0000"}, {"int(1..256,...)", 256, "00ff"}, {"int(1..256,...)", 300, "8002012c"},
		{"int(0..1023,...)", 100, "000064"}, {"int(0..65535)", 258, "0102"},
		{"int(0..4294967295)", 0, "0000"}, {"int(0..4294967295)", 1, "0001"}, {"int(0..4294967295)", 255, "00ff"},
		{"int(0..4294967295)", 256, "400100"}, {"int(0..4294967295)", 65536, "80010000"},
		{"int(0..4294967295)", 1<<32 - 1, "c0ffffffff"},
		{"int(0..1099511627775)", 1, "0001"}, {"int(0..1099511627775)", 256, "200100"},
		{"int(0..1099511627775)", 1 << 24, "6001000000"}, {"int(0..1099511627775)", 1 << 32, "800100000000"},
		{"int(0..4000000000000,...)", 0, "0000"}, {"int(0..4000000000000,...)", 1000, "1003e8"},
		{"int(0..4000000000000,...)", 1e6, "200f4240"}, {"int(0..4000000000000,...)", 1e9, "303b9aca00"},
		{"int(0..4000000000000,...)", 4e12, "5003a352944000"},
		{"int(0..4000000000000,...)", 4e12 + 1, "800603a352944001"},
		{"int(0..4095,...)", 4095, "000fff"}, {"int(0..4095,...)", 4096, "80021000"},
		{"int(0..4095,...)", 2000000, "80031e8480"},
		{"int(0..)", 127, "017f"}, {"int(0..)", 128, "0180"}, {"int(0..)", 256, "020100"},
	} {
		roundTrip(t, c.desc, c.v, false, c.want)
	}
	roundTrip[int64](t, "int", 127, false, "017f")
	roundTrip[int64](t, "int", 128, false, "020080")
	roundTrip[int64](t, "int", -1, false, "01ff")
	roundTrip[int64](t, "int", -129, false, "02ff7f")
	roundTrip[int64](t, "int", -1<<63, false, "088000000000000000")
	roundTrip[uint64](t, "int", 1<<64-1, false, "0900ffffffffffffffff")
	roundTrip[uint8](t, "int(1..10)", 4, true, "a6")
	roundTrip[uint8](t, "int(0..255)", 4, true, "a004")
	roundTrip[uint16](t, "int(0..65535)", 4, true, "a00004")
	roundTrip[uint64](t, "int(0..1099511627775)", 4, true, "a004")
	roundTrip[uint64](t, "int(0..1099511627775)", 0x123456, true, "a8123456")
}

func TestVectorStrings(t *testing.T) {
	roundTrip[uint8](t, "bits(6)", 0b101010, false, "a8")
	roundTrip[uint16](t, "bits(16)", 0xe000, false, "e000")
	roundTrip(t, "bits(16,...)", Bits(0xe000, 16), false, "700000")
	roundTrip[uint64](t, "bits(36)", 0x123456789, false, "1234567890")
	roundTrip(t, "bits(36)", Bits(0x123456789, 36), false, "1234567890")
	roundTrip(t, "bits(22..32)", Bits(0x1234, 22), false, "000048d0")
	roundTrip(t, "bits(22..32)", Bits(0x123456, 24), false, "20123456")
	roundTrip(t, "bits(1..160,...)", Bits(0x0a000001, 32), false, "0f800a000001")
	roundTrip[uint16](t, "bits(16)", 0xabcd, true, "b579a0")
	roundTrip[uint32](t, "bits(17)", 0x0abcd, true, "a055e680")
	roundTrip(t, "bits(1..160,...)", Bits(0x0a000001, 32), true, "a1f00a000001")
	// Extension: length 17 outside of SIZE(16,...): ext bit, aligned length, aligned bits.
	roundTrip(t, "bits(16,...)", Bits(0x1ffff, 17), false, "8011ffff80")
	roundTrip[uint8](t, "octets(1)", 1, false, "01")
	roundTrip(t, "octets(3)", [3]byte{0xab, 0xcd, 0xef}, true, "a0abcdef")
	roundTrip[uint16](t, "octets(2)", 0xabcd, true, "b579a0")
	roundTrip(t, "octets(2)", [2]byte{0xab, 0xcd}, true, "b579a0")
	roundTrip(t, "octets", []byte{0xaa, 0xbb}, false, "02aabb")
	roundTrip(t, "octets", []byte{0xab}, true, "a001ab")
	roundTrip(t, "octets(1..20)", []byte{1, 2, 3}, false, "10010203")
	roundTrip(t, "printable(1..150,...)", "free5GC", false, "030066726565354743")
	roundTrip(t, "visible(1..150,...)", "ab", false, "00806162")
	roundTrip(t, "utf8(1..150,...)", "n3", false, "00806e33")
}

// Lengths and fragments of X.691 11.9 on an OCTET STRING.
func TestVectorLengths(t *testing.T) {
	for _, c := range []struct {
		n    int
		want string // octets around each run of data; a number stands for so many octets of data
	}{
		{127, "7f|127"}, {128, "8080|128"}, {16383, "bfff|16383"}, {16384, "c1|16384|00"},
		{20000, "c1|16384|8e20|3616"}, {70000, "c4|65536|9170|4464"},
	} {
		data := bytes.Repeat([]byte{0x5a}, c.n)
		var want []byte
		left := data
		for i, part := range strings.Split(c.want, "|") {
			if i%2 == 0 {
				b, err := hex.DecodeString(part)
				require.NoError(t, err)
				want = append(want, b...)
				continue
			}
			var n int
			for _, d := range part {
				n = 10*n + int(d-'0')
			}
			want = append(want, left[:n]...)
			left = left[n:]
		}
		require.Empty(t, left)
		v := seq[octetString]{V: data}
		b, err := Encode(&v)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, b), "%d octets", c.n)
		var back seq[octetString]
		_, err = Decode(b, &back)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, back.V))
	}
}

type octetString []byte

func (octetString) APER() string { return "octets" }

type two uint8

func (two) APER() string { return "int(0..3)" }

type listOf8 []two

func (listOf8) APER() string { return "list(1..8)" }

type list256 []two

func (list256) APER() string { return "list(1..256)" }

type list1024 []two

func (list1024) APER() string { return "list(1..1024)" }

type list65535 []two

func (list65535) APER() string { return "list(1..65535)" }

type list65536 []two

func (list65536) APER() string { return "list(1..65536)" }

func TestVectorLists(t *testing.T) {
	roundTrip(t, "", listOf8{1, 2, 3}, false, "4d80")
	roundTrip(t, "", list256{1, 2}, false, "0160")
	roundTrip(t, "", list1024{1, 2}, false, "000160")
	roundTrip(t, "", list65535{1, 2}, false, "000160")
	roundTrip(t, "", list65536{1, 2}, false, "0260")
}

// A list of 65536 items takes one fragment of 4 times 16384 items and an empty one behind it.
func TestListFragments(t *testing.T) {
	for _, n := range []int{16383, 16384, 40000, 65536} {
		v := seq[list65536]{V: make(list65536, n)}
		for i := range v.V {
			v.V[i] = two(i % 4)
		}
		b, err := Encode(&v)
		require.NoError(t, err)
		var back seq[list65536]
		_, err = Decode(b, &back)
		require.NoError(t, err)
		require.Equal(t, v, back)
	}
	_, err := Encode(&seq[list65536]{V: make(list65536, 65537)})
	require.ErrorContains(t, err, "65537 items")
	// One fragment of 65536 items and one of one item is one too many.
	b := append([]byte{0xc4}, make([]byte, 65536/4)...)
	b = append(b, 1, 0)
	var back seq[list65536]
	_, err = Decode(b, &back)
	require.ErrorContains(t, err, "number of items")
}

type abcd uint8

func (abcd) APER() string { return "enum(a b c d)" }

type abcdef uint16

func (abcdef) APER() string     { return "enum(a b c d ... e f)" }
func (v abcdef) String() string { return EnumString(v) }

type one uint8

func (one) APER() string { return "enum(only ...)" }

func TestVectorEnumerations(t *testing.T) {
	roundTrip[abcd](t, "", 2, false, "80")
	roundTrip[abcdef](t, "", 3, false, "60")
	roundTrip[abcdef](t, "", 4, false, "80")
	roundTrip[abcdef](t, "", 5, false, "81")
	roundTrip[one](t, "", 0, false, "00")
	// Unknown additions keep their number: 100 takes the long form of a normally small number.
	roundTrip[abcdef](t, "", 4+63, false, "bf")
	roundTrip[abcdef](t, "", 4+100, false, "c00164")
	require.Equal(t, "f", abcdef(5).String())
	require.Equal(t, "unknown(104)", abcdef(104).String())
}

type optionals struct {
	A uint8    `aper:"int(0..7)"`
	B *uint8   `aper:"int(0..255),optional"`
	C *[3]byte `aper:"octets(3),optional"`
}

type additions struct {
	A uint8  `aper:"int(0..7)"`
	X *uint8 `aper:"int(0..255),add"`
	Y *bool  `aper:"add"`
}

type choice struct {
	_ struct{} `aper:"choice"`
	A *uint8   `aper:"int(0..7)"`
	B *[3]byte `aper:"octets(3)"`
	C *struct{}
}

type extensibleChoice struct {
	_ struct{} `aper:"choice,extensible"`
	A *uint8   `aper:"int(0..7)"`
	B *[3]byte `aper:"octets(3)"`
	C *struct{}
	X *uint8 `aper:"int(0..255),add"`
}

func ptr[T any](v T) *T { return &v }

func TestVectorSequences(t *testing.T) {
	c := [3]byte{1, 2, 3}
	for _, v := range []struct {
		v    any
		want string
	}{
		{&optionals{A: 5}, "14"},
		{&optionals{A: 5, B: ptr[uint8](1)}, "5401"},
		{&optionals{A: 5, C: &c}, "34010203"},
		{&optionals{A: 5, B: ptr[uint8](1), C: &c}, "7401010203"},
		{&additions{A: 5, X: ptr[uint8](7)}, "d0300107"},
		{&choice{A: ptr[uint8](5)}, "28"},
		{&choice{B: &c}, "40010203"},
		{&choice{C: &struct{}{}}, "80"},
		{&extensibleChoice{X: ptr[uint8](7)}, "800107"},
	} {
		b, err := Encode(v.v)
		require.NoError(t, err)
		require.Equal(t, v.want, hex.EncodeToString(b))
		back := reflect.New(reflect.TypeOf(v.v).Elem()).Interface()
		_, err = Decode(b, back)
		require.NoError(t, err)
		require.Equal(t, v.v, back)
	}
}
