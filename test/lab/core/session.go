// SPDX-License-Identifier: Apache-2.0

package core

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/upf"
)

// session is a PDU session at the SMF.
type session struct {
	reg   *registration
	id    uint8
	kind  nas.SessionType
	pti   uint8 // of its establishment
	dnn   *dataNetwork
	flows []flow
	// changing and leaving are the flows of a modification that is under way.
	changing []flow
	leaving  []uint8
	slice    ngap.SNSSAI
	upf      *upf.Session

	settingUp bool // PDU SESSION RESOURCE SETUP REQUEST is sent
	active    bool // the N3IWF has resources
	releasing bool
	again     func() // what follows the release
	keep      bool   // the session goes on in 3GPP access

	peer     netip.Addr // the N3IWF's end of the tunnel
	peerTEID uint32
}

// deactivate takes the tunnel to the N3IWF away.
func (s *session) deactivate() {
	s.active, s.settingUp, s.peer, s.peerTEID = false, false, netip.Addr{}, 0
	s.upf.SetDownlink(netip.Addr{}, 0)
}

// free ends the session at SMF and UPF.
func (s *session) free() {
	s.upf.Release()
	delete(s.reg.core.tunnels, s.upf)
	delete(s.reg.sessions, s.id)
}

// sessionManagement handles what the UE sends to the SMF.
func (u *ueContext) sessionManagement(m *nas.ULNASTransport) {
	refuse := func(cause nas.Cause) {
		u.log.Warn("payload of the UE not forwarded", slog.String("cause", cause.String()))
		u.send(&nas.DLNASTransport{ContainerType: m.ContainerType, Container: m.Container, SessionID: m.SessionID, Cause: &cause})
	}
	if m.ContainerType != nas.ContainerN1SM || m.SessionID == nil || *m.SessionID == 0 || *m.SessionID > 15 {
		refuse(nas.CauseNotForwarded)
		return
	}
	sm, err := nas.Decode(m.Container)
	if err != nil {
		u.log.Warn("5GSM message not understood", slog.Any("error", err))
		if len(m.Container) > 2 {
			u.sendSM(*m.SessionID, &nas.SMStatus{SM: nas.SM{SessionID: *m.SessionID, PTI: m.Container[2]}, Cause: nas.SMCauseMessageTypeUnknown})
		}
		return
	}
	switch sm := sm.(type) {
	case *nas.EstablishmentRequest:
		slice, ok := u.core.net.slice(m.SNSSAI)
		if !ok || sm.SessionID != *m.SessionID {
			refuse(nas.CauseNotForwarded)
			return
		}
		u.establish(m, sm, slice)
	case *nas.ReleaseRequest:
		u.releaseSession(*m.SessionID, sm.PTI, nas.SMCauseRegularDeactivation)
	case *nas.ReleaseComplete:
		u.log.Info("the UE has released the PDU session", slog.Int("pdu_session", int(*m.SessionID)))
		if s := u.reg.sessions[*m.SessionID]; s != nil && s.releasing && !s.active {
			s.free()
		}
	case *nas.ModificationComplete:
		u.log.Info("the UE has modified the PDU session", slog.Int("pdu_session", int(*m.SessionID)))
	case *nas.ModificationRequest:
		u.sendSM(*m.SessionID, &nas.ModificationReject{SM: sm.SM, Cause: nas.SMCauseOptionNotSupported})
	case *nas.SMStatus:
		u.log.Warn("5GSM status", slog.Int("pdu_session", int(*m.SessionID)), slog.String("cause", sm.Cause.String()))
	default:
		u.log.Warn("5GSM message ignored", slog.String("message", sm.Type().String()))
	}
}

func (u *ueContext) sendSM(psi uint8, m nas.Message) { u.send(u.transport(psi, m)) }

func (u *ueContext) transport(psi uint8, m nas.Message) *nas.DLNASTransport {
	b, err := nas.Encode(m)
	if err != nil {
		u.log.Error("5GSM message", slog.Any("error", err))
	}
	return &nas.DLNASTransport{ContainerType: nas.ContainerN1SM, Container: b, SessionID: &psi}
}

// establish sets up an IPv4 PDU session, or an IPv4v6 one where the core has IPv6 (TS 23.502 4.3.2.2, 4.12.5).
func (u *ueContext) establish(t *nas.ULNASTransport, m *nas.EstablishmentRequest, slice ngap.SNSSAI) {
	psi := m.SessionID
	reject := func(cause nas.SMCause) {
		u.log.Warn("PDU session rejected", slog.Int("pdu_session", int(psi)), slog.String("cause", cause.String()))
		u.sendSM(psi, &nas.EstablishmentReject{SM: m.SM, Cause: cause})
	}
	dnn := u.core.net.firstDNN
	if t.DNN != nil {
		dnn = u.core.net.dnns[string(*t.DNN)]
	}
	s := u.reg.sessions[psi]
	existing := t.RequestType != nil && *t.RequestType == nas.RequestExisting
	switch {
	case s != nil && (s.releasing || s.settingUp):
		u.log.Info("repeated PDU session request ignored", slog.Int("pdu_session", int(psi)))
		return
	case existing && s == nil:
		reject(nas.SMCauseSessionDoesNotExist)
		return
	case dnn == nil:
		reject(nas.SMCauseUnknownDNN)
		return
	case m.SessionType != nil && *m.SessionType == nas.SessionIPv6 && !u.core.net.pool6.IsValid():
		reject(nas.SMCauseIPv4Only)
		return
	case m.SessionType != nil && *m.SessionType > nas.SessionEthernet:
		reject(nas.SMCauseUnknownSessionType)
		return
	case s != nil && !existing && s.active: // an initial request of a known id begins anew
		s.again = func() { u.establish(t, m, slice) }
		u.releaseResources(s, nil)
		return
	case s != nil && !existing:
		s.free()
		s = nil
	}
	if s == nil {
		s = &session{reg: u.reg, id: psi, kind: nas.SessionIPv4, dnn: dnn, flows: slices.Clone(dnn.flows), slice: slice}
		if m.SessionType != nil && (*m.SessionType != nas.SessionIPv4v6 || u.core.net.pool6.IsValid()) {
			s.kind = *m.SessionType
		}
		config := upf.SessionConfig{Name: fmt.Sprintf("%s/%d", u.reg.sub.imsi, psi), IPv6: s.kind == nas.SessionIPv4v6 || s.kind == nas.SessionIPv6, Layer2: layer2[s.kind], ByDSCP: map[uint8]uint8{}}
		// The UPF marks all packets; the N3IWF passes the mark on for the flows that have the attribute.
		config.RQI = slices.ContainsFunc(dnn.flows, func(f flow) bool { return f.Reflective })
		for _, f := range dnn.flows {
			config.Flows = append(config.Flows, f.QFI)
			if f.DSCP != 0 {
				config.ByDSCP[f.DSCP] = f.QFI
			}
		}
		var err error
		if s.upf, err = u.core.upf.Add(config); err != nil {
			u.log.Error("UPF", slog.Any("error", err))
			reject(nas.SMCauseInsufficientResources)
			return
		}
		u.reg.sessions[psi], u.core.tunnels[s.upf] = s, s
	}
	s.pti = m.PTI
	u.log.Info("PDU session requested", slog.Int("pdu_session", int(psi)), slog.String("dnn", dnn.name), slog.String("address", s.upf.Address().String()))
	u.setUp(s, u.protect(u.transport(psi, s.accept(m, t))))
}

// layer2 are the session types without IP.
var layer2 = map[nas.SessionType]upf.Layer2{nas.SessionEthernet: upf.Ethernet, nas.SessionUnstructured: upf.Unstructured}

// setUp asks the N3IWF for the resources of a session; pdu is for the UE, when they are there.
func (u *ueContext) setUp(s *session, pdu []byte) {
	transfer, err := s.transfer()
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
		return
	}
	s.settingUp = true
	rate := ngap.BitRate(u.core.rate())
	u.ran.send(&ngap.PDUSessionResourceSetupRequest{
		AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID,
		PDUSessionResourceSetupListSUReq: ngap.PDUSessionResourceSetupListSUReq{{
			PDUSessionID: ngap.PDUSessionID(s.id), PDUSessionNASPDU: pdu, SNSSAI: s.slice, PDUSessionResourceSetupRequestTransfer: transfer,
		}},
		UEAggregateMaximumBitRate: &ngap.UEAggregateMaximumBitRate{UEAggregateMaximumBitRateDL: rate, UEAggregateMaximumBitRateUL: rate},
	})
}

// sessionsSetUp takes the N3IWF's answer.
func (u *ueContext) sessionsSetUp(m *ngap.PDUSessionResourceSetupResponse) {
	for _, item := range m.PDUSessionResourceSetupListSURes {
		u.sessionSetUp(uint8(item.PDUSessionID), item.PDUSessionResourceSetupResponseTransfer)
	}
	for _, item := range m.PDUSessionResourceFailedToSetupListSURes {
		psi := uint8(item.PDUSessionID)
		u.log.Warn("the N3IWF could not set up a PDU session", slog.Int("pdu_session", int(psi)), slog.String("cause", causeOf(item.PDUSessionResourceSetupUnsuccessfulTransfer)))
		if s := u.sessionOf(psi); s != nil && !s.active { // one that is up stays: it was asked for twice
			// The N3IWF has not delivered the accept; the UE still waits.
			u.sendSM(psi, &nas.EstablishmentReject{SM: nas.SM{SessionID: psi, PTI: s.pti}, Cause: nas.SMCauseInsufficientResources})
			s.free()
		}
	}
}

// causeOf reads the cause of a failed set-up for a log.
func causeOf(transfer []byte) string {
	t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](transfer)
	if err != nil {
		return err.Error()
	}
	return t.Cause.String()
}

// sessionOf finds a session of the UE, also before it is registered (then nil).
func (u *ueContext) sessionOf(psi uint8) *session {
	if u.reg == nil || u.reg.ue != u {
		return nil
	}
	return u.reg.sessions[psi]
}

// sessionSetUp takes the N3IWF's end of a tunnel.
func (u *ueContext) sessionSetUp(psi uint8, transfer []byte) {
	s := u.sessionOf(psi)
	t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupResponseTransfer](transfer)
	if s == nil || err != nil || t.DLQosFlowPerTNLInformation.UPTransportLayerInformation.GTPTunnel == nil {
		u.log.Warn("answer to the PDU session set-up is of no use", slog.Int("pdu_session", int(psi)), slog.Any("error", err))
		return
	}
	tunnel := t.DLQosFlowPerTNLInformation.UPTransportLayerInformation.GTPTunnel
	s.settingUp, s.active = false, true
	s.peer, _ = tunnel.TransportLayerAddress.Addr()
	s.peerTEID = uint32(tunnel.GTPTEID)
	s.upf.SetDownlink(s.peer, s.peerTEID)
	u.log.Info("PDU session is up", slog.Int("pdu_session", int(s.id)), slog.String("address", s.upf.Address().String()), slog.String("n3iwf", s.peer.String()), slog.Int("teid", int(s.peerTEID)))
	for _, f := range t.QosFlowFailedToSetupList {
		u.log.Warn("the N3IWF could not set up a QoS flow", slog.Int("pdu_session", int(s.id)), slog.Int("qfi", int(f.QosFlowIdentifier)), slog.String("cause", f.Cause.String()))
	}
}

// releaseSession gives a session up, on the UE's request (its PTI) or by itself (PTI 0).
func (u *ueContext) releaseSession(psi, pti uint8, cause nas.SMCause) {
	s := u.sessionOf(psi)
	if s == nil {
		u.sendSM(psi, &nas.ReleaseReject{SM: nas.SM{SessionID: psi, PTI: pti}, Cause: nas.SMCauseInvalidSession})
		return
	}
	if s.releasing {
		return
	}
	u.log.Info("PDU session release", slog.Int("pdu_session", int(psi)), slog.String("cause", cause.String()))
	command := u.transport(psi, &nas.ReleaseCommand{SM: nas.SM{SessionID: psi, PTI: pti}, Cause: cause})
	s.releasing = true
	if !s.active && !s.settingUp {
		u.send(command) // no resources at the N3IWF; the session ends when the UE has answered
		return
	}
	u.releaseResources(s, u.protect(command))
}

// releaseResources takes a session from the N3IWF; pdu is for the UE, or nil.
func (u *ueContext) releaseResources(s *session, pdu []byte) {
	s.releasing = true
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceReleaseCommandTransfer{Cause: ngap.CauseNasNormalRelease.Cause()})
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
		return
	}
	u.ran.send(&ngap.PDUSessionResourceReleaseCommand{
		AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID, NASPDU: pdu,
		PDUSessionResourceToReleaseListRelCmd: ngap.PDUSessionResourceToReleaseListRelCmd{{
			PDUSessionID: ngap.PDUSessionID(s.id), PDUSessionResourceReleaseCommandTransfer: transfer,
		}},
	})
}

// resourcesReleased: the N3IWF has done as ordered.
func (u *ueContext) resourcesReleased(psi uint8) {
	s := u.sessionOf(psi)
	if s == nil || !s.releasing {
		u.log.Warn("release of a PDU session that nobody ordered", slog.Int("pdu_session", int(psi)))
		return
	}
	u.log.Info("PDU session released", slog.Int("pdu_session", int(psi)))
	if s.keep {
		s.keep, s.releasing = false, false
		s.deactivate()
		return
	}
	s.free()
	if s.again != nil {
		s.again()
	}
}

// resourcesLost: the N3IWF has lost a session by itself. The UE is told to give it up too.
func (u *ueContext) resourcesLost(psi uint8) {
	s := u.sessionOf(psi)
	if s == nil {
		return
	}
	u.log.Warn("the N3IWF has lost a PDU session", slog.Int("pdu_session", int(psi)))
	s.deactivate()
	u.releaseSession(psi, 0, nas.SMCauseReactivationRequested)
}

// tunnelLost: the N3IWF does not know the downlink tunnel (GTP-U Error Indication).
func (c *Core) tunnelLost(tunnel *upf.Session) {
	s := c.tunnels[tunnel]
	if s == nil || !s.active || s.releasing {
		return
	}
	c.log.Warn("the N3IWF does not know the tunnel of a PDU session", slog.String("imsi", s.reg.sub.imsi), slog.Int("pdu_session", int(s.id)), slog.Int("teid", int(s.peerTEID)))
	if u := s.reg.ue; u != nil && u.phase == phaseConnected {
		s.upf.SetDownlink(netip.Addr{}, 0)
		u.releaseSession(s.id, 0, nas.SMCauseReactivationRequested)
	} else {
		s.deactivate()
	}
}
