// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// receiveEAP answers an EAP packet of the N3IWF.
func (u *UE) receiveEAP(packet []byte) {
	ev, err := u.eap.Receive(packet)
	if err != nil {
		u.log.Warn("EAP packet ignored", slog.Any("error", err))
		return
	}
	switch ev := ev.(type) {
	case eap5g.Started:
		u.o.Step("IKE_SA_INIT done, EAP-5G started")
		initial := u.registrationRequest
		if u.initial != nil {
			initial = u.initial
		}
		request, err := initial()
		if err != nil {
			u.failRegistration(err)
			return
		}
		u.sendEAPNAS(u.accessParameters(), request)
	case eap5g.NASArrived:
		answer, err := u.answerNAS(ev.PDU)
		if err != nil {
			u.stopEAP(err)
			return
		}
		u.sendEAPNAS(eap5g.AN{}, answer)
	case eap5g.Notified:
		u.sendEAP(ev.Reply)
	case eap5g.Repeated:
		u.sendEAP(ev.Reply)
	case eap5g.Refused:
		u.sendEAP(ev.Reply)
	case eap5g.Succeeded:
		u.o.Step("EAP success")
		if u.kN3IWF == nil {
			u.failRegistration(errors.New("EAP-Success without a key"))
			return
		}
		u.apply(u.session.SetMSK(time.Now(), u.kN3IWF))
	case eap5g.Failed:
		u.failRegistration(errors.New("the N3IWF refused access (EAP-Failure)"))
	}
}

func (u *UE) sendEAPNAS(an eap5g.AN, pdu []byte) {
	packet, err := u.eap.SendNAS(an, pdu)
	if err != nil {
		u.failRegistration(err)
		return
	}
	u.sendEAP(packet)
}

func (u *UE) sendEAP(packet []byte) {
	if u.o.TamperEAP != nil {
		packet = u.o.TamperEAP(packet)
	}
	u.apply(u.session.SendEAP(time.Now(), packet))
}

// stopEAP ends EAP-5G after a reject or an error.
func (u *UE) stopEAP(why error) {
	if packet, err := u.eap.Stop(); err == nil {
		u.sendEAP(packet)
	}
	u.failRegistration(why)
}

func (u *UE) failRegistration(err error) {
	if u.waiters.registered != nil {
		u.waiters.registered <- err
		u.waiters.registered = nil
	}
}

// accessParameters tell the N3IWF what it needs to select an AMF (TS 24.502 9.3.2.2.2.3).
func (u *UE) accessParameters() eap5g.AN {
	s := &u.o.Subscriber
	cause := eap5g.CauseMOSignalling
	if u.o.Emergency {
		cause = eap5g.CauseEmergency
	}
	an := eap5g.AN{EstablishmentCause: &cause}
	if v, err := strconv.ParseUint(s.NID, 16, 44); err == nil {
		nid := eap5g.NID(v)
		an.SelectedNID = &nid
	}
	if plmn, err := nas.NewPLMN(s.MCC, s.MNC); err == nil {
		p := eap5g.PLMN(plmn)
		an.SelectedPLMN = &p
	}
	for _, slice := range s.Slices {
		requested := eap5g.SNSSAI{SST: slice.SST}
		if slice.HasSD {
			sd := slice.SD
			requested.SD = &sd
		}
		an.RequestedNSSAI = append(an.RequestedNSSAI, requested)
	}
	return an
}

// capability is what the UE can: NEA0 and NIA2, and NEA2 when asked.
func (u *UE) capability() nas.SecurityCapability {
	ciphers := []int{0}
	if u.o.Subscriber.Ciphering {
		ciphers = append(ciphers, 2)
	}
	return nas.NewSecurityCapability(ciphers, []int{2})
}

func (u *UE) registrationRequest() ([]byte, error) {
	identity, err := u.o.Subscriber.suci()
	if err != nil {
		return nil, err
	}
	return nas.Encode(&nas.RegistrationRequest{
		RegistrationType: u.registrationType(), KSI: nas.NoKey, Identity: identity, SecurityCapability: u.capability(),
	})
}

func (u *UE) registrationType() nas.RegistrationType {
	if u.o.Emergency {
		return nas.RegistrationEmergency | nas.FollowOn
	}
	return nas.RegistrationInitial | nas.FollowOn
}

// fullRegistrationRequest goes into Security Mode Complete (TS 24.501 4.4.6).
func (u *UE) fullRegistrationRequest() ([]byte, error) {
	identity, err := u.o.Subscriber.suci()
	if err != nil {
		return nil, err
	}
	return nas.Encode(&nas.RegistrationRequest{
		RegistrationType: u.registrationType(), KSI: nas.NoKey, Identity: identity, SecurityCapability: u.capability(),
		MMCapability: []byte{7}, RequestedNSSAI: u.o.Subscriber.Slices,
	})
}

// plain takes off the protection of a downlink message.
func (u *UE) plain(pdu []byte) ([]byte, error) {
	kind, err := security.Type(pdu)
	if err != nil {
		return nil, err
	}
	switch {
	case kind == security.Plain:
		return pdu, nil
	case kind == security.IntegrityNew:
		return security.Inner(pdu) // checked once the algorithms are known
	case u.security == nil:
		return nil, errors.New("protected NAS message without a security context")
	}
	b, _, err := u.security.Unprotect(pdu)
	return b, err
}

// answerNAS handles a NAS message during EAP-5G and gives the answer; an error is a reject, or a fault that ends the registration.
func (u *UE) answerNAS(pdu []byte) ([]byte, error) {
	b, err := u.plain(pdu)
	if err != nil {
		return nil, err
	}
	m, err := nas.Decode(b)
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *nas.IdentityRequest:
		u.o.Step("EAP-5G round: identity")
		identity, err := u.o.Subscriber.suci()
		if err != nil {
			return nil, err
		}
		return nas.Encode(&nas.IdentityResponse{Identity: identity})
	case *nas.AuthenticationRequest:
		u.o.Step("EAP-5G round: authentication")
		return u.authenticate(m)
	case *nas.SecurityModeCommand:
		u.o.Step("EAP-5G round: security mode")
		return u.securityMode(pdu, m)
	case *nas.MMStatus:
		u.log.Warn("5GMM status", slog.String("cause", m.Cause.String()))
		return nil, nil // EAP wants an answer, NAS has none
	case *nas.AuthenticationReject:
		return nil, errors.New("the network rejected the authentication; check K and OPc")
	case *nas.ServiceReject:
		return nil, fmt.Errorf("service rejected: 5GMM cause %s", m.Cause)
	case *nas.RegistrationReject:
		return nil, fmt.Errorf("registration rejected: 5GMM cause %s", m.Cause)
	}
	return nil, fmt.Errorf("unexpected NAS message %s", m.Type())
}

func (u *UE) authenticate(m *nas.AuthenticationRequest) ([]byte, error) {
	if m.RAND == nil || m.AUTN == nil {
		return nil, errors.New("authentication by EAP-AKA' is not supported")
	}
	resStar, kamf, auts, err := u.o.Subscriber.authenticate(*m.RAND, *m.AUTN, m.ABBA)
	if err != nil {
		failure := &nas.AuthenticationFailure{Cause: causeOf(err)}
		if failure.Cause == nas.CauseSynchFailure {
			failure.AUTS = &auts
		}
		return nas.Encode(failure)
	}
	u.kamf, u.ksi = kamf, uint8(m.KSI)
	return nas.Encode(&nas.AuthenticationResponse{RESStar: &resStar})
}

// securityMode takes the algorithms, checks the message with them, and derives K_N3IWF from the COUNT of the answer, the first one.
func (u *UE) securityMode(pdu []byte, m *nas.SecurityModeCommand) ([]byte, error) {
	if string(m.ReplayedCapability) != string(u.capability()) {
		return nil, errors.New("the network replayed other security capabilities: bidding down")
	}
	ctx, err := security.New(u.kamf, u.ksi, security.Algorithm(m.Algorithms>>4), security.Algorithm(m.Algorithms&15), security.BearerNon3GPP, security.Uplink)
	if err != nil {
		return nil, err
	}
	if _, _, err := ctx.Unprotect(pdu); err != nil {
		return nil, fmt.Errorf("security mode command: %w", err)
	}
	u.security = ctx
	complete := &nas.SecurityModeComplete{}
	if m.IMEISVRequest != nil && *m.IMEISVRequest == 1 {
		imeisv := u.o.Subscriber.IMEISV
		if imeisv == "" {
			imeisv = defaultIMEISV
		}
		if complete.IMEISV, err = nas.NewIMEISV(imeisv); err != nil {
			return nil, err
		}
	}
	if complete.Container, err = u.fullRegistrationRequest(); err != nil {
		return nil, err
	}
	b, err := nas.Encode(complete)
	if err != nil {
		return nil, err
	}
	key := aka.KN3IWF(u.kamf, ctx.SendCount())
	u.kN3IWF = key[:]
	return ctx.Protect(security.IntegrityCipheredNew, b)
}

// Deregister leaves the network and waits until the IKE SA is gone.
func (u *UE) Deregister(ctx context.Context) error {
	return u.await(ctx, "deregistration", func(done chan error) {
		u.waiters.deregistered, u.leaving = done, true
		identity := nas.MobileIdentity(u.guti)
		if len(identity) == 0 {
			identity, _ = u.o.Subscriber.suci() // it was good for the registration
		}
		u.sendNAS(&nas.DeregistrationRequestUE{DeregistrationType: nas.DeregisterNon3GPP, KSI: nas.KSI(u.ksi), Identity: identity})
	})
}
