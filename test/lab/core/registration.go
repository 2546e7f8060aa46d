// SPDX-License-Identifier: Apache-2.0

package core

import (
	"crypto/subtle"
	"encoding/binary"
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// register begins a registration; the lab authenticates every time.
func (u *ueContext) register(m *nas.RegistrationRequest) {
	u.capability, u.requested = m.SecurityCapability, m.RequestedNSSAI
	if m.Identity.Type() != nas.IdentitySUCI {
		u.send(&nas.IdentityRequest{IdentityType: nas.IdentitySUCI})
		return
	}
	u.identify(m.Identity)
}

func (u *ueContext) reject(cause nas.Cause) {
	u.log.Warn("registration rejected", slog.String("cause", cause.String()))
	u.send(&nas.RegistrationReject{Cause: cause})
	u.release(ngap.CauseNasUnspecified.Cause())
}

func (u *ueContext) identify(id nas.MobileIdentity) {
	suci, err := id.SUCI()
	if err != nil || suci.Scheme != 0 {
		u.log.Warn("identity not usable", slog.String("identity", id.String()), slog.Any("error", err))
		u.reject(nas.CauseIllegalUE)
		return
	}
	imsi := suci.PLMN.MCC() + suci.PLMN.MNC() + nas.DecodeMSIN(suci.Output)
	if u.sub = u.core.net.subscriber(imsi); u.sub == nil {
		u.log.Warn("no such subscriber", slog.String("imsi", imsi))
		u.reject(nas.CauseIllegalUE)
		return
	}
	u.authenticate()
}

// authenticate sends a challenge (TS 33.501 6.1.3.2).
func (u *ueContext) authenticate() {
	u.sub.sqn += 32 // the low 5 bits are an index (TS 33.102 C.1.1.1)
	var c challenge
	randomBytes(c.rand[:])
	autn := u.sub.key.AUTN(c.rand, u.sub.sqn, [2]byte{0x80, 0})
	vector := u.sub.key.F2345(c.rand)
	network := aka.ServingNetwork(u.core.cfg.MCC, u.core.cfg.MNC)
	abba := []byte{0, 0}
	c.xresStar = aka.RESStar(vector, network, c.rand)
	c.kamf = aka.KAMF(aka.KSEAF(aka.KAUSF(vector, network, autn), network), u.sub.imsi, abba)
	u.challenge = c
	u.send(&nas.AuthenticationRequest{KSI: 0, ABBA: abba, RAND: &c.rand, AUTN: &autn})
}

func (u *ueContext) authenticated(m *nas.AuthenticationResponse) {
	if m.RESStar == nil || subtle.ConstantTimeCompare(m.RESStar[:], u.challenge.xresStar[:]) != 1 {
		u.log.Warn("authentication failed")
		u.send(&nas.AuthenticationReject{})
		u.release(ngap.CauseNasAuthenticationFailure.Cause())
		return
	}
	u.kamf = u.challenge.kamf
	u.secure()
}

// authenticationFailed resynchronises once (TS 33.102 6.3.5).
func (u *ueContext) authenticationFailed(m *nas.AuthenticationFailure) {
	if m.Cause == nas.CauseSynchFailure && m.AUTS != nil && !u.resynced {
		sqn, err := u.sub.key.CheckAUTS(u.challenge.rand, *m.AUTS)
		if err == nil {
			u.resynced = true
			u.sub.sqn = sqn
			u.log.Info("sequence numbers synchronised anew")
			u.authenticate()
			return
		}
	}
	u.log.Warn("the UE refused the challenge", slog.String("cause", m.Cause.String()))
	u.reject(nas.CauseIllegalUE)
}

// secure takes the NAS algorithms into use.
func (u *ueContext) secure() {
	var cipher security.Algorithm
	if u.core.cfg.Ciphering && u.capability.Cipher(2) {
		cipher = 2
	}
	ctx, err := security.New(u.kamf, 0, cipher, 2, security.BearerNon3GPP, security.Downlink)
	if err != nil {
		u.log.Error("security", slog.Any("error", err))
		return
	}
	imeisv := uint8(1)
	b, err := nas.Encode(&nas.SecurityModeCommand{Algorithms: uint8(cipher)<<4 | 2, ReplayedCapability: u.capability, IMEISVRequest: &imeisv})
	if err == nil {
		b, err = ctx.Protect(security.IntegrityNew, b)
	}
	if err != nil {
		u.log.Error("security mode command", slog.Any("error", err))
		return
	}
	u.security = ctx
	u.downlink(b)
}

// secured gives the N3IWF its key: that of the uplink COUNT of Security Mode Complete, the first one (TS 33.501 A.9).
func (u *ueContext) secured(m *nas.SecurityModeComplete) {
	if inner, err := nas.Decode(m.Container); err == nil {
		if r, ok := inner.(*nas.RegistrationRequest); ok {
			u.requested = r.RequestedNSSAI
		}
	}
	key := aka.KN3IWF(u.kamf, 0)
	request := &ngap.InitialContextSetupRequest{
		AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID, GUAMI: u.core.net.guami, SecurityKey: ngap.SecurityKey(key),
		UESecurityCapabilities: capabilities(u.capability),
	}
	for _, s := range u.core.net.slices {
		request.AllowedNSSAI = append(request.AllowedNSSAI, ngap.AllowedNSSAIItem{SNSSAI: s})
	}
	u.gnb.send(request)
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

// acceptRegistration follows the context set-up, as free5GC does it (TS 23.502 4.12.2.2 step 10).
func (u *ueContext) acceptRegistration() {
	if u.registered {
		return
	}
	u.core.tmsi++
	var random [2]byte
	randomBytes(random[:])
	u.guti = nas.GUTI{GUAMI: u.core.net.nasGUAMI, TMSI: uint32(binary.BigEndian.Uint16(random[:]))<<16 | u.core.tmsi&0xffff}.Identity()
	u.send(&nas.RegistrationAccept{Result: nas.ResultNon3GPP, GUTI: u.guti, AllowedNSSAI: u.core.net.nssai})
}

// deregister answers unless the UE is switched off, and releases the context (TS 23.502 4.12.3).
func (u *ueContext) deregister(m *nas.DeregistrationRequestUE) {
	u.log.Info("UE deregisters")
	u.deregistered = true
	if m.DeregistrationType&nas.SwitchOff == 0 {
		u.send(&nas.DeregistrationAcceptUE{})
	}
	u.release(ngap.CauseNasDeregister.Cause())
}
