// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// dispatch takes a PDU of the AMF to the UE that it is about, or handles it when it is about none. It came via an association of this node.
func (ng *ngConnection) dispatch(pdu *ngap.PDU, via *tnla) {
	switch m := pdu.Message.(type) {
	case *ngap.AMFStatusIndication, *ngap.OverloadStart, *ngap.OverloadStop, *ngap.AMFConfigurationUpdate, *ngap.NGReset:
		ng.amf.nf.nodes.tellNGAP(ng, pdu)
		ng.aboutNode(pdu, via)
		return
	case *ngap.NGResetAcknowledge:
		ng.resetAcknowledged()
		return
	case *ngap.RANConfigurationUpdateAcknowledge:
		ng.updateAnswered("", 0)
		return
	case *ngap.RANConfigurationUpdateFailure:
		wait := time.Duration(0)
		if m.TimeToWait != nil {
			wait = m.TimeToWait.Duration()
		}
		ng.updateAnswered(m.Cause.String(), wait)
		return
	case *ngap.ErrorIndication:
		ng.errorIndication(m, via)
		return
	}
	amfID, ranID := ngap.UEIDs(pdu.Message)
	switch {
	case ranID != nil:
		ng.toUE(uint32(*ranID), amfID, pdu, via, 0)
	case amfID != nil:
		if id, ok := ng.ranID(*amfID); ok {
			ng.toUE(id, amfID, pdu, via, 0)
			return
		}
		ng.unknownUE(amfID, nil, ngap.CauseRadioNetworkInconsistentRemoteUENGAPID, via)
	default:
		ng.unsupported(pdu, via)
	}
}

// aboutNode handles what concerns the whole N3IWF, also the part of it that is at this node when it came to another one; via is nil then.
func (ng *ngConnection) aboutNode(pdu *ngap.PDU, via *tnla) {
	switch m := pdu.Message.(type) {
	case *ngap.AMFStatusIndication:
		ng.amfStatus(m)
	case *ngap.OverloadStart:
		ng.overloadStart(m)
	case *ngap.OverloadStop:
		ng.overloadStop()
	case *ngap.AMFConfigurationUpdate:
		ng.configurationUpdate(m, via)
	case *ngap.NGReset:
		ng.ngReset(m, via)
	}
}

// toUE gives the PDU to the UE's owner, who checks that the ids name a UE and belong together (TS 38.413 10.6). The AMF may choose any association of
// the node for a UE, also that of another node than the UE's; the UE is bound to the one that it chose last.
func (ng *ngConnection) toUE(ranID uint32, amfID *ngap.AMFUENGAPID, pdu *ngap.PDU, via *tnla, hops uint8) {
	o := ng.amf.nf.ownerOfRAN(ranID)
	o.mail.post(func() {
		u := o.byRANID[ranID]
		id := ngap.RANUENGAPID(ranID)
		if u == nil && ng.amf.nf.nodes.forwardNGAP(ng, ranID, pdu, hops) {
			return
		}
		_, isError := pdu.Message.(*ngap.ErrorIndication)
		switch {
		case u != nil && u.ng != ng && u.takenOver(ng, amfID):
			o.guarded(u, func() { u.adopt(ng) })
		case u != nil && u.ng != ng && amfID != nil && u.redirected(pdu.Message):
			o.guarded(u, func() { u.redirectTo(ng, amfID) })
		case u == nil || u.ng != ng || u.released:
			if !isError {
				ng.unknownUE(amfID, &id, ngap.CauseRadioNetworkUnknownLocalUENGAPID, via)
				ng.dropRemote(amfID)
			}
			return
		}
		if amfID != nil && u.amfID != nil && *amfID != *u.amfID && !isError {
			ng.unknownUE(amfID, &id, ngap.CauseRadioNetworkInconsistentRemoteUENGAPID, via)
			o.guarded(u, u.loseAMF) // both ends drop the connection,
			ng.dropRemote(amfID)    // and the one that the other id names
			return
		}
		if amfID != nil && u.amfID == nil && !isError {
			u.amfID = amfID
			ng.bind(*amfID, ranID)
		}
		if via != nil {
			ng.bindTNLA(ranID, via)
		}
		o.guarded(u, func() { u.receiveNGAP(pdu, via) })
	})
}

// takenOver tells whether an AMF may speak for a UE of another one: the UE's own is lost or gives the UE away, and the two are of one set.
func (u *ue) takenOver(ng *ngConnection, amfID *ngap.AMFUENGAPID) bool {
	if u.released || u.guami == nil || u.amfID == nil || amfID == nil || *amfID != *u.amfID {
		return false
	}
	_, withdrawn := u.ng.withdrawn(*u.guami)
	return (u.held != nil || withdrawn) && ng.match(*u.guami) != guamiOther
}

// ueAttr names the UE of an NGAP message in the log as every other line about it does; it is left out of a line about none.
func ueAttr(ranID *ngap.RANUENGAPID) slog.Attr {
	if ranID == nil {
		return slog.Attr{}
	}
	return slog.Uint64("ue", uint64(*ranID))
}

func (ng *ngConnection) unknownUE(amfID *ngap.AMFUENGAPID, ranID *ngap.RANUENGAPID, why ngap.CauseRadioNetwork, via *tnla) {
	cause := why.Cause()
	ng.amf.log.Warn("NGAP message for a UE that is not here", ueAttr(ranID), slog.String("cause", cause.String()))
	ng.answer(via, &ngap.ErrorIndication{AMFUENGAPID: amfID, RANUENGAPID: ranID, Cause: &cause})
}

// dropRemote ends the UE that the AMF's id names, when the AMF has named it together with an id that is nobody's here: the AMF, which is told, drops what it
// has under that id (TS 38.413 10.6).
func (ng *ngConnection) dropRemote(amfID *ngap.AMFUENGAPID) {
	if amfID == nil {
		return
	}
	ranID, ok := ng.ranID(*amfID)
	if !ok {
		return
	}
	o := ng.amf.nf.ownerOfRAN(ranID)
	o.mail.post(func() {
		if u := o.byRANID[ranID]; u != nil && u.ng == ng && u.amfID != nil && *u.amfID == *amfID && !u.released {
			o.guarded(u, u.loseAMF)
		}
	})
}

// errorIndication: the AMF did not understand something. What is about a UE goes to it.
func (ng *ngConnection) errorIndication(m *ngap.ErrorIndication, via *tnla) {
	ranID, known := uint32(0), m.RANUENGAPID != nil
	switch {
	case known:
		ranID = uint32(*m.RANUENGAPID)
	case m.AMFUENGAPID != nil:
		ranID, known = ng.ranID(*m.AMFUENGAPID)
	}
	var ue slog.Attr
	if known {
		ue = slog.Uint64("ue", uint64(ranID))
	}
	ng.amf.log.Warn("ERROR INDICATION from the AMF", ue, slog.String("message", ngap.String(m)))
	if known {
		ng.toUE(ranID, m.AMFUENGAPID, &ngap.PDU{ProcedureCode: ngap.ProcedureErrorIndication, Criticality: aper.Ignore, Message: m}, via, 0)
	}
}

// errorIndication ends the UE when the AMF does not know it (TS 38.413 10.6), and its PDU sessions when they cannot come to this node.
func (u *ue) errorIndication(m *ngap.ErrorIndication) {
	switch {
	case m.Cause != nil && (m.Cause.Is(ngap.CauseRadioNetworkUnknownLocalUENGAPID) || m.Cause.Is(ngap.CauseRadioNetworkInconsistentRemoteUENGAPID)):
		u.loseAMF()
	case u.indicationRefused(m):
		u.tunnelsStay("the AMF does not understand the indication")
	}
}

// unsupported answers a procedure that this N3IWF does not run, by the criticality that the AMF gave it (TS 38.413 10.3.4.1).
func (ng *ngConnection) unsupported(pdu *ngap.PDU, via *tnla) {
	_, ranID := ngap.UEIDs(pdu.Message)
	ng.amf.log.Warn("NGAP procedure is not supported", ueAttr(ranID), slog.String("procedure", pdu.ProcedureCode.String()))
	if pdu.Criticality == aper.Ignore || pdu.Kind != ngap.InitiatingMessage {
		return
	}
	cause, code, trigger, criticality := ngap.CauseProtocolAbstractSyntaxErrorReject.Cause(), pdu.ProcedureCode, ngap.TriggeringMessage(pdu.Kind), pdu.Criticality
	reply := &ngap.ErrorIndication{Cause: &cause, CriticalityDiagnostics: &ngap.CriticalityDiagnostics{
		ProcedureCode: &code, TriggeringMessage: &trigger, ProcedureCriticality: &criticality,
	}}
	reply.AMFUENGAPID, reply.RANUENGAPID = ngap.UEIDs(pdu.Message)
	ng.answer(via, reply)
}

// receiveNGAP handles a PDU about this UE.
func (u *ue) receiveNGAP(pdu *ngap.PDU, via *tnla) {
	u.traceAnswer(pdu)
	switch m := pdu.Message.(type) {
	case *ngap.DownlinkNASTransport:
		if u.state == stateEAP && u.guardFor != "" && u.eap != nil && u.eap.CanSend() {
			u.clearGuard()
		}
		u.setAggregateRate(m.UEAggregateMaximumBitRate)
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
	case *ngap.UEContextModificationRequest:
		u.modifyContext(m)
	case *ngap.UETNLABindingReleaseRequest:
		u.log.Debug("the AMF releases the UE's binding to its association")
		u.ng.unbindTNLA(u.ranID)
		u.freed = true
	case *ngap.RerouteNASRequest:
		u.reroute(m)
	case *ngap.ErrorIndication:
		u.errorIndication(m)
	case *ngap.UEContextReleaseCommand:
		u.releaseCommand(m.Cause)
	default:
		u.ng.unsupported(pdu, via)
	}
}

// initialContextSetup takes the UE's key (TS 38.413 8.3.1). A UE that is up already, as after a Service Request over NAS, only gets its PDU
// sessions. An AMF may say it again before it has the answer, as free5GC's does when Registration Complete is late (T3550): the later request takes the place
// of the first, one answer is for both, and the time for the UE goes on.
func (u *ue) initialContextSetup(m *ngap.InitialContextSetupRequest) {
	if len(m.PDUSessionResourceSetupListCxtReq) > 0 && m.UEAggregateMaximumBitRate == nil {
		u.notSetUp(m, ngap.CauseProtocolSemanticError.Cause()) // conditional IE, TS 38.413 9.2.2.1
		return
	}
	if u.state == stateReleasing {
		u.notSetUp(m, ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause())
		return
	}
	u.setup, u.guami, u.initial = m, &m.GUAMI, nil
	u.trace.begin(spanContextSetup, spanContextSetup, spanRegistration)
	u.setAggregateRate(m.UEAggregateMaximumBitRate)
	if u.state == stateUp {
		u.downlinkNAS(m.NASPDU)
		u.signallingUp()
		return
	}
	if u.state == stateEAP { // otherwise the UE has EAP-Success already, and authenticates with the key of the first request
		u.key = append([]byte(nil), m.SecurityKey[:]...)
	}
	if u.setupPlace != nil {
		u.deliverAt(u.setupPlace) // of a request that this one replaces
	}
	u.downlinkNAS(m.NASPDU)
	u.setupPlace = reserveFor(u, m.PDUSessionResourceSetupListCxtReq, func(i *ngap.PDUSessionResourceSetupItemCxtReq) []byte { return i.NASPDU })
	u.continueEAP()
}

func (u *ue) sessionSetupRequest(m *ngap.PDUSessionResourceSetupRequest) {
	requests := make([]sessionRequest, 0, len(m.PDUSessionResourceSetupListSUReq))
	for _, item := range m.PDUSessionResourceSetupListSUReq {
		requests = append(requests, sessionRequest{id: item.PDUSessionID, nas: item.PDUSessionNASPDU, snssai: item.SNSSAI, transfer: item.PDUSessionResourceSetupRequestTransfer})
	}
	u.setAggregateRate(m.UEAggregateMaximumBitRate)
	u.downlinkNAS(m.NASPDU)
	u.setupSessions(requests, nil, func(b *setupBatch) {
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
