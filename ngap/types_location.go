// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// CAGID is CAG-ID of TS 38.413 9.4.5.
type CAGID uint32

func (CAGID) APER() string { return "bits(32)" }

// CellCAGList: see TS 38.413 9.4.5.
type CellCAGList []CAGID

func (CellCAGList) APER() string { return "list(1..64)" }

// EUTRACGI is EUTRA-CGI of TS 38.413 9.4.5.
type EUTRACGI struct {
	PLMNIdentity      PLMNIdentity
	EUTRACellIdentity EUTRACellIdentity
	IEExtensions      *aper.Unmodelled
}

// EUTRACellIdentity: see TS 38.413 9.4.5.
type EUTRACellIdentity uint32

func (EUTRACellIdentity) APER() string { return "bits(28)" }

// GlobalCableID is GlobalCable-ID of TS 38.413 9.4.5.
type GlobalCableID []byte

func (GlobalCableID) APER() string { return "octets" }

// GlobalCableIDNew is GlobalCable-ID-new of TS 38.413 9.4.5.
type GlobalCableIDNew struct {
	GlobalCableID GlobalCableID
	TAI           TAI
	IEExtensions  *aper.Unmodelled
}

// GlobalLineID is GlobalLine-ID of TS 38.413 9.4.5.
type GlobalLineID struct {
	GlobalLineIdentity GlobalLineIdentity
	LineType           *LineType `aper:"optional"`
	TAI                *TAI      `aper:"ext=213,ignore"`
	IEExtensions       *aper.Unmodelled
}

// GlobalLineIdentity: see TS 38.413 9.4.5.
type GlobalLineIdentity []byte

func (GlobalLineIdentity) APER() string { return "octets" }

// HFCNodeID is HFCNode-ID of TS 38.413 9.4.5.
type HFCNodeID []byte

func (HFCNodeID) APER() string { return "octets" }

// HFCNodeIDNew is HFCNode-ID-new of TS 38.413 9.4.5.
type HFCNodeIDNew struct {
	HFCNodeID    HFCNodeID
	TAI          TAI
	IEExtensions *aper.Unmodelled
}

// LineType: see TS 38.413 9.4.5.
type LineType uint16

const (
	LineTypeDsl LineType = iota
	LineTypePon
)

func (LineType) APER() string     { return "enum(dsl pon ...)" }
func (v LineType) String() string { return aper.EnumString(v) }

// NGRANCGI is NGRAN-CGI of TS 38.413 9.4.5.
type NGRANCGI struct {
	_                struct{} `aper:"choice"`
	NRCGI            *NRCGI
	EUTRACGI         *EUTRACGI
	ChoiceExtensions *aper.RawIE
}

// NID: see TS 38.413 9.4.5.
type NID uint64

func (NID) APER() string { return "bits(44)" }

// NPNAccessInformation is NPN-AccessInformation of TS 38.413 9.4.5.
type NPNAccessInformation struct {
	_                       struct{} `aper:"choice"`
	PNINPNAccessInformation *CellCAGList
	ChoiceExtensions        *aper.RawIE
}

// NRCGI is NR-CGI of TS 38.413 9.4.5.
type NRCGI struct {
	PLMNIdentity   PLMNIdentity
	NRCellIdentity NRCellIdentity
	IEExtensions   *aper.Unmodelled
}

// NRCellIdentity: see TS 38.413 9.4.5.
type NRCellIdentity uint64

func (NRCellIdentity) APER() string { return "bits(36)" }

// NRNTNTAIInformation: see TS 38.413 9.4.5.
type NRNTNTAIInformation struct {
	ServingPLMN                 PLMNIdentity
	TACListInNRNTN              TACListInNRNTN
	UELocationDerivedTACInNRNTN *TAC `aper:"optional"`
	IEExtensions                *aper.Unmodelled
}

// PortNumber: see TS 38.413 9.4.5.
type PortNumber uint16

func (PortNumber) APER() string { return "octets(2)" }

// TAC: see TS 38.413 9.4.5.
type TAC [3]byte

func (TAC) APER() string { return "octets(3)" }

// TACListInNRNTN: see TS 38.413 9.4.5.
type TACListInNRNTN []TAC

func (TACListInNRNTN) APER() string { return "list(1..12)" }

// TAI: see TS 38.413 9.4.5.
type TAI struct {
	PLMNIdentity PLMNIdentity
	TAC          TAC
	IEExtensions *aper.Unmodelled
}

// TimeStamp: see TS 38.413 9.4.5.
type TimeStamp uint32

func (TimeStamp) APER() string { return "octets(4)" }

// TNAPID is TNAP-ID of TS 38.413 9.4.5.
type TNAPID []byte

func (TNAPID) APER() string { return "octets" }

// TWAPID is TWAP-ID of TS 38.413 9.4.5.
type TWAPID []byte

func (TWAPID) APER() string { return "octets" }

// UserLocationInformation: see TS 38.413 9.4.5.
type UserLocationInformation struct {
	_                                             struct{} `aper:"choice"`
	UserLocationInformationEUTRA                  *UserLocationInformationEUTRA
	UserLocationInformationNR                     *UserLocationInformationNR
	UserLocationInformationN3IWF                  *UserLocationInformationN3IWF
	UserLocationInformationTNGF                   *UserLocationInformationTNGF                   `aper:"sc=244,ignore"`
	UserLocationInformationTWIF                   *UserLocationInformationTWIF                   `aper:"sc=248,ignore"`
	UserLocationInformationWAGF                   *UserLocationInformationWAGF                   `aper:"sc=243,ignore"`
	UserLocationInformationN3IWFWithoutPortNumber *UserLocationInformationN3IWFWithoutPortNumber `aper:"sc=439,ignore"`
	ChoiceExtensions                              *aper.RawIE
}

// UserLocationInformationEUTRA: see TS 38.413 9.4.5.
type UserLocationInformationEUTRA struct {
	EUTRACGI          EUTRACGI
	TAI               TAI
	TimeStamp         *TimeStamp `aper:"optional"`
	PSCellInformation *NGRANCGI  `aper:"ext=149,ignore"`
	IEExtensions      *aper.Unmodelled
}

// UserLocationInformationN3IWF is the outer address and UDP port of the UE as the N3IWF sees them.
type UserLocationInformationN3IWF struct {
	IPAddress    TransportLayerAddress
	PortNumber   PortNumber
	TAI          *TAI `aper:"ext=213,ignore"`
	IEExtensions *aper.Unmodelled
}

// UserLocationInformationNR: see TS 38.413 9.4.5.
type UserLocationInformationNR struct {
	NRCGI               NRCGI
	TAI                 TAI
	TimeStamp           *TimeStamp           `aper:"optional"`
	PSCellInformation   *NGRANCGI            `aper:"ext=149,ignore"`
	NID                 *NID                 `aper:"ext=263,reject"`
	NRNTNTAIInformation *NRNTNTAIInformation `aper:"ext=287,ignore"`
	IEExtensions        *aper.Unmodelled
}

// UserLocationInformationTNGF: see TS 38.413 9.4.5.
type UserLocationInformationTNGF struct {
	TNAPID       TNAPID
	IPAddress    TransportLayerAddress
	PortNumber   *PortNumber `aper:"optional"`
	TAI          *TAI        `aper:"ext=213,ignore"`
	IEExtensions *aper.Unmodelled
}

// UserLocationInformationTWIF: see TS 38.413 9.4.5.
type UserLocationInformationTWIF struct {
	TWAPID       TWAPID
	IPAddress    TransportLayerAddress
	PortNumber   *PortNumber `aper:"optional"`
	TAI          *TAI        `aper:"ext=213,ignore"`
	IEExtensions *aper.Unmodelled
}

// UserLocationInformationWAGF is UserLocationInformationW-AGF of TS 38.413 9.4.5.
type UserLocationInformationWAGF struct {
	_                struct{} `aper:"choice"`
	GlobalLineID     *GlobalLineID
	HFCNodeID        *HFCNodeID
	GlobalCableID    GlobalCableID     `aper:"sc=275,ignore"`
	HFCNodeIDNew     *HFCNodeIDNew     `aper:"sc=362,ignore"`
	GlobalCableIDNew *GlobalCableIDNew `aper:"sc=363,ignore"`
	ChoiceExtensions *aper.RawIE
}

// UserLocationInformationN3IWFWithoutPortNumber is the Rel-18 location of a UE without NAT.
type UserLocationInformationN3IWFWithoutPortNumber struct {
	IPAddress    TransportLayerAddress
	TAI          *TAI `aper:"optional"`
	IEExtensions *aper.Unmodelled
}
