// SPDX-License-Identifier: Apache-2.0

package core

import (
	"crypto/rand"
	"log/slog"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// releasePatience is how long the N3IWF has to answer a UE CONTEXT RELEASE COMMAND.
const releasePatience = 10 * time.Second

// phase is how far a connection of a UE has come.
type phase uint8

const (
	phaseStart          phase = iota // the first NAS message is awaited
	phaseIdentity                    // Identity Request is sent
	phaseAuthentication              // Authentication Request is sent
	phaseSecurity                    // Security Mode Command is sent
	phaseContext                     // INITIAL CONTEXT SETUP REQUEST is sent
	phaseConnected
	phaseReleasing // UE CONTEXT RELEASE COMMAND is sent
)

// ueContext is a connected UE: its UE-associated NG connection.
type ueContext struct {
	core     *Core
	node     *ranNode
	ran      *ran // the TNL association that it is bound to
	log      *slog.Logger
	amfID    ngap.AMFUENGAPID
	ranID    ngap.RANUENGAPID
	renamed  ngap.AMFUENGAPID // asked of the N3IWF; 0: nothing
	phase    phase
	ending   ngap.Cause // of phaseReleasing
	location netip.AddrPort
	tai      *ngap.TAI   // nil: the N3IWF gave none
	timer    *time.Timer // guards what the N3IWF or the UE must answer

	// sub is whom the UE says to be, security the NAS context in use, reg the registration once the UE is who it says.
	sub      *subscriber
	security *security.Context
	reg      *registration

	capability nas.SecurityCapability
	requested  nas.NSSAI
	challenge  challenge
	resynced   bool
	service    *nas.ServiceRequest // to be accepted behind the context set-up
}

// connect takes a new UE.
func (c *Core) connect(g *ran, m *ngap.InitialUEMessage) {
	if c.reroute != nil && *c.reroute != g.amf.guami.AMFSetID {
		c.log.Info("UE is sent to another AMF set", slog.Int("set", int(*c.reroute)))
		if b, err := ngap.Encode(m); err == nil {
			_, allowed := c.net.allowed(nil)
			g.send(&ngap.RerouteNASRequest{RANUENGAPID: m.RANUENGAPID, NGAPMessage: b, AMFSetID: *c.reroute, AllowedNSSAI: allowed})
		}
		return
	}
	c.nextID++
	u := &ueContext{core: c, node: g.node, ran: g, amfID: c.nextID, ranID: m.RANUENGAPID}
	u.log = c.log.With(slog.Uint64("ue", uint64(u.amfID)))
	c.ues[u.amfID] = u
	u.locate(&m.UserLocationInformation)
	if nid := c.net.nid; (nid == nil) != (m.SelectedNID == nil) || nid != nil && *nid != *m.SelectedNID {
		u.reject(nas.Cause(75)) // permanently not authorized for this SNPN
		return
	}
	if u.tai != nil && (u.tai.PLMNIdentity != c.net.plmn || u.tai.TAC != c.net.tac) {
		u.reject(nas.Cause(12)) // tracking area not allowed
		return
	}
	u.uplinkNAS(m.NASPDU)
	if u.phase == phaseStart { // nothing that could begin anything
		u.reject(nas.CauseInvalidMandatory)
	}
}

// locate notes where the N3IWF says that the UE is.
func (u *ueContext) locate(info *ngap.UserLocationInformation) {
	if info == nil {
		return
	}
	if l := info.UserLocationInformationNR; l != nil {
		u.tai = &l.TAI
	} else if l := info.UserLocationInformationEUTRA; l != nil {
		u.tai = &l.TAI
	} else if l := info.UserLocationInformationN3IWF; l != nil {
		if a, ok := l.IPAddress.Addr(); ok {
			u.location = netip.AddrPortFrom(a, uint16(l.PortNumber))
		}
		u.tai = l.TAI
	} else if l := info.UserLocationInformationN3IWFWithoutPortNumber; l != nil {
		if a, ok := l.IPAddress.Addr(); ok {
			u.location = netip.AddrPortFrom(a, 0)
		}
		u.tai = l.TAI
	}
}

// receive handles a PDU about this UE.
func (u *ueContext) receive(pdu *ngap.PDU) {
	switch m := pdu.Message.(type) {
	case *ngap.UplinkNASTransport:
		u.locate(&m.UserLocationInformation)
		u.uplinkNAS(m.NASPDU)
	case *ngap.UEContextModificationResponse:
		u.locate(m.UserLocationInformation)
		u.renameDone(m.AMFUENGAPID)
	case *ngap.UEContextModificationFailure:
		u.log.Warn("context modification failed", slog.String("cause", m.Cause.String()))
		u.renameDone(m.AMFUENGAPID)
	case *ngap.PDUSessionResourceModifyResponse:
		u.locate(m.UserLocationInformation)
		u.log.Info("PDU session modification answered", slog.String("message", ngap.String(m)))
		u.sessionsModified(m)
	case *ngap.InitialContextSetupResponse:
		u.contextSetUp(m)
	case *ngap.InitialContextSetupFailure:
		u.log.Warn("context set-up failed", slog.String("cause", m.Cause.String()))
		u.release(ngap.CauseNasUnspecified.Cause())
	case *ngap.PDUSessionResourceSetupResponse:
		u.locate(m.UserLocationInformation)
		u.sessionsSetUp(m)
	case *ngap.PDUSessionResourceReleaseResponse:
		u.locate(m.UserLocationInformation)
		for _, item := range m.PDUSessionResourceReleasedListRelRes {
			u.resourcesReleased(uint8(item.PDUSessionID))
		}
	case *ngap.PDUSessionResourceModifyIndication:
		u.locate(m.UserLocationInformation)
		u.tunnelsMoved(m)
	case *ngap.PDUSessionResourceNotify:
		u.locate(m.UserLocationInformation)
		for _, item := range m.PDUSessionResourceReleasedListNot {
			u.resourcesLost(uint8(item.PDUSessionID))
		}
	case *ngap.UEContextReleaseRequest:
		u.log.Info("N3IWF asks for release", slog.String("cause", m.Cause.String()))
		u.release(m.Cause)
	case *ngap.UEContextReleaseComplete:
		u.locate(m.UserLocationInformation)
		u.log.Info("UE released")
		u.gone()
	case *ngap.NASNonDeliveryIndication:
		u.log.Warn("NAS message not delivered", slog.String("cause", m.Cause.String()))
	default:
		u.log.Warn("NGAP message ignored", slog.String("message", pdu.Name()))
	}
}

// release orders the N3IWF to forget the UE.
func (u *ueContext) release(cause ngap.Cause) {
	if u.phase == phaseReleasing {
		return
	}
	u.phase, u.ending = phaseReleasing, cause
	u.sendRelease()
	u.guard(releasePatience, func() {
		u.log.Warn("the N3IWF does not complete the release of the UE context")
		u.gone()
	})
}

func (u *ueContext) sendRelease() {
	u.ran.send(&ngap.UEContextReleaseCommand{
		UENGAPIDs: ngap.UENGAPIDs{UENGAPIDPair: &ngap.UENGAPIDPair{AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID}}, Cause: u.ending,
	})
}

// guard runs do when the UE is still connected after d, unless another guard has taken its place.
func (u *ueContext) guard(d time.Duration, do func()) {
	if u.timer != nil {
		u.timer.Stop()
	}
	var t *time.Timer
	t = u.core.after(d, func() {
		if u.timer == t && u.core.ues[u.amfID] == u {
			do()
		}
	})
	u.timer = t
}

// gone forgets the connection. A UE that is registered stays so, with its PDU sessions but without a user plane.
func (u *ueContext) gone() {
	if u.timer != nil {
		u.timer.Stop()
		u.timer = nil
	}
	delete(u.core.ues, u.amfID)
	delete(u.core.ues, u.renamed)
	if u.reg == nil || u.reg.ue != u {
		return
	}
	u.reg.ue = nil
	if !u.reg.registered {
		u.reg.drop()
		return
	}
	for _, s := range u.reg.sessions {
		s.deactivate()
	}
}

// send gives a message to the UE, protected as soon as there is a context.
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
	if len(pdu) > 0 {
		u.ran.send(&ngap.DownlinkNASTransport{AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID, NASPDU: pdu})
	}
}

// uplinkNAS takes off the protection. Once there is a context a message must verify (TS 24.501 4.4.4.3).
func (u *ueContext) uplinkNAS(pdu []byte) {
	ignore := func(err error) { u.log.Warn("NAS message ignored", slog.Any("error", err)) }
	kind, err := security.Type(pdu)
	if err != nil {
		ignore(err)
		return
	}
	plain, verified, count := pdu, false, uint32(0)
	switch {
	case kind == security.Plain:
	case u.security == nil:
		plain, count, verified = u.resume(pdu)
	default:
		if plain, count, err = u.security.Unprotect(pdu); err != nil {
			ignore(err)
			return
		}
		verified = true
	}
	m, err := nas.Decode(plain)
	if err != nil {
		ignore(err)
		return
	}
	if _, isReject := m.(*nas.SecurityModeReject); u.security != nil && !verified && !isReject {
		u.log.Warn("unprotected NAS message ignored", slog.String("message", m.Type().String()))
		return
	}
	if !u.handle(m, kind, verified, count) {
		u.log.Warn("NAS message does not fit", slog.String("message", m.Type().String()), slog.Bool("verified", verified))
	}
}

// handle does what a message asks for where it fits.
func (u *ueContext) handle(m nas.Message, kind security.HeaderType, verified bool, count uint32) bool {
	connected := verified && u.phase == phaseConnected
	switch m := m.(type) {
	case *nas.RegistrationRequest:
		switch {
		case u.phase <= phaseAuthentication:
			u.register(m, verified, count)
		case connected:
			u.registerAgain(m)
		default:
			return false
		}
	case *nas.ServiceRequest:
		switch {
		case u.phase == phaseStart:
			u.serve(m, verified, count)
		case connected:
			u.reactivate(m)
		default:
			return false
		}
	case *nas.IdentityResponse:
		if u.phase != phaseIdentity {
			return false
		}
		u.identify(m.Identity)
	case *nas.AuthenticationResponse:
		if u.phase != phaseAuthentication {
			return false
		}
		u.authenticated(m)
	case *nas.AuthenticationFailure:
		if u.phase != phaseAuthentication {
			return false
		}
		u.authenticationFailed(m)
	case *nas.SecurityModeComplete:
		if u.phase != phaseSecurity || kind != security.IntegrityCipheredNew {
			return false
		}
		u.secured(m, count)
	case *nas.SecurityModeReject:
		if u.phase != phaseSecurity {
			return false
		}
		u.log.Warn("security mode rejected", slog.String("cause", m.Cause.String()))
		u.release(ngap.CauseNasUnspecified.Cause())
	case *nas.DeregistrationRequestUE:
		if !connected && (u.phase != phaseStart || !verified) {
			return false
		}
		u.deregister(m)
	default:
		return connected && u.handleConnected(m)
	}
	return true
}

// handleConnected has the messages that only a registered UE may send.
func (u *ueContext) handleConnected(m nas.Message) bool {
	switch m := m.(type) {
	case *nas.RegistrationComplete:
		u.registered()
	case *nas.DeregistrationAcceptNW:
		u.log.Info("UE accepts its deregistration")
		u.reg.drop()
		u.release(ngap.CauseNasDeregister.Cause())
	case *nas.ULNASTransport:
		u.sessionManagement(m)
	case *nas.ConfigurationUpdateComplete:
	case *nas.MMStatus:
		u.log.Warn("5GMM status", slog.String("cause", m.Cause.String()))
	default:
		return false
	}
	return true
}

// randomBytes fills b.
func randomBytes(b []byte) { _, _ = rand.Read(b) } // never fails
