// SPDX-License-Identifier: Apache-2.0

package eap5g

import (
	"encoding/binary"
	"fmt"
)

// PLMN is a PLMN identity as coded in 3GPP messages: MCC2 MCC1, MNC3 MCC3, MNC2 MNC1, with MNC3 = F
// for a two-digit MNC (TS 24.008 clause 10.5.1.13).
type PLMN [3]byte

// String returns MCC and MNC as in "208-93".
func (p PLMN) String() string {
	s := fmt.Sprintf("%x%x%x-%x%x", p[0]&15, p[0]>>4, p[1]&15, p[2]&15, p[2]>>4)
	if p[1]>>4 != 0xf {
		s += fmt.Sprintf("%x", p[1]>>4)
	}
	return s
}

// valid says whether all digits are decimal.
func (p PLMN) valid() bool {
	mnc3 := p[1] >> 4
	return p[0]&15 < 10 && p[0]>>4 < 10 && p[1]&15 < 10 && p[2]&15 < 10 && p[2]>>4 < 10 && (mnc3 < 10 || mnc3 == 15)
}

// GUAMI is the globally unique AMF identifier (TS 23.003 clause 2.10.1).
type GUAMI struct {
	PLMN    PLMN
	Region  uint8
	Set     uint16 // 10 bits
	Pointer uint8  // 6 bits
}

// GUAMIType says where the UE has the GUAMI from.
type GUAMIType uint8

// GUAMI types; the zero value says that the UE did not tell.
const (
	GUAMINative GUAMIType = 1 // from a 5G-GUTI
	GUAMIMapped GUAMIType = 2 // mapped from a 4G GUTI
)

// SNSSAI is a network slice as the UE asks for it (TS 24.501 clause 9.11.2.8). Mapped values are those of
// the home network.
type SNSSAI struct {
	SST       uint8
	SD        *[3]byte
	MappedSST *uint8
	MappedSD  *[3]byte
}

// NID is the network identifier of a stand-alone non-public network: 44 bits, the first hexadecimal digit
// in the highest four of them (TS 23.003 clause 12.7).
type NID uint64

// String returns the 11 hexadecimal digits.
func (n NID) String() string { return fmt.Sprintf("%011x", uint64(n)) }

// AN is what the AN parameters of a 5G-NAS response mean. Nil, empty and zero fields are absent ones.
type AN struct {
	GUAMI              *GUAMI
	GUAMIType          GUAMIType // only with GUAMI
	SelectedPLMN       *PLMN
	RequestedNSSAI     []SNSSAI // at most 8
	EstablishmentCause *EstablishmentCause
	SelectedNID        *NID
	UEIdentity         []byte // 5GS mobile identity, value part (TS 24.501 clause 9.11.3.4)
	Onboarding         bool   // registration for onboarding in an SNPN
}

// AN interprets the parameters of both lists. Unknown parameters are skipped, of a repeated one the first
// counts. It fails with a *[ParameterError] when a known one is malformed. Beside the standard's coding it
// takes that of older UEs, which put an octet more, or the NAS information element's own identifier and
// length, before the value.
func (m NASResponse) AN() (AN, error) {
	var an AN
	seen := map[ParameterType]bool{}
	for _, list := range [][]Parameter{m.Parameters, m.Extended} {
		for _, p := range list {
			if seen[p.Type] {
				continue
			}
			seen[p.Type] = true
			if err := an.set(p); err != nil {
				return AN{}, err
			}
		}
	}
	if an.GUAMI == nil {
		an.GUAMIType = 0
	}
	return an, nil
}

func (an *AN) set(p Parameter) error {
	bad := func(format string, args ...any) error {
		return &ParameterError{Type: p.Type, Reason: fmt.Sprintf(format, args...)}
	}
	fixed := func(n int) ([]byte, error) {
		v, ok := fixedValue(p.Value, n)
		if !ok {
			return nil, bad("length %d, want %d", len(p.Value), n)
		}
		return v, nil
	}
	switch p.Type {
	case ParameterGUAMI:
		v, err := fixed(6)
		if err != nil {
			return err
		}
		g := GUAMI{PLMN: PLMN(v[:3]), Region: v[3], Set: binary.BigEndian.Uint16(v[4:]) >> 6, Pointer: v[5] & 0x3f}
		if !g.PLMN.valid() {
			return bad("PLMN %x has a digit that is not decimal", v[:3])
		}
		an.GUAMI = &g
	case ParameterSelectedPLMN:
		v, err := fixed(3)
		if err != nil {
			return err
		}
		plmn := PLMN(v)
		if !plmn.valid() {
			return bad("PLMN %x has a digit that is not decimal", v)
		}
		an.SelectedPLMN = &plmn
	case ParameterRequestedNSSAI:
		list, ok := nssaiValue(p.Value)
		if !ok {
			return bad("%x is no list of 1 to 8 S-NSSAIs", p.Value)
		}
		an.RequestedNSSAI = list
	case ParameterEstablishmentCause:
		v, err := fixed(1)
		if err != nil {
			return err
		}
		cause := EstablishmentCause(v[0] & 0x0f)
		an.EstablishmentCause = &cause
	case ParameterSelectedNID:
		v, err := fixed(6)
		if err != nil {
			return err
		}
		var nid NID
		for i := range 11 {
			nid = nid<<4 | NID(v[i/2]>>(4*(i%2))&15)
		}
		an.SelectedNID = &nid
	case ParameterUEIdentity:
		v := identityValue(p.Value)
		if len(v) == 0 {
			return bad("empty")
		}
		an.UEIdentity = v
	case ParameterOnboarding:
		an.Onboarding = true
	case ParameterGUAMIType:
		v, err := fixed(1)
		if err != nil {
			return err
		}
		// Reserved values are as good as none.
		if t := GUAMIType(v[0]); t == GUAMINative || t == GUAMIMapped {
			an.GUAMIType = t
		}
	}
	return nil
}

// fixedValue finds a value of n octets: alone, after one octet, or after an identifier and its length.
func fixedValue(b []byte, n int) ([]byte, bool) {
	switch len(b) {
	case n:
		return b, true
	case n + 1:
		return b[1:], true
	case n + 2:
		return b[2:], int(b[1]) == n
	}
	return nil, false
}

// nssaiValue reads a list of S-NSSAIs, also after a zero octet or after an identifier and its length.
func nssaiValue(b []byte) ([]SNSSAI, bool) {
	if list, ok := decodeNSSAI(b); ok {
		return list, true
	}
	if len(b) > 1 && b[0] == 0 {
		return decodeNSSAI(b[1:])
	}
	if len(b) > 2 && int(b[1]) == len(b)-2 {
		return decodeNSSAI(b[2:])
	}
	return nil, false
}

func decodeNSSAI(b []byte) ([]SNSSAI, bool) {
	var list []SNSSAI
	for len(b) > 0 {
		n := int(b[0])
		if len(b)-1 < n || len(list) == 8 {
			return nil, false
		}
		v := b[1 : 1+n]
		b = b[1+n:]
		s := SNSSAI{}
		switch n {
		case 1:
		case 2:
			s.MappedSST = &[]uint8{v[1]}[0]
		case 4, 5, 8:
			s.SD = &[3]byte{v[1], v[2], v[3]}
			if n > 4 {
				s.MappedSST = &[]uint8{v[4]}[0]
			}
			if n > 5 {
				s.MappedSD = &[3]byte{v[5], v[6], v[7]}
			}
		default:
			return nil, false
		}
		s.SST = v[0]
		list = append(list, s)
	}
	return list, len(list) > 0
}

// identityValue strips the identifier and the two-octet length of the NAS information element, which the
// extended list does not have but some senders write.
func identityValue(b []byte) []byte {
	const iei = 0x77
	if len(b) > 3 && b[0] == iei && int(binary.BigEndian.Uint16(b[1:])) == len(b)-3 {
		return b[3:]
	}
	if len(b) > 2 && int(binary.BigEndian.Uint16(b)) == len(b)-2 {
		return b[2:]
	}
	return b
}

// NASResponse returns the 5G-NAS response that carries these parameters and a NAS PDU, in the standard's
// coding: the UE identity in the extended list, everything else in the ordinary one.
func (an AN) NASResponse(pdu []byte) NASResponse {
	m := NASResponse{PDU: pdu}
	add := func(t ParameterType, v ...byte) { m.Parameters = append(m.Parameters, Parameter{Type: t, Value: v}) }
	if g := an.GUAMI; g != nil {
		id := g.Set<<6 | uint16(g.Pointer&0x3f)
		add(ParameterGUAMI, g.PLMN[0], g.PLMN[1], g.PLMN[2], g.Region, byte(id>>8), byte(id))
	}
	if an.SelectedPLMN != nil {
		add(ParameterSelectedPLMN, an.SelectedPLMN[:]...)
	}
	if len(an.RequestedNSSAI) > 0 {
		var v []byte
		for _, s := range an.RequestedNSSAI {
			v = s.append(v)
		}
		add(ParameterRequestedNSSAI, v...)
	}
	if an.EstablishmentCause != nil {
		add(ParameterEstablishmentCause, byte(*an.EstablishmentCause)&0x0f)
	}
	if an.SelectedNID != nil {
		var v [6]byte
		for i := range 11 {
			v[i/2] |= byte(*an.SelectedNID>>(40-4*i)) & 15 << (4 * (i % 2))
		}
		add(ParameterSelectedNID, v[:]...)
	}
	if an.Onboarding {
		add(ParameterOnboarding)
	}
	if an.GUAMI != nil && an.GUAMIType != 0 {
		add(ParameterGUAMIType, byte(an.GUAMIType))
	}
	if len(an.UEIdentity) > 0 {
		m.Extended = []Parameter{{Type: ParameterUEIdentity, Value: an.UEIdentity}}
	}
	return m
}

// append writes length and value. A mapped SD exists only with an SD and a mapped SST.
func (s SNSSAI) append(b []byte) []byte {
	v := []byte{s.SST}
	if s.SD != nil {
		v = append(v, s.SD[:]...)
	}
	if s.MappedSST != nil {
		v = append(v, *s.MappedSST)
		if s.SD != nil && s.MappedSD != nil {
			v = append(v, s.MappedSD[:]...)
		}
	}
	return append(append(b, byte(len(v))), v...)
}
