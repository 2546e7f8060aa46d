// SPDX-License-Identifier: Apache-2.0

package core

import (
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/upf"
)

// session is a PDU session at the SMF.
type session struct {
	id       uint8
	dnn      DNN
	upf      *upf.Session
	peer     netip.Addr // the N3IWF's end
	peerTEID uint32
}

// sessionManagement handles what the UE sends to the SMF.
func (u *ueContext) sessionManagement(m *nas.ULNASTransport) {
	if m.ContainerType != nas.ContainerN1SM || m.SessionID == nil {
		return
	}
	sm, err := nas.Decode(m.Container)
	if err != nil {
		u.log.Warn("5GSM message ignored", slog.Any("error", err))
		return
	}
	switch sm := sm.(type) {
	case *nas.EstablishmentRequest:
		u.establish(m, sm)
	case *nas.ReleaseRequest:
		u.releaseSession(sm.SessionID, sm.PTI, nas.SMCauseRegularDeactivation)
	case *nas.ReleaseComplete:
		u.log.Info("PDU session released by the UE too", slog.Int("pdu_session", int(sm.SessionID)))
	default:
		u.log.Debug("5GSM message ignored", slog.String("message", sm.Type().String()))
	}
}

func (u *ueContext) sendSM(psi uint8, m nas.Message) {
	u.send(u.transport(psi, m))
}

func (u *ueContext) transport(psi uint8, m nas.Message) *nas.DLNASTransport {
	b, err := nas.Encode(m)
	if err != nil {
		u.log.Error("5GSM message", slog.Any("error", err))
	}
	return &nas.DLNASTransport{ContainerType: nas.ContainerN1SM, Container: b, SessionID: &psi}
}

// ambr of every session: enough not to matter.
const ambr = 1_000_000_000

// establish sets up an IPv4 PDU session (TS 23.502 4.3.2.2, 4.12.5).
func (u *ueContext) establish(t *nas.ULNASTransport, m *nas.EstablishmentRequest) {
	reject := func(cause nas.SMCause) {
		u.log.Warn("PDU session rejected", slog.Int("pdu_session", int(m.SessionID)), slog.String("cause", cause.String()))
		u.sendSM(m.SessionID, &nas.EstablishmentReject{SM: m.SM, Cause: cause})
	}
	name := "internet"
	if t.DNN != nil {
		name = string(*t.DNN)
	}
	dnn, ok := u.core.net.dnns[name]
	switch {
	case !ok:
		reject(nas.SMCauseUnknownDNN)
		return
	case m.SessionType != nil && *m.SessionType != nas.SessionIPv4 && *m.SessionType != nas.SessionIPv4v6:
		reject(nas.SMCauseIPv4Only)
		return
	case u.sessions[m.SessionID] != nil:
		u.sessionReleased(m.SessionID) // an initial request of a known id begins anew
	}
	qfis := make([]uint8, 0, len(dnn.Flows))
	for _, f := range dnn.Flows {
		qfis = append(qfis, f.QFI)
	}
	tunnel, err := u.core.upf.Add(upf.SessionConfig{Name: fmt.Sprintf("%s/%d", u.sub.imsi, m.SessionID), Flows: qfis})
	if err != nil {
		u.log.Error("UPF", slog.Any("error", err))
		reject(nas.SMCauseInsufficientResources)
		return
	}
	s := &session{id: m.SessionID, dnn: dnn, upf: tunnel}
	u.sessions[s.id] = s
	slice := u.core.net.slices[0]
	if t.SNSSAI != nil {
		slice = u.sliceOf(*t.SNSSAI)
	}
	accept := u.accept(s, m, t)
	transfer, err := s.transfer(u.core.cfg.UPF)
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
		return
	}
	u.gnb.send(&ngap.PDUSessionResourceSetupRequest{
		AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID,
		PDUSessionResourceSetupListSUReq: ngap.PDUSessionResourceSetupListSUReq{{
			PDUSessionID: ngap.PDUSessionID(s.id), PDUSessionNASPDU: u.protect(u.transport(s.id, accept)), SNSSAI: slice, PDUSessionResourceSetupRequestTransfer: transfer,
		}},
		UEAggregateMaximumBitRate: &ngap.UEAggregateMaximumBitRate{UEAggregateMaximumBitRateDL: ambr, UEAggregateMaximumBitRateUL: ambr},
	})
}

func (u *ueContext) sliceOf(s nas.SNSSAI) ngap.SNSSAI {
	for i, own := range u.core.net.nssai {
		if own.Same(s) {
			return u.core.net.slices[i]
		}
	}
	return u.core.net.slices[0]
}

// accept is the answer to the UE: one rule a flow, that of the default flow matching all.
func (u *ueContext) accept(s *session, m *nas.EstablishmentRequest, t *nas.ULNASTransport) *nas.EstablishmentAccept {
	a := &nas.EstablishmentAccept{
		SM: m.SM, SessionType: nas.SessionIPv4, SSCMode: 1, AMBR: nas.AMBR{Downlink: nas.NewBitRate(ambr), Uplink: nas.NewBitRate(ambr)},
		Address: &nas.PDUAddress{Type: nas.SessionIPv4, IPv4: s.upf.Address()}, SNSSAI: t.SNSSAI, DNN: t.DNN,
	}
	for i, f := range s.dnn.Flows {
		precedence, qfi := uint8(255), f.QFI
		filter := nas.FilterComponent{Type: nas.MatchAll}
		if i > 0 {
			precedence = uint8(i)
		}
		if f.Protocol != 0 {
			filter = nas.FilterComponent{Type: nas.ProtocolNext, Value: []byte{f.Protocol}}
		}
		a.Rules = append(a.Rules, nas.QoSRule{
			ID: uint8(i + 1), Operation: nas.RuleCreate, Default: i == 0, Precedence: &precedence, QFI: &qfi,
			Filters: []nas.PacketFilter{{Direction: nas.BothWays, ID: 1, Components: []nas.FilterComponent{filter}}},
		})
		a.Flows = append(a.Flows, nas.FlowDescription{QFI: f.QFI, Operation: nas.FlowCreate, Extended: true, Parameters: []nas.FlowParameter{{ID: nas.Flow5QI, Value: []byte{f.FiveQI}}}})
	}
	if m.SessionType != nil && *m.SessionType == nas.SessionIPv4v6 {
		cause := nas.SMCauseIPv4Only
		a.Cause = &cause
	}
	return a
}

// transfer tells the N3IWF the tunnel and the flows.
func (s *session) transfer(addr netip.Addr) ([]byte, error) {
	tunnel, err := ngap.NewGTPTunnel(addr, s.upf.TEID())
	if err != nil {
		return nil, err
	}
	t := &ngap.PDUSessionResourceSetupRequestTransfer{
		PDUSessionAggregateMaximumBitRate: &ngap.PDUSessionAggregateMaximumBitRate{PDUSessionAggregateMaximumBitRateDL: ambr, PDUSessionAggregateMaximumBitRateUL: ambr},
		ULNGUUPTNLInformation:             tunnel, PDUSessionType: ngap.PDUSessionTypeIPv4,
	}
	for _, f := range s.dnn.Flows {
		t.QosFlowSetupRequestList = append(t.QosFlowSetupRequestList, ngap.QosFlowSetupRequestItem{
			QosFlowIdentifier: ngap.QosFlowIdentifier(f.QFI),
			QosFlowLevelQosParameters: ngap.QosFlowLevelQosParameters{
				QosCharacteristics:             ngap.QosCharacteristics{NonDynamic5QI: &ngap.NonDynamic5QIDescriptor{FiveQI: ngap.FiveQI(f.FiveQI)}},
				AllocationAndRetentionPriority: ngap.AllocationAndRetentionPriority{PriorityLevelARP: 8, PreEmptionCapability: 0, PreEmptionVulnerability: 1},
			},
		})
	}
	return ngap.EncodeTransfer(t)
}

// sessionsSetUp takes the N3IWF's end of the tunnels.
func (u *ueContext) sessionsSetUp(m *ngap.PDUSessionResourceSetupResponse) {
	u.locate(m.UserLocationInformation)
	for _, item := range m.PDUSessionResourceSetupListSURes {
		s := u.sessions[uint8(item.PDUSessionID)]
		t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupResponseTransfer](item.PDUSessionResourceSetupResponseTransfer)
		if s == nil || err != nil || t.DLQosFlowPerTNLInformation.UPTransportLayerInformation.GTPTunnel == nil {
			u.log.Warn("answer to the PDU session set-up is not usable", slog.Any("error", err))
			continue
		}
		tunnel := t.DLQosFlowPerTNLInformation.UPTransportLayerInformation.GTPTunnel
		s.peer, _ = tunnel.TransportLayerAddress.Addr()
		s.peerTEID = uint32(tunnel.GTPTEID)
		s.upf.SetDownlink(s.peer, s.peerTEID)
		u.log.Info("PDU session is up", slog.Int("pdu_session", int(s.id)), slog.String("address", s.upf.Address().String()), slog.String("n3iwf", s.peer.String()), slog.Int("teid", int(s.peerTEID)))
	}
	for _, item := range m.PDUSessionResourceFailedToSetupListSURes {
		cause := "not readable"
		if t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](item.PDUSessionResourceSetupUnsuccessfulTransfer); err == nil {
			cause = t.Cause.String()
		}
		u.log.Warn("the N3IWF could not set up a PDU session", slog.Int("pdu_session", int(item.PDUSessionID)), slog.String("cause", cause))
		u.sessionReleased(uint8(item.PDUSessionID))
	}
}

// releaseSession gives a session up, on the UE's request (its PTI) or by itself (PTI 0).
func (u *ueContext) releaseSession(psi, pti uint8, cause nas.SMCause) {
	if u.sessions[psi] == nil {
		u.sendSM(psi, &nas.ReleaseReject{SM: nas.SM{SessionID: psi, PTI: pti}, Cause: nas.SMCauseInvalidSession})
		return
	}
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceReleaseCommandTransfer{Cause: ngap.CauseNasNormalRelease.Cause()})
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
		return
	}
	u.gnb.send(&ngap.PDUSessionResourceReleaseCommand{
		AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID,
		NASPDU: u.protect(u.transport(psi, &nas.ReleaseCommand{SM: nas.SM{SessionID: psi, PTI: pti}, Cause: cause})),
		PDUSessionResourceToReleaseListRelCmd: ngap.PDUSessionResourceToReleaseListRelCmd{{
			PDUSessionID: ngap.PDUSessionID(psi), PDUSessionResourceReleaseCommandTransfer: transfer,
		}},
	})
}

func (u *ueContext) sessionReleased(psi uint8) {
	if s := u.sessions[psi]; s != nil {
		s.upf.Release()
		delete(u.sessions, psi)
		u.log.Info("PDU session released", slog.Int("pdu_session", int(psi)))
	}
}
