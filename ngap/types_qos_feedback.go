// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// AlternativeQoSParaSetIndex: see TS 38.413 9.4.5.
type AlternativeQoSParaSetIndex uint8

func (AlternativeQoSParaSetIndex) APER() string { return "int(1..8,...)" }

// AlternativeQoSParaSetItem: see TS 38.413 9.4.5.
type AlternativeQoSParaSetItem struct {
	AlternativeQoSParaSetIndex AlternativeQoSParaSetIndex
	GuaranteedFlowBitRateDL    *BitRate           `aper:"optional"`
	GuaranteedFlowBitRateUL    *BitRate           `aper:"optional"`
	PacketDelayBudget          *PacketDelayBudget `aper:"optional"`
	PacketErrorRate            *PacketErrorRate   `aper:"optional"`
	IEExtensions               *aper.Unmodelled
}

// AlternativeQoSParaSetList: see TS 38.413 9.4.5.
type AlternativeQoSParaSetList []AlternativeQoSParaSetItem

func (AlternativeQoSParaSetList) APER() string { return "list(1..8)" }

// AlternativeQoSParaSetNotifyIndex: see TS 38.413 9.4.5.
type AlternativeQoSParaSetNotifyIndex uint8

func (AlternativeQoSParaSetNotifyIndex) APER() string { return "int(0..8,...)" }

// NotificationCause: see TS 38.413 9.4.5.
type NotificationCause uint16

const (
	NotificationCauseFulfilled NotificationCause = iota
	NotificationCauseNotFulfilled
	NotificationCauseNotFulfilledDL
	NotificationCauseNotFulfilledUL
)

func (NotificationCause) APER() string {
	return "enum(fulfilled not-fulfilled ... not-fulfilled-DL not-fulfilled-UL)"
}
func (v NotificationCause) String() string { return aper.EnumString(v) }

// NotificationControl: see TS 38.413 9.4.5.
type NotificationControl uint16

const (
	NotificationControlNotificationRequested NotificationControl = iota
)

func (NotificationControl) APER() string     { return "enum(notification-requested ...)" }
func (v NotificationControl) String() string { return aper.EnumString(v) }

// PDUSessionPairID: see TS 38.413 9.4.5.
type PDUSessionPairID uint8

func (PDUSessionPairID) APER() string { return "int(0..255,...)" }

// PDUSessionUsageReport: see TS 38.413 9.4.5.
type PDUSessionUsageReport struct {
	RATType                   RATType
	PDUSessionTimedReportList VolumeTimedReportList
	IEExtensions              *aper.Unmodelled
}

// QosFlowFeedbackItem: see TS 38.413 9.4.5.
type QosFlowFeedbackItem struct {
	QosFlowIdentifier     QosFlowIdentifier
	UpdateFeedback        *UpdateFeedback            `aper:"optional"`
	CNpacketDelayBudgetDL *ExtendedPacketDelayBudget `aper:"optional"`
	CNpacketDelayBudgetUL *ExtendedPacketDelayBudget `aper:"optional"`
	IEExtensions          *aper.Unmodelled
}

// QosFlowFeedbackList: see TS 38.413 9.4.5.
type QosFlowFeedbackList []QosFlowFeedbackItem

func (QosFlowFeedbackList) APER() string { return "list(1..64)" }

// QosFlowModifyConfirmItem: see TS 38.413 9.4.5.
type QosFlowModifyConfirmItem struct {
	QosFlowIdentifier QosFlowIdentifier
	IEExtensions      *aper.Unmodelled
}

// QosFlowModifyConfirmList: see TS 38.413 9.4.5.
type QosFlowModifyConfirmList []QosFlowModifyConfirmItem

func (QosFlowModifyConfirmList) APER() string { return "list(1..64)" }

// QosFlowNotifyItem: see TS 38.413 9.4.5.
type QosFlowNotifyItem struct {
	QosFlowIdentifier      QosFlowIdentifier
	NotificationCause      NotificationCause
	CurrentQoSParaSetIndex *AlternativeQoSParaSetNotifyIndex `aper:"ext=221,ignore"`
	IEExtensions           *aper.Unmodelled
}

// QosFlowNotifyList: see TS 38.413 9.4.5.
type QosFlowNotifyList []QosFlowNotifyItem

func (QosFlowNotifyList) APER() string { return "list(1..64)" }

// QoSFlowsUsageReportItem is QoSFlowsUsageReport-Item of TS 38.413 9.4.5.
type QoSFlowsUsageReportItem struct {
	QosFlowIdentifier       QosFlowIdentifier
	RATType                 RATType
	QoSFlowsTimedReportList VolumeTimedReportList
	IEExtensions            *aper.Unmodelled
}

// QoSFlowsUsageReportList: see TS 38.413 9.4.5.
type QoSFlowsUsageReportList []QoSFlowsUsageReportItem

func (QoSFlowsUsageReportList) APER() string { return "list(1..64)" }

// QosMonitoringReportingFrequency: see TS 38.413 9.4.5.
type QosMonitoringReportingFrequency uint16

func (QosMonitoringReportingFrequency) APER() string { return "int(1..1800,...)" }

// QosMonitoringRequest: see TS 38.413 9.4.5.
type QosMonitoringRequest uint16

const (
	QosMonitoringRequestUl QosMonitoringRequest = iota
	QosMonitoringRequestDl
	QosMonitoringRequestBoth
	QosMonitoringRequestStop
)

func (QosMonitoringRequest) APER() string     { return "enum(ul dl both ... stop)" }
func (v QosMonitoringRequest) String() string { return aper.EnumString(v) }

// RedundantPDUSessionInformation: see TS 38.413 9.4.5.
type RedundantPDUSessionInformation struct {
	RSN              RSN
	PDUSessionPairID *PDUSessionPairID `aper:"ext=331,ignore"`
	IEExtensions     *aper.Unmodelled
}

// RSN: see TS 38.413 9.4.5.
type RSN uint16

const (
	RSNV1 RSN = iota
	RSNV2
)

func (RSN) APER() string     { return "enum(v1 v2 ...)" }
func (v RSN) String() string { return aper.EnumString(v) }

// SecondaryRATUsageInformation: see TS 38.413 9.4.5.
type SecondaryRATUsageInformation struct {
	PDUSessionUsageReport   *PDUSessionUsageReport  `aper:"optional"`
	QosFlowsUsageReportList QoSFlowsUsageReportList `aper:"optional"`
	IEExtensions            *aper.Unmodelled
}

// UpdateFeedback: see TS 38.413 9.4.5.
type UpdateFeedback aper.BitString

func (UpdateFeedback) APER() string { return "bits(8,...)" }

// VolumeTimedReportItem is VolumeTimedReport-Item of TS 38.413 9.4.5.
type VolumeTimedReportItem struct {
	StartTimeStamp uint32 `aper:"octets(4)"`
	EndTimeStamp   uint32 `aper:"octets(4)"`
	UsageCountUL   uint64 `aper:"int(0..18446744073709551615)"`
	UsageCountDL   uint64 `aper:"int(0..18446744073709551615)"`
	IEExtensions   *aper.Unmodelled
}

// VolumeTimedReportList: see TS 38.413 9.4.5.
type VolumeTimedReportList []VolumeTimedReportItem

func (VolumeTimedReportList) APER() string { return "list(1..2)" }

// RATType: see TS 38.413 9.4.5.
type RATType uint16

const (
	RATTypeNr RATType = iota
	RATTypeEutra
	RATTypeNrUnlicensed
	RATTypeEUtraUnlicensed
)

func (RATType) APER() string     { return "enum(nr eutra ... nr-unlicensed e-utra-unlicensed)" }
func (v RATType) String() string { return aper.EnumString(v) }
