// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"reflect"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// procedure is an elementary procedure (TS 38.413 clause 8.1 and 9.4.2): its messages, or nil.
type procedure struct {
	code         ProcedureCode
	criticality  Criticality
	initiating   Message
	successful   Message
	unsuccessful Message
}

var procedures = [...]procedure{
	{ProcedureAMFConfigurationUpdate, aper.Reject, (*AMFConfigurationUpdate)(nil), (*AMFConfigurationUpdateAcknowledge)(nil), (*AMFConfigurationUpdateFailure)(nil)},
	{ProcedureAMFStatusIndication, aper.Ignore, (*AMFStatusIndication)(nil), nil, nil},
	{ProcedureDeactivateTrace, aper.Ignore, (*DeactivateTrace)(nil), nil, nil},
	{ProcedureDownlinkNASTransport, aper.Ignore, (*DownlinkNASTransport)(nil), nil, nil},
	{ProcedureErrorIndication, aper.Ignore, (*ErrorIndication)(nil), nil, nil},
	{ProcedureInitialContextSetup, aper.Reject, (*InitialContextSetupRequest)(nil), (*InitialContextSetupResponse)(nil), (*InitialContextSetupFailure)(nil)},
	{ProcedureInitialUEMessage, aper.Ignore, (*InitialUEMessage)(nil), nil, nil},
	{ProcedureLocationReportingControl, aper.Ignore, (*LocationReportingControl)(nil), nil, nil},
	{ProcedureLocationReportingFailureIndication, aper.Ignore, (*LocationReportingFailureIndication)(nil), nil, nil},
	{ProcedureLocationReport, aper.Ignore, (*LocationReport)(nil), nil, nil},
	{ProcedureNASNonDeliveryIndication, aper.Ignore, (*NASNonDeliveryIndication)(nil), nil, nil},
	{ProcedureNGReset, aper.Reject, (*NGReset)(nil), (*NGResetAcknowledge)(nil), nil},
	{ProcedureNGSetup, aper.Reject, (*NGSetupRequest)(nil), (*NGSetupResponse)(nil), (*NGSetupFailure)(nil)},
	{ProcedureOverloadStart, aper.Ignore, (*OverloadStart)(nil), nil, nil},
	{ProcedureOverloadStop, aper.Reject, (*OverloadStop)(nil), nil, nil},
	{ProcedurePDUSessionResourceModify, aper.Reject, (*PDUSessionResourceModifyRequest)(nil), (*PDUSessionResourceModifyResponse)(nil), nil},
	{ProcedurePDUSessionResourceModifyIndication, aper.Reject, (*PDUSessionResourceModifyIndication)(nil), (*PDUSessionResourceModifyConfirm)(nil), nil},
	{ProcedurePDUSessionResourceRelease, aper.Reject, (*PDUSessionResourceReleaseCommand)(nil), (*PDUSessionResourceReleaseResponse)(nil), nil},
	{ProcedurePDUSessionResourceSetup, aper.Reject, (*PDUSessionResourceSetupRequest)(nil), (*PDUSessionResourceSetupResponse)(nil), nil},
	{ProcedurePDUSessionResourceNotify, aper.Ignore, (*PDUSessionResourceNotify)(nil), nil, nil},
	{ProcedureRANConfigurationUpdate, aper.Reject, (*RANConfigurationUpdate)(nil), (*RANConfigurationUpdateAcknowledge)(nil), (*RANConfigurationUpdateFailure)(nil)},
	{ProcedureRerouteNASRequest, aper.Reject, (*RerouteNASRequest)(nil), nil, nil},
	{ProcedureTraceFailureIndication, aper.Ignore, (*TraceFailureIndication)(nil), nil, nil},
	{ProcedureTraceStart, aper.Ignore, (*TraceStart)(nil), nil, nil},
	{ProcedureUEContextModification, aper.Reject, (*UEContextModificationRequest)(nil), (*UEContextModificationResponse)(nil), (*UEContextModificationFailure)(nil)},
	{ProcedureUEContextRelease, aper.Reject, (*UEContextReleaseCommand)(nil), (*UEContextReleaseComplete)(nil), nil},
	{ProcedureUEContextReleaseRequest, aper.Ignore, (*UEContextReleaseRequest)(nil), nil, nil},
	{ProcedureUETNLABindingRelease, aper.Ignore, (*UETNLABindingReleaseRequest)(nil), nil, nil},
	{ProcedureUplinkNASTransport, aper.Ignore, (*UplinkNASTransport)(nil), nil, nil},
	{ProcedureRANCPRelocationIndication, aper.Reject, (*RANCPRelocationIndication)(nil), nil, nil},
	{ProcedureAMFCPRelocationIndication, aper.Reject, (*AMFCPRelocationIndication)(nil), nil, nil},
}

// entry is what is known of a message type.
type entry struct {
	kind        Kind
	code        ProcedureCode
	criticality Criticality
	// Indices of the fields AMF-UE-NGAP-ID and RAN-UE-NGAP-ID, or -1.
	amfID, ranID int
}

var (
	directory    = map[reflect.Type]entry{}
	messageTypes [3][256]reflect.Type
	byCode       [256]*procedure
)

func init() {
	for i := range procedures {
		p := &procedures[i]
		byCode[p.code] = p
		for kind, m := range []Message{p.initiating, p.successful, p.unsuccessful} {
			if m == nil {
				continue
			}
			t := reflect.TypeOf(m)
			e := entry{kind: Kind(kind), code: p.code, criticality: p.criticality, amfID: -1, ranID: -1}
			if f, ok := t.Elem().FieldByName("AMFUENGAPID"); ok {
				e.amfID = f.Index[0]
			}
			if f, ok := t.Elem().FieldByName("RANUENGAPID"); ok {
				e.ranID = f.Index[0]
			}
			directory[t] = e
			messageTypes[kind][p.code] = t.Elem()
		}
	}
}

func messageType(k Kind, c ProcedureCode) reflect.Type { return messageTypes[k][c] }
