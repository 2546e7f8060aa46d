// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// PDUSessionResourceSetupRequestTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceSetupRequestTransfer struct {
	PDUSessionAggregateMaximumBitRate        *PDUSessionAggregateMaximumBitRate `aper:"ie=130,reject"`
	ULNGUUPTNLInformation                    UPTransportLayerInformation        `aper:"ie=139,reject,mandatory"`
	AdditionalULNGUUPTNLInformation          UPTransportLayerInformationList    `aper:"ie=126,reject"`
	DataForwardingNotPossible                *DataForwardingNotPossible         `aper:"ie=127,reject"`
	PDUSessionType                           PDUSessionType                     `aper:"ie=134,reject,mandatory"`
	SecurityIndication                       *SecurityIndication                `aper:"ie=138,reject"`
	NetworkInstance                          *NetworkInstance                   `aper:"ie=129,reject"`
	QosFlowSetupRequestList                  QosFlowSetupRequestList            `aper:"ie=136,reject,mandatory"`
	CommonNetworkInstance                    CommonNetworkInstance              `aper:"ie=166,ignore"`
	DirectForwardingPathAvailability         *DirectForwardingPathAvailability  `aper:"ie=22,ignore"`
	RedundantULNGUUPTNLInformation           *UPTransportLayerInformation       `aper:"ie=195,ignore"`
	AdditionalRedundantULNGUUPTNLInformation UPTransportLayerInformationList    `aper:"ie=186,ignore"`
	RedundantCommonNetworkInstance           CommonNetworkInstance              `aper:"ie=190,ignore"`
	RedundantPDUSessionInformation           *RedundantPDUSessionInformation    `aper:"ie=197,ignore"`
	Unmodelled                               *aper.Unmodelled                   `aper:"ies"`
}

// PDUSessionResourceSetupResponseTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceSetupResponseTransfer struct {
	DLQosFlowPerTNLInformation                    QosFlowPerTNLInformation
	AdditionalDLQosFlowPerTNLInformation          QosFlowPerTNLInformationList    `aper:"optional"`
	SecurityResult                                *SecurityResult                 `aper:"optional"`
	QosFlowFailedToSetupList                      QosFlowListWithCause            `aper:"optional"`
	RedundantDLQosFlowPerTNLInformation           *QosFlowPerTNLInformation       `aper:"ext=193,ignore"`
	AdditionalRedundantDLQosFlowPerTNLInformation QosFlowPerTNLInformationList    `aper:"ext=184,ignore"`
	UsedRSNInformation                            *RedundantPDUSessionInformation `aper:"ext=198,ignore"`
	GlobalRANNodeID                               *GlobalRANNodeID                `aper:"ext=27,ignore"`
	MBSSupportIndicator                           *MBSSupportIndicator            `aper:"ext=309,ignore"`
	IEExtensions                                  *aper.Unmodelled
}

// PDUSessionResourceSetupUnsuccessfulTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceSetupUnsuccessfulTransfer struct {
	Cause                  Cause
	CriticalityDiagnostics *CriticalityDiagnostics `aper:"optional"`
	IEExtensions           *aper.Unmodelled
}

// PDUSessionResourceModifyRequestTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceModifyRequestTransfer struct {
	PDUSessionAggregateMaximumBitRate        *PDUSessionAggregateMaximumBitRate `aper:"ie=130,reject"`
	ULNGUUPTNLModifyList                     ULNGUUPTNLModifyList               `aper:"ie=140,reject"`
	NetworkInstance                          *NetworkInstance                   `aper:"ie=129,reject"`
	QosFlowAddOrModifyRequestList            QosFlowAddOrModifyRequestList      `aper:"ie=135,reject"`
	QosFlowToReleaseList                     QosFlowListWithCause               `aper:"ie=137,reject"`
	AdditionalULNGUUPTNLInformation          UPTransportLayerInformationList    `aper:"ie=126,reject"`
	CommonNetworkInstance                    CommonNetworkInstance              `aper:"ie=166,ignore"`
	AdditionalRedundantULNGUUPTNLInformation UPTransportLayerInformationList    `aper:"ie=186,ignore"`
	RedundantCommonNetworkInstance           CommonNetworkInstance              `aper:"ie=190,ignore"`
	RedundantULNGUUPTNLInformation           *UPTransportLayerInformation       `aper:"ie=195,ignore"`
	SecurityIndication                       *SecurityIndication                `aper:"ie=138,ignore"`
	Unmodelled                               *aper.Unmodelled                   `aper:"ies"`
}

// PDUSessionResourceModifyResponseTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceModifyResponseTransfer struct {
	DLNGUUPTNLInformation                         *UPTransportLayerInformation        `aper:"optional"`
	ULNGUUPTNLInformation                         *UPTransportLayerInformation        `aper:"optional"`
	QosFlowAddOrModifyResponseList                QosFlowAddOrModifyResponseList      `aper:"optional"`
	AdditionalDLQosFlowPerTNLInformation          QosFlowPerTNLInformationList        `aper:"optional"`
	QosFlowFailedToAddOrModifyList                QosFlowListWithCause                `aper:"optional"`
	AdditionalNGUUPTNLInformation                 UPTransportLayerInformationPairList `aper:"ext=154,ignore"`
	RedundantDLNGUUPTNLInformation                *UPTransportLayerInformation        `aper:"ext=192,ignore"`
	RedundantULNGUUPTNLInformation                *UPTransportLayerInformation        `aper:"ext=195,ignore"`
	AdditionalRedundantDLQosFlowPerTNLInformation QosFlowPerTNLInformationList        `aper:"ext=184,ignore"`
	AdditionalRedundantNGUUPTNLInformation        UPTransportLayerInformationPairList `aper:"ext=185,ignore"`
	SecondaryRATUsageInformation                  *SecondaryRATUsageInformation       `aper:"ext=144,ignore"`
	MBSSupportIndicator                           *MBSSupportIndicator                `aper:"ext=309,ignore"`
	IEExtensions                                  *aper.Unmodelled
}

// PDUSessionResourceModifyUnsuccessfulTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceModifyUnsuccessfulTransfer struct {
	Cause                  Cause
	CriticalityDiagnostics *CriticalityDiagnostics `aper:"optional"`
	IEExtensions           *aper.Unmodelled
}

// PDUSessionResourceModifyIndicationTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceModifyIndicationTransfer struct {
	DLQosFlowPerTNLInformation                    QosFlowPerTNLInformation
	AdditionalDLQosFlowPerTNLInformation          QosFlowPerTNLInformationList  `aper:"optional"`
	SecondaryRATUsageInformation                  *SecondaryRATUsageInformation `aper:"ext=144,ignore"`
	SecurityResult                                *SecurityResult               `aper:"ext=156,ignore"`
	RedundantDLQosFlowPerTNLInformation           *QosFlowPerTNLInformation     `aper:"ext=193,ignore"`
	AdditionalRedundantDLQosFlowPerTNLInformation QosFlowPerTNLInformationList  `aper:"ext=184,ignore"`
	GlobalRANNodeID                               *GlobalRANNodeID              `aper:"ext=27,ignore"`
	IEExtensions                                  *aper.Unmodelled
}

// PDUSessionResourceModifyConfirmTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceModifyConfirmTransfer struct {
	QosFlowModifyConfirmList               QosFlowModifyConfirmList
	ULNGUUPTNLInformation                  UPTransportLayerInformation
	AdditionalNGUUPTNLInformation          UPTransportLayerInformationPairList `aper:"optional"`
	QosFlowFailedToModifyList              QosFlowListWithCause                `aper:"optional"`
	RedundantULNGUUPTNLInformation         *UPTransportLayerInformation        `aper:"ext=195,ignore"`
	AdditionalRedundantNGUUPTNLInformation UPTransportLayerInformationPairList `aper:"ext=185,ignore"`
	IEExtensions                           *aper.Unmodelled
}

// PDUSessionResourceModifyIndicationUnsuccessfulTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceModifyIndicationUnsuccessfulTransfer struct {
	Cause        Cause
	IEExtensions *aper.Unmodelled
}

// PDUSessionResourceNotifyTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceNotifyTransfer struct {
	QosFlowNotifyList            QosFlowNotifyList             `aper:"optional"`
	QosFlowReleasedList          QosFlowListWithCause          `aper:"optional"`
	SecondaryRATUsageInformation *SecondaryRATUsageInformation `aper:"ext=144,ignore"`
	QosFlowFeedbackList          QosFlowFeedbackList           `aper:"ext=278,ignore"`
	IEExtensions                 *aper.Unmodelled
}

// PDUSessionResourceNotifyReleasedTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceNotifyReleasedTransfer struct {
	Cause                        Cause
	SecondaryRATUsageInformation *SecondaryRATUsageInformation `aper:"ext=144,ignore"`
	IEExtensions                 *aper.Unmodelled
}

// PDUSessionResourceReleaseCommandTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceReleaseCommandTransfer struct {
	Cause        Cause
	IEExtensions *aper.Unmodelled
}

// PDUSessionResourceReleaseResponseTransfer: see TS 38.413 9.4.5.
type PDUSessionResourceReleaseResponseTransfer struct {
	SecondaryRATUsageInformation *SecondaryRATUsageInformation `aper:"ext=144,ignore"`
	IEExtensions                 *aper.Unmodelled
}
