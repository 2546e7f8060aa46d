// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
	"github.com/open-n3iwf/n3iwf/test/lab/upf"
)

// recorder is an association that goes nowhere and keeps what is sent.
type recorder struct {
	transport.Association
	mu   sync.Mutex
	sent []*ngap.PDU
}

func (r *recorder) Streams() int { return 1 }

func (r *recorder) Send(_ context.Context, _ uint16, b []byte) error {
	pdu, err := ngap.Decode(b)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, pdu)
	return nil
}

// last returns the message that was sent last, which must be a T.
func last[T ngap.Message](t testing.TB, r *recorder) T {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.NotEmpty(t, r.sent)
	m, ok := r.sent[len(r.sent)-1].Message.(T)
	require.True(t, ok, "sent %s", r.sent[len(r.sent)-1])
	return m
}

func (r *recorder) RemoteAddr() transport.Addr { return transport.Addr{} }

// newDirect returns a core without sockets of N2, whose methods the test calls, and an N3IWF that is set up.
func newDirect(t testing.TB, u *upf.UPF) (*Core, *ran, *recorder) {
	cfg := testConfig()
	n, err := cfg.network()
	require.NoError(t, err)
	c := &Core{
		cfg: cfg, net: n, log: slog.New(slog.DiscardHandler), upf: u, mail: make(chan func(), 1024), nodes: map[string]*ranNode{}, ues: map[ngap.AMFUENGAPID]*ueContext{},
		registrations: map[uint32]*registration{}, byIMSI: map[string]*registration{}, tunnels: map[*upf.Session]*session{},
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	t.Cleanup(c.stop)
	r := &recorder{}
	g := &ran{core: c, amf: c.net.amfs[0], association: r, log: c.log}
	g.begin(ngap.NewGlobalN3IWFID(n.plmn, 7))
	return c, g, r
}

// registerDirect registers a UE.
func registerDirect(t testing.TB, c *Core, g *ran, r *recorder) *phone {
	p := (&node{t: t}).phone(1)
	g.core.connect(g, &ngap.InitialUEMessage{RANUENGAPID: 1, NASPDU: nas.MustEncode(p.registrationRequest(p.suci())), UserLocationInformation: (&node{t: t}).location()})
	u := c.ues[c.nextID]
	p.amfID, p.ranID = u.amfID, u.ranID
	challenge, err := nas.Decode(last[*ngap.DownlinkNASTransport](t, r).NASPDU)
	require.NoError(t, err)
	u.uplinkNAS(nas.MustEncode(p.answer(challenge.(*nas.AuthenticationRequest))))
	u.uplinkNAS(p.command(last[*ngap.DownlinkNASTransport](t, r).NASPDU))
	g.receive(&ngap.PDU{Kind: ngap.SuccessfulOutcome, Message: &ngap.InitialContextSetupResponse{AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID}})
	u.uplinkNAS(p.protect(security.IntegrityCiphered, &nas.RegistrationComplete{}))
	require.True(t, u.reg.registered)
	return p
}

// TestPatience: an N3IWF that does not complete a release, and a UE that does not answer its deregistration, are waited for only so long.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g, r := newDirect(t, nil)
		p := registerDirect(t, c, g, r)
		c.running.Go(c.run)
		require.NoError(t, c.Deregister(p.imsi))
		last[*ngap.DownlinkNASTransport](t, r)
		time.Sleep(deregisterPatience - time.Millisecond)
		synctest.Wait()
		last[*ngap.DownlinkNASTransport](t, r)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		last[*ngap.UEContextReleaseCommand](t, r)
		time.Sleep(releasePatience - time.Millisecond)
		require.Len(t, c.State().UEs, 1)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		s := c.State()
		require.Empty(t, s.UEs)
		require.Empty(t, s.Idle)
		c.stop()
		c.running.Wait()
		require.Empty(t, c.State().UEs, "closed")
		require.ErrorIs(t, c.Deregister(p.imsi), context.Canceled)
	})
}

// FuzzFirstNAS sends any message as the first one of a connection, and any as the second.
func FuzzFirstNAS(f *testing.F) {
	p := (&node{t: f}).phone(1)
	f.Add(nas.MustEncode(p.registrationRequest(p.suci())), nas.MustEncode(&nas.AuthenticationResponse{RESStar: &[16]byte{}}))
	f.Add(nas.MustEncode(p.registrationRequest(nas.GUTI{}.Identity())), nas.MustEncode(&nas.IdentityResponse{Identity: p.suci()}))
	f.Add(nas.MustEncode(&nas.ServiceRequest{Identity: nas.GUTI{}.STMSI()}), nas.MustEncode(&nas.SecurityModeComplete{}))
	f.Add(nas.MustEncode(&nas.ULNASTransport{ContainerType: 1, Container: nas.MustEncode(establishment(1, 1)), SessionID: new(uint8(1))}), []byte{0x7e, 0, 0x43})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c, g, r := newDirect(t, nil)
		c.connect(g, &ngap.InitialUEMessage{RANUENGAPID: 1, NASPDU: first, UserLocationInformation: (&node{t: t}).location()})
		u := c.ues[c.nextID]
		require.NotEqual(t, phaseStart, u.phase)
		require.NotEmpty(t, r.sent, "every UE is answered")
		u.uplinkNAS(second)
		if u.timer != nil {
			u.timer.Stop()
		}
		for _, pdu := range r.sent {
			require.NotEqual(t, ngap.ProcedureInitialContextSetup, pdu.ProcedureCode, "nobody has authenticated")
		}
	})
}

// FuzzRegisteredNAS sends any message of a registered UE with a good MAC.
func FuzzRegisteredNAS(f *testing.F) {
	sm := func(m nas.Message) []byte {
		return nas.MustEncode(&nas.ULNASTransport{ContainerType: 1, Container: nas.MustEncode(m), SessionID: new(uint8(1))})
	}
	f.Add(sm(establishment(1, 1)), sm(&nas.ReleaseRequest{SM: nas.SM{SessionID: 1, PTI: 2}}))
	f.Add(sm(establishment(1, 1)), sm(establishment(1, 1)))
	f.Add(sm(&nas.ModificationRequest{SM: nas.SM{SessionID: 1, PTI: 1}}), sm(&nas.ReleaseComplete{SM: nas.SM{SessionID: 1}}))
	f.Add(nas.MustEncode(&nas.DeregistrationRequestUE{}), nas.MustEncode(&nas.RegistrationComplete{}))
	f.Add(nas.MustEncode(&nas.ServiceRequest{UplinkDataStatus: new(nas.SessionBitmap(2))}), nas.MustEncode(&nas.DeregistrationAcceptNW{}))
	u, err := upf.New(upf.Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Pool: netip.MustParsePrefix("10.45.0.0/24"), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(f, err)
	f.Cleanup(func() { u.Close() }) //nolint:errcheck // nothing hangs on it
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c, g, r := newDirect(t, u)
		p := registerDirect(t, c, g, r)
		ue := c.ues[c.nextID]
		for _, b := range [][]byte{first, second} {
			if len(b) > 1<<14 {
				return
			}
			protected, err := p.security.Protect(security.IntegrityCiphered, b)
			require.NoError(t, err)
			ue.uplinkNAS(protected)
		}
		g.leave()
		if reg := c.byIMSI[p.imsi]; reg != nil {
			reg.drop()
		}
		require.Zero(t, u.Stats().Sessions, "nothing is left")
	})
}
