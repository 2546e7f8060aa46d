// SPDX-License-Identifier: Apache-2.0

package core

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// ChangeFlows is what an SMF does, where ModifySession only sends: it adds QoS flows to a PDU session or gives existing ones other parameters, and takes flows away, on the network's initiative
// (TS 23.502 4.12.6). It does not wait for the N3IWF. Errors: ErrNoUE, ErrNoSession, ErrIdle, and a *ConfigError for wrong flows.
func (c *Core) ChangeFlows(imsi string, psi uint8, set []Flow, remove ...uint8) error {
	checked := &dataNetwork{}
	if len(set) > 0 {
		var err error
		if checked, err = newDataNetwork("modify", &DNN{Name: "modify", Flows: set}); err != nil {
			return err
		}
	}
	return c.about(imsi, func(r *registration) error {
		s := r.sessions[psi]
		switch {
		case s == nil:
			return fmt.Errorf("%s: PDU session %d: %w", imsi, psi, ErrNoSession)
		case r.ue == nil || !s.active:
			return fmt.Errorf("%s: %w", imsi, ErrIdle)
		}
		return r.ue.modify(s, checked.flows, remove)
	})
}

// MoveTo3GPP hands a PDU session over to 3GPP access, as when the UE has asked for that there (TS 23.502 4.9.2.2): the N3IWF releases its resources without
// a word to the UE, and the session goes on. A request for an existing PDU session brings it back. Errors: ErrNoUE, ErrNoSession, ErrIdle.
func (c *Core) MoveTo3GPP(imsi string, psi uint8) error {
	return c.about(imsi, func(r *registration) error {
		s := r.sessions[psi]
		switch {
		case s == nil:
			return fmt.Errorf("%s: PDU session %d: %w", imsi, psi, ErrNoSession)
		case r.ue == nil || !s.active:
			return fmt.Errorf("%s: %w", imsi, ErrIdle)
		}
		s.keep = true
		r.ue.releaseResources(s, nil)
		return nil
	})
}

// modify asks the N3IWF; the session's flows are those that it has agreed to.
func (u *ueContext) modify(s *session, set []flow, remove []uint8) error {
	t := &ngap.PDUSessionResourceModifyRequestTransfer{}
	for _, f := range set {
		q := u.core.qos(f.Flow)
		t.QosFlowAddOrModifyRequestList = append(t.QosFlowAddOrModifyRequestList,
			ngap.QosFlowAddOrModifyRequestItem{QosFlowIdentifier: ngap.QosFlowIdentifier(f.QFI), QosFlowLevelQosParameters: &q})
	}
	for _, qfi := range remove {
		t.QosFlowToReleaseList = append(t.QosFlowToReleaseList,
			ngap.QosFlowWithCauseItem{QosFlowIdentifier: ngap.QosFlowIdentifier(qfi), Cause: ngap.CauseNasNormalRelease.Cause()})
	}
	transfer, err := ngap.EncodeTransfer(t)
	if err != nil {
		return err
	}
	s.changing, s.leaving = set, remove
	command := u.transport(s.id, &nas.ModificationCommand{SM: nas.SM{SessionID: s.id}, Flows: s.descriptions(set)})
	u.ran.send(&ngap.PDUSessionResourceModifyRequest{
		AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID,
		PDUSessionResourceModifyListModReq: ngap.PDUSessionResourceModifyListModReq{{
			PDUSessionID: ngap.PDUSessionID(s.id), NASPDU: u.protect(command), PDUSessionResourceModifyRequestTransfer: transfer,
		}},
	})
	return nil
}

// sessionsModified takes the N3IWF's answer: flows in the failed list are as before.
func (u *ueContext) sessionsModified(m *ngap.PDUSessionResourceModifyResponse) {
	for _, item := range m.PDUSessionResourceModifyListModRes {
		s := u.sessionOf(uint8(item.PDUSessionID))
		t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyResponseTransfer](item.PDUSessionResourceModifyResponseTransfer)
		if s == nil || err != nil {
			u.log.Warn("answer to a PDU session modification is of no use", slog.Int("pdu_session", int(item.PDUSessionID)), slog.Any("error", err))
			continue
		}
		if s.changing == nil && s.leaving == nil {
			continue // of ModifySession
		}
		for _, f := range t.QosFlowFailedToAddOrModifyList {
			u.log.Warn("the N3IWF could not modify a QoS flow", slog.Int("pdu_session", int(s.id)), slog.Int("qfi", int(f.QosFlowIdentifier)), slog.String("cause", f.Cause.String()))
			s.changing = slices.DeleteFunc(s.changing, func(o flow) bool { return o.QFI == uint8(f.QosFlowIdentifier) })
		}
		s.flows = slices.DeleteFunc(s.flows, func(f flow) bool {
			return slices.Contains(s.leaving, f.QFI) || slices.ContainsFunc(s.changing, func(o flow) bool { return o.QFI == f.QFI })
		})
		s.flows = append(s.flows, s.changing...)
		s.changing, s.leaving = nil, nil
		s.upf.SetFlows(s.qfis()...)
		u.log.Info("PDU session modified", slog.Int("pdu_session", int(s.id)), slog.Any("qfis", s.qfis()))
	}
	for _, item := range m.PDUSessionResourceFailedToModifyListModRes {
		u.log.Warn("the N3IWF could not modify a PDU session", slog.Int("pdu_session", int(item.PDUSessionID)))
	}
}

func (s *session) qfis() (list []uint8) {
	for _, f := range s.flows {
		list = append(list, f.QFI)
	}
	slices.Sort(list)
	return list
}
