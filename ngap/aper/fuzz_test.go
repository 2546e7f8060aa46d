// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// everything has a member of each kind of description, with and without extension markers.
type everything struct {
	Small     uint8          `aper:"int(1..10)"`
	Octet     uint8          `aper:"int(0..255,...),optional"`
	Word      uint32         `aper:"int(1..65535,...)"`
	Long      uint64         `aper:"int(0..18446744073709551615)"`
	Semi      uint64         `aper:"int(0..)"`
	Any       *int64         `aper:"int,optional"`
	Wide      *uint64        `aper:"int,optional"`
	Enum      abcdef         ``
	Flag      bool           ``
	Null      *struct{}      `aper:"optional"`
	Bits6     uint8          `aper:"bits(6)"`
	Bits36    uint64         `aper:"bits(36)"`
	Bits16x   BitString      `aper:"bits(16,...)"`
	BitsVar   BitString      `aper:"bits(1..160,...)"`
	BitsAny   BitString      `aper:"bits"`
	Key       [32]byte       `aper:"bits(256)"`
	Two       [2]byte        `aper:"octets(2)"`
	Four      uint32         `aper:"octets(4)"`
	Octets    []byte         `aper:"octets,optional"`
	OctetsVar []byte         `aper:"octets(0..20,...)"`
	Name      string         `aper:"printable(1..150,...),optional"`
	Plain     string         `aper:"visible"`
	Text      string         `aper:"utf8(1..150,...),optional"`
	Few       listOf8        `aper:"optional"`
	Many      list65536      `aper:"optional"`
	Choices   []choiceInList `aper:"list(0..40)"`
	Sub       *container     `aper:"optional"`
	Open      []byte         `aper:"open"`
	Member    *abcdef        `aper:"ext=7,ignore"`
	Rest      *Unmodelled
	Added     *uint16    `aper:"int(0..65535),add"`
	AddedText *plainText `aper:"add"`
}

type plainText string

func (plainText) APER() string { return "visible(0..9)" }

type choiceInList struct {
	_      struct{}  `aper:"choice,extensible"`
	A      *uint8    `aper:"int(0..7)"`
	B      *[3]byte  `aper:"octets(3)"`
	C      *struct{} ``
	Single *abcdef   `aper:"sc=9,reject"`
	Raw    *RawIE
	X      *uint8 `aper:"int(0..255),add"`
}

// container is a message: mandatory and optional members of every presence.
type container struct {
	ID    uint32      `aper:"ie=1,reject,mandatory,int(0..4294967295)"`
	Value []byte      `aper:"ie=2,ignore,mandatory,octets"`
	Name  string      `aper:"ie=3,ignore,visible(1..20,...)"`
	Enum  *abcdef     `aper:"ie=4,reject"`
	List  list1024    `aper:"ie=5,notify"`
	Null  *struct{}   `aper:"ie=6,ignore"`
	Rest  *Unmodelled `aper:"ies"`
}

func filled() *everything {
	return &everything{
		Small: 3, Octet: 200, Word: 300, Long: 1 << 60, Semi: 1 << 33, Any: ptr[int64](-5), Wide: ptr[uint64](1<<64 - 1),
		Enum: 70, Flag: true, Null: &struct{}{}, Bits6: 33, Bits36: 1 << 35, Bits16x: Bits(5, 16), BitsVar: Bits(1, 1),
		BitsAny: BitString{Bytes: []byte{}}, Key: [32]byte{1, 31: 2}, Two: [2]byte{1, 2}, Four: 9, Octets: []byte{},
		OctetsVar: make([]byte, 30), Name: "n", Plain: "plain", Text: "ü", Few: listOf8{1}, Many: list65536{1, 2, 3},
		Choices: []choiceInList{
			{A: ptr[uint8](1)}, {B: &[3]byte{7}}, {C: &struct{}{}}, {X: ptr[uint8](9)}, {Single: ptr[abcdef](1)},
			{Raw: &RawIE{ID: 77, Criticality: Notify, Value: []byte{1}}},
		},
		Sub: &container{
			ID: 1, Value: []byte{1}, Name: "x", Enum: ptr[abcdef](2), List: list1024{3}, Null: &struct{}{},
			Rest: &Unmodelled{IEs: []RawIE{{ID: 99, Criticality: Ignore, Value: []byte{5}}}},
		},
		Open: []byte{1, 2}, Member: ptr[abcdef](1),
		Rest:  &Unmodelled{IEs: []RawIE{{ID: 8, Criticality: Reject, Value: make([]byte, 200)}}},
		Added: ptr[uint16](4), AddedText: ptr[plainText]("abc"),
	}
}

func TestEverything(t *testing.T) {
	x := filled()
	b, err := Encode(x)
	require.NoError(t, err)
	var y everything
	issues, err := Decode(b, &y)
	require.NoError(t, err)
	require.Equal(t, x, &y)
	require.Equal(t, []Issue{
		{ID: 77, Criticality: Notify, Kind: NotUnderstood, Nested: true},
		{ID: 99, Criticality: Ignore, Kind: NotUnderstood, Nested: false},
		{ID: 8, Criticality: Reject, Kind: NotUnderstood, Nested: false},
	}, issues)
	for i := range b {
		var z everything
		_, err := Decode(b[:i], &z)
		require.Error(t, err, "cut to %d octets", i)
	}
	_, err = Decode(append(b, 0), &everything{})
	require.ErrorContains(t, err, "1 octets after the value")
	require.Contains(t, Print(x), `Name: "n"`)
}

// Whatever decodes encodes to something that decodes to the same.
func FuzzAper(f *testing.F) {
	b, err := Encode(filled())
	require.NoError(f, err)
	f.Add(b)
	b, err = Encode(&everything{Small: 1, Word: 1, Bits16x: Bits(0, 16), BitsVar: Bits(0, 1)})
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var x, y everything
		if _, err := Decode(b, &x); err != nil {
			return
		}
		again, err := Encode(&x)
		require.NoError(t, err)
		_, err = Decode(again, &y)
		require.NoError(t, err)
		require.Equal(t, x, y)
		_ = Print(&x)
	})
}
