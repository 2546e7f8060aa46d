// SPDX-License-Identifier: Apache-2.0

package core

import (
	"crypto/subtle"
	"encoding/binary"
	"log/slog"
	"maps"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// registration is a UE that has authenticated, connected or idle.
type registration struct {
	core       *Core
	sub        *subscriber
	security   *security.Context
	capability nas.SecurityCapability
	requested  nas.NSSAI
	tmsi       uint32 // 0 until the first accept
	registered bool   // the UE has confirmed
	ue         *ueContext
	sessions   map[uint8]*session
}

// drop ends the registration.
func (r *registration) drop() {
	for _, psi := range slices.Collect(maps.Keys(r.sessions)) {
		r.sessions[psi].free()
	}
	r.registered = false
	if r.core.registrations[r.tmsi] == r {
		delete(r.core.registrations, r.tmsi)
	}
	if r.core.byIMSI[r.sub.imsi] == r {
		delete(r.core.byIMSI, r.sub.imsi)
	}
}

// challenge is an authentication vector that waits for its answer.
type challenge struct {
	rand, xresStar [16]byte
	kamf           aka.Key
}

// register begins a registration. A UE whose message verifies with the context of its earlier registration is known already; every other one
// must authenticate.
func (u *ueContext) register(m *nas.RegistrationRequest, verified bool, count uint32) {
	u.log.Info("registration", slog.String("identity", m.Identity.String()), slog.String("location", u.location.String()))
	if len(m.SecurityCapability) > 0 {
		u.capability = m.SecurityCapability
	}
	if m.RequestedNSSAI != nil {
		u.requested = m.RequestedNSSAI
	}
	if verified {
		if full := u.container(m.Container, count); full != nil {
			if r, ok := full.(*nas.RegistrationRequest); ok {
				u.requested = r.RequestedNSSAI
			}
		}
		u.reg.requested = u.requested
		if m.RegistrationType&7 == nas.RegistrationInitial {
			for _, psi := range slices.Collect(maps.Keys(u.reg.sessions)) {
				u.reg.sessions[psi].free()
			}
		}
		u.setUpContext(count, nil)
		return
	}
	switch m.Identity.Type() {
	case nas.IdentitySUCI:
		u.identify(m.Identity)
		return
	case nas.IdentityGUTI:
		if guti, err := m.Identity.GUTI(); err == nil && guti.GUAMI == u.core.net.nasGUAMI {
			if r := u.core.registrations[guti.TMSI]; r != nil {
				u.sub = r.sub
				u.authenticate()
				return
			}
		}
	}
	u.phase = phaseIdentity
	u.send(&nas.IdentityRequest{IdentityType: nas.IdentitySUCI})
}

// registerAgain answers a registration of a UE that is connected already.
func (u *ueContext) registerAgain(m *nas.RegistrationRequest) {
	u.log.Info("registration update")
	if m.RequestedNSSAI != nil {
		u.reg.requested = m.RequestedNSSAI
	}
	u.send(u.accept())
}

// reject refuses a registration, with the words of the message that began the connection.
func (u *ueContext) reject(cause nas.Cause) {
	u.log.Warn("registration rejected", slog.String("cause", cause.String()))
	u.send(&nas.RegistrationReject{Cause: cause})
	u.release(ngap.CauseNasUnspecified.Cause())
}

func (u *ueContext) identify(id nas.MobileIdentity) {
	suci, err := id.SUCI()
	if err == nil {
		u.sub, err = u.core.net.subscriberOf(suci)
	}
	if err != nil {
		u.log.Warn("identity is of no use", slog.Any("error", err))
		u.reject(nas.CauseIllegalUE)
		return
	}
	u.authenticate()
}

// authenticate sends a challenge (TS 33.501 6.1.3.2).
func (u *ueContext) authenticate() {
	if u.sub.reject != 0 {
		u.reject(u.sub.reject)
		return
	}
	u.sub.sqn = (u.sub.sqn + 32) & (1<<48 - 1) // the low 5 bits are an index (TS 33.102 C.1.1.1)
	var c challenge
	randomBytes(c.rand[:])
	autn := u.sub.key.AUTN(c.rand, u.sub.sqn, [2]byte{0x80, 0})
	vector := u.sub.key.F2345(c.rand)
	network := aka.ServingNetwork(u.core.cfg.MCC, u.core.cfg.MNC, u.core.cfg.NID)
	abba := []byte{0, 0}
	c.xresStar = aka.RESStar(vector, network, c.rand)
	c.kamf = aka.KAMF(aka.KSEAF(aka.KAUSF(vector, network, autn), network), u.sub.imsi, abba)
	u.challenge, u.phase = c, phaseAuthentication
	u.log.Info("authentication", slog.String("imsi", u.sub.imsi))
	u.send(&nas.AuthenticationRequest{KSI: 0, ABBA: abba, RAND: &c.rand, AUTN: &autn})
}

func (u *ueContext) authenticated(m *nas.AuthenticationResponse) {
	if m.RESStar == nil || subtle.ConstantTimeCompare(m.RESStar[:], u.challenge.xresStar[:]) != 1 {
		u.log.Warn("authentication failed: the UE has another key", slog.String("imsi", u.sub.imsi))
		u.send(&nas.AuthenticationReject{})
		u.release(ngap.CauseNasAuthenticationFailure.Cause())
		return
	}
	u.secure()
}

// authenticationFailed resynchronises once (TS 33.102 6.3.5).
func (u *ueContext) authenticationFailed(m *nas.AuthenticationFailure) {
	if m.Cause == nas.CauseSynchFailure && m.AUTS != nil && !u.resynced {
		if sqn, err := u.sub.key.CheckAUTS(u.challenge.rand, *m.AUTS); err == nil {
			u.resynced = true
			u.sub.sqn = sqn
			u.log.Info("sequence numbers synchronised anew")
			u.authenticate()
			return
		}
	}
	u.log.Warn("the UE refused the challenge", slog.String("cause", m.Cause.String()))
	u.send(&nas.AuthenticationReject{})
	u.release(ngap.CauseNasAuthenticationFailure.Cause())
}

// secure takes the NAS algorithms into use.
func (u *ueContext) secure() {
	var cipher security.Algorithm
	if u.core.cfg.Ciphering && u.capability.Cipher(2) {
		cipher = 2
	}
	if !u.capability.Integrity(2) || cipher == 0 && !u.capability.Cipher(0) {
		u.log.Warn("no common NAS algorithm: the core has NIA2, NEA0 and NEA2")
		u.reject(nas.CauseCapabilityMismatch)
		return
	}
	ctx, err := security.New(u.challenge.kamf, 0, cipher, 2, u.node.access().bearer, security.Downlink)
	var b []byte
	if err == nil {
		b, err = nas.Encode(&nas.SecurityModeCommand{
			Algorithms: uint8(cipher)<<4 | 2, ReplayedCapability: u.capability, IMEISVRequest: new(uint8(1)),
			AdditionalSecurity: new(uint8(2)), // the whole initial message once more, now that it can be ciphered
		})
	}
	if err == nil {
		b, err = ctx.Protect(security.IntegrityNew, b)
	}
	if err != nil {
		u.log.Error("security mode command", slog.Any("error", err))
		u.reject(nas.CauseProtocolError)
		return
	}
	u.security, u.phase = ctx, phaseSecurity
	u.log.Info("security mode", slog.Int("nea", int(cipher)), slog.Int("nia", 2))
	u.downlink(b)
}

// secured ends the authentication: the registration begins, and takes the place of an earlier one.
func (u *ueContext) secured(m *nas.SecurityModeComplete, count uint32) {
	if inner, err := nas.Decode(m.Container); err == nil {
		if r, ok := inner.(*nas.RegistrationRequest); ok {
			u.requested = r.RequestedNSSAI
		}
	}
	if old := u.core.byIMSI[u.sub.imsi]; old != nil {
		if old.ue != nil {
			old.ue.log.Info("the UE registers anew")
			old.ue.release(ngap.CauseRadioNetworkReleaseDueTo5gcGeneratedReason.Cause())
		}
		old.drop()
	}
	u.reg = &registration{
		core: u.core, sub: u.sub, security: u.security, capability: u.capability, requested: u.requested, ue: u, sessions: map[uint8]*session{},
	}
	u.core.byIMSI[u.sub.imsi] = u.reg
	u.setUpContext(count, nil)
}

// setUpContext gives the N3IWF, or gNB, its key, that of the uplink COUNT of the message that began this (TS 33.501 A.9), and PDU sessions to set up.
func (u *ueContext) setUpContext(count uint32, sessions ngap.PDUSessionResourceSetupListCxtReq) {
	u.phase = phaseContext
	rate := ngap.BitRate(u.core.rate())
	request := &ngap.InitialContextSetupRequest{
		AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID, GUAMI: u.ran.amf.guami, SecurityKey: ngap.SecurityKey(u.node.access().key(u.security.KAMF, count)),
		UESecurityCapabilities: capabilities(u.reg.capability), PDUSessionResourceSetupListCxtReq: sessions,
		UEAggregateMaximumBitRate: &ngap.UEAggregateMaximumBitRate{UEAggregateMaximumBitRateDL: rate, UEAggregateMaximumBitRateUL: rate},
	}
	_, request.AllowedNSSAI = u.core.net.allowed(u.reg.requested)
	if u.core.cfg.early() && u.service == nil {
		request.NASPDU = u.protect(u.accept())
	}
	u.ran.send(request)
	if u.core.cfg.Variant == variantOpen5GS && u.service == nil {
		u.send(networkName()) // at once, before the UE has NAS over TCP
	}
}

// capabilities turns the NAS octets into NGAP's bitmaps.
func capabilities(c nas.SecurityCapability) ngap.UESecurityCapabilities {
	octet := func(i int) uint8 {
		if i < len(c) {
			return c[i]
		}
		return 0
	}
	return ngap.UESecurityCapabilities{
		NRencryptionAlgorithms: ngap.NRencryptionAlgorithms(ngap.NASAlgorithms(octet(0))), NRintegrityProtectionAlgorithms: ngap.NRintegrityProtectionAlgorithms(ngap.NASAlgorithms(octet(1))),
		EUTRAencryptionAlgorithms: ngap.EUTRAencryptionAlgorithms(ngap.NASAlgorithms(octet(2))), EUTRAintegrityProtectionAlgorithms: ngap.EUTRAintegrityProtectionAlgorithms(ngap.NASAlgorithms(octet(3))),
	}
}

// contextSetUp: the UE has its signalling IPsec SA, and the accept may follow (TS 23.502 4.12.2.2 step 10).
func (u *ueContext) contextSetUp(m *ngap.InitialContextSetupResponse) {
	if u.phase != phaseContext {
		u.log.Warn("context set-up answered twice")
		return
	}
	u.phase = phaseConnected
	u.log.Info("context is set up")
	for _, item := range m.PDUSessionResourceSetupListCxtRes {
		u.sessionSetUp(uint8(item.PDUSessionID), item.PDUSessionResourceSetupResponseTransfer)
	}
	for _, item := range m.PDUSessionResourceFailedToSetupListCxtRes {
		u.log.Warn("the N3IWF could not reactivate a PDU session", slog.Int("pdu_session", int(item.PDUSessionID)), slog.String("cause", causeOf(item.PDUSessionResourceSetupUnsuccessfulTransfer)))
	}
	switch {
	case u.service != nil:
		u.acceptService()
	case !u.core.cfg.early():
		accept := u.accept()
		u.send(accept)
		if u.core.cfg.Variant == variantShuffled {
			u.send(accept) // as after T3550, the UE's answer being on its way
		}
	}
}

// accept makes a Registration Accept with a new temporary identity.
func (u *ueContext) accept() *nas.RegistrationAccept {
	r := u.reg
	delete(u.core.registrations, r.tmsi)
	for r.tmsi = 0; r.tmsi == 0 || u.core.registrations[r.tmsi] != nil; {
		var b [4]byte
		randomBytes(b[:])
		r.tmsi = binary.BigEndian.Uint32(b[:])
	}
	u.core.registrations[r.tmsi] = r
	n := u.core.net
	allowed, _ := n.allowed(r.requested)
	m := &nas.RegistrationAccept{
		Result: u.node.access().result, GUTI: nas.GUTI{GUAMI: n.nasGUAMI, TMSI: r.tmsi}.Identity(),
		TAIList: nas.TAIList{{PLMN: nas.PLMN(n.plmn), TAC: [3]byte(n.tac)}}, AllowedNSSAI: allowed, ConfiguredNSSAI: n.nssai,
		NetworkFeatures: []byte{0, 0}, SessionStatus: r.status(),
	}
	if m.Result == nas.ResultNon3GPP {
		m.Non3GPPDeregistration = new(nas.Timer2(0x2c)) // 12 minutes
	}
	return m
}

// status tells the UE which PDU sessions are there; nil when it never had one.
func (r *registration) status() *nas.SessionBitmap {
	if len(r.sessions) == 0 {
		return nil
	}
	var bits nas.SessionBitmap
	for psi := range r.sessions {
		bits |= 1 << psi
	}
	return &bits
}

func (u *ueContext) registered() {
	u.reg.registered = true
	u.log.Info("registered", slog.String("imsi", u.reg.sub.imsi), slog.String("location", u.location.String()))
	u.afterRegistration()
}

// deregister answers unless the UE is switched off, and releases the context (TS 23.502 4.12.3).
func (u *ueContext) deregister(m *nas.DeregistrationRequestUE) {
	u.log.Info("UE deregisters", slog.String("imsi", u.reg.sub.imsi))
	u.reg.drop()
	if m.DeregistrationType&nas.SwitchOff == 0 {
		u.send(&nas.DeregistrationAcceptUE{})
	}
	u.release(ngap.CauseNasDeregister.Cause())
}
