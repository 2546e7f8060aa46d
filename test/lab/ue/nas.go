// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	tcp "github.com/open-n3iwf/n3iwf/nwu/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// nasConnected sends what had to wait for the connection.
func (u *UE) nasConnected() {
	u.o.Step("NAS over TCP connected")
	u.nasUp = true
	waiting := u.nasWaiting
	u.nasWaiting = nil
	for _, pdu := range waiting {
		u.writeNAS(pdu)
	}
}

// writeNAS gives a protected message to TCP, or keeps it until there is a connection again.
func (u *UE) writeNAS(pdu []byte) {
	if u.nasUp {
		err := u.nas.Send(u.innerFor(u.netNAS.Addr()), pdu)
		if err == nil {
			return
		}
		u.log.Debug("NAS message waits", slog.Any("error", err))
	}
	u.nasWaiting = append(u.nasWaiting, pdu)
}

// nasClosed opens the connection again while the IKE SA lives (TS 24.502 8.2.2).
// What was sent on a connection that was lost goes again over the next one, in order: where the network has got it after all, its NAS COUNT shows that it
// is a repetition (TS 24.501 4.4.3.2). A connection that the network has closed in good order still delivers what TCP has taken.
func (u *UE) nasClosed(ended tcp.Ended) {
	u.log.Debug("NAS connection closed", slog.Any("reason", ended.Reason))
	u.nasUp = false
	if !errors.Is(ended.Reason, tcp.ErrPeerClosed) {
		u.nasWaiting = slices.Concat(ended.Unsure, ended.Unsent, u.nasWaiting)
	} else {
		u.nasWaiting = slices.Concat(ended.Unsent, u.nasWaiting)
	}
	if u.closedErr == nil && u.session != nil && u.session.Established() && (u.waiters.deregistered == nil || len(u.nasWaiting) > 0) {
		u.dialNAS()
	}
}

// WriteNAS sends octets as a NAS message, whatever they are.
func (u *UE) WriteNAS(pdu []byte) { u.post(func() { u.writeNAS(pdu) }) }

// ResetNAS breaks the NAS connection with RST; the UE opens another one.
func (u *UE) ResetNAS() error { return u.nas.Reset(u.innerFor(u.netNAS.Addr())) }

// sendNAS protects a message and sends it over TCP.
func (u *UE) sendNAS(m nas.Message) {
	b, err := nas.Encode(m)
	if err == nil {
		b, err = u.security.Protect(security.IntegrityCiphered, b)
	}
	if err != nil {
		u.log.Error("NAS message not sent", slog.String("message", m.Type().String()), slog.Any("error", err))
		return
	}
	u.writeNAS(b)
}

// downlinkNAS handles a NAS message that came over TCP.
func (u *UE) downlinkNAS(pdu []byte) {
	if u.o.HearNAS != nil {
		u.o.HearNAS(pdu)
	}
	b, err := u.plain(pdu)
	if err == nil && u.security == nil {
		err = errors.New("no security context")
	}
	var m nas.Message
	if err == nil {
		m, err = nas.Decode(b)
	}
	if err != nil {
		u.log.Warn("downlink NAS ignored", slog.Any("error", err))
		return
	}
	switch m := m.(type) {
	case *nas.RegistrationAccept:
		if u.waiters.registered == nil && slices.Equal(u.guti, m.GUTI) { // once more: the network has not heard the answer (TS 24.501 5.5.1.2.8)
			u.sendNAS(&nas.RegistrationComplete{})
			return
		}
		u.guti = m.GUTI
		u.keepSessions(m.SessionStatus)
		u.sendNAS(&nas.RegistrationComplete{})
		u.o.Step("registered")
		u.failRegistration(nil)
	case *nas.ServiceAccept:
		u.keepSessions(m.SessionStatus)
		u.o.Step("service accepted")
		u.failRegistration(nil)
	case *nas.ServiceReject:
		u.failRegistration(fmt.Errorf("service rejected: 5GMM cause %s", m.Cause))
	case *nas.ConfigurationUpdateCommand:
		if len(m.GUTI) > 0 {
			u.guti = m.GUTI
		}
		if m.Indication != nil && *m.Indication&1 != 0 {
			u.sendNAS(&nas.ConfigurationUpdateComplete{})
		}
	case *nas.DLNASTransport:
		u.downlinkSM(m)
	case *nas.DeregistrationAcceptUE:
		u.o.Step("deregistered")
	case *nas.DeregistrationRequestNW:
		u.o.Step("deregistered by the network")
		u.sendNAS(&nas.DeregistrationAcceptNW{})
	case *nas.MMStatus:
		u.log.Warn("5GMM status", slog.String("cause", m.Cause.String()))
	default:
		u.log.Debug("NAS message ignored", slog.String("message", m.Type().String()))
	}
}

// downlinkSM handles a session management message.
func (u *UE) downlinkSM(m *nas.DLNASTransport) {
	if m.Cause != nil && m.SessionID != nil {
		u.finishSession(*m.SessionID, fmt.Errorf("session request not forwarded: 5GMM cause %s", *m.Cause))
		return
	}
	sm, err := nas.Decode(m.Container)
	if err != nil {
		u.log.Warn("5GSM message ignored", slog.Any("error", err))
		return
	}
	switch sm := sm.(type) {
	case *nas.EstablishmentAccept:
		u.sessionAccepted(sm)
	case *nas.EstablishmentReject:
		u.finishSession(sm.SessionID, fmt.Errorf("PDU session rejected: 5GSM cause %s", sm.Cause))
	case *nas.ModificationCommand:
		u.sendSM(sm.SessionID, nil, &nas.ModificationComplete{SM: sm.SM})
		u.o.Step(fmt.Sprintf("PDU session %d modified", sm.SessionID))
	case *nas.ReleaseCommand:
		u.sendSM(sm.SessionID, nil, &nas.ReleaseComplete{SM: sm.SM})
		delete(u.sessions, sm.SessionID)
		u.wanted = slices.DeleteFunc(u.wanted, func(w SessionRequest) bool { return w.ID == sm.SessionID })
		u.o.Step(fmt.Sprintf("PDU session %d released", sm.SessionID))
		if done := u.waiters.released[sm.SessionID]; done != nil {
			done <- nil
			delete(u.waiters.released, sm.SessionID)
		}
	case *nas.SMStatus:
		u.log.Warn("5GSM status", slog.String("cause", sm.Cause.String()))
	default:
		u.log.Debug("5GSM message ignored", slog.String("message", sm.Type().String()))
	}
}

// sendSM wraps a session management message; request is set only for an establishment.
func (u *UE) sendSM(psi uint8, request *nas.ULNASTransport, m nas.Message) {
	container, err := nas.Encode(m)
	if err != nil {
		u.log.Error("5GSM message", slog.Any("error", err))
		return
	}
	if request == nil {
		request = &nas.ULNASTransport{}
	}
	request.ContainerType, request.Container, request.SessionID = nas.ContainerN1SM, container, &psi
	u.sendNAS(request)
}

// sessionAccepted: the child SAs came before this message, unless the network reordered them.
func (u *UE) sessionAccepted(m *nas.EstablishmentAccept) {
	s := u.sessions[m.SessionID]
	if s == nil {
		u.finishSession(m.SessionID, errors.New("PDU session accepted before its child SAs"))
		return
	}
	var addr nas.PDUAddress
	if m.Address != nil {
		addr = *m.Address
	}
	s.accepted = true
	s.accept(addr, m.Rules, m.ReflectiveTimer)
	u.o.Step(fmt.Sprintf("PDU session %d up", m.SessionID))
	u.finishSession(m.SessionID, nil)
}

func (u *UE) finishSession(psi uint8, err error) {
	if done := u.waiters.session[psi]; done != nil {
		done <- err
		delete(u.waiters.session, psi)
	}
}
