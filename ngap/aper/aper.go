// SPDX-License-Identifier: Apache-2.0

// Package aper is the runtime of the BASIC-PER ALIGNED encoding rules (ITU-T X.691) in the subset that NGAP uses.
//
// A Go type is its own description: structs are SEQUENCEs (or CHOICEs), slices are SEQUENCE OFs, and constraints
// are written once, either in the method APER of a named type or in the tag of a field. The description is compiled
// by reflection into a plan on first use and cached; encoding, decoding, bounds checks and printing are walks over
// that plan.
//
// Descriptions of values (method APER, or the tag of a field of an unnamed type):
//
//	int(1..255)  int(0..255,...)  int(0..)  int       INTEGER; "..." is the extension marker; Go: any integer kind
//	enum(a b c)  enum(a b ... c)                      ENUMERATED, additions after "..."; Go: unsigned kind, additions
//	                                                  count on from the last root value
//	bits(16)  bits(1..160,...)                        BIT STRING; Go: unsigned kind (fixed, up to 64, right-aligned),
//	                                                  byte array (fixed, whole octets) or BitString
//	octets  octets(3)  octets(1..20)                  OCTET STRING; Go: []byte, byte array, or unsigned kind (fixed)
//	printable(1..150,...)  visible(...)  utf8(...)    character strings; Go: string
//	list(1..8)                                        SEQUENCE OF; Go: slice
//	bool and struct{} need none                       BOOLEAN, NULL
//
// Tags of struct fields, separated by commas, beside an optional description:
//
//	optional               OPTIONAL member; absent is the nil pointer, nil slice or empty string
//	add                    extension addition of a SEQUENCE or CHOICE; optional
//	ie=27,reject           member of the protocol IE container that a message consists of, with ",mandatory" or optional
//	ext=213,ignore         member of the iE-Extensions container; optional
//	sc=169,reject          alternative inside the single container that ends a CHOICE (choice-Extensions)
//
// A field "_ struct{}" tagged "choice", "choice,extensible" or "seq" makes the struct a CHOICE, an extensible CHOICE
// or a SEQUENCE without extension marker; without it a struct is an extensible SEQUENCE. The alternatives of a CHOICE
// are pointers of which exactly one is set. A field of type *Unmodelled declares a container and keeps what it carried
// beyond the fields: the protocol IE container when tagged "ies", else the optional iE-Extensions. A field of type
// *RawIE in a CHOICE does the same for its single container; beside a known alternative it has no Value and keeps only
// a criticality other than the described one.
package aper

import "fmt"

// BitString is a BIT STRING of N bits, first bit in the most significant bit of Bytes[0]; trailing bits are 0.
type BitString struct {
	Bytes []byte
	N     int
}

// Bits returns the low n bits of v (n up to 64) as a BitString.
func Bits(v uint64, n int) BitString {
	b := make([]byte, (n+7)/8)
	for i := range n {
		if v>>(n-1-i)&1 == 1 {
			b[i/8] |= 0x80 >> (i % 8)
		}
	}
	return BitString{Bytes: b, N: n}
}

// Uint64 returns the bits as a right-aligned number; ok is false above 64 bits.
func (b BitString) Uint64() (v uint64, ok bool) {
	if b.N > 64 {
		return 0, false
	}
	for i := range b.N {
		v = v<<1 | uint64(b.Bytes[i/8]>>(7-i%8)&1)
	}
	return v, true
}

func (b BitString) String() string {
	return fmt.Sprintf("%x/%d", b.Bytes, b.N)
}

// Criticality of a procedure or IE (TS 38.413 9.3.4.1): what a receiver does that does not understand it.
type Criticality uint8

const (
	Reject Criticality = iota
	Ignore
	Notify
)

func (Criticality) APER() string     { return "enum(reject ignore notify)" }
func (c Criticality) String() string { return EnumString(c) }

// RawIE is a container member that the description does not model: identity, criticality and the octets of its
// open type.
type RawIE struct {
	ID          uint16
	Criticality Criticality
	Value       []byte
}

func (r RawIE) String() string { return fmt.Sprintf("%d/%v:%x", r.ID, r.Criticality, r.Value) }

type ieHeader struct {
	id          uint16
	criticality Criticality
}

// Unmodelled is what a container carried beyond the fields of the Go struct. Besides the unknown IEs it remembers
// order and criticalities where the sender deviated from the description, so that a decoded container encodes to
// the octets it came from.
type Unmodelled struct {
	IEs   []RawIE
	order []ieHeader
}

// IssueKind says what is wrong with a member of a container.
type IssueKind uint8

const (
	// NotUnderstood: unknown identity, or a value beyond the known extensions.
	NotUnderstood IssueKind = iota
	// Missing: mandatory and absent.
	Missing
	// Repeated: more than once.
	Repeated
)

func (k IssueKind) String() string {
	return [...]string{"not understood", "missing", "repeated"}[k]
}

// Issue is an abstract syntax problem that did not stop the decoding. Criticality is the received one for
// NotUnderstood and Repeated, and the described one for Missing (TS 38.413 10.3).
type Issue struct {
	ID          uint16
	Criticality Criticality
	Kind        IssueKind
	// Nested: the member stands in an extension container or CHOICE below the outermost container.
	Nested bool
}

func (i Issue) String() string { return fmt.Sprintf("IE %d (%v) %v", i.ID, i.Criticality, i.Kind) }

// ErrorKind sorts the errors of this package.
type ErrorKind uint8

const (
	// Truncated: the encoding ends before the value does.
	Truncated ErrorKind = iota
	// Malformed: octets that no value encodes to.
	Malformed
	// Constraint: a value outside its bounds, on either side.
	Constraint
)

func (k ErrorKind) String() string {
	return [...]string{"truncated", "malformed", "out of bounds"}[k]
}

// Error is a value that cannot be decoded (a transfer syntax error) or encoded.
type Error struct {
	Kind   ErrorKind
	Path   string // field names from the outermost value inwards
	Offset int    // bit offset where decoding stopped, from the start of the outermost value or reassembled fragment
	Detail string
}

func (e *Error) Error() string {
	s := "aper: "
	if e.Path != "" {
		s += e.Path + ": "
	}
	return s + fmt.Sprintf("%v: %s (bit %d)", e.Kind, e.Detail, e.Offset)
}

// Described is a named type that carries its own description; see the package comment for the notation.
type Described interface{ APER() string }
