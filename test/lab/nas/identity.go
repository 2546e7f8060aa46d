// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// PLMN is a PLMN identity as on the wire (TS 24.008 clause 10.5.1.13).
type PLMN [3]byte

// NewPLMN codes MCC (3 digits) and MNC (2 or 3 digits).
func NewPLMN(mcc, mnc string) (PLMN, error) {
	if len(mcc) != 3 || len(mnc) < 2 || len(mnc) > 3 || strings.Trim(mcc+mnc, "0123456789") != "" {
		return PLMN{}, fmt.Errorf("PLMN %q-%q: want 3 digits of MCC and 2 or 3 of MNC", mcc, mnc)
	}
	d := func(s string, i int) byte {
		if i < len(s) {
			return s[i] - '0'
		}
		return 15
	}
	return PLMN{d(mcc, 1)<<4 | d(mcc, 0), d(mnc, 2)<<4 | d(mcc, 2), d(mnc, 1)<<4 | d(mnc, 0)}, nil
}

// MCC returns the mobile country code.
func (p PLMN) MCC() string { return digits(p[0]&15, p[0]>>4, p[1]&15) }

// MNC returns the mobile network code of 2 or 3 digits.
func (p PLMN) MNC() string { return digits(p[2]&15, p[2]>>4, p[1]>>4) }

func (p PLMN) String() string { return p.MCC() + "-" + p.MNC() }

// digits writes BCD digits; 15 ends them.
func digits(nibbles ...byte) string {
	var s strings.Builder
	for _, n := range nibbles {
		if n == 15 {
			break
		}
		fmt.Fprintf(&s, "%x", n)
	}
	return s.String()
}

// appendBCD writes digits two an octet, low half first, and fills up with F.
func appendBCD(b []byte, s string) []byte {
	for i := 0; i < len(s); i += 2 {
		hi := byte(15)
		if i+1 < len(s) {
			hi = s[i+1] - '0'
		}
		b = append(b, hi<<4|(s[i]-'0'))
	}
	return b
}

func readBCD(b []byte) string {
	nibbles := make([]byte, 0, 2*len(b))
	for _, o := range b {
		nibbles = append(nibbles, o&15, o>>4)
	}
	return digits(nibbles...)
}

// IdentityType is the type of a 5GS mobile identity (clause 9.11.3.3).
type IdentityType uint8

// Identity types.
const (
	IdentityNone   IdentityType = 0
	IdentitySUCI   IdentityType = 1
	IdentityGUTI   IdentityType = 2
	IdentityIMEI   IdentityType = 3
	IdentitySTMSI  IdentityType = 4
	IdentityIMEISV IdentityType = 5
)

// MobileIdentity is the value of a 5GS mobile identity (clause 9.11.3.4) as on the wire; its methods read it.
type MobileIdentity []byte

// Type returns the identity type, IdentityNone also for an empty value.
func (m MobileIdentity) Type() IdentityType {
	if len(m) == 0 {
		return IdentityNone
	}
	return IdentityType(m[0] & 7)
}

// SUCI is a subscription concealed identifier of the SUPI format IMSI.
type SUCI struct {
	PLMN             PLMN
	RoutingIndicator string // 1 to 4 digits
	Scheme           uint8  // 0 null scheme, 1 profile A, 2 profile B
	KeyID            uint8  // home network public key, 0 with the null scheme
	Output           []byte // null scheme: the MSIN in BCD
}

// NewNullSUCI returns the SUCI of the null scheme for an IMSI of that PLMN.
func NewNullSUCI(plmn PLMN, msin, routingIndicator string) SUCI {
	return SUCI{PLMN: plmn, RoutingIndicator: routingIndicator, Output: EncodeMSIN(msin)}
}

// EncodeMSIN returns the MSIN digits in BCD, the plaintext of every scheme.
func EncodeMSIN(msin string) []byte { return appendBCD(nil, msin) }

// DecodeMSIN returns the digits of the scheme input.
func DecodeMSIN(b []byte) string { return readBCD(b) }

// Identity returns the mobile identity.
func (s SUCI) Identity() MobileIdentity {
	b := append(MobileIdentity{byte(IdentitySUCI)}, s.PLMN[:]...)
	ri := appendBCD(nil, s.RoutingIndicator)
	for len(ri) < 2 {
		ri = append(ri, 0xff)
	}
	b = append(b, ri[:2]...)
	b = append(b, s.Scheme&15, s.KeyID)
	return append(b, s.Output...)
}

// SUCI reads a SUCI of the format IMSI.
func (m MobileIdentity) SUCI() (SUCI, error) {
	if m.Type() != IdentitySUCI || m[0]>>4&7 != 0 || len(m) < 9 {
		return SUCI{}, fmt.Errorf("identity %x is no SUCI of an IMSI", []byte(m))
	}
	return SUCI{PLMN: PLMN(m[1:]), RoutingIndicator: readBCD(m[4:6]), Scheme: m[6] & 15, KeyID: m[7], Output: m[8:]}, nil
}

// GUAMI identifies an AMF (TS 23.003 clause 2.10.1).
type GUAMI struct {
	PLMN    PLMN
	Region  uint8
	Set     uint16 // 10 bits
	Pointer uint8  // 6 bits
}

// GUTI is a 5G-GUTI: a UE under a temporary identity of its AMF.
type GUTI struct {
	GUAMI
	TMSI uint32
}

// Identity returns the mobile identity.
func (g GUTI) Identity() MobileIdentity {
	b := append(MobileIdentity{0xf0 | byte(IdentityGUTI)}, g.PLMN[:]...)
	b = append(b, g.Region)
	b = binary.BigEndian.AppendUint16(b, g.Set<<6|uint16(g.Pointer&63))
	return binary.BigEndian.AppendUint32(b, g.TMSI)
}

// GUTI reads a 5G-GUTI.
func (m MobileIdentity) GUTI() (GUTI, error) {
	if m.Type() != IdentityGUTI || len(m) < 11 {
		return GUTI{}, fmt.Errorf("identity %x is no 5G-GUTI", []byte(m))
	}
	id := binary.BigEndian.Uint16(m[5:])
	return GUTI{GUAMI: GUAMI{PLMN: PLMN(m[1:]), Region: m[4], Set: id >> 6, Pointer: uint8(id & 63)}, TMSI: binary.BigEndian.Uint32(m[7:])}, nil
}

// STMSI returns the 5G-S-TMSI form of the GUTI.
func (g GUTI) STMSI() MobileIdentity {
	b := binary.BigEndian.AppendUint16(MobileIdentity{0xf0 | byte(IdentitySTMSI)}, g.Set<<6|uint16(g.Pointer&63))
	return binary.BigEndian.AppendUint32(b, g.TMSI)
}

// TMSI reads the temporary identity of a 5G-GUTI or a 5G-S-TMSI.
func (m MobileIdentity) TMSI() (uint32, error) {
	switch {
	case m.Type() == IdentityGUTI && len(m) >= 11:
		return binary.BigEndian.Uint32(m[7:]), nil
	case m.Type() == IdentitySTMSI && len(m) >= 7:
		return binary.BigEndian.Uint32(m[3:]), nil
	}
	return 0, fmt.Errorf("identity %x has no 5G-TMSI", []byte(m))
}

// NewIMEISV returns the identity of an equipment with 16 digits.
func NewIMEISV(s string) (MobileIdentity, error) {
	if len(s) != 16 || strings.Trim(s, "0123456789") != "" {
		return nil, fmt.Errorf("IMEISV %q: want 16 digits", s)
	}
	return appendBCD(MobileIdentity{(s[0]-'0')<<4 | byte(IdentityIMEISV)}, s[1:]), nil
}

// Equipment reads the digits of an IMEI or IMEISV.
func (m MobileIdentity) Equipment() (string, error) {
	if t := m.Type(); t != IdentityIMEI && t != IdentityIMEISV {
		return "", fmt.Errorf("identity %x is no IMEI or IMEISV", []byte(m))
	}
	return digits(m[0]>>4) + readBCD(m[1:]), nil
}

// String returns the identity for a log.
func (m MobileIdentity) String() string {
	switch m.Type() {
	case IdentitySUCI:
		if s, err := m.SUCI(); err == nil {
			if s.Scheme == 0 {
				return fmt.Sprintf("suci-0-%s-%s-%s-0-0-%s", s.PLMN.MCC(), s.PLMN.MNC(), s.RoutingIndicator, DecodeMSIN(s.Output))
			}
			return fmt.Sprintf("suci-0-%s-%s-%s-%d-%d-%x", s.PLMN.MCC(), s.PLMN.MNC(), s.RoutingIndicator, s.Scheme, s.KeyID, s.Output)
		}
	case IdentityGUTI:
		if g, err := m.GUTI(); err == nil {
			return fmt.Sprintf("5g-guti-%s%s%02x%03x%02x-%08x", g.PLMN.MCC(), g.PLMN.MNC(), g.Region, g.Set, g.Pointer, g.TMSI)
		}
	case IdentityIMEI, IdentityIMEISV:
		if s, err := m.Equipment(); err == nil {
			return "imei-" + s
		}
	}
	return fmt.Sprintf("identity %x", []byte(m))
}
