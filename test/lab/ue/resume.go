// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// errNotRegistered says that the UE has no NAS security context to come back with.
var errNotRegistered = errors.New("the UE has not been registered")

// ServiceRequest comes back from idle: IKE anew, with a Service Request in EAP-5G that wants a user plane for all PDU sessions that the UE has, or, when
// the UE is connected, over NAS (TS 23.502 4.12.4.1). It returns with Service Accept.
func (u *UE) ServiceRequest(ctx context.Context) error {
	return u.await2(ctx, "service request", func(done chan error) {
		if u.security == nil || len(u.guti) == 0 {
			done <- errNotRegistered
			return
		}
		u.waiters.registered = done
		if u.closedErr == nil && u.session != nil && u.nasUp {
			u.sendNAS(u.serviceRequest())
			return
		}
		u.comeWith(u.protectedServiceRequest)
	})
}

// RegisterAgain comes back with an initial registration that the context of the former one protects (TS 24.501 5.5.1.2), whether the network has
// noticed that the UE was away or not. Former PDU sessions are gone after that.
func (u *UE) RegisterAgain(ctx context.Context) error {
	return u.await2(ctx, "registration", func(done chan error) {
		if u.security == nil || len(u.guti) == 0 {
			done <- errNotRegistered
			return
		}
		u.waiters.registered = done
		u.comeWith(u.protectedRegistration)
	})
}

// Vanish forgets the IKE SA without a word to the N3IWF; the NAS context stays.
func (u *UE) Vanish(ctx context.Context) error {
	return u.await2(ctx, "vanish", func(done chan error) {
		u.forgetSA()
		u.session = nil
		u.closedErr = errors.New("the UE has forgotten its IKE SA")
		done <- nil
	})
}

// await2 is await for calls that make sense without IKE SA, too.
func (u *UE) await2(ctx context.Context, what string, task func(done chan error)) error {
	done := make(chan error, 1)
	u.post(func() { task(done) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case <-u.quit:
		return fmt.Errorf("%s: the UE was closed", what)
	}
}

// comeWith starts another IKE SA whose first NAS message is that one.
func (u *UE) comeWith(initial func() ([]byte, error)) {
	u.forgetSA()
	u.closedErr, u.eap, u.kN3IWF, u.initial = nil, eap5g.Peer{}, nil, initial
	if err := u.start(); err != nil {
		u.failRegistration(err)
	}
}

// forgetSA gives up what belongs to the IKE SA. PDU sessions stay, without child SAs.
func (u *UE) forgetSA() {
	for id := range u.children {
		_ = u.dataPlane.Delete(id, 0) // it may be gone already
		for _, s := range u.sessions {
			s.unbind(id)
		}
	}
	clear(u.children)
	for _, a := range u.inner {
		if a.IsValid() {
			u.nas.Forget(a)
		}
	}
	u.signalling.Store(nil)
	u.nasUp, u.nasWaiting, u.inner = false, nil, [2]netip.Addr{}
	u.netNAS = netip.AddrPort{}
}

// protectInitial protects the first message of a connection and derives K_N3IWF from its COUNT (TS 33.501 A.9).
func (u *UE) protectInitial(m nas.Message) ([]byte, error) {
	key := aka.KN3IWF(u.security.KAMF, u.security.SendCount())
	u.kN3IWF = key[:]
	b, err := nas.Encode(m)
	if err != nil {
		return nil, err
	}
	return u.security.Protect(security.Integrity, b)
}

func (u *UE) serviceRequest() *nas.ServiceRequest {
	var data nas.SessionBitmap
	for psi := range u.sessions {
		data |= 1 << psi
	}
	status := data
	m := &nas.ServiceRequest{KSI: nas.KSI(u.ksi), ServiceType: 1, SessionStatus: &status, UplinkDataStatus: &data}
	if guti, err := nas.MobileIdentity(u.guti).GUTI(); err == nil {
		m.Identity = guti.STMSI()
	}
	return m
}

func (u *UE) protectedServiceRequest() ([]byte, error) {
	full := u.serviceRequest()
	b, err := nas.Encode(full)
	if err != nil {
		return nil, err
	}
	return u.protectInitial(&nas.ServiceRequest{
		KSI: full.KSI, ServiceType: full.ServiceType, Identity: full.Identity,
		Container: u.security.CipherContainer(security.Uplink, u.security.SendCount(), b), // TS 24.501 4.4.6
	})
}

func (u *UE) protectedRegistration() ([]byte, error) {
	full := &nas.RegistrationRequest{
		RegistrationType: nas.RegistrationInitial | nas.FollowOn, KSI: nas.KSI(u.ksi), Identity: u.guti, SecurityCapability: u.capability(),
		MMCapability: []byte{7}, RequestedNSSAI: u.o.Subscriber.Slices,
	}
	b, err := nas.Encode(full)
	if err != nil {
		return nil, err
	}
	return u.protectInitial(&nas.RegistrationRequest{
		RegistrationType: full.RegistrationType, KSI: full.KSI, Identity: full.Identity, SecurityCapability: full.SecurityCapability,
		Container: u.security.CipherContainer(security.Uplink, u.security.SendCount(), b),
	})
}

// keepSessions drops the PDU sessions that the network does not have any more; a status that is not there is that of none.
func (u *UE) keepSessions(status *nas.SessionBitmap) {
	for psi := range u.sessions {
		if status == nil || *status&(1<<psi) == 0 {
			delete(u.sessions, psi)
		}
	}
}
