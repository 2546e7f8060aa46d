// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// KSI is the key set identifier in its half octet (clause 9.11.3.32): 0 to 6, or [NoKey].
type KSI uint8

// NoKey says that the UE has no 5G NAS security context.
const NoKey KSI = 7

// RegistrationType is the registration type with the follow-on request bit (clause 9.11.3.7).
type RegistrationType uint8

// Registration types; FollowOn is added to one of them.
const (
	RegistrationInitial   RegistrationType = 1
	RegistrationMobility  RegistrationType = 2
	RegistrationPeriodic  RegistrationType = 3
	RegistrationEmergency RegistrationType = 4
	FollowOn              RegistrationType = 8
)

// DeregistrationType is clause 9.11.3.20: access in the low two bits, re-registration required, switch-off.
type DeregistrationType uint8

// Parts of the de-registration type.
const (
	Deregister3GPP    DeregistrationType = 1
	DeregisterNon3GPP DeregistrationType = 2
	DeregisterBoth    DeregistrationType = 3
	Reregister        DeregistrationType = 4
	SwitchOff         DeregistrationType = 8
)

// Values of the 5GS registration result (clause 9.11.3.6).
const (
	Result3GPP    = 1
	ResultNon3GPP = 2
	ResultBoth    = 3
)

// Payload container types (clause 9.11.3.40).
const (
	ContainerN1SM = 1
)

// Request types (clause 9.11.3.47).
const (
	RequestInitial   = 1
	RequestExisting  = 2
	RequestEmergency = 3
	// RequestExistingEmergency is for an emergency PDU session of the other access.
	RequestExistingEmergency = 4
	RequestModification      = 5
)

// SecurityCapability is the UE security capability (clause 9.11.3.54) as sent: an octet of 5G encryption
// algorithms, algorithm 0 in the highest bit, an octet of integrity algorithms, then those of EPS.
type SecurityCapability []byte

// Cipher says whether 5G-EA n is supported, n from 0 to 7.
func (c SecurityCapability) Cipher(n int) bool { return len(c) > 0 && c[0]&(0x80>>n) != 0 }

// Integrity says whether 5G-IA n is supported, n from 0 to 7.
func (c SecurityCapability) Integrity(n int) bool { return len(c) > 1 && c[1]&(0x80>>n) != 0 }

// NewSecurityCapability returns the capability with these 5G algorithms.
func NewSecurityCapability(ciphers, integrities []int) SecurityCapability {
	c := SecurityCapability{0, 0}
	for _, n := range ciphers {
		c[0] |= 0x80 >> n
	}
	for _, n := range integrities {
		c[1] |= 0x80 >> n
	}
	return c
}

// SNSSAI is a network slice (clause 9.11.2.8). Mapped is the slice of the home network, without SD when only its
// type was given.
type SNSSAI struct {
	SST    uint8
	HasSD  bool
	SD     [3]byte
	Mapped *SNSSAI
}

// Same says whether both name the same slice of this network.
func (s SNSSAI) Same(o SNSSAI) bool { return s.SST == o.SST && s.HasSD == o.HasSD && s.SD == o.SD }

// String returns "1" or "1/010203".
func (s SNSSAI) String() string {
	if !s.HasSD {
		return fmt.Sprint(s.SST)
	}
	return fmt.Sprintf("%d/%x", s.SST, s.SD)
}

func (s SNSSAI) appendNAS(b []byte) ([]byte, error) {
	b = append(b, s.SST)
	if s.HasSD {
		b = append(b, s.SD[:]...)
	}
	if s.Mapped != nil {
		b = append(b, s.Mapped.SST)
		if s.HasSD && s.Mapped.HasSD {
			b = append(b, s.Mapped.SD[:]...)
		}
	}
	return b, nil
}

func (s *SNSSAI) decodeNAS(b []byte) error {
	switch len(b) {
	case 1:
		*s = SNSSAI{SST: b[0]}
	case 2:
		*s = SNSSAI{SST: b[0], Mapped: &SNSSAI{SST: b[1]}}
	case 4:
		*s = SNSSAI{SST: b[0], HasSD: true, SD: [3]byte(b[1:])}
	case 5:
		*s = SNSSAI{SST: b[0], HasSD: true, SD: [3]byte(b[1:]), Mapped: &SNSSAI{SST: b[4]}}
	case 8:
		*s = SNSSAI{SST: b[0], HasSD: true, SD: [3]byte(b[1:]), Mapped: &SNSSAI{SST: b[4], HasSD: true, SD: [3]byte(b[5:])}}
	default:
		return fmt.Errorf("S-NSSAI of %d octets", len(b))
	}
	return nil
}

// NSSAI is a list of slices (clause 9.11.3.37).
type NSSAI []SNSSAI

func (n NSSAI) appendNAS(b []byte) ([]byte, error) {
	for _, s := range n {
		at := len(b)
		b = append(b, 0)
		b, _ = s.appendNAS(b)
		b[at] = byte(len(b) - at - 1)
	}
	return b, nil
}

func (n *NSSAI) decodeNAS(b []byte) error {
	*n = NSSAI{}
	for len(b) > 0 {
		l := int(b[0])
		if len(b)-1 < l {
			return errors.New("S-NSSAI runs past the list")
		}
		var s SNSSAI
		if err := s.decodeNAS(b[1 : 1+l]); err != nil {
			return err
		}
		*n, b = append(*n, s), b[1+l:]
	}
	return nil
}

// TAI is a tracking area (clause 9.11.3.8).
type TAI struct {
	PLMN PLMN
	TAC  [3]byte
}

func (t TAI) appendNAS(b []byte) ([]byte, error) {
	return append(append(b, t.PLMN[:]...), t.TAC[:]...), nil
}

func (t *TAI) decodeNAS(b []byte) error {
	if len(b) != 6 {
		return fmt.Errorf("tracking area of %d octets", len(b))
	}
	*t = TAI{PLMN: PLMN(b), TAC: [3]byte(b[3:])}
	return nil
}

// TAIList is clause 9.11.3.9. It encodes as partial lists of type 2 or, when all are of one PLMN, type 0; all
// three types decode.
type TAIList []TAI

func (l TAIList) appendNAS(b []byte) ([]byte, error) {
	if len(l) == 0 || len(l) > 16 {
		return nil, fmt.Errorf("%d tracking areas, want 1 to 16", len(l))
	}
	same := true
	for _, t := range l {
		same = same && t.PLMN == l[0].PLMN
	}
	if !same {
		b = append(b, 2<<5|byte(len(l)-1))
		for _, t := range l {
			b, _ = t.appendNAS(b)
		}
		return b, nil
	}
	b = append(append(b, byte(len(l)-1)), l[0].PLMN[:]...)
	for _, t := range l {
		b = append(b, t.TAC[:]...)
	}
	return b, nil
}

func (l *TAIList) decodeNAS(b []byte) error {
	*l = TAIList{}
	short := errors.New("partial list is cut off")
	for len(b) > 0 {
		kind, n := b[0]>>5&3, int(b[0]&31)+1
		b = b[1:]
		if kind > 2 || n > 16 {
			return errors.New("reserved type or count of a partial list")
		}
		size := [...]int{3 + 3*n, 6, 6 * n}[kind]
		if len(b) < size {
			return short
		}
		for i := range n {
			switch kind {
			case 0:
				*l = append(*l, TAI{PLMN: PLMN(b), TAC: [3]byte(b[3+3*i:])})
			case 1:
				tac := uint32(b[3])<<16 | uint32(b[4])<<8 | uint32(b[5]) + uint32(i)
				*l = append(*l, TAI{PLMN: PLMN(b), TAC: [3]byte{byte(tac >> 16), byte(tac >> 8), byte(tac)}})
			case 2:
				*l = append(*l, TAI{PLMN: PLMN(b[6*i:]), TAC: [3]byte(b[6*i+3:])})
			}
		}
		b = b[size:]
	}
	return nil
}

// SessionBitmap has a bit for each PDU session id: 1<<id.
type SessionBitmap uint16

func (m SessionBitmap) appendNAS(b []byte) ([]byte, error) {
	return binary.LittleEndian.AppendUint16(b, uint16(m)), nil
}

func (m *SessionBitmap) decodeNAS(b []byte) error {
	if len(b) < 2 {
		return errors.New("less than 2 octets")
	}
	*m = SessionBitmap(binary.LittleEndian.Uint16(b))
	return nil
}

// Timer2 is a GPRS timer 2 (TS 24.008 clause 10.5.7.4).
type Timer2 uint8

// Duration returns 0 for a deactivated timer.
func (t Timer2) Duration() time.Duration {
	unit := [8]time.Duration{2 * time.Second, time.Minute, 6 * time.Minute, time.Minute, time.Minute, time.Minute, time.Minute, 0}
	return unit[t>>5] * time.Duration(t&31)
}

// Timer3 is a GPRS timer 3 (TS 24.008 clause 10.5.7.4a).
type Timer3 uint8

// Duration returns 0 for a deactivated timer.
func (t Timer3) Duration() time.Duration {
	unit := [8]time.Duration{10 * time.Minute, time.Hour, 10 * time.Hour, 2 * time.Second, 30 * time.Second, time.Minute, 320 * time.Hour, 0}
	return unit[t>>5] * time.Duration(t&31)
}

// DNN is a data network name, written with dots; on the wire each label has its length before it
// (TS 23.003 clause 9.1).
type DNN string

func (d DNN) appendNAS(b []byte) ([]byte, error) {
	if len(d) == 0 || len(d) > 99 {
		return nil, fmt.Errorf("DNN of %d octets, want 1 to 99", len(d))
	}
	for _, label := range strings.Split(string(d), ".") {
		if len(label) == 0 || len(label) > 63 {
			return nil, fmt.Errorf("label of %d octets in DNN %q, want 1 to 63", len(label), d)
		}
		b = append(append(b, byte(len(label))), label...)
	}
	return b, nil
}

func (d *DNN) decodeNAS(b []byte) error {
	if len(b) == 0 || len(b) > 100 {
		return fmt.Errorf("DNN of %d octets", len(b))
	}
	var labels []string
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || n > 63 || len(b)-1 < n || strings.ContainsRune(string(b[1:1+n]), '.') {
			return errors.New("DNN has a wrong label")
		}
		labels, b = append(labels, string(b[1:1+n])), b[1+n:]
	}
	*d = DNN(strings.Join(labels, "."))
	return nil
}

// SessionType is the PDU session type (clause 9.11.4.11).
type SessionType uint8

// PDU session types.
const (
	SessionIPv4         SessionType = 1
	SessionIPv6         SessionType = 2
	SessionIPv4v6       SessionType = 3
	SessionUnstructured SessionType = 4
	SessionEthernet     SessionType = 5
)

// PDUAddress is the address of a PDU session (clause 9.11.4.10).
type PDUAddress struct {
	Type        SessionType
	InterfaceID [8]byte    // IPv6 and IPv4v6
	IPv4        netip.Addr // IPv4 and IPv4v6
}

func (a PDUAddress) appendNAS(b []byte) ([]byte, error) {
	b = append(b, byte(a.Type))
	if a.Type == SessionIPv6 || a.Type == SessionIPv4v6 {
		b = append(b, a.InterfaceID[:]...)
	}
	if a.Type == SessionIPv4 || a.Type == SessionIPv4v6 {
		if !a.IPv4.Is4() {
			return nil, fmt.Errorf("address %v is not IPv4", a.IPv4)
		}
		b = append(b, a.IPv4.AsSlice()...)
	}
	return b, nil
}

func (a *PDUAddress) decodeNAS(b []byte) error {
	if len(b) == 0 {
		return errors.New("empty PDU address")
	}
	*a = PDUAddress{Type: SessionType(b[0] & 7)}
	want := map[SessionType]int{SessionIPv4: 5, SessionIPv6: 9, SessionIPv4v6: 13}[a.Type]
	if want == 0 || len(b) < want {
		return fmt.Errorf("PDU address of type %d has %d octets", a.Type, len(b))
	}
	if a.Type != SessionIPv4 {
		a.InterfaceID = [8]byte(b[1:])
	}
	if a.Type != SessionIPv6 {
		a.IPv4 = netip.AddrFrom4([4]byte(b[want-4:]))
	}
	return nil
}
