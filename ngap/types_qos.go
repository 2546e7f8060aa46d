// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// AdditionalQosFlowInformation: see TS 38.413 9.4.5.
type AdditionalQosFlowInformation uint16

const (
	AdditionalQosFlowInformationMoreLikely AdditionalQosFlowInformation = iota
)

func (AdditionalQosFlowInformation) APER() string     { return "enum(more-likely ...)" }
func (v AdditionalQosFlowInformation) String() string { return aper.EnumString(v) }

// AllocationAndRetentionPriority: see TS 38.413 9.4.5.
type AllocationAndRetentionPriority struct {
	PriorityLevelARP        PriorityLevelARP
	PreEmptionCapability    PreEmptionCapability
	PreEmptionVulnerability PreEmptionVulnerability
	IEExtensions            *aper.Unmodelled
}

// AssociatedQosFlowItem: see TS 38.413 9.4.5.
type AssociatedQosFlowItem struct {
	QosFlowIdentifier        QosFlowIdentifier
	QosFlowMappingIndication *QosFlowMappingIndication   `aper:"optional"`
	CurrentQoSParaSetIndex   *AlternativeQoSParaSetIndex `aper:"ext=221,ignore"`
	IEExtensions             *aper.Unmodelled
}

// AssociatedQosFlowList: see TS 38.413 9.4.5.
type AssociatedQosFlowList []AssociatedQosFlowItem

func (AssociatedQosFlowList) APER() string { return "list(1..64)" }

// AveragingWindow is in ms; 2000 where absent.
type AveragingWindow uint16

func (AveragingWindow) APER() string { return "int(0..4095,...)" }

// BitRate is in bit/s.
type BitRate uint64

func (BitRate) APER() string { return "int(0..4000000000000,...)" }

// DelayCritical: see TS 38.413 9.4.5.
type DelayCritical uint16

const (
	DelayCriticalDelayCritical DelayCritical = iota
	DelayCriticalNonDelayCritical
)

func (DelayCritical) APER() string     { return "enum(delay-critical non-delay-critical ...)" }
func (v DelayCritical) String() string { return aper.EnumString(v) }

// Dynamic5QIDescriptor: see TS 38.413 9.4.5.
type Dynamic5QIDescriptor struct {
	PriorityLevelQos          PriorityLevelQos
	PacketDelayBudget         PacketDelayBudget
	PacketErrorRate           PacketErrorRate
	FiveQI                    *FiveQI                    `aper:"optional"`
	DelayCritical             *DelayCritical             `aper:"optional"`
	AveragingWindow           *AveragingWindow           `aper:"optional"`
	MaximumDataBurstVolume    *MaximumDataBurstVolume    `aper:"optional"`
	ExtendedPacketDelayBudget *ExtendedPacketDelayBudget `aper:"ext=189,ignore"`
	CNPacketDelayBudgetDL     *ExtendedPacketDelayBudget `aper:"ext=187,ignore"`
	CNPacketDelayBudgetUL     *ExtendedPacketDelayBudget `aper:"ext=188,ignore"`
	IEExtensions              *aper.Unmodelled
}

// ERABID is E-RAB-ID of TS 38.413 9.4.5.
type ERABID uint8

func (ERABID) APER() string { return "int(0..15,...)" }

// ExtendedPacketDelayBudget is in units of 0.01 ms.
type ExtendedPacketDelayBudget uint16

func (ExtendedPacketDelayBudget) APER() string { return "int(1..65535,...)" }

// FiveQI: see TS 38.413 9.4.5.
type FiveQI uint8

func (FiveQI) APER() string { return "int(0..255,...)" }

// GBRQosInformation is GBR-QosInformation of TS 38.413 9.4.5.
type GBRQosInformation struct {
	MaximumFlowBitRateDL      BitRate
	MaximumFlowBitRateUL      BitRate
	GuaranteedFlowBitRateDL   BitRate
	GuaranteedFlowBitRateUL   BitRate
	NotificationControl       *NotificationControl      `aper:"optional"`
	MaximumPacketLossRateDL   *PacketLossRate           `aper:"optional"`
	MaximumPacketLossRateUL   *PacketLossRate           `aper:"optional"`
	AlternativeQoSParaSetList AlternativeQoSParaSetList `aper:"ext=220,ignore"`
	IEExtensions              *aper.Unmodelled
}

// MaximumDataBurstVolume is in octets.
type MaximumDataBurstVolume uint32

func (MaximumDataBurstVolume) APER() string { return "int(0..4095,...)" }

// NonDynamic5QIDescriptor: see TS 38.413 9.4.5.
type NonDynamic5QIDescriptor struct {
	FiveQI                 FiveQI
	PriorityLevelQos       *PriorityLevelQos          `aper:"optional"`
	AveragingWindow        *AveragingWindow           `aper:"optional"`
	MaximumDataBurstVolume *MaximumDataBurstVolume    `aper:"optional"`
	CNPacketDelayBudgetDL  *ExtendedPacketDelayBudget `aper:"ext=187,ignore"`
	CNPacketDelayBudgetUL  *ExtendedPacketDelayBudget `aper:"ext=188,ignore"`
	IEExtensions           *aper.Unmodelled
}

// PacketDelayBudget is in units of 0.5 ms.
type PacketDelayBudget uint16

func (PacketDelayBudget) APER() string { return "int(0..1023,...)" }

// PacketErrorRate is PERScalar times 10 to the minus PERExponent.
type PacketErrorRate struct {
	PERScalar    uint8 `aper:"int(0..9,...)"`
	PERExponent  uint8 `aper:"int(0..9,...)"`
	IEExtensions *aper.Unmodelled
}

// PacketLossRate is in units of 0.1 %.
type PacketLossRate uint16

func (PacketLossRate) APER() string { return "int(0..1000,...)" }

// PDUSessionAggregateMaximumBitRate: see TS 38.413 9.4.5.
type PDUSessionAggregateMaximumBitRate struct {
	PDUSessionAggregateMaximumBitRateDL BitRate
	PDUSessionAggregateMaximumBitRateUL BitRate
	IEExtensions                        *aper.Unmodelled
}

// PreEmptionCapability is Pre-emptionCapability of TS 38.413 9.4.5.
type PreEmptionCapability uint16

const (
	PreEmptionCapabilityShallNotTriggerPreEmption PreEmptionCapability = iota
	PreEmptionCapabilityMayTriggerPreEmption
)

func (PreEmptionCapability) APER() string {
	return "enum(shall-not-trigger-pre-emption may-trigger-pre-emption ...)"
}
func (v PreEmptionCapability) String() string { return aper.EnumString(v) }

// PreEmptionVulnerability is Pre-emptionVulnerability of TS 38.413 9.4.5.
type PreEmptionVulnerability uint16

const (
	PreEmptionVulnerabilityNotPreEmptable PreEmptionVulnerability = iota
	PreEmptionVulnerabilityPreEmptable
)

func (PreEmptionVulnerability) APER() string     { return "enum(not-pre-emptable pre-emptable ...)" }
func (v PreEmptionVulnerability) String() string { return aper.EnumString(v) }

// PriorityLevelARP runs from 1 (highest) to 15.
type PriorityLevelARP uint8

func (PriorityLevelARP) APER() string { return "int(1..15)" }

// PriorityLevelQos runs from 1 (highest) to 127.
type PriorityLevelQos uint8

func (PriorityLevelQos) APER() string { return "int(1..127,...)" }

// QosCharacteristics: see TS 38.413 9.4.5.
type QosCharacteristics struct {
	_                struct{} `aper:"choice"`
	NonDynamic5QI    *NonDynamic5QIDescriptor
	Dynamic5QI       *Dynamic5QIDescriptor
	ChoiceExtensions *aper.RawIE
}

// QosFlowAddOrModifyRequestItem: see TS 38.413 9.4.5.
type QosFlowAddOrModifyRequestItem struct {
	QosFlowIdentifier         QosFlowIdentifier
	QosFlowLevelQosParameters *QosFlowLevelQosParameters `aper:"optional"`
	ERABID                    *ERABID                    `aper:"optional"`
	RedundantQosFlowIndicator *RedundantQosFlowIndicator `aper:"ext=194,ignore"`
	IEExtensions              *aper.Unmodelled
}

// QosFlowAddOrModifyRequestList: see TS 38.413 9.4.5.
type QosFlowAddOrModifyRequestList []QosFlowAddOrModifyRequestItem

func (QosFlowAddOrModifyRequestList) APER() string { return "list(1..64)" }

// QosFlowAddOrModifyResponseItem: see TS 38.413 9.4.5.
type QosFlowAddOrModifyResponseItem struct {
	QosFlowIdentifier      QosFlowIdentifier
	CurrentQoSParaSetIndex *AlternativeQoSParaSetIndex `aper:"ext=221,ignore"`
	IEExtensions           *aper.Unmodelled
}

// QosFlowAddOrModifyResponseList: see TS 38.413 9.4.5.
type QosFlowAddOrModifyResponseList []QosFlowAddOrModifyResponseItem

func (QosFlowAddOrModifyResponseList) APER() string { return "list(1..64)" }

// QosFlowIdentifier is the QFI, 0..63.
type QosFlowIdentifier uint8

func (QosFlowIdentifier) APER() string { return "int(0..63,...)" }

// QosFlowLevelQosParameters: see TS 38.413 9.4.5.
type QosFlowLevelQosParameters struct {
	QosCharacteristics              QosCharacteristics
	AllocationAndRetentionPriority  AllocationAndRetentionPriority
	GBRQosInformation               *GBRQosInformation               `aper:"optional"`
	ReflectiveQosAttribute          *ReflectiveQosAttribute          `aper:"optional"`
	AdditionalQosFlowInformation    *AdditionalQosFlowInformation    `aper:"optional"`
	QosMonitoringRequest            *QosMonitoringRequest            `aper:"ext=181,ignore"`
	QosMonitoringReportingFrequency *QosMonitoringReportingFrequency `aper:"ext=276,ignore"`
	IEExtensions                    *aper.Unmodelled
}

// QosFlowListWithCause: see TS 38.413 9.4.5.
type QosFlowListWithCause []QosFlowWithCauseItem

func (QosFlowListWithCause) APER() string { return "list(1..64)" }

// QosFlowPerTNLInformation: see TS 38.413 9.4.5.
type QosFlowPerTNLInformation struct {
	UPTransportLayerInformation UPTransportLayerInformation
	AssociatedQosFlowList       AssociatedQosFlowList
	IEExtensions                *aper.Unmodelled
}

// QosFlowPerTNLInformationItem: see TS 38.413 9.4.5.
type QosFlowPerTNLInformationItem struct {
	QosFlowPerTNLInformation QosFlowPerTNLInformation
	IEExtensions             *aper.Unmodelled
}

// QosFlowPerTNLInformationList: see TS 38.413 9.4.5.
type QosFlowPerTNLInformationList []QosFlowPerTNLInformationItem

func (QosFlowPerTNLInformationList) APER() string { return "list(1..3)" }

// QosFlowSetupRequestItem: see TS 38.413 9.4.5.
type QosFlowSetupRequestItem struct {
	QosFlowIdentifier         QosFlowIdentifier
	QosFlowLevelQosParameters QosFlowLevelQosParameters
	ERABID                    *ERABID                    `aper:"optional"`
	RedundantQosFlowIndicator *RedundantQosFlowIndicator `aper:"ext=194,ignore"`
	IEExtensions              *aper.Unmodelled
}

// QosFlowSetupRequestList: see TS 38.413 9.4.5.
type QosFlowSetupRequestList []QosFlowSetupRequestItem

func (QosFlowSetupRequestList) APER() string { return "list(1..64)" }

// QosFlowWithCauseItem: see TS 38.413 9.4.5.
type QosFlowWithCauseItem struct {
	QosFlowIdentifier QosFlowIdentifier
	Cause             Cause
	IEExtensions      *aper.Unmodelled
}

// RedundantQosFlowIndicator: see TS 38.413 9.4.5.
type RedundantQosFlowIndicator uint16

const (
	RedundantQosFlowIndicatorTrue RedundantQosFlowIndicator = iota
	RedundantQosFlowIndicatorFalse
)

func (RedundantQosFlowIndicator) APER() string     { return "enum(true false)" }
func (v RedundantQosFlowIndicator) String() string { return aper.EnumString(v) }

// ReflectiveQosAttribute: see TS 38.413 9.4.5.
type ReflectiveQosAttribute uint16

const (
	ReflectiveQosAttributeSubjectTo ReflectiveQosAttribute = iota
)

func (ReflectiveQosAttribute) APER() string     { return "enum(subject-to ...)" }
func (v ReflectiveQosAttribute) String() string { return aper.EnumString(v) }

// UEAggregateMaximumBitRate: see TS 38.413 9.4.5.
type UEAggregateMaximumBitRate struct {
	UEAggregateMaximumBitRateDL BitRate
	UEAggregateMaximumBitRateUL BitRate
	IEExtensions                *aper.Unmodelled
}

// UESliceMaximumBitRateItem: see TS 38.413 9.4.5.
type UESliceMaximumBitRateItem struct {
	SNSSAI                  SNSSAI
	UESliceMaximumBitRateDL BitRate
	UESliceMaximumBitRateUL BitRate
	IEExtensions            *aper.Unmodelled
}

// UESliceMaximumBitRateList: see TS 38.413 9.4.5.
type UESliceMaximumBitRateList []UESliceMaximumBitRateItem

func (UESliceMaximumBitRateList) APER() string { return "list(1..8)" }

// QosFlowMappingIndication: see TS 38.413 9.4.5.
type QosFlowMappingIndication uint16

const (
	QosFlowMappingIndicationUl QosFlowMappingIndication = iota
	QosFlowMappingIndicationDl
)

func (QosFlowMappingIndication) APER() string     { return "enum(ul dl ...)" }
func (v QosFlowMappingIndication) String() string { return aper.EnumString(v) }
