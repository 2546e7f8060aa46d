// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto/elliptic"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

func TestPSK(t *testing.T) {
	w := newWorld(t, 1)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	sameKeys(t, ue.s, gw.s)
	require.Len(t, ue.s.Children(), 1)
	require.True(t, ue.s.MOBIKE())
	require.True(t, gw.s.MOBIKE())
	// Both know NAT traversal, so IKE_AUTH went to port 4500, and the gateway follows it.
	require.Equal(t, Path{Local: ap(gwAddr, 4500), Remote: ap(ueAddr, 4500), NATT: true}, gw.s.Path())
	require.Equal(t, gw.s.Path(), gw.s.Children()[0].Path)
	require.Equal(t, "first", ue.s.Children()[0].Tag)
	require.Equal(t, "gw", gw.s.Children()[0].Tag)
	require.Equal(t, fqdn("ue"), got[Established](gw)[0].Peer)
	require.Equal(t, fqdn("gw"), got[Established](ue)[0].Peer)
	// Forced encapsulation looks like a NAT in front of the other side, never in front of one's own.
	require.Equal(t, NATStatus{Supported: true, PeerBehindNAT: true}, ue.s.NAT())
	require.Nil(t, gw.s.hs)
	require.Zero(t, w.gw.front.HalfOpen())
}

func TestEveryIKESuite(t *testing.T) {
	encr := []suite.Encr{
		{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}, {ID: suite.ENCR_AES_GCM_16, KeyBits: 256},
		{ID: suite.ENCR_CHACHA20_POLY1305}, {ID: suite.ENCR_AES_CBC, KeyBits: 192},
	}
	for i, group := range []suite.GroupID{suite.MODP_2048, suite.MODP_3072, suite.ECP_256, suite.ECP_384, suite.ECP_521, suite.CURVE25519} {
		e := encr[i%len(encr)]
		t.Run(e.String()+"/"+group.String(), func(t *testing.T) {
			w := newWorld(t, int64(i))
			ike := suite.IKE{Encr: e, PRF: []suite.PRFID{suite.PRF_HMAC_SHA2_256, suite.PRF_HMAC_SHA2_384, suite.PRF_HMAC_SHA2_512}[i%3], Group: group}
			esp := suite.ESP{Encr: e, ESN: i%2 == 0}
			if !e.AEAD() {
				ike.Integ, esp.Integ = suite.AUTH_HMAC_SHA2_384_192, suite.AUTH_HMAC_SHA2_512_256
			}
			o := pskOptions(w.rng, "ue")
			o.IKE, o.ESP = []message.Proposal{ike.Proposal(1, nil)}, []message.Proposal{esp.Proposal(1, nil)}
			ue, gw := w.up(o, pskOptions(w.rng, "gw"))
			sameKeys(t, ue.s, gw.s)
			require.Equal(t, ike, gw.s.sa.suite)
			require.Equal(t, esp, gw.s.Children()[0].Suite)
		})
	}
}

func TestCertificates(t *testing.T) {
	authority := newCA(t)
	for name, row := range map[string]struct {
		ue, gw  *CertificateProver
		classic bool
		bad     bool
	}{
		"RSA and ECDSA P-256":   {ue: authority.issue(t, rsaKey(t), "ue"), gw: authority.issue(t, ecKey(t, elliptic.P256()), "gw")},
		"P-384 and P-521":       {ue: authority.issue(t, ecKey(t, elliptic.P384()), "ue"), gw: authority.issue(t, ecKey(t, elliptic.P521()), "gw")},
		"another authority":     {ue: newCA(t).issue(t, ecKey(t, elliptic.P256()), "ue"), gw: authority.issue(t, ecKey(t, elliptic.P256()), "gw"), bad: true},
		"another name":          {ue: authority.issue(t, ecKey(t, elliptic.P256()), "somebody"), gw: authority.issue(t, ecKey(t, elliptic.P256()), "gw"), bad: true},
		"the gateway is wrong":  {ue: authority.issue(t, ecKey(t, elliptic.P256()), "ue"), gw: authority.issue(t, ecKey(t, elliptic.P256()), "evil"), bad: true},
		"key of another":        {ue: &CertificateProver{Key: ecKey(t, elliptic.P256()), Chain: authority.issue(t, ecKey(t, elliptic.P256()), "ue").Chain}, gw: authority.issue(t, ecKey(t, elliptic.P256()), "gw"), bad: true},
		"no certificate at all": {ue: &CertificateProver{Key: ecKey(t, elliptic.P256())}, gw: authority.issue(t, ecKey(t, elliptic.P256()), "gw"), bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			w.workDelay = 3 * time.Millisecond
			uo, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
			uo.Prove, uo.Verify = row.ue, NewCertificateVerifier(authority.cert)
			g.Prove, g.Verify = row.gw, NewCertificateVerifier(authority.cert)
			w.serve(g, authorizeAll)
			ue := w.dial(uo, wantChild(), nil)
			w.run(5*time.Second, nil)
			if row.bad {
				require.True(t, ue.s.Closed())
				require.True(t, w.gw.last().s.Closed(), "%v", w.gw.last().events)
				return
			}
			require.True(t, ue.s.Established(), "%v", ue.events)
			sameKeys(t, ue.s, w.gw.last().s)
			require.Len(t, got[AuthRequest](w.gw.last())[0].Certificates, 1)
		})
	}
}

// eapOwner is the owner of a gateway that runs an EAP method of rounds requests, whose key is msk.
func eapOwner(rounds int, msk []byte, success bool) func(n *node, e Event) {
	round := 0
	return func(n *node, e Event) {
		request := func() Output {
			round++
			return n.s.SendEAP(n.w.now, []byte{1, byte(round), 0, 6, 254, byte(round)})
		}
		switch e := e.(type) {
		case EAPStart:
			n.take(request())
		case EAPReceived:
			switch {
			case round < rounds:
				n.take(request())
			case success:
				n.take(n.s.EAPSuccess(n.w.now, []byte{3, e.Packet[1], 0, 4}, msk))
			default:
				n.take(n.s.EAPFailure(n.w.now, []byte{4, e.Packet[1], 0, 4}, notify(15500, nil)))
			}
		default:
			authorizeAll(n, e)
		}
	}
}

// eapPeer is the owner of a UE that answers every EAP request.
func eapPeer(msk []byte) func(n *node, e Event) {
	return func(n *node, e Event) {
		r, ok := e.(EAPReceived)
		switch {
		case ok && r.Packet[0] == eapSuccess:
			n.take(n.s.SetMSK(n.w.now, msk))
		case ok:
			n.take(n.s.SendEAP(n.w.now, []byte{2, r.Packet[1], 0, 6, 254, 0}))
		}
	}
}

func TestEAP(t *testing.T) {
	authority := newCA(t)
	gwCert := authority.issue(t, ecKey(t, elliptic.P256()), "gw")
	msk := []byte("the key that EAP made, 32 octets")
	for name, row := range map[string]struct {
		verify  Verifier
		ueMSK   []byte
		success bool
		late    bool
		want    error
	}{
		"verified gateway":    {verify: NewCertificateVerifier(authority.cert), ueMSK: msk, success: true},
		"key proves gateway":  {ueMSK: msk, success: true},
		"config comes last":   {ueMSK: msk, success: true, late: true},
		"another key":         {ueMSK: []byte("another"), success: true, want: &NotifyError{Type: message.AUTHENTICATION_FAILED}},
		"failure":             {ueMSK: msk, want: ErrEAPFailure},
		"unknown certificate": {verify: NewCertificateVerifier(newCA(t).cert), ueMSK: msk, success: true, want: ErrAuthentication},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 4)
			g := pskOptions(w.rng, "gw")
			g.EAP, g.Verify, g.Prove = true, nil, gwCert
			w.serve(g, eapOwner(4, msk, row.success))
			uo := pskOptions(w.rng, "ue")
			uo.Identity = Identity{Type: message.ID_KEY_ID, Data: []byte("UE")}
			uo.EAP, uo.Prove, uo.Verify = true, nil, row.verify
			want := wantChild()
			want.LateConfig = row.late
			want.Config = &message.Configuration{Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{{Type: message.INTERNAL_IP4_ADDRESS}}}
			ue := w.dial(uo, want, eapPeer(row.ueMSK))
			w.run(5*time.Second, nil)
			gw := w.gw.last()
			if row.want != nil {
				require.True(t, ue.s.Closed(), "%v", ue.events)
				reason := got[Closed](ue)[0].Reason
				var n *NotifyError
				if errors.As(row.want, &n) {
					require.Equal(t, row.want, reason)
				} else {
					require.ErrorIs(t, reason, row.want)
				}
				if row.want == ErrEAPFailure {
					require.ErrorAs(t, reason, &n)
					require.EqualValues(t, 15500, n.Type)
				}
				w.run(2*time.Minute, nil)
				require.True(t, gw.s.Closed())
				require.Zero(t, w.gw.front.HalfOpen())
				return
			}
			require.True(t, ue.s.Established(), "%v", ue.events)
			require.True(t, gw.s.Established())
			sameKeys(t, ue.s, gw.s)
			require.NotNil(t, got[AuthRequest](gw)[0].Config)
			require.Len(t, got[EAPReceived](gw), 4)
		})
	}
}

// While the owner works on an EAP packet, retransmissions of the request get no answer and start nothing.
func TestRetransmissionWhileEAPIsPending(t *testing.T) {
	w := newWorld(t, 5)
	g := pskOptions(w.rng, "gw")
	g.EAP, g.Verify = true, nil
	w.serve(g, func(n *node, e Event) {
		if _, ok := e.(EAPStart); ok {
			n.take(n.s.SendEAP(w.now, []byte{1, 1, 0, 4}))
		}
	})
	uo := pskOptions(w.rng, "ue")
	uo.EAP, uo.Prove = true, nil
	uo.Verify = psk("a shared secret")
	ue := w.dial(uo, wantChild(), eapPeer(nil))
	w.run(25*time.Second, nil)
	gw := w.gw.last()
	require.Len(t, got[EAPReceived](gw), 1)
	replies := 0
	w.sniff = func(fromUE bool, d Datagram) {
		if !fromUE {
			replies++
		}
	}
	w.run(10*time.Second, nil)
	require.Zero(t, replies)
	// At last the answer comes, and it is the one to the request that waits.
	gw.take(gw.s.EAPSuccess(w.now, []byte{3, 1, 0, 4}, nil))
	w.run(time.Second, nil)
	require.Len(t, got[EAPReceived](ue), 2)
	require.Len(t, got[AuthRequest](gw), 1)
}

func TestCookie(t *testing.T) {
	w := newWorld(t, 6)
	g := pskOptions(w.rng, "gw")
	g.Limits.CookieTotal = -1
	// The UE offers a group first that the gateway does not have: cookie and INVALID_KE_PAYLOAD in one exchange.
	uo := pskOptions(w.rng, "ue")
	g.IKE = []message.Proposal{suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}, PRF: suite.PRF_HMAC_SHA2_256, Group: suite.ECP_384}.Proposal(1, nil)}
	var types []message.NotifyType
	w.sniff = func(fromUE bool, d Datagram) {
		m, err := message.Decode(d.Data)
		require.NoError(t, err)
		if !fromUE && m.Exchange == message.IKE_SA_INIT && m.ResponderSPI == 0 {
			types = append(types, m.Payloads[0].(*message.Notify).Type)
			require.Zero(t, w.gw.front.HalfOpen())
		}
	}
	ue, gw := w.up(uo, g)
	require.Equal(t, []message.NotifyType{message.COOKIE, message.INVALID_KE_PAYLOAD}, types)
	sameKeys(t, ue.s, gw.s)
	require.Equal(t, suite.ECP_384, gw.s.sa.suite.Group)
}

func TestCookieJar(t *testing.T) {
	j := &cookieJar{rand: &seeded{r: newWorld(t, 1).rng}}
	j.life.Store(int64(time.Minute))
	nonce := []byte("0123456789abcdef")
	c := j.append(nil, epoch, ueAddr, 7, nonce)
	require.True(t, j.valid(epoch.Add(59*time.Second), c, ueAddr, 7, nonce))
	require.True(t, j.valid(epoch.Add(119*time.Second), c, ueAddr, 7, nonce), "with the former secret")
	require.False(t, j.valid(epoch.Add(119*time.Second), c, ueAddr2, 7, nonce))
	require.False(t, j.valid(epoch.Add(119*time.Second), c, ueAddr, 8, nonce))
	require.False(t, j.valid(epoch.Add(119*time.Second), c, ueAddr, 7, nonce[1:]))
	require.False(t, j.valid(epoch.Add(119*time.Second), c[1:], ueAddr, 7, nonce))
	require.True(t, j.valid(epoch.Add(119*time.Second), c, netip.AddrFrom16(ueAddr.As16()), 7, nonce), "an IPv6 socket shows IPv4 mapped")
	require.False(t, j.valid(epoch.Add(5*time.Minute), c, ueAddr, 7, nonce))
	future := append([]byte{j.current.Load().present.version + 1}, c[1:]...)
	require.False(t, j.valid(epoch.Add(5*time.Minute), future, ueAddr, 7, nonce))
	// Nobody asks for long: the secret of before is too old all the same.
	c = j.append(nil, epoch.Add(5*time.Minute), ueAddr, 7, nonce)
	require.False(t, j.valid(epoch.Add(7*time.Minute), c, ueAddr, 7, nonce))
}

func TestNoProposalChosen(t *testing.T) {
	w := newWorld(t, 7)
	g := pskOptions(w.rng, "gw")
	g.IKE = []message.Proposal{suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 128}, Integ: suite.AUTH_HMAC_SHA1_96, PRF: suite.PRF_HMAC_SHA1, Group: suite.MODP_2048}.Proposal(1, nil)}
	w.serve(g, authorizeAll)
	ue := w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(time.Second, nil)
	require.True(t, ue.s.Closed())
	require.Equal(t, &NotifyError{Type: message.NO_PROPOSAL_CHOSEN}, got[Closed](ue)[0].Reason)
	require.Empty(t, w.gw.nodes)
}

func TestWrongPSK(t *testing.T) {
	w := newWorld(t, 8)
	uo := pskOptions(w.rng, "ue")
	uo.Prove = psk("another")
	w.serve(pskOptions(w.rng, "gw"), authorizeAll)
	ue := w.dial(uo, wantChild(), nil)
	w.run(time.Second, nil)
	require.Equal(t, message.AUTHENTICATION_FAILED, got[Closed](ue)[0].Reason.(*NotifyError).Type)
	require.ErrorIs(t, got[Closed](w.gw.last())[0].Reason, ErrAuthentication)
	require.Empty(t, got[AuthRequest](w.gw.last()))

	// The other way round the initiator is the one who does not believe, and says so.
	w = newWorld(t, 9)
	uo = pskOptions(w.rng, "ue")
	uo.Verify = psk("another")
	w.serve(pskOptions(w.rng, "gw"), authorizeAll)
	ue = w.dial(uo, wantChild(), nil)
	w.run(time.Second, nil)
	require.ErrorIs(t, got[Closed](ue)[0].Reason, ErrAuthentication)
	require.ErrorIs(t, got[Closed](w.gw.last())[0].Reason, ErrAuthentication)
}

func TestChildRefusedIKELives(t *testing.T) {
	for name, a := range map[string]Authorization{
		"owner":     {Refuse: &NotifyError{Type: message.INTERNAL_ADDRESS_FAILURE}},
		"selectors": {LocalTS: []message.TrafficSelector{}},
		"proposal":  {ESP: []message.Proposal{suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 128}, Integ: suite.AUTH_HMAC_SHA1_96}.Proposal(1, nil)}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 10)
			w.serve(pskOptions(w.rng, "gw"), func(n *node, e Event) {
				if _, ok := e.(AuthRequest); ok {
					n.take(n.s.AuthorizeChild(w.now, a))
				}
			})
			ue := w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
			w.run(time.Second, nil)
			require.True(t, ue.s.Established())
			require.True(t, w.gw.last().s.Established())
			want := map[string]message.NotifyType{"owner": message.INTERNAL_ADDRESS_FAILURE, "selectors": message.TS_UNACCEPTABLE, "proposal": message.NO_PROPOSAL_CHOSEN}[name]
			require.Equal(t, want, got[ChildFailed](ue)[0].Err.(*NotifyError).Type)
			require.Empty(t, ue.s.Children())
			require.Empty(t, w.gw.last().s.Children())
		})
	}
}

func TestReject(t *testing.T) {
	w := newWorld(t, 10)
	w.serve(pskOptions(w.rng, "gw"), func(n *node, e Event) {
		if _, ok := e.(AuthRequest); ok {
			n.take(n.s.AuthorizeChild(w.now, Authorization{Reject: &NotifyError{Type: 15500}, Notifies: []*message.Notify{notify(55507, []byte{1, 0x41})}}))
		}
	})
	ue := w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(time.Second, nil)
	require.EqualValues(t, 15500, got[Closed](ue)[0].Reason.(*NotifyError).Type)
	require.True(t, w.gw.last().s.Closed())
}

func TestHalfOpenEnds(t *testing.T) {
	w := newWorld(t, 11)
	w.serve(pskOptions(w.rng, "gw"), authorizeAll)
	w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(time.Second, func() bool { return len(w.gw.nodes) == 1 })
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	require.Equal(t, 1, w.gw.front.HalfOpen())
	w.run(61*time.Second, nil)
	require.Equal(t, ErrHalfOpenTime, got[Closed](w.gw.last())[0].Reason)
	require.Equal(t, ErrHalfOpenTime, got[Closed](w.ue)[0].Reason)
	require.Zero(t, w.gw.front.HalfOpen())
	require.Empty(t, w.gw.front.sources)
}
