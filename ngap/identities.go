// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// NewPLMNIdentity returns the PLMN of a mobile country code of 3 digits and a network code of 2 or 3.
func NewPLMNIdentity(mcc, mnc string) (PLMNIdentity, error) {
	digits := mcc + mnc
	if len(mcc) != 3 || len(mnc) != 2 && len(mnc) != 3 || strings.Trim(digits, "0123456789") != "" {
		return PLMNIdentity{}, fmt.Errorf("ngap: PLMN %q/%q: want an MCC of 3 digits and an MNC of 2 or 3", mcc, mnc)
	}
	d := func(i int) byte { return digits[i] - '0' }
	p := PLMNIdentity{d(1)<<4 | d(0), 0xf0 | d(2), d(4)<<4 | d(3)}
	if len(mnc) == 3 {
		p[1] = d(5)<<4 | d(2)
	}
	return p, nil
}

// MCC returns the mobile country code. A nibble that is no digit stands as in hexadecimal.
func (p PLMNIdentity) MCC() string {
	return fmt.Sprintf("%x%x%x", p[0]&15, p[0]>>4, p[1]&15)
}

// MNC returns the mobile network code, 2 or 3 digits.
func (p PLMNIdentity) MNC() string {
	s := fmt.Sprintf("%x%x", p[2]&15, p[2]>>4)
	if d := p[1] >> 4; d != 15 {
		s += fmt.Sprintf("%x", d)
	}
	return s
}

// String returns MCC/MNC.
func (p PLMNIdentity) String() string { return p.MCC() + "/" + p.MNC() }

func (t TAC) String() string { return hex.EncodeToString(t[:]) }

// ParseTAC reads a tracking area code of up to 6 hexadecimal digits.
func ParseTAC(s string) (TAC, error) {
	v, err := strconv.ParseUint(s, 16, 24)
	if err != nil {
		return TAC{}, fmt.Errorf("ngap: TAC %q: want up to 6 hexadecimal digits", s)
	}
	return TAC{byte(v >> 16), byte(v >> 8), byte(v)}, nil
}

// NewGUAMI returns the GUAMI of an AMF in a PLMN; amfID is Region (8 bits), Set (10) and Pointer (6) as 6 hexadecimal
// digits, such as cafe00.
func NewGUAMI(plmn PLMNIdentity, amfID string) (GUAMI, error) {
	v, err := strconv.ParseUint(amfID, 16, 24)
	if err != nil || len(amfID) != 6 {
		return GUAMI{}, fmt.Errorf("ngap: AMF id %q: want 6 hexadecimal digits", amfID)
	}
	return GUAMI{
		PLMNIdentity: plmn,
		AMFRegionID:  AMFRegionID(v >> 16), AMFSetID: AMFSetID(v >> 6 & 0x3ff), AMFPointer: AMFPointer(v & 0x3f),
	}, nil
}

// AMFID returns Region, Set and Pointer as 24 bits.
func (g GUAMI) AMFID() uint32 {
	return uint32(g.AMFRegionID)<<16 | uint32(g.AMFSetID)<<6 | uint32(g.AMFPointer)
}

func (g GUAMI) String() string { return fmt.Sprintf("%v/%06x", g.PLMNIdentity, g.AMFID()) }

// NewSNSSAI returns a slice identity; sd is nil without slice differentiator.
func NewSNSSAI(sst uint8, sd *SD) SNSSAI { return SNSSAI{SST: SST(sst), SD: sd} }

// String returns SST, or SST-SD with the SD in hexadecimal; it serves as a map key.
func (s SNSSAI) String() string {
	if s.SD == nil {
		return strconv.Itoa(int(s.SST))
	}
	return fmt.Sprintf("%d-%x", s.SST, s.SD[:])
}

// Equal compares SST and SD.
func (s SNSSAI) Equal(o SNSSAI) bool {
	return s.SST == o.SST && (s.SD == nil) == (o.SD == nil) && (s.SD == nil || *s.SD == *o.SD)
}

// NewGlobalN3IWFID returns the Global RAN Node ID of an N3IWF.
func NewGlobalN3IWFID(plmn PLMNIdentity, id uint16) GlobalRANNodeID {
	return GlobalRANNodeID{GlobalN3IWFID: &GlobalN3IWFID{PLMNIdentity: plmn, N3IWFID: N3IWFID{N3IWFID: &id}}}
}

// String hides the key.
func (SecurityKey) String() string { return "(256 bits)" }

// NASAlgorithms returns the bitmap of NGAP for a security capability octet of NAS: the bit of algorithm 0 is dropped
// (TS 38.413 9.3.1.86).
func NASAlgorithms(nas uint8) aper.BitString { return aper.Bits(uint64(nas<<1)<<8, 16) }
