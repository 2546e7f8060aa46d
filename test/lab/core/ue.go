// SPDX-License-Identifier: Apache-2.0

package core

import (
	"crypto/rand"
	"log/slog"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// ueContext is a UE at the AMF and SMF.
type ueContext struct {
	core  *Core
	gnb   *gnb
	log   *slog.Logger
	amfID ngap.AMFUENGAPID
	ranID ngap.RANUENGAPID

	sub          *subscriber
	challenge    challenge
	kamf         aka.Key
	security     *security.Context
	capability   nas.SecurityCapability
	requested    nas.NSSAI
	guti         nas.MobileIdentity
	resynced     bool
	registered   bool
	deregistered bool
	kN3IWF       aka.Key
	location     netip.AddrPort
	sessions     map[uint8]*session
}

type challenge struct {
	rand, xresStar [16]byte
	kamf           aka.Key
}

func (c *Core) newUE(g *gnb, m *ngap.InitialUEMessage) {
	c.nextID++
	u := &ueContext{core: c, gnb: g, amfID: c.nextID, ranID: m.RANUENGAPID, sessions: map[uint8]*session{}}
	u.log = c.log.With(slog.Uint64("ue", uint64(u.amfID)))
	c.ues[u.amfID] = u
	u.locate(&m.UserLocationInformation)
	u.uplinkNAS(m.NASPDU)
}

// locate notes where the N3IWF says that the UE is.
func (u *ueContext) locate(info *ngap.UserLocationInformation) {
	if info == nil || info.UserLocationInformationN3IWF == nil {
		return
	}
	if a, ok := info.UserLocationInformationN3IWF.IPAddress.Addr(); ok {
		u.location = netip.AddrPortFrom(a, uint16(info.UserLocationInformationN3IWF.PortNumber))
	}
}

// receive handles a PDU about this UE.
func (u *ueContext) receive(pdu *ngap.PDU) {
	switch m := pdu.Message.(type) {
	case *ngap.UplinkNASTransport:
		u.locate(&m.UserLocationInformation)
		u.uplinkNAS(m.NASPDU)
	case *ngap.InitialContextSetupResponse:
		u.log.Info("context is set up")
		u.acceptRegistration()
	case *ngap.InitialContextSetupFailure:
		u.log.Warn("context set-up failed", slog.String("cause", m.Cause.String()))
		u.release(ngap.CauseNasNormalRelease.Cause())
	case *ngap.PDUSessionResourceSetupResponse:
		u.sessionsSetUp(m)
	case *ngap.PDUSessionResourceReleaseResponse:
		u.locate(m.UserLocationInformation)
		for _, item := range m.PDUSessionResourceReleasedListRelRes {
			u.sessionReleased(uint8(item.PDUSessionID))
		}
	case *ngap.PDUSessionResourceNotify:
		u.locate(m.UserLocationInformation)
		for _, item := range m.PDUSessionResourceReleasedListNot {
			u.sessionReleased(uint8(item.PDUSessionID))
		}
	case *ngap.UEContextReleaseRequest:
		u.log.Info("N3IWF asks for release", slog.String("cause", m.Cause.String()))
		u.release(m.Cause)
	case *ngap.UEContextReleaseComplete:
		u.locate(m.UserLocationInformation)
		u.log.Info("UE released")
		u.drop()
	case *ngap.NASNonDeliveryIndication:
		u.log.Warn("NAS not delivered", slog.String("cause", m.Cause.String()))
	}
}

// release orders the N3IWF to forget the UE.
func (u *ueContext) release(cause ngap.Cause) {
	u.gnb.send(&ngap.UEContextReleaseCommand{
		UENGAPIDs: ngap.UENGAPIDs{UENGAPIDPair: &ngap.UENGAPIDPair{AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID}}, Cause: cause,
	})
}

// drop forgets the UE.
func (u *ueContext) drop() {
	for psi := range u.sessions {
		u.sessionReleased(psi)
	}
	delete(u.core.ues, u.amfID)
}

// send gives a plain message to the UE, protected as soon as there is a context.
func (u *ueContext) send(m nas.Message) {
	u.downlink(u.protect(m))
}

func (u *ueContext) protect(m nas.Message) []byte {
	b, err := nas.Encode(m)
	if err == nil && u.security != nil {
		b, err = u.security.Protect(security.IntegrityCiphered, b)
	}
	if err != nil {
		u.log.Error("NAS message", slog.String("message", m.Type().String()), slog.Any("error", err))
	}
	return b
}

func (u *ueContext) downlink(pdu []byte) {
	u.gnb.send(&ngap.DownlinkNASTransport{AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID, NASPDU: pdu})
}

// uplinkNAS handles a NAS message. Protected ones must verify once there is a context (TS 24.501 4.4.4.3).
func (u *ueContext) uplinkNAS(pdu []byte) {
	kind, err := security.Type(pdu)
	if err != nil {
		u.log.Warn("NAS message ignored", slog.Any("error", err))
		return
	}
	plain := pdu
	if kind != security.Plain {
		if u.security == nil {
			u.log.Warn("protected NAS message without a context; the UE must authenticate anew")
			plain, err = security.Inner(pdu)
		} else {
			plain, _, err = u.security.Unprotect(pdu)
		}
		if err != nil {
			u.log.Warn("NAS message ignored", slog.Any("error", err))
			return
		}
	}
	m, err := nas.Decode(plain)
	if err != nil {
		u.log.Warn("NAS message ignored", slog.Any("error", err))
		return
	}
	if kind == security.Plain && u.security != nil {
		u.log.Warn("unprotected NAS message ignored", slog.String("message", m.Type().String()))
		return
	}
	u.handle(m)
}

func (u *ueContext) handle(m nas.Message) {
	switch m := m.(type) {
	case *nas.RegistrationRequest:
		u.register(m)
	case *nas.IdentityResponse:
		u.identify(m.Identity)
	case *nas.AuthenticationResponse:
		u.authenticated(m)
	case *nas.AuthenticationFailure:
		u.authenticationFailed(m)
	case *nas.SecurityModeComplete:
		u.secured(m)
	case *nas.SecurityModeReject:
		u.log.Warn("security mode rejected", slog.String("cause", m.Cause.String()))
		u.release(ngap.CauseNasUnspecified.Cause())
	case *nas.RegistrationComplete:
		u.log.Info("registered", slog.String("imsi", u.sub.imsi), slog.String("location", u.location.String()))
		u.registered = true
	case *nas.DeregistrationRequestUE:
		u.deregister(m)
	case *nas.DeregistrationAcceptNW:
		u.release(ngap.CauseNasDeregister.Cause())
	case *nas.ULNASTransport:
		u.sessionManagement(m)
	case *nas.ServiceRequest:
		u.send(&nas.ServiceReject{Cause: nas.CauseIdentityUnknown})
	case *nas.MMStatus:
		u.log.Warn("5GMM status", slog.String("cause", m.Cause.String()))
	default:
		u.log.Debug("NAS message ignored", slog.String("message", m.Type().String()))
	}
}

// randomBytes fills b.
func randomBytes(b []byte) { _, _ = rand.Read(b) } // never fails
