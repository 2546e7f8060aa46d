// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// dispatch takes a PDU of the AMF to the UE that it is about, or handles it when it is about none.
func (ng *ngConnection) dispatch(pdu *ngap.PDU) {
	switch m := pdu.Message.(type) {
	case *ngap.AMFStatusIndication:
		ng.amf.log.Warn("the AMF withdraws GUAMIs; new UEs go to others", slog.Int("guamis", len(m.UnavailableGUAMIList)))
		ng.setUnavailable(m.UnavailableGUAMIList)
		return
	case *ngap.ErrorIndication:
		ng.errorIndication(m)
		return
	}
	amfID, ranID := ngap.UEIDs(pdu.Message)
	switch {
	case ranID != nil:
		ng.toUE(uint32(*ranID), amfID, pdu, 0)
	case amfID != nil:
		if id, ok := ng.ranID(*amfID); ok {
			ng.toUE(id, amfID, pdu, 0)
			return
		}
		ng.unknownUE(amfID, nil, ngap.CauseRadioNetworkInconsistentRemoteUENGAPID)
	default:
		ng.unsupported(pdu)
	}
}

// toUE gives the PDU to the UE's owner, who checks that the ids name a UE and belong together (TS 38.413 10.6). The AMF may choose any association of
// the node for a UE, also that of another node than the UE's.
func (ng *ngConnection) toUE(ranID uint32, amfID *ngap.AMFUENGAPID, pdu *ngap.PDU, hops uint8) {
	o := ng.amf.nf.ownerOfRAN(ranID)
	o.mail.post(func() {
		u := o.byRANID[ranID]
		id := ngap.RANUENGAPID(ranID)
		if u == nil && ng.amf.nf.nodes.forwardNGAP(ng, ranID, pdu, hops) {
			return
		}
		if u == nil || u.ng != ng || u.released {
			ng.unknownUE(amfID, &id, ngap.CauseRadioNetworkUnknownLocalUENGAPID)
			return
		}
		if amfID != nil && u.amfID != nil && *amfID != *u.amfID {
			ng.unknownUE(amfID, &id, ngap.CauseRadioNetworkInconsistentRemoteUENGAPID)
			return
		}
		if amfID != nil && u.amfID == nil {
			u.amfID = amfID
			ng.bind(*amfID, ranID)
		}
		o.guarded(u, func() { u.receiveNGAP(pdu) })
	})
}

func (ng *ngConnection) unknownUE(amfID *ngap.AMFUENGAPID, ranID *ngap.RANUENGAPID, why ngap.CauseRadioNetwork) {
	cause := why.Cause()
	ng.amf.log.Warn("NGAP message for a UE that is not here", slog.Any("ran_ue_ngap_id", ranID), slog.String("cause", cause.String()))
	ng.answer(&ngap.ErrorIndication{AMFUENGAPID: amfID, RANUENGAPID: ranID, Cause: &cause})
}

// errorIndication: the AMF did not understand something. When it does not know the UE, the UE's association is gone (TS 38.413 10.6).
func (ng *ngConnection) errorIndication(m *ngap.ErrorIndication) {
	cause := "none"
	if m.Cause != nil {
		cause = m.Cause.String()
	}
	ng.amf.log.Warn("ERROR INDICATION from the AMF", slog.String("cause", cause))
	if m.Cause == nil || m.RANUENGAPID == nil ||
		!m.Cause.Is(ngap.CauseRadioNetworkUnknownLocalUENGAPID) && !m.Cause.Is(ngap.CauseRadioNetworkInconsistentRemoteUENGAPID) {
		return
	}
	ranID := uint32(*m.RANUENGAPID)
	o := ng.amf.nf.ownerOfRAN(ranID)
	o.mail.post(func() {
		if u := o.byRANID[ranID]; u != nil && u.ng == ng && !u.released {
			o.guarded(u, func() {
				u.unbind()
				u.endIKE()
			})
		}
	})
}

// unsupported answers a procedure that this N3IWF does not run, by the criticality that the AMF gave it (TS 38.413 10.3.4.1).
func (ng *ngConnection) unsupported(pdu *ngap.PDU) {
	ng.amf.log.Warn("NGAP procedure is not supported", slog.String("procedure", pdu.ProcedureCode.String()))
	if pdu.Criticality == aper.Ignore || pdu.Kind != ngap.InitiatingMessage {
		return
	}
	cause, code, trigger, criticality := ngap.CauseProtocolAbstractSyntaxErrorReject.Cause(), pdu.ProcedureCode, ngap.TriggeringMessage(pdu.Kind), pdu.Criticality
	reply := &ngap.ErrorIndication{Cause: &cause, CriticalityDiagnostics: &ngap.CriticalityDiagnostics{
		ProcedureCode: &code, TriggeringMessage: &trigger, ProcedureCriticality: &criticality,
	}}
	reply.AMFUENGAPID, reply.RANUENGAPID = ngap.UEIDs(pdu.Message)
	ng.answer(reply)
}

// receiveNGAP handles a PDU about this UE.
func (u *ue) receiveNGAP(pdu *ngap.PDU) {
	switch m := pdu.Message.(type) {
	case *ngap.DownlinkNASTransport:
		if u.state == stateEAP && u.guardFor != "" && u.eap != nil && u.eap.CanSend() {
			u.clearGuard()
		}
		u.downlinkNAS(m.NASPDU)
	case *ngap.InitialContextSetupRequest:
		u.initialContextSetup(m)
	case *ngap.PDUSessionResourceSetupRequest:
		u.sessionSetupRequest(m)
	case *ngap.PDUSessionResourceReleaseCommand:
		u.releaseSessions(m)
	case *ngap.PDUSessionResourceModifyRequest:
		u.modifySessions(m)
	case *ngap.PDUSessionResourceModifyConfirm:
		u.modifyConfirm(m)
	case *ngap.UEContextReleaseCommand:
		u.releaseCommand(m.Cause)
	default:
		u.ng.unsupported(pdu)
	}
}

// initialContextSetup takes the UE's key (TS 38.413 8.3.1). A UE that is up already, as after a Service Request over NAS, only gets its PDU
// sessions.
func (u *ue) initialContextSetup(m *ngap.InitialContextSetupRequest) {
	if len(m.PDUSessionResourceSetupListCxtReq) > 0 && m.UEAggregateMaximumBitRate == nil {
		cause := ngap.CauseProtocolSemanticError.Cause() // conditional IE, TS 38.413 9.2.2.1
		u.send(&ngap.InitialContextSetupFailure{AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID), Cause: cause})
		return
	}
	u.setup = m
	if u.state == stateUp {
		u.downlinkNAS(m.NASPDU)
		u.signallingUp()
		return
	}
	u.setupSent = false
	u.key = append([]byte(nil), m.SecurityKey[:]...)
	u.clearGuard()
	if len(m.NASPDU) > 0 {
		u.nasQueue = append(u.nasQueue, m.NASPDU)
	}
	u.continueEAP()
}

func (u *ue) sessionSetupRequest(m *ngap.PDUSessionResourceSetupRequest) {
	requests := make([]sessionRequest, 0, len(m.PDUSessionResourceSetupListSUReq))
	for _, item := range m.PDUSessionResourceSetupListSUReq {
		requests = append(requests, sessionRequest{item.PDUSessionID, item.PDUSessionNASPDU, item.SNSSAI, item.PDUSessionResourceSetupRequestTransfer})
	}
	u.downlinkNAS(m.NASPDU)
	u.setupSessions(requests, func(b *setupBatch) {
		response := &ngap.PDUSessionResourceSetupResponse{AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID)}
		for _, ok := range b.done {
			response.PDUSessionResourceSetupListSURes = append(response.PDUSessionResourceSetupListSURes,
				ngap.PDUSessionResourceSetupItemSURes{PDUSessionID: ok.id, PDUSessionResourceSetupResponseTransfer: ok.transfer})
		}
		for _, bad := range b.failed {
			response.PDUSessionResourceFailedToSetupListSURes = append(response.PDUSessionResourceFailedToSetupListSURes,
				ngap.PDUSessionResourceFailedToSetupItemSURes{PDUSessionID: bad.id, PDUSessionResourceSetupUnsuccessfulTransfer: bad.transfer})
		}
		u.send(response)
	})
}

// send sends a message about the UE to its AMF.
func (u *ue) send(message ngap.Message) { u.ng.send(u.ranID, message) }
