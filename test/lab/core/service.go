// SPDX-License-Identifier: Apache-2.0

package core

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// resume looks for the earlier registration of a UE that begins a connection with a protected message. When the message verifies with its
// context the registration is taken over, from a connection that the UE has lost where there still is one. Otherwise the message counts as
// unprotected.
func (u *ueContext) resume(pdu []byte) (plain []byte, count uint32, verified bool) {
	plain, err := security.Inner(pdu)
	if err != nil {
		return nil, 0, false
	}
	if u.phase != phaseStart {
		return plain, 0, false
	}
	m, err := nas.Decode(plain)
	if err != nil {
		return plain, 0, false
	}
	var id nas.MobileIdentity
	switch m := m.(type) {
	case *nas.RegistrationRequest:
		id = m.Identity
	case *nas.ServiceRequest:
		id = m.Identity
	case *nas.DeregistrationRequestUE:
		id = m.Identity
	}
	tmsi, err := id.TMSI()
	if err != nil {
		return plain, 0, false
	}
	r := u.core.registrations[tmsi]
	if r == nil {
		return plain, 0, false
	}
	verifiedPlain, count, err := r.security.Unprotect(pdu)
	if err != nil {
		u.log.Warn("NAS message does not verify with the UE's context", slog.String("imsi", r.sub.imsi), slog.Any("error", err))
		return plain, 0, false
	}
	if old := r.ue; old != nil {
		old.log.Info("the UE connects anew")
		old.release(ngap.CauseRadioNetworkReleaseDueTo5gcGeneratedReason.Cause())
		for _, s := range r.sessions {
			s.deactivate()
		}
	}
	r.ue, u.reg, u.sub, u.security, u.capability = u, r, r.sub, r.security, r.capability
	return verifiedPlain, count, true
}

// container reads the message that an initial message carries ciphered (TS 24.501 4.4.6); nil when there is none.
func (u *ueContext) container(b []byte, count uint32) nas.Message {
	if len(b) == 0 {
		return nil
	}
	m, err := nas.Decode(u.security.CipherContainer(security.Uplink, count, b))
	if err != nil {
		u.log.Warn("NAS message container ignored", slog.Any("error", err))
		return nil
	}
	return m
}

// serve answers a UE that comes back from idle: context set-up with the PDU sessions that it wants to use (TS 23.502 4.12.4.1).
func (u *ueContext) serve(m *nas.ServiceRequest, verified bool, count uint32) {
	if !verified {
		u.log.Warn("service request of an unknown UE")
		u.send(&nas.ServiceReject{Cause: nas.CauseIdentityUnknown})
		u.release(ngap.CauseNasUnspecified.Cause())
		return
	}
	u.log.Info("service request", slog.String("imsi", u.sub.imsi), slog.String("location", u.location.String()))
	if full, ok := u.container(m.Container, count).(*nas.ServiceRequest); ok {
		m = full
	}
	u.service = m
	u.dropAbsent(m.SessionStatus)
	var list ngap.PDUSessionResourceSetupListCxtReq
	for _, s := range u.wanted(m) {
		transfer, err := s.transfer()
		if err != nil {
			u.log.Error("transfer", slog.Any("error", err))
			continue
		}
		list = append(list, ngap.PDUSessionResourceSetupItemCxtReq{PDUSessionID: ngap.PDUSessionID(s.id), SNSSAI: s.slice, PDUSessionResourceSetupRequestTransfer: transfer})
	}
	u.setUpContext(count, list)
}

// reactivate answers a service request of a UE that is connected (TS 23.502 4.12.4.1, UE in CM-CONNECTED).
func (u *ueContext) reactivate(m *nas.ServiceRequest) {
	u.log.Info("service request while connected")
	u.dropAbsent(m.SessionStatus)
	u.service = m
	for _, s := range u.wanted(m) {
		if !s.active {
			u.setUp(s, nil)
		}
	}
	u.acceptService()
}

// acceptService tells the UE its PDU sessions, and which of the wanted ones did not come back.
func (u *ueContext) acceptService() {
	m := u.service
	u.service = nil
	a := &nas.ServiceAccept{SessionStatus: u.reg.status()}
	if m.UplinkDataStatus != nil {
		var failed nas.SessionBitmap
		for psi := range uint8(16) {
			if *m.UplinkDataStatus&(1<<psi) == 0 {
				continue
			}
			if s := u.reg.sessions[psi]; s == nil || !s.active && !s.settingUp {
				failed |= 1 << psi
			}
		}
		a.ReactivationResult = &failed
	}
	u.log.Info("service accepted", slog.String("imsi", u.sub.imsi))
	u.send(a)
}

// wanted are the sessions for which the UE has data.
func (u *ueContext) wanted(m *nas.ServiceRequest) (list []*session) {
	for psi := range uint8(16) {
		if s := u.reg.sessions[psi]; s != nil && m.UplinkDataStatus != nil && *m.UplinkDataStatus&(1<<psi) != 0 {
			list = append(list, s)
		}
	}
	return list
}

// dropAbsent releases the sessions that the UE has not any more.
func (u *ueContext) dropAbsent(status *nas.SessionBitmap) {
	for psi := range uint8(16) {
		if s := u.reg.sessions[psi]; s != nil && status != nil && *status&(1<<psi) == 0 {
			s.free()
		}
	}
}
