// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// AllowedNSSAI: see TS 38.413 9.4.5.
type AllowedNSSAI []AllowedNSSAIItem

func (AllowedNSSAI) APER() string { return "list(1..8)" }

// AllowedNSSAIItem is AllowedNSSAI-Item of TS 38.413 9.4.5.
type AllowedNSSAIItem struct {
	SNSSAI       SNSSAI
	IEExtensions *aper.Unmodelled
}

// AuthenticatedIndication: see TS 38.413 9.4.5.
type AuthenticatedIndication uint16

const (
	AuthenticatedIndicationTrue AuthenticatedIndication = iota
)

func (AuthenticatedIndication) APER() string     { return "enum(true ...)" }
func (v AuthenticatedIndication) String() string { return aper.EnumString(v) }

// ConfiguredNSSAI: see TS 38.413 9.4.5.
type ConfiguredNSSAI [128]byte

func (ConfiguredNSSAI) APER() string { return "octets(128)" }

// EmergencyFallbackIndicator: see TS 38.413 9.4.5.
type EmergencyFallbackIndicator struct {
	EmergencyFallbackRequestIndicator EmergencyFallbackRequestIndicator
	EmergencyServiceTargetCN          *EmergencyServiceTargetCN `aper:"optional"`
	IEExtensions                      *aper.Unmodelled
}

// EmergencyFallbackRequestIndicator: see TS 38.413 9.4.5.
type EmergencyFallbackRequestIndicator uint16

const (
	EmergencyFallbackRequestIndicatorEmergencyFallbackRequested EmergencyFallbackRequestIndicator = iota
)

func (EmergencyFallbackRequestIndicator) APER() string {
	return "enum(emergency-fallback-requested ...)"
}
func (v EmergencyFallbackRequestIndicator) String() string { return aper.EnumString(v) }

// EmergencyServiceTargetCN: see TS 38.413 9.4.5.
type EmergencyServiceTargetCN uint16

const (
	EmergencyServiceTargetCNFiveGC EmergencyServiceTargetCN = iota
	EmergencyServiceTargetCNEpc
)

func (EmergencyServiceTargetCN) APER() string     { return "enum(fiveGC epc ...)" }
func (v EmergencyServiceTargetCN) String() string { return aper.EnumString(v) }

// FiveGSTMSI is FiveG-S-TMSI of TS 38.413 9.4.5.
type FiveGSTMSI struct {
	AMFSetID     AMFSetID
	AMFPointer   AMFPointer
	FiveGTMSI    FiveGTMSI
	IEExtensions *aper.Unmodelled
}

// FiveGTMSI is FiveG-TMSI of TS 38.413 9.4.5.
type FiveGTMSI uint32

func (FiveGTMSI) APER() string { return "octets(4)" }

// NASPDU is NAS-PDU of TS 38.413 9.4.5.
type NASPDU []byte

func (NASPDU) APER() string { return "octets" }

// PDUSessionID is 0..255 here; NAS uses 1..15.
type PDUSessionID uint8

func (PDUSessionID) APER() string { return "int(0..255)" }

// PLMNIdentity is MCC and MNC in BCD as in NAS (TS 38.413 9.3.3.5).
type PLMNIdentity [3]byte

func (PLMNIdentity) APER() string { return "octets(3)" }

// RANPagingPriority: see TS 38.413 9.4.5.
type RANPagingPriority uint16

func (RANPagingPriority) APER() string { return "int(1..256)" }

// RejectedNSSAIinPLMN: see TS 38.413 9.4.5.
type RejectedNSSAIinPLMN [32]byte

func (RejectedNSSAIinPLMN) APER() string { return "octets(32)" }

// RejectedNSSAIinTA: see TS 38.413 9.4.5.
type RejectedNSSAIinTA [32]byte

func (RejectedNSSAIinTA) APER() string { return "octets(32)" }

// RGLevelWirelineAccessCharacteristics: see TS 38.413 9.4.5.
type RGLevelWirelineAccessCharacteristics []byte

func (RGLevelWirelineAccessCharacteristics) APER() string { return "octets" }

// RRCEstablishmentCause: see TS 38.413 9.4.5.
type RRCEstablishmentCause uint16

const (
	RRCEstablishmentCauseEmergency RRCEstablishmentCause = iota
	RRCEstablishmentCauseHighPriorityAccess
	RRCEstablishmentCauseMtAccess
	RRCEstablishmentCauseMoSignalling
	RRCEstablishmentCauseMoData
	RRCEstablishmentCauseMoVoiceCall
	RRCEstablishmentCauseMoVideoCall
	RRCEstablishmentCauseMoSMS
	RRCEstablishmentCauseMpsPriorityAccess
	RRCEstablishmentCauseMcsPriorityAccess
	RRCEstablishmentCauseNotAvailable
	RRCEstablishmentCauseMoExceptionData
)

func (RRCEstablishmentCause) APER() string {
	return "enum(emergency highPriorityAccess mt-Access mo-Signalling mo-Data mo-VoiceCall mo-VideoCall mo-SMS mps-PriorityAccess " +
		"mcs-PriorityAccess ... notAvailable mo-ExceptionData)"
}
func (v RRCEstablishmentCause) String() string { return aper.EnumString(v) }

// SNSSAI is S-NSSAI of TS 38.413 9.4.5.
type SNSSAI struct {
	SST          SST
	SD           *SD `aper:"optional"`
	IEExtensions *aper.Unmodelled
}

// SD: see TS 38.413 9.4.5.
type SD [3]byte

func (SD) APER() string { return "octets(3)" }

// SourceToTargetAMFInformationReroute is SourceToTarget-AMFInformationReroute of TS 38.413 9.4.5.
type SourceToTargetAMFInformationReroute struct {
	ConfiguredNSSAI     *ConfiguredNSSAI     `aper:"optional"`
	RejectedNSSAIinPLMN *RejectedNSSAIinPLMN `aper:"optional"`
	RejectedNSSAIinTA   *RejectedNSSAIinTA   `aper:"optional"`
	IEExtensions        *aper.Unmodelled
}

// SST: see TS 38.413 9.4.5.
type SST uint8

func (SST) APER() string { return "octets(1)" }

// TargetNSSAI: see TS 38.413 9.4.5.
type TargetNSSAI []TargetNSSAIItem

func (TargetNSSAI) APER() string { return "list(1..8)" }

// TargetNSSAIItem is TargetNSSAI-Item of TS 38.413 9.4.5.
type TargetNSSAIItem struct {
	SNSSAI       SNSSAI
	IEExtensions *aper.Unmodelled
}

// TargetNSSAIInformation: see TS 38.413 9.4.5.
type TargetNSSAIInformation struct {
	TargetNSSAI  TargetNSSAI
	IndexToRFSP  IndexToRFSP
	IEExtensions *aper.Unmodelled
}

// UEContextRequest tells the AMF that an Initial Context Setup is wanted.
type UEContextRequest uint16

const (
	UEContextRequestRequested UEContextRequest = iota
)

func (UEContextRequest) APER() string     { return "enum(requested ...)" }
func (v UEContextRequest) String() string { return aper.EnumString(v) }
