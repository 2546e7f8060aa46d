// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

type oneToTen uint8

func (oneToTen) APER() string { return "int(1..10)" }

type upTo300 uint16

func (upTo300) APER() string { return "int(1..300)" }

type upTo70000 uint32

func (upTo70000) APER() string { return "int(0..70000)" }

type extensible uint8

func (extensible) APER() string { return "int(0..63,...)" }

type threeOfFour uint8

func (threeOfFour) APER() string { return "enum(a b c)" }

type name string

func (name) APER() string { return "printable(1..4)" }

type whole uint64

func (whole) APER() string { return "int(0..)" }

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		into any
		hex  string
		kind ErrorKind
	}{
		{new(oneToTen), "a0", Constraint},
		{new(upTo300), "012c", Constraint},
		{new(upTo70000), "80011171", Constraint},  // 70001
		{new(upTo70000), "c000000000", Malformed}, // 4 octets where 3 are enough
		{new(extensible), "80020100", Constraint}, // 256 in a uint8
		{new(extensible), "8001ff", Constraint},   // -1
		{new(extensible), "8000", Malformed},      // no octets
		{new(whole), "09010000000000000000", Constraint},
		{new(threeOfFour), "c0", Constraint},
		{new(name), "00", Truncated},
		{new(name), "000a", Constraint}, // a control character
		{new(octetString), "c0", Malformed},
		{new(octetString), "c5", Malformed},
		{new(octetString), "c1", Truncated},
		{new(octetString), "ff", Malformed},
		{new(octetString), "bfff00", Truncated},
		{new(list65536), "c400", Truncated},
		{new(list65536), "00", Constraint},
		{new(extensibleChoice), "8100", Malformed}, // addition 2 of 1
		{new(choice), "c0", Constraint},
		{new(octetString), "", Truncated},
	} {
		b, err := hex.DecodeString(c.hex)
		require.NoError(t, err)
		_, err = Decode(b, c.into)
		var e *Error
		require.True(t, errors.As(err, &e), "%T %s decodes to %v", c.into, c.hex, c.into)
		require.Equal(t, c.kind, e.Kind, "%T %s: %v", c.into, c.hex, err)
	}
}

// A receiver of an earlier release skips the additions of a later one.
func TestAdditionsAreSkipped(t *testing.T) {
	type later struct {
		A uint8   `aper:"int(0..7)"`
		X *uint8  `aper:"int(0..255),add"`
		Y *bool   `aper:"add"`
		Z *uint16 `aper:"int(0..65535),add"`
	}
	type earlier struct {
		A uint8  `aper:"int(0..7)"`
		X *uint8 `aper:"int(0..255),add"`
	}
	b, err := Encode(&later{A: 5, X: ptr[uint8](7), Z: ptr[uint16](9)})
	require.NoError(t, err)
	var e earlier
	_, err = Decode(b, &e)
	require.NoError(t, err)
	require.Equal(t, earlier{A: 5, X: ptr[uint8](7)}, e)
	// A bitmap of 65 bits has the long form of its length.
	b = append([]byte{0x80 | 5<<4 | 1<<3, 65}, make([]byte, 9)...)
	_, err = Decode(b, new(earlier))
	require.NoError(t, err)
}

func TestErrorSaysWhere(t *testing.T) {
	x := filled()
	x.Choices[1].A = ptr[uint8](1)
	_, err := Encode(x)
	require.ErrorContains(t, err, "aper: Choices[1]: out of bounds: 2 alternatives of CHOICE choiceInList are set, must be 1")
	x = filled()
	x.Sub.List = make(list1024, 1025)
	_, err = Encode(x)
	require.ErrorContains(t, err, "aper: Sub.List: out of bounds: 1025 items, must be 1 to 1024")
}

// A mistake in a description is found when its type is first used.
func TestBadDescriptionsPanic(t *testing.T) {
	for _, v := range []any{
		new(struct{ A string }),
		new(struct {
			A string `aper:"int(0..1)"`
		}),
		new(struct {
			A uint8 `aper:"bits(9)"`
		}),
		new(struct {
			A uint8 `aper:"int(5..1)"`
		}),
		new(struct {
			A uint8 `aper:"enum()"`
		}),
		new(struct {
			A []byte `aper:"octets(5..1)"`
		}),
		new(struct {
			A []struct{} `aper:"list(1..5)"`
		}),
		new(struct {
			A uint8 `aper:"ext=1,reject,int(0..1)"`
		}),
		new(struct {
			A uint8 `aper:"ie=x,reject,int(0..1)"`
		}),
		new(struct {
			A uint8 `aper:"nonsense"`
		}),
	} {
		require.Panics(t, func() { _, _ = Encode(v) }, "%T", v)
	}
}

func TestBits(t *testing.T) {
	b := Bits(0x155, 9)
	require.Equal(t, BitString{Bytes: []byte{0xaa, 0x80}, N: 9}, b)
	v, ok := b.Uint64()
	require.True(t, ok)
	require.EqualValues(t, 0x155, v)
	_, ok = BitString{Bytes: make([]byte, 9), N: 65}.Uint64()
	require.False(t, ok)
}
