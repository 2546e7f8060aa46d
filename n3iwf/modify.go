// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// PDU Session Resource Modify (TS 38.413 8.2.3, TS 23.502 4.12.6). One answer tells of all PDU sessions of the request; what is not in a session's
// transfer stays as it was.

// modification is one PDU SESSION RESOURCE MODIFY REQUEST that is not answered yet.
type modification struct {
	waiting  int // PDU sessions
	response ngap.PDUSessionResourceModifyResponse
	nas      [][]byte                     // for the UE, of the sessions that were modified
	wrong    *ngap.CriticalityDiagnostics // of the PDU session that fails next, if the fault is in its transfer
	place    *nasPlace
}

// flowChange is what a request asks of the QoS flows of one PDU session. It is checked: no QFI is in it twice, a flow in set that the session does
// not have brings its QoS parameters, and a flow is left.
type flowChange struct {
	set     []qosFlow
	release []uint8 // QFIs of flows that the session has
}

func (u *ue) modifySessions(m *ngap.PDUSessionResourceModifyRequest) {
	mod := &modification{waiting: 1}
	mod.place = reserveFor(u, m.PDUSessionResourceModifyListModReq, func(i *ngap.PDUSessionResourceModifyItemModReq) []byte { return i.NASPDU })
	u.modifications++
	times := map[ngap.PDUSessionID]int{}
	for _, item := range m.PDUSessionResourceModifyListModReq {
		times[item.PDUSessionID]++
	}
	for _, item := range m.PDUSessionResourceModifyListModReq {
		switch n := times[item.PDUSessionID]; {
		case n == 0: // told already
			continue
		case n > 1: // nobody can tell which of them is meant
			u.modifyFailed(mod, item.PDUSessionID, ngap.CauseRadioNetworkMultiplePDUSessionIDInstances.Cause())
			times[item.PDUSessionID] = 0
			continue
		}
		if cause, ok := u.modifySession(mod, item); !ok {
			u.modifyFailed(mod, item.PDUSessionID, cause)
		}
	}
	u.modified(mod)
}

// modifySession checks and begins one item. False and a cause when it fails at once.
func (u *ue) modifySession(mod *modification, item ngap.PDUSessionResourceModifyItemModReq) (ngap.Cause, bool) {
	s := u.sessions[item.PDUSessionID]
	switch {
	case s == nil || s.removing:
		return ngap.CauseRadioNetworkUnknownPDUSessionID.Cause(), false
	case u.state != stateUp:
		return ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause(), false
	case !s.active:
		return ngap.CauseProtocolMessageNotCompatibleWithReceiverState.Cause(), false
	}
	t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyRequestTransfer](item.PDUSessionResourceModifyRequestTransfer)
	if err != nil {
		mod.wrong = ngap.DiagnosticsOf(err)
		return ngap.CauseOf(err), false
	}
	change, failed := s.checkFlows(t)
	switch {
	case len(s.flows)-len(change.release) < 1 && !s.adds(change):
		return ngap.CauseRadioNetworkInvalidQosCombination.Cause(), false // a PDU session has a flow
	case len(failed) > 0 && len(change.set)+len(change.release)+len(t.ULNGUUPTNLModifyList) == 0 && t.PDUSessionAggregateMaximumBitRate == nil:
		return failed[0].Cause, false // nothing of it can be done
	}
	s.ambr = s.ambr || t.PDUSessionAggregateMaximumBitRate != nil
	if cause, ok := s.moveUplink(t.ULNGUUPTNLModifyList); !ok {
		return cause, false
	}
	mod.waiting++
	u.changeFlows(s, change.set, change.release, func(without []uint8) {
		defer u.modified(mod)
		if s.removing || u.sessions[s.id] != s {
			u.modifyFailed(mod, s.id, ngap.CauseRadioNetworkUnknownPDUSessionID.Cause())
			return
		}
		r := &ngap.PDUSessionResourceModifyResponseTransfer{QosFlowFailedToAddOrModifyList: failed}
		for _, f := range change.set {
			id := ngap.QosFlowIdentifier(f.qfi)
			if slices.Contains(without, f.qfi) {
				r.QosFlowFailedToAddOrModifyList = append(r.QosFlowFailedToAddOrModifyList,
					ngap.QosFlowWithCauseItem{QosFlowIdentifier: id, Cause: ngap.CauseRadioNetworkRadioResourcesNotAvailable.Cause()})
				continue
			}
			r.QosFlowAddOrModifyResponseList = append(r.QosFlowAddOrModifyResponseList, ngap.QosFlowAddOrModifyResponseItem{QosFlowIdentifier: id})
		}
		transfer, err := ngap.EncodeTransfer(r)
		if err != nil {
			u.log.Error("transfer", slog.Any("error", err))
			u.modifyFailed(mod, s.id, ngap.CauseProtocolUnspecified.Cause())
			return
		}
		mod.response.PDUSessionResourceModifyListModRes = append(mod.response.PDUSessionResourceModifyListModRes,
			ngap.PDUSessionResourceModifyItemModRes{PDUSessionID: s.id, PDUSessionResourceModifyResponseTransfer: transfer})
		mod.nas = append(mod.nas, item.NASPDU)
		u.log.Info("PDU session modified", slog.Int("pdu_session", int(s.id)), slog.Int("flows", len(s.flows)), slog.Int("failed_flows", len(r.QosFlowFailedToAddOrModifyList)))
	})
	return ngap.Cause{}, true
}

// checkFlows sorts out the flows that cannot be what the request wants.
func (s *pduSession) checkFlows(t *ngap.PDUSessionResourceModifyRequestTransfer) (change flowChange, failed ngap.QosFlowListWithCause) {
	times := map[ngap.QosFlowIdentifier]int{}
	for _, f := range t.QosFlowAddOrModifyRequestList {
		times[f.QosFlowIdentifier]++
	}
	toSet := map[ngap.QosFlowIdentifier]bool{}
	for _, f := range t.QosFlowToReleaseList {
		if toSet[f.QosFlowIdentifier] {
			continue // a repeated one is released once
		}
		toSet[f.QosFlowIdentifier] = true
		times[f.QosFlowIdentifier]++
	}
	reported := map[ngap.QosFlowIdentifier]bool{}
	for _, f := range t.QosFlowAddOrModifyRequestList {
		cause, bad := s.modifyFault(f, t)
		if times[f.QosFlowIdentifier] > 1 {
			cause, bad = ngap.CauseRadioNetworkMultipleQosFlowIDInstances.Cause(), true
		}
		switch {
		case !bad:
			change.set = append(change.set, s.flowAfter(f))
		case !reported[f.QosFlowIdentifier]:
			reported[f.QosFlowIdentifier] = true
			failed = append(failed, ngap.QosFlowWithCauseItem{QosFlowIdentifier: f.QosFlowIdentifier, Cause: cause})
		}
	}
	for qfi := range toSet {
		if times[qfi] == 1 && s.has(uint8(qfi)) {
			change.release = append(change.release, uint8(qfi))
		}
	}
	slices.Sort(change.release)
	return change, failed
}

// modifyFault finds what is wrong with one flow that is to be added or modified.
func (s *pduSession) modifyFault(f ngap.QosFlowAddOrModifyRequestItem, t *ngap.PDUSessionResourceModifyRequestTransfer) (ngap.Cause, bool) {
	q := f.QosFlowLevelQosParameters
	switch {
	case q == nil && !s.has(uint8(f.QosFlowIdentifier)):
		return ngap.CauseRadioNetworkUnkownQosFlowID.Cause(), true
	case q == nil:
		return ngap.Cause{}, false
	}
	if cause, bad := flowFault(q); bad {
		return cause, true
	}
	if q.GBRQosInformation == nil && !s.ambr && t.PDUSessionAggregateMaximumBitRate == nil {
		return ngap.CauseRadioNetworkInvalidQosCombination.Cause(), true // TS 38.413 9.3.4.1: a non-GBR flow needs the session's AMBR
	}
	return ngap.Cause{}, false
}

func (s *pduSession) has(qfi uint8) bool {
	return slices.ContainsFunc(s.flows, func(f qosFlow) bool { return f.qfi == qfi })
}

// adds tells whether the change brings a flow that is not there.
func (s *pduSession) adds(c flowChange) bool {
	return slices.ContainsFunc(c.set, func(f qosFlow) bool { return !s.has(f.qfi) })
}

// flowAfter is a flow as the request wants it. One without parameters stays as it is.
func (s *pduSession) flowAfter(f ngap.QosFlowAddOrModifyRequestItem) qosFlow {
	if f.QosFlowLevelQosParameters == nil {
		return s.flows[slices.IndexFunc(s.flows, func(old qosFlow) bool { return old.qfi == uint8(f.QosFlowIdentifier) })]
	}
	return newQoSFlow(f.QosFlowIdentifier, f.QosFlowLevelQosParameters)
}

// moveUplink sends to another end of the tunnel at the UPF from now on. Of several tunnels the session has one: the first.
func (s *pduSession) moveUplink(list ngap.ULNGUUPTNLModifyList) (ngap.Cause, bool) {
	if len(list) == 0 {
		return ngap.Cause{}, true
	}
	unavailable := ngap.CauseTransportTransportResourceUnavailable.Cause()
	tunnel := list[0].ULNGUUPTNLInformation.GTPTunnel
	if tunnel == nil {
		return unavailable, false
	}
	addr, err := s.ue.nf.n3Peer(tunnel.TransportLayerAddress)
	if err != nil {
		s.ue.log.Error("no N3 tunnel", slog.Any("error", err))
		return unavailable, false
	}
	s.upf, s.ulTEID = addr, uint32(tunnel.GTPTEID)
	if err := s.relay.Update(s.relayConfig()); err != nil {
		s.ue.log.Error("N3 relay", slog.Any("error", err))
		return unavailable, false
	}
	return ngap.Cause{}, true
}

func (u *ue) modifyFailed(mod *modification, id ngap.PDUSessionID, cause ngap.Cause) {
	u.log.Warn("PDU session not modified", slog.Int("pdu_session", int(id)), slog.String("cause", cause.String()))
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceModifyUnsuccessfulTransfer{Cause: cause, CriticalityDiagnostics: mod.wrong})
	mod.wrong = nil
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
	}
	mod.response.PDUSessionResourceFailedToModifyListModRes = append(mod.response.PDUSessionResourceFailedToModifyListModRes,
		ngap.PDUSessionResourceFailedToModifyItemModRes{PDUSessionID: id, PDUSessionResourceModifyUnsuccessfulTransfer: transfer})
}

// modified counts one part of a request as done; the last one answers the AMF. NAS of a session that was not modified is not delivered.
func (u *ue) modified(mod *modification) {
	if mod.waiting--; mod.waiting > 0 {
		return
	}
	u.modifications--
	if u.released || u.amfID == nil {
		return
	}
	location := u.location()
	mod.response.AMFUENGAPID, mod.response.RANUENGAPID, mod.response.UserLocationInformation = *u.amfID, ngap.RANUENGAPID(u.ranID), &location
	u.deliverAt(mod.place, mod.nas...)
	u.send(&mod.response)
}
