// SPDX-License-Identifier: Apache-2.0

package core

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// A gNB is served beside an N3IWF: its UEs are on 3GPP access, with the NAS connection, the key and the words of that.
func TestGNB(t *testing.T) {
	c := newCore(t, nil)
	gnb := dial(t, c)
	gnb.gnb = true
	gnb.send(gnb.setupRequest("000001"))
	expect[*ngap.NGSetupResponse](gnb)
	p := gnb.phone(1)
	p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
	p.throughSecurity(nasOf[*nas.AuthenticationRequest](p))
	a := p.accepted()
	require.EqualValues(t, nas.Result3GPP, a.Result)
	require.Nil(t, a.Non3GPPDeregistration)
	require.Equal(t, [3]byte{0, 0, 1}, a.TAIList[0].TAC)
	at := netip.MustParseAddr("127.0.0.1")
	address, teid := p.establish(1, at, 4711)
	require.True(t, address.IsValid())
	require.NotZero(t, teid)

	other := connected(t, c).phone(2).register()
	other.quiet()
	s := p.state()
	require.Len(t, s.UEs, 2)
	require.Equal(t, "208/93-000001", s.UEs[0].TAI)
	require.Len(t, s.UEs[0].Sessions, 1)
	require.Empty(t, s.UEs[1].Sessions)

	require.NoError(t, c.Deregister(p.imsi))
	require.Equal(t, nas.Deregister3GPP, nasOf[*nas.DeregistrationRequestNW](p).DeregistrationType)
	require.NoError(t, c.Deregister(other.imsi))
	require.Equal(t, nas.DeregisterNon3GPP, nasOf[*nas.DeregistrationRequestNW](other).DeregistrationType)
	p.secure(&nas.DeregistrationAcceptNW{})
	p.released(ngap.CauseNasDeregister)

	// Idle and back, by a protected Service Request.
	q := gnb.phone(1)
	q.initial(nas.MustEncode(q.registrationRequest(q.suci())))
	q.throughSecurity(nasOf[*nas.AuthenticationRequest](q))
	q.accepted()
	q.quiet() // it is registered now
	require.NoError(t, c.ReleaseContext(q.imsi))
	q.released(ngap.CauseNasNormalRelease)
	count := q.security.SendCount()
	q.initial(q.serviceRequest(&nas.ServiceRequest{}))
	q.contextSetUp(count)
}
