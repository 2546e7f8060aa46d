// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// BroadcastPLMNItem: see TS 38.413 9.4.5.
type BroadcastPLMNItem struct {
	PLMNIdentity                PLMNIdentity
	TAISliceSupportList         SliceSupportList
	NPNSupport                  *NPNSupport              `aper:"ext=258,reject"`
	ExtendedTAISliceSupportList ExtendedSliceSupportList `aper:"ext=271,reject"`
	TAINSAGSupportList          TAINSAGSupportList       `aper:"ext=353,ignore"`
	IEExtensions                *aper.Unmodelled
}

// BroadcastPLMNList: see TS 38.413 9.4.5.
type BroadcastPLMNList []BroadcastPLMNItem

func (BroadcastPLMNList) APER() string { return "list(1..12)" }

// ConfiguredTACIndication: see TS 38.413 9.4.5.
type ConfiguredTACIndication uint16

const (
	ConfiguredTACIndicationTrue ConfiguredTACIndication = iota
)

func (ConfiguredTACIndication) APER() string     { return "enum(true ...)" }
func (v ConfiguredTACIndication) String() string { return aper.EnumString(v) }

// ExtendedRANNodeName is Extended-RANNodeName of TS 38.413 9.4.5.
type ExtendedRANNodeName struct {
	RANNodeNameVisibleString RANNodeNameVisibleString `aper:"optional"`
	RANNodeNameUTF8String    RANNodeNameUTF8String    `aper:"optional"`
	IEExtensions             *aper.Unmodelled
}

// ExtendedSliceSupportList: see TS 38.413 9.4.5.
type ExtendedSliceSupportList []SliceSupportItem

func (ExtendedSliceSupportList) APER() string { return "list(1..65535)" }

// GlobalGNBID is GlobalGNB-ID of TS 38.413 9.4.5.
type GlobalGNBID struct {
	PLMNIdentity PLMNIdentity
	GNBID        GNBID
	IEExtensions *aper.Unmodelled
}

// GlobalN3IWFID is GlobalN3IWF-ID of TS 38.413 9.4.5.
type GlobalN3IWFID struct {
	PLMNIdentity PLMNIdentity
	N3IWFID      N3IWFID
	IEExtensions *aper.Unmodelled
}

// GlobalNgENBID is GlobalNgENB-ID of TS 38.413 9.4.5.
type GlobalNgENBID struct {
	PLMNIdentity PLMNIdentity
	NgENBID      NgENBID
	IEExtensions *aper.Unmodelled
}

// GlobalRANNodeID: see TS 38.413 9.4.5.
type GlobalRANNodeID struct {
	_                struct{} `aper:"choice"`
	GlobalGNBID      *GlobalGNBID
	GlobalNgENBID    *GlobalNgENBID
	GlobalN3IWFID    *GlobalN3IWFID
	GlobalTNGFID     *GlobalTNGFID `aper:"sc=240,reject"`
	GlobalTWIFID     *GlobalTWIFID `aper:"sc=241,reject"`
	GlobalWAGFID     *GlobalWAGFID `aper:"sc=242,reject"`
	ChoiceExtensions *aper.RawIE
}

// GlobalTNGFID is GlobalTNGF-ID of TS 38.413 9.4.5.
type GlobalTNGFID struct {
	PLMNIdentity PLMNIdentity
	TNGFID       TNGFID
	IEExtensions *aper.Unmodelled
}

// GlobalTWIFID is GlobalTWIF-ID of TS 38.413 9.4.5.
type GlobalTWIFID struct {
	PLMNIdentity PLMNIdentity
	TWIFID       TWIFID
	IEExtensions *aper.Unmodelled
}

// GlobalWAGFID is GlobalW-AGF-ID of TS 38.413 9.4.5.
type GlobalWAGFID struct {
	PLMNIdentity PLMNIdentity
	WAGFID       WAGFID
	IEExtensions *aper.Unmodelled
}

// GNBID is GNB-ID of TS 38.413 9.4.5.
type GNBID struct {
	_                struct{}        `aper:"choice"`
	GNBID            *aper.BitString `aper:"bits(22..32)"`
	ChoiceExtensions *aper.RawIE
}

// IABSupported is IAB-Supported of TS 38.413 9.4.5.
type IABSupported uint16

const (
	IABSupportedTrue IABSupported = iota
)

func (IABSupported) APER() string     { return "enum(true ...)" }
func (v IABSupported) String() string { return aper.EnumString(v) }

// N3IWFID is N3IWF-ID of TS 38.413 9.4.5.
type N3IWFID struct {
	_                struct{} `aper:"choice"`
	N3IWFID          *uint16  `aper:"bits(16)"`
	ChoiceExtensions *aper.RawIE
}

// NBIoTDefaultPagingDRX is NB-IoT-DefaultPagingDRX of TS 38.413 9.4.5.
type NBIoTDefaultPagingDRX uint16

const (
	NBIoTDefaultPagingDRXRf128 NBIoTDefaultPagingDRX = iota
	NBIoTDefaultPagingDRXRf256
	NBIoTDefaultPagingDRXRf512
	NBIoTDefaultPagingDRXRf1024
)

func (NBIoTDefaultPagingDRX) APER() string     { return "enum(rf128 rf256 rf512 rf1024 ...)" }
func (v NBIoTDefaultPagingDRX) String() string { return aper.EnumString(v) }

// NgENBID is NgENB-ID of TS 38.413 9.4.5.
type NgENBID struct {
	_                 struct{} `aper:"choice"`
	MacroNgENBID      *uint32  `aper:"bits(20)"`
	ShortMacroNgENBID *uint32  `aper:"bits(18)"`
	LongMacroNgENBID  *uint32  `aper:"bits(21)"`
	ChoiceExtensions  *aper.RawIE
}

// NSAGID is NSAG-ID of TS 38.413 9.4.5.
type NSAGID uint8

func (NSAGID) APER() string { return "int(0..255,...)" }

// OnboardingSupport: see TS 38.413 9.4.5.
type OnboardingSupport uint16

const (
	OnboardingSupportTrue OnboardingSupport = iota
)

func (OnboardingSupport) APER() string     { return "enum(true ...)" }
func (v OnboardingSupport) String() string { return aper.EnumString(v) }

// PagingDRX: see TS 38.413 9.4.5.
type PagingDRX uint16

const (
	PagingDRXV32 PagingDRX = iota
	PagingDRXV64
	PagingDRXV128
	PagingDRXV256
)

func (PagingDRX) APER() string     { return "enum(v32 v64 v128 v256 ...)" }
func (v PagingDRX) String() string { return aper.EnumString(v) }

// NPNSupport is NPN-Support of TS 38.413 9.4.5.
type NPNSupport struct {
	_                struct{} `aper:"choice"`
	SNPN             *NID
	ChoiceExtensions *aper.RawIE
}

// PLMNSupportItem: see TS 38.413 9.4.5.
type PLMNSupportItem struct {
	PLMNIdentity             PLMNIdentity
	SliceSupportList         SliceSupportList
	NPNSupport               *NPNSupport              `aper:"ext=258,reject"`
	ExtendedSliceSupportList ExtendedSliceSupportList `aper:"ext=270,reject"`
	OnboardingSupport        *OnboardingSupport       `aper:"ext=325,ignore"`
	IEExtensions             *aper.Unmodelled
}

// PLMNSupportList: see TS 38.413 9.4.5.
type PLMNSupportList []PLMNSupportItem

func (PLMNSupportList) APER() string { return "list(1..12)" }

// RANNodeName: see TS 38.413 9.4.5.
type RANNodeName string

func (RANNodeName) APER() string { return "printable(1..150,...)" }

// RANNodeNameUTF8String: see TS 38.413 9.4.5.
type RANNodeNameUTF8String string

func (RANNodeNameUTF8String) APER() string { return "utf8(1..150,...)" }

// RANNodeNameVisibleString: see TS 38.413 9.4.5.
type RANNodeNameVisibleString string

func (RANNodeNameVisibleString) APER() string { return "visible(1..150,...)" }

// RATInformation is RAT-Information of TS 38.413 9.4.5.
type RATInformation uint16

const (
	RATInformationUnlicensed RATInformation = iota
	RATInformationNbIoT
	RATInformationNRLEO
	RATInformationNRMEO
	RATInformationNRGEO
	RATInformationNROTHERSAT
)

func (RATInformation) APER() string {
	return "enum(unlicensed nb-IoT ... nR-LEO nR-MEO nR-GEO nR-OTHERSAT)"
}
func (v RATInformation) String() string { return aper.EnumString(v) }

// SliceSupportItem: see TS 38.413 9.4.5.
type SliceSupportItem struct {
	SNSSAI       SNSSAI
	IEExtensions *aper.Unmodelled
}

// SliceSupportList: see TS 38.413 9.4.5.
type SliceSupportList []SliceSupportItem

func (SliceSupportList) APER() string { return "list(1..1024)" }

// SupportedTAItem: see TS 38.413 9.4.5.
type SupportedTAItem struct {
	TAC                     TAC
	BroadcastPLMNList       BroadcastPLMNList
	ConfiguredTACIndication *ConfiguredTACIndication `aper:"ext=272,ignore"`
	RATInformation          *RATInformation          `aper:"ext=179,reject"`
	IEExtensions            *aper.Unmodelled
}

// SupportedTAList: see TS 38.413 9.4.5.
type SupportedTAList []SupportedTAItem

func (SupportedTAList) APER() string { return "list(1..256)" }

// TAINSAGSupportItem: see TS 38.413 9.4.5.
type TAINSAGSupportItem struct {
	NSAGID               NSAGID
	NSAGSliceSupportList ExtendedSliceSupportList
	IEExtensions         *aper.Unmodelled
}

// TAINSAGSupportList: see TS 38.413 9.4.5.
type TAINSAGSupportList []TAINSAGSupportItem

func (TAINSAGSupportList) APER() string { return "list(1..256)" }

// TNGFID is TNGF-ID of TS 38.413 9.4.5.
type TNGFID struct {
	_                struct{}        `aper:"choice"`
	TNGFID           *aper.BitString `aper:"bits(32,...)"`
	ChoiceExtensions *aper.RawIE
}

// TWIFID is TWIF-ID of TS 38.413 9.4.5.
type TWIFID struct {
	_                struct{}        `aper:"choice"`
	TWIFID           *aper.BitString `aper:"bits(32,...)"`
	ChoiceExtensions *aper.RawIE
}

// UERetentionInformation: see TS 38.413 9.4.5.
type UERetentionInformation uint16

const (
	UERetentionInformationUesRetained UERetentionInformation = iota
)

func (UERetentionInformation) APER() string     { return "enum(ues-retained ...)" }
func (v UERetentionInformation) String() string { return aper.EnumString(v) }

// WAGFID is W-AGF-ID of TS 38.413 9.4.5.
type WAGFID struct {
	_                struct{}        `aper:"choice"`
	WAGFID           *aper.BitString `aper:"bits(16,...)"`
	ChoiceExtensions *aper.RawIE
}
