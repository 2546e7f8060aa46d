// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// receiveEAP answers an EAP packet of the N3IWF.
func (u *UE) receiveEAP(packet []byte) {
	ev, err := u.eap.Receive(packet)
	if err != nil {
		u.fail(err)
		return
	}
	switch ev := ev.(type) {
	case eap5g.Started:
		cause, plmn := eap5g.CauseMOSignalling, eap5g.PLMN(u.fleet.plmn)
		request, err := u.registrationRequest()
		u.sendEAP(eap5g.AN{EstablishmentCause: &cause, SelectedPLMN: &plmn, RequestedNSSAI: []eap5g.SNSSAI{u.slice()}}, request, err)
	case eap5g.NASArrived:
		answer, err := u.answerNAS(ev.PDU)
		u.sendEAP(eap5g.AN{}, answer, err)
	case eap5g.Repeated:
		u.apply(u.session.SendEAP(time.Now(), ev.Reply))
	case eap5g.Succeeded:
		u.apply(u.session.SetMSK(time.Now(), u.kN3IWF))
	default:
		u.fail(fmt.Errorf("EAP-5G: %T", ev))
	}
}

func (u *UE) sendEAP(an eap5g.AN, pdu []byte, err error) {
	var packet []byte
	if err == nil {
		packet, err = u.eap.SendNAS(an, pdu)
	}
	if err != nil {
		u.fail(err)
		return
	}
	u.apply(u.session.SendEAP(time.Now(), packet))
}

var (
	capability = nas.NewSecurityCapability([]int{0}, []int{2}) // NEA0 and NIA2
	imeisv     = must(nas.NewIMEISV("4370816125816151"))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// slice is the requested slice as the AN parameters have it.
func (u *UE) slice() eap5g.SNSSAI {
	s := &u.fleet.o.Slice
	if !s.HasSD {
		return eap5g.SNSSAI{SST: s.SST}
	}
	return eap5g.SNSSAI{SST: s.SST, SD: &s.SD}
}

// identity is the SUCI by the null scheme.
func (u *UE) identity() nas.MobileIdentity {
	o := &u.fleet.o
	return nas.NewNullSUCI(u.fleet.plmn, o.IMSI(u.number)[len(o.MCC)+len(o.MNC):], "0").Identity()
}

func (u *UE) registrationRequest() ([]byte, error) {
	return nas.Encode(&nas.RegistrationRequest{
		RegistrationType: nas.RegistrationInitial | nas.FollowOn, KSI: nas.NoKey, SecurityCapability: capability,
		Identity: u.identity(),
	})
}

// answerNAS handles a NAS message during EAP-5G and gives the answer.
func (u *UE) answerNAS(pdu []byte) ([]byte, error) {
	kind, err := security.Type(pdu)
	if err != nil {
		return nil, err
	}
	plain := pdu
	if kind != security.Plain {
		if plain, err = security.Inner(pdu); err != nil {
			return nil, err
		}
	}
	m, err := nas.Decode(plain)
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *nas.IdentityRequest:
		return nas.Encode(&nas.IdentityResponse{Identity: u.identity()})
	case *nas.AuthenticationRequest:
		return u.authenticate(m)
	case *nas.SecurityModeCommand:
		return u.securityMode(pdu, m)
	}
	return nil, fmt.Errorf("the network answers %s", m.Type())
}

// authenticate is the USIM and the ME (TS 33.501 6.1.3.2).
func (u *UE) authenticate(m *nas.AuthenticationRequest) ([]byte, error) {
	if m.RAND == nil || m.AUTN == nil {
		return nil, errors.New("authentication request without RAND or AUTN")
	}
	sqn, vector, err := u.fleet.o.Key.CheckAUTN(*m.RAND, *m.AUTN)
	if err != nil {
		return nil, err
	}
	if sqn <= u.sqn {
		return nil, milenage.ErrSynch
	}
	u.sqn = sqn
	o := &u.fleet.o
	network := aka.ServingNetwork(o.MCC, o.MNC)
	u.kamf = aka.KAMF(aka.KSEAF(aka.KAUSF(vector, network, *m.AUTN), network), o.IMSI(u.number), m.ABBA)
	res := aka.RESStar(vector, network, *m.RAND)
	return nas.Encode(&nas.AuthenticationResponse{RESStar: &res})
}

// securityMode takes the algorithms and derives K_N3IWF from the COUNT of the answer.
func (u *UE) securityMode(pdu []byte, m *nas.SecurityModeCommand) ([]byte, error) {
	ctx, err := security.New(u.kamf, 0, security.Algorithm(m.Algorithms>>4), security.Algorithm(m.Algorithms&15), security.BearerNon3GPP, security.Uplink)
	if err != nil {
		return nil, err
	}
	if _, _, err := ctx.Unprotect(pdu); err != nil {
		return nil, err
	}
	u.security = ctx
	complete := &nas.SecurityModeComplete{IMEISV: imeisv}
	if complete.Container, err = u.registrationRequest(); err != nil {
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

// downlinkNAS handles a NAS message that came over TCP.
func (u *UE) downlinkNAS(pdu []byte) {
	if u.security == nil {
		u.fail(errors.New("NAS message without a security context"))
		return
	}
	b, _, err := u.security.Unprotect(pdu)
	var m nas.Message
	if err == nil {
		m, err = nas.Decode(b)
	}
	if err != nil {
		u.fail(err)
		return
	}
	switch m := m.(type) {
	case *nas.RegistrationAccept:
		if err := u.sendNAS(&nas.RegistrationComplete{}); err != nil {
			u.fail(err)
			return
		}
		u.succeed()
	case *nas.DLNASTransport:
		u.downlinkSM(m)
	case *nas.ConfigurationUpdateCommand:
		if m.Indication != nil && *m.Indication&1 != 0 {
			if err := u.sendNAS(&nas.ConfigurationUpdateComplete{}); err != nil {
				u.fail(err)
			}
		}
	case *nas.DeregistrationAcceptUE:
		// The network ends the IKE SA now.
	default:
		u.fail(fmt.Errorf("the network answers %s", m.Type()))
	}
}

func (u *UE) downlinkSM(t *nas.DLNASTransport) {
	if t.Cause != nil {
		u.fail(fmt.Errorf("session request not forwarded: 5GMM cause %s", *t.Cause))
		return
	}
	sm, err := nas.Decode(t.Container)
	if err != nil {
		u.fail(err)
		return
	}
	if reject, ok := sm.(*nas.EstablishmentReject); ok {
		u.fail(fmt.Errorf("rejected: 5GSM cause %s", reject.Cause))
		return
	}
	accept, ok := sm.(*nas.EstablishmentAccept)
	if !ok || accept.Address == nil {
		u.fail(fmt.Errorf("unexpected 5GSM message %s", sm.Type()))
		return
	}
	u.accepted = accept.Address.IPv4
	u.sessionStep()
}

// sessionStep ends the establishment when both the answer over NAS and the child SA are there.
func (u *UE) sessionStep() {
	p := u.user.Load()
	if p == nil || !u.accepted.IsValid() {
		return
	}
	with := *p
	with.Address = u.accepted
	u.user.Store(&with)
	u.succeed()
}

// Establish sets up the PDU session.
func (u *UE) Establish(ctx context.Context) error {
	return u.do(ctx, "PDU session", func() error {
		u.accepted = netip.Addr{}
		kind, request, ssc, psi, name := nas.SessionIPv4, uint8(nas.RequestInitial), uint8(1), uint8(1), nas.DNN(u.fleet.o.DNN)
		container, err := nas.Encode(&nas.EstablishmentRequest{SM: nas.SM{SessionID: psi, PTI: 1}, IntegrityRate: [2]byte{0xff, 0xff}, SessionType: &kind, SSCMode: &ssc})
		if err != nil {
			return err
		}
		return u.sendNAS(&nas.ULNASTransport{
			RequestType: &request, SNSSAI: &u.fleet.o.Slice, DNN: &name, ContainerType: nas.ContainerN1SM, Container: container, SessionID: &psi,
		})
	})
}

func (u *UE) sendNAS(m nas.Message) error {
	b, err := nas.Encode(m)
	if err == nil {
		b, err = u.security.Protect(security.IntegrityCiphered, b)
	}
	if err == nil {
		err = u.nas.Send(u.inner, b)
	}
	return err
}

// Deregister leaves the network; it is done when the N3IWF has ended the IKE SA.
func (u *UE) Deregister(ctx context.Context) error {
	return u.do(ctx, "deregistration", func() error {
		u.leaving = true
		return u.sendNAS(&nas.DeregistrationRequestUE{DeregistrationType: nas.DeregisterNon3GPP, Identity: u.identity()})
	})
}
