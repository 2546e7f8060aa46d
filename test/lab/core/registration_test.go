// SPDX-License-Identifier: Apache-2.0

package core

import (
	"crypto/ecdh"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/suci"
)

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func TestRegistration(t *testing.T) {
	for _, ciphering := range []bool{false, true} {
		c := newCore(t, func(c *Config) { c.Ciphering = ciphering })
		p := connected(t, c).phone(1)
		p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
		setup := p.throughSecurity(nasOf[*nas.AuthenticationRequest](p))
		require.Equal(t, ciphering, p.security.Cipher == 2)
		require.Equal(t, "208/93/cafe00", setup.GUAMI.String())
		require.Len(t, setup.AllowedNSSAI, 1, "of two slices one was requested")
		require.Nil(t, setup.NASPDU)
		require.EqualValues(t, 1_000_000_000, setup.UEAggregateMaximumBitRate.UEAggregateMaximumBitRateDL)
		a := p.accepted()
		require.EqualValues(t, nas.ResultNon3GPP, a.Result)
		require.Len(t, a.AllowedNSSAI, 1)
		require.Len(t, a.ConfiguredNSSAI, 2)
		require.Equal(t, [3]byte{0, 0, 1}, a.TAIList[0].TAC)

		s := p.state()
		require.Len(t, s.UEs, 1)
		require.NotEmpty(t, s.UEs[0].Association)
		s.UEs[0].Association = "" // its port is any
		require.Equal(t, []UEState{{IMSI: p.imsi, AMFID: uint64(p.amfID), RANID: uint32(p.ranID), Registered: true, Location: "192.0.2.7:4500"}}, s.UEs)
		require.Empty(t, s.Idle)
	}
}

func TestEarlyAccept(t *testing.T) {
	p := connected(t, newCore(t, func(c *Config) { c.EarlyAccept = true })).phone(1)
	p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
	setup := p.throughSecurity(nasOf[*nas.AuthenticationRequest](p))
	require.IsType(t, &nas.RegistrationAccept{}, p.open(setup.NASPDU))
	p.send(&ngap.InitialContextSetupResponse{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID})
	p.secure(&nas.RegistrationComplete{})
	require.True(t, p.state().UEs[0].Registered)
}

func TestConcealedIdentity(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1)
	home, err := ecdh.X25519().NewPublicKey(unhex(t, "5a8d38864820197c3394b92613b20b91633cbd897119273bf8e4a6f4eec0a650"))
	require.NoError(t, err)
	ephemeral, err := ecdh.X25519().NewPrivateKey(unhex(t, "c80949f13ebe61af4ebdbd293ea4f942696b9e815d7e8f0096bbf6ed7de62256"))
	require.NoError(t, err)
	id, err := p.suci().SUCI()
	require.NoError(t, err)
	id.Output, err = suci.Conceal(home, ephemeral, id.Output)
	require.NoError(t, err)
	id.Scheme, id.KeyID = suci.SchemeA, 1
	p.initial(nas.MustEncode(p.registrationRequest(id.Identity())))
	p.throughSecurity(nasOf[*nas.AuthenticationRequest](p))
	p.accepted()
	require.Equal(t, p.imsi, p.state().UEs[0].IMSI)

	for _, change := range []func(s *nas.SUCI){func(s *nas.SUCI) { s.KeyID = 2 }, func(s *nas.SUCI) { s.Output[40] ^= 1 }, func(s *nas.SUCI) { s.Scheme = 2 }} {
		q := p.phone(2)
		bad := id
		bad.Output = append([]byte(nil), id.Output...)
		change(&bad)
		q.initial(nas.MustEncode(q.registrationRequest(bad.Identity())))
		require.Equal(t, nas.CauseIllegalUE, nasOf[*nas.RegistrationReject](q).Cause)
		q.released(ngap.CauseNasUnspecified)
	}
}

func TestUnknownTemporaryIdentity(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1)
	p.initial(nas.MustEncode(p.registrationRequest(nas.GUTI{GUAMI: nas.GUAMI{Region: 1}, TMSI: 7}.Identity())))
	require.Equal(t, nas.IdentitySUCI, nasOf[*nas.IdentityRequest](p).IdentityType)
	p.plain(&nas.IdentityResponse{Identity: p.suci()})
	p.throughSecurity(nasOf[*nas.AuthenticationRequest](p))
	p.accepted()
	require.True(t, p.state().UEs[0].Registered)
}

func TestResynchronisation(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1)
	p.sqn = 1 << 40
	p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
	failure := p.answer(nasOf[*nas.AuthenticationRequest](p))
	require.Equal(t, nas.CauseSynchFailure, failure.(*nas.AuthenticationFailure).Cause)
	p.plain(failure)
	p.throughSecurity(nasOf[*nas.AuthenticationRequest](p))
	require.EqualValues(t, 1<<40+32, p.sqn)
	p.accepted()
}

func TestResynchronisationOnce(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1)
	p.sqn = 1 << 40
	p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
	p.plain(p.answer(nasOf[*nas.AuthenticationRequest](p)))
	p.sqn = 1 << 41
	p.plain(p.answer(nasOf[*nas.AuthenticationRequest](p)))
	nasOf[*nas.AuthenticationReject](p)
	p.released(ngap.CauseNasAuthenticationFailure)
}

func TestRefusedAuthentication(t *testing.T) {
	c := newCore(t, nil)
	n := connected(t, c)
	for name, answer := range map[string]func(p *phone, m *nas.AuthenticationRequest) nas.Message{
		"MAC failure": func(p *phone, m *nas.AuthenticationRequest) nas.Message { p.sim.K[0] ^= 1; return p.answer(m) },
		"forged AUTS": func(p *phone, m *nas.AuthenticationRequest) nas.Message {
			return &nas.AuthenticationFailure{Cause: nas.CauseSynchFailure, AUTS: &[14]byte{1}}
		},
		"wrong RES*": func(p *phone, m *nas.AuthenticationRequest) nas.Message {
			r := p.answer(m).(*nas.AuthenticationResponse)
			r.RESStar[15] ^= 1
			return r
		},
		"no RES*": func(*phone, *nas.AuthenticationRequest) nas.Message { return &nas.AuthenticationResponse{} },
	} {
		p := n.phone(1)
		p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
		p.plain(answer(p, nasOf[*nas.AuthenticationRequest](p)))
		require.NotNil(t, nasOf[*nas.AuthenticationReject](p), name)
		p.released(ngap.CauseNasAuthenticationFailure)
	}
	require.Empty(t, n.state().UEs)
}

func TestRejects(t *testing.T) {
	n := connected(t, newCore(t, nil))
	for _, c := range []struct {
		name  string
		begin func(p *phone)
		cause nas.Cause
	}{
		{"nobody's IMSI", func(p *phone) { p.imsi = "208930000000099" }, nas.CauseIllegalUE},
		{"barred", func(p *phone) { p.imsi = "208930000000003" }, nas.CauseNon3GPPNotAllowed},
	} {
		p := n.phone(1)
		c.begin(p)
		p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
		require.Equal(t, c.cause, nasOf[*nas.RegistrationReject](p).Cause, c.name)
		p.released(ngap.CauseNasUnspecified)
	}
	p := n.phone(1)
	p.able = nas.NewSecurityCapability([]int{0}, []int{1})
	p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
	p.plain(p.answer(nasOf[*nas.AuthenticationRequest](p)))
	require.Equal(t, nas.CauseCapabilityMismatch, nasOf[*nas.RegistrationReject](p).Cause)
	p.released(ngap.CauseNasUnspecified)
}

// TestNothingBeforeItsTime sends what would give access if the core took it out of turn.
func TestNothingBeforeItsTime(t *testing.T) {
	n := connected(t, newCore(t, nil))
	// As the first message.
	for _, m := range []nas.Message{
		&nas.ULNASTransport{ContainerType: nas.ContainerN1SM, Container: nas.MustEncode(&nas.EstablishmentRequest{SM: nas.SM{SessionID: 1, PTI: 1}}), SessionID: new(uint8(1))},
		&nas.RegistrationComplete{}, &nas.SecurityModeComplete{}, &nas.DeregistrationRequestUE{Identity: nas.MobileIdentity{0}}, &nas.DeregistrationAcceptNW{},
		&nas.AuthenticationResponse{RESStar: &[16]byte{}},
	} {
		p := n.phone(1)
		p.initial(nas.MustEncode(m))
		nasOf[*nas.RegistrationReject](p)
		p.released(ngap.CauseNasUnspecified)
	}
	for _, b := range [][]byte{{}, {0x7e}, {0x7e, 0, 0xff}, {0x7e, 2, 0, 0, 0, 0, 0}, unhex(t, "7e01000000000000"), unhex(t, "2e0101c1ffff")} {
		p := n.phone(1)
		p.initial(b)
		nasOf[*nas.RegistrationReject](p)
		p.released(ngap.CauseNasUnspecified)
	}

	p := n.phone(1)
	p.initial(nas.MustEncode(p.registrationRequest(nas.GUTI{TMSI: 7}.Identity())))
	nasOf[*nas.IdentityRequest](p)
	p.plain(&nas.AuthenticationResponse{RESStar: &[16]byte{}}) // the answer to no challenge
	p.plain(&nas.SecurityModeComplete{})
	p.quiet()
	p.plain(&nas.IdentityResponse{Identity: p.suci()})
	challenge := nasOf[*nas.AuthenticationRequest](p)
	p.plain(&nas.SecurityModeComplete{})
	p.plain(&nas.RegistrationComplete{})
	p.quiet()
	p.plain(p.answer(challenge))
	command := expect[*ngap.DownlinkNASTransport](n).NASPDU
	p.plain(&nas.SecurityModeComplete{}) // not protected
	complete := p.command(command)
	bad := append([]byte(nil), complete...)
	bad[len(bad)-1] ^= 1
	p.uplink(bad)
	p.quiet()
	p.uplink(complete)
	p.contextSetUp(0)
	p.uplink(complete) // a replay
	p.quiet()
	p.accepted()
	p.plain(&nas.DeregistrationRequestUE{Identity: p.suci()}) // not protected
	p.quiet()
	require.True(t, n.state().UEs[0].Registered)
}

func TestSecurityModeReject(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1)
	p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
	p.plain(p.answer(nasOf[*nas.AuthenticationRequest](p)))
	expect[*ngap.DownlinkNASTransport](p.node)
	p.plain(&nas.SecurityModeReject{Cause: nas.CauseCapabilityMismatch})
	p.released(ngap.CauseNasUnspecified)
}

func TestContextSetUpFails(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1)
	p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
	p.throughSecurity(nasOf[*nas.AuthenticationRequest](p))
	p.send(&ngap.InitialContextSetupFailure{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, Cause: ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause()})
	p.released(ngap.CauseNasUnspecified)
	s := p.state()
	require.Empty(t, s.UEs)
	require.Empty(t, s.Idle)
}

func TestDeregistration(t *testing.T) {
	for _, off := range []nas.DeregistrationType{0, nas.SwitchOff} {
		p := connected(t, newCore(t, nil)).phone(1).register()
		p.secure(&nas.DeregistrationRequestUE{DeregistrationType: nas.DeregisterNon3GPP | off, Identity: p.guti})
		if off == 0 {
			nasOf[*nas.DeregistrationAcceptUE](p)
		}
		p.released(ngap.CauseNasDeregister)
		s := p.state()
		require.Empty(t, s.UEs)
		require.Empty(t, s.Idle)
	}
}

func TestNetworkDeregisters(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	p.quiet()
	require.NoError(t, p.core.Deregister(p.imsi))
	nasOf[*nas.DeregistrationRequestNW](p)
	p.secure(&nas.DeregistrationAcceptNW{})
	p.released(ngap.CauseNasDeregister)
	require.Empty(t, p.state().Idle)
	require.ErrorIs(t, p.core.Deregister(p.imsi), ErrNoUE)
	require.ErrorIs(t, p.core.ReleaseContext(p.imsi), ErrNoUE)
}

// TestSecondRegistration: a UE that begins anew, elsewhere, takes the place of its old self only once it has proven who it is.
func TestSecondRegistration(t *testing.T) {
	c := newCore(t, nil)
	first, second := connected(t, c).phone(1).register(), connected(t, c).phone(1)
	second.sqn = first.sqn
	second.initial(nas.MustEncode(second.registrationRequest(second.suci())))
	challenge := nasOf[*nas.AuthenticationRequest](second)
	first.quiet()
	second.throughSecurity(challenge)
	first.released(ngap.CauseRadioNetworkReleaseDueTo5gcGeneratedReason)
	first.quiet()
	second.accepted()
	s := second.state()
	require.Len(t, s.UEs, 1)
	require.Equal(t, uint64(second.amfID), s.UEs[0].AMFID)
	require.Empty(t, s.Idle)
}

func TestUpdateWhileConnected(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	m := p.registrationRequest(p.guti)
	m.RegistrationType, m.RequestedNSSAI = nas.RegistrationMobility, nas.NSSAI{{SST: 2}}
	p.secure(m)
	a := nasOf[*nas.RegistrationAccept](p)
	require.Equal(t, nas.NSSAI{{SST: 2}}, a.AllowedNSSAI)
	require.NotEqual(t, p.guti, a.GUTI)
}

// TestKnownUE: from idle with a context there is no authentication; when the MAC is wrong there is.
func TestKnownUE(t *testing.T) {
	n := connected(t, newCore(t, func(c *Config) { c.Ciphering = true }))
	p := n.phone(1).register()
	n.quiet()
	require.NoError(t, n.core.ReleaseContext(p.imsi))
	p.released(ngap.CauseNasNormalRelease)
	s := n.state()
	require.Empty(t, s.UEs)
	require.Equal(t, []UEState{{IMSI: p.imsi, Registered: true}}, s.Idle)
	require.ErrorIs(t, n.core.ReleaseContext(p.imsi), ErrIdle)

	count := p.security.SendCount()
	old := p.guti
	p.initial(p.protect(security.Integrity, p.registrationRequest(p.guti)))
	p.contextSetUp(count)
	a := p.accepted()
	require.NotEqual(t, old, a.GUTI)
	require.Len(t, n.state().UEs, 1)

	p.send(&ngap.UEContextReleaseRequest{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, Cause: ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause()})
	p.released(ngap.CauseRadioNetworkRadioConnectionWithUeLost)
	require.Len(t, n.state().Idle, 1)

	bad := p.protect(security.Integrity, p.registrationRequest(p.guti))
	bad[5] ^= 1
	p.initial(bad)
	kept := p.security
	p.security = nil
	p.throughSecurity(nasOf[*nas.AuthenticationRequest](p))
	require.NotSame(t, kept, p.security)
	p.accepted()
	require.Empty(t, n.state().Idle)
}
