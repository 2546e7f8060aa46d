// SPDX-License-Identifier: Apache-2.0

package xfrm

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// ID names a state: the kernel looks states up by destination, SPI and mark, and by nothing else.
type ID struct {
	Dst  netip.Addr
	SPI  uint32
	Mark Mark
}

// Direction of a state. Kernels before 6.10 do not know it.
type Direction uint8

// Directions.
const (
	AnyDirection Direction = iota
	In
	Out
)

// Flags of a State.
const (
	FlagNoPMTUDiscovery uint8 = 4  // XFRM_STATE_NOPMTUDISC; not allowed on a state whose Direction is In
	flagAFUnspec        uint8 = 32 // XFRM_STATE_AF_UNSPEC: the inner family is not bound to the outer one
	flagESN             uint8 = 128
)

// ExtraDontEncapDSCP keeps the inner DSCP out of the outer header.
const ExtraDontEncapDSCP uint32 = 1

// State is an SA in one direction.
type State struct {
	ID
	Src        netip.Addr
	ReqID      uint32
	IfID       uint32
	Flags      uint8 // besides those that follow from other fields
	ExtraFlags uint32
	ESN        bool
	AEAD       *Algorithm // with Bits of ICV; or Crypt and Auth
	Crypt      *Algorithm
	Auth       *Algorithm // Bits of the truncated MAC
	Encap      *Encap
	Replay     Replay
	// OutputMark replaces the mark of packets that went through the state: decrypted ones (before they reach the interface) as well as
	// encrypted ones.
	OutputMark *Mark
	Limits     Limits
	Direction  Direction
	// MappingThreshold is how many seconds lie at least between two Mapping reports of the same port, on kernels from 5.17; 0 is a report for each packet.
	MappingThreshold uint32

	// Of states that the kernel tells of.
	Packets, Bytes uint64 // since the state was made
	LastUsed       uint64 // Unix seconds; 0 is never
	Drops          Drops
}

// Drops counts what a state did not accept.
type Drops struct{ ReplayWindow, Replay, Integrity uint32 }

// Algorithm is one transform under the kernel's name.
type Algorithm struct {
	Name string
	Key  []byte
	Bits int // of ICV; not used for a cipher alone
}

// Encap is UDP encapsulation (RFC 3948).
type Encap struct{ SrcPort, DstPort uint16 }

// Replay is the sequence state in the ESN layout, which the kernel also takes without ESN and must have for windows above 32.
type Replay struct {
	Window  uint32 // packets; 0 leaves the whole attribute out
	Out, In uint64 // last sequence number sent, highest received
	Bitmap  []uint32
}

// MaxReplayWindow is the largest window in packets.
const MaxReplayWindow = 4096

func (r *Replay) append(b []byte) []byte {
	words := max((uint64(r.Window)+31)/32, uint64(len(r.Bitmap)))
	p := make([]byte, sizeReplay+4*len(r.Bitmap)) // a bitmap left out is an empty one
	for i, v := range [6]uint32{uint32(words), uint32(r.Out), uint32(r.In), uint32(r.Out >> 32), uint32(r.In >> 32), r.Window} {
		host.PutUint32(p[4*i:], v)
	}
	for i, v := range r.Bitmap {
		host.PutUint32(p[sizeReplay+4*i:], v)
	}
	return attr(b, attrReplayESN, p)
}

func parseReplay(b []byte) (Replay, error) {
	if err := need(b, sizeReplay, "replay state"); err != nil {
		return Replay{}, err
	}
	v := func(i int) uint32 { return host.Uint32(b[4*i:]) }
	r := Replay{Window: v(5), Out: uint64(v(3))<<32 | uint64(v(1)), In: uint64(v(4))<<32 | uint64(v(2))}
	words := v(0)
	b = b[sizeReplay:]
	if len(b) == 0 {
		return r, nil
	}
	if uint64(words)*4 > uint64(len(b)) {
		return Replay{}, fmt.Errorf("%w: replay bitmap of %d words in %d octets", ErrMalformed, words, len(b))
	}
	r.Bitmap = make([]uint32, words)
	for i := range r.Bitmap {
		r.Bitmap[i] = host.Uint32(b[4*i:])
	}
	return r, nil
}

const algorithmName = 64

// append adds an algorithm; numbers are those between the name and the key.
func (a *Algorithm) append(b []byte, kind uint16, numbers ...uint32) []byte {
	p := make([]byte, algorithmName, algorithmName+8+len(a.Key))
	copy(p[:algorithmName-1], a.Name)
	for _, n := range numbers {
		p = host.AppendUint32(p, n)
	}
	return attr(b, kind, append(p, a.Key...))
}

func parseAlgorithm(b []byte, withBits bool) (*Algorithm, error) {
	header := algorithmName + 4
	if withBits {
		header += 4
	}
	if err := need(b, header, "algorithm"); err != nil {
		return nil, err
	}
	keyBits := host.Uint32(b[algorithmName:])
	if keyBits > uint32(len(b)-header)*8 {
		return nil, fmt.Errorf("%w: key of %d bits in %d octets", ErrMalformed, keyBits, len(b)-header)
	}
	a := &Algorithm{Key: append([]byte(nil), b[header:header+int(keyBits+7)/8]...)}
	for i, c := range b[:algorithmName] {
		if c == 0 {
			a.Name = string(b[:i])
			break
		}
	}
	if withBits {
		a.Bits = int(host.Uint32(b[algorithmName+4:]))
	}
	return a, nil
}

// info appends xfrm_usersa_info.
func (s *State) info(b []byte) []byte {
	p := make([]byte, sizeState)
	putAddr(p[56:], s.Dst)
	binary.BigEndian.PutUint32(p[72:], s.SPI)
	p[76] = protocolESP
	putAddr(p[80:], s.Src)
	s.Limits.put(p[96:])
	host.PutUint32(p[208:], s.ReqID)
	host.PutUint16(p[212:], family(s.Dst))
	p[214] = modeTunnel
	p[216] = s.Flags | flagAFUnspec
	if s.ESN {
		p[216] |= flagESN
	}
	return append(b, p...)
}

// encode appends the body of NEWSA or UPDSA.
func (s *State) encode(b []byte) []byte {
	b = s.info(b)
	if a := s.AEAD; a != nil {
		b = a.append(b, attrAEAD, uint32(len(a.Key)*8), uint32(a.Bits))
	}
	if a := s.Crypt; a != nil {
		b = a.append(b, attrCrypt, uint32(len(a.Key)*8))
	}
	if a := s.Auth; a != nil {
		b = a.append(b, attrAuthTrunc, uint32(len(a.Key)*8), uint32(a.Bits))
	}
	if e := s.Encap; e != nil {
		p := make([]byte, sizeEncap)
		host.PutUint16(p, encapUDP)
		binary.BigEndian.PutUint16(p[2:], e.SrcPort)
		binary.BigEndian.PutUint16(p[4:], e.DstPort)
		b = attr(b, attrEncap, p)
	}
	if s.Replay.Window > 0 {
		b = s.Replay.append(b)
	}
	if s.ExtraFlags != 0 {
		b = attr32(b, attrExtraFlags, s.ExtraFlags)
	}
	b = s.Mark.append(b, attrMark)
	if s.IfID != 0 {
		b = attr32(b, attrIfID, s.IfID)
	}
	if m := s.OutputMark; m != nil {
		b = attr32(attr32(b, attrSetMark, m.Value), attrSetMarkMask, m.Mask)
	}
	if s.MappingThreshold != 0 {
		b = attr32(b, attrMappingThresh, s.MappingThreshold)
	}
	if s.Direction != AnyDirection {
		b = attr(b, attrDirection, []byte{byte(s.Direction)})
	}
	return b
}

// parseState reads the body of NEWSA, as the kernel tells of a state.
func parseState(b []byte) (*State, error) {
	if err := need(b, sizeState, "state"); err != nil {
		return nil, err
	}
	fam := host.Uint16(b[212:])
	s := &State{
		ID:  ID{Dst: addr(b[56:], fam), SPI: binary.BigEndian.Uint32(b[72:])},
		Src: addr(b[80:], fam), ReqID: host.Uint32(b[208:]),
		Limits: parseLimits(b[96:]), Bytes: host.Uint64(b[160:]), Packets: host.Uint64(b[168:]),
		Drops: Drops{host.Uint32(b[192:]), host.Uint32(b[196:]), host.Uint32(b[200:])},
		Flags: b[216] &^ (flagAFUnspec | flagESN), ESN: b[216]&flagESN != 0,
	}
	s.Replay.Window = uint32(b[215])
	return s, attrs(b[sizeState:], s.attribute)
}

func (s *State) attribute(kind uint16, p []byte) (err error) {
	number := func(what string) uint32 {
		if err = need(p, 4, what); err != nil {
			return 0
		}
		return host.Uint32(p)
	}
	switch kind {
	case attrAEAD:
		s.AEAD, err = parseAlgorithm(p, true)
	case attrCrypt:
		s.Crypt, err = parseAlgorithm(p, false)
	case attrAuthTrunc:
		s.Auth, err = parseAlgorithm(p, true)
	case attrEncap:
		if err = need(p, sizeEncap, "encapsulation"); err == nil {
			s.Encap = &Encap{binary.BigEndian.Uint16(p[2:]), binary.BigEndian.Uint16(p[4:])}
		}
	case attrReplayESN:
		s.Replay, err = parseReplay(p)
	case attrReplay: // of a state without ESN whose window fits 32 bits
		if err = need(p, 12, "replay state"); err == nil {
			s.Replay = Replay{Window: s.Replay.Window, Out: uint64(host.Uint32(p)), In: uint64(host.Uint32(p[4:])), Bitmap: []uint32{host.Uint32(p[8:])}}
		}
	case attrExtraFlags:
		s.ExtraFlags = number("flags")
	case attrMark:
		s.Mark, err = parseMark(p)
	case attrIfID:
		s.IfID = number("interface id")
	case attrSetMark:
		s.outputMark().Value = number("output mark")
	case attrSetMarkMask:
		s.outputMark().Mask = number("output mark")
	case attrMappingThresh:
		s.MappingThreshold = number("threshold")
	case attrDirection:
		if err = need(p, 1, "direction"); err == nil {
			s.Direction = Direction(p[0])
		}
	case attrLastUsed:
		if err = need(p, 8, "time"); err == nil {
			s.LastUsed = host.Uint64(p)
		}
	}
	return err
}

func (s *State) outputMark() *Mark {
	if s.OutputMark == nil {
		s.OutputMark = &Mark{}
	}
	return s.OutputMark
}

// saID appends xfrm_usersa_id with the mark.
func (id ID) saID(b []byte) []byte {
	return id.Mark.append(id.bareID(b), attrMark)
}

func (id ID) bareID(b []byte) []byte {
	p := make([]byte, sizeSAID)
	putAddr(p, id.Dst)
	binary.BigEndian.PutUint32(p[16:], id.SPI)
	host.PutUint16(p[20:], family(id.Dst))
	p[22] = protocolESP
	return append(b, p...)
}

func parseSAID(b []byte) ID {
	return ID{Dst: addr(b, host.Uint16(b[20:])), SPI: binary.BigEndian.Uint32(b[16:])}
}
