// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// What a reading of the code against the standards has found, each in as few messages as it takes.

// Who has seen the SPIs of a live IKE SA turns the direction of a message round, so that it seems to be for an SA that we
// have initiated under the peer's SPI. The gateway finds none, and what it says must not be the token of the live one.
func TestNoTokenOfLiveSAForTheOtherDirection(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		w := newWorld(t, 600)
		o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
		o.CrashSecret, g.CrashSecret = crashSecret, crashSecret
		ue, gw := w.up(o, g)
		we, _ := pick(ue, gw)
		we.take(we.s.RekeyIKE(w.now))
		w.run(time.Second, nil)
		for _, live := range []*node{ue, gw} {
			h := live.s.sa.header(message.INFORMATIONAL, false, 3) // as if it were from live, and not to it
			data, err := message.Seal(nil, h, nil, live.s.sa.out)
			require.NoError(t, err)
			spi, _ := LocalSPI(data)
			require.NotEqual(t, live.s.SPI(), spi, "its owner does not find the session")
			d := w.gw.front.Unknown(w.now, live.s.Path(), data)
			require.NotNil(t, d)
			m, err := message.Decode(d.Data)
			require.NoError(t, err)
			token := message.GetNotify(m.Payloads, message.QUICK_CRASH_DETECTION)
			require.NotNil(t, token)
			peer := gw
			if live == gw {
				peer = ue
			}
			require.NotEqual(t, peer.s.sa.peerToken, token.Data)
			require.Len(t, peer.s.sa.peerToken, len(token.Data))
		}
	})
}

// An IKE SA that a rekey has left behind still answers, with keys of which a node that takes over knows as little.
func TestResyncSkipsIVsOfEveryIKESA(t *testing.T) {
	w, ue, gw, _ := clustered(t, 601)
	ue.take(ue.s.RekeyIKE(w.now))
	w.run(5*time.Millisecond, nil)
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, !fromUE } // the old one is not deleted
	w.run(time.Second, nil)
	require.Len(t, gw.s.others, 1)
	stale := snapshot(t, gw)
	failover(t, gw, stale)
	used := gw.s.others[0].out.(*suite.Protector).IVs()
	gw.take(gw.s.Resync(w.now, Resync{}))
	require.Greater(t, gw.s.others[0].out.(*suite.Protector).IVs(), used+1<<20)
}

// Message IDs begin anew with each IKE SA, and so does what counts as a replayed synchronisation.
func TestResyncAfterRekeyOfIKESA(t *testing.T) {
	w, ue, gw, stale := clustered(t, 602)
	failover(t, gw, stale)
	gw.take(gw.s.Resync(w.now, Resync{Margin: 100000}))
	w.run(time.Second, nil)
	require.Len(t, got[Resynced](gw), 1)
	ue.take(ue.s.RekeyIKE(w.now))
	w.run(time.Second, nil)
	stale = snapshot(t, gw)
	failover(t, gw, stale)
	gw.take(gw.s.Resync(w.now, Resync{}))
	w.run(time.Second, nil)
	require.Len(t, got[Resynced](gw), 2)
}

// The news of addresses and the wish that the peer moves can be told twice, and so they are told again after a takeover.
func TestResyncRepeatsAddressesAndSwitch(t *testing.T) {
	w := newWorld(t, 603)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	bothSwitch(&o, &g)
	o.Resync, g.Resync = true, true
	tagged(&o)
	tagged(&g)
	ue, gw := w.up(o, g)
	nothing := func(bool, Path) (Path, bool) { return Path{}, false }
	for what, ask := range map[string]func(){
		"addresses": func() { gw.take(gw.s.SetAddresses(w.now, []netip.Addr{gwAddr, gwAddr2})) },
		"switch":    func() { gw.take(gw.s.SwitchTo(w.now, ap(gwAddr2, 4500))) },
	} {
		w.translate = nothing
		ask()
		w.run(time.Second, nil)
		failover(t, gw, snapshot(t, gw))
		w.translate = nil
		gw.take(gw.s.Resync(w.now, Resync{}))
		w.run(20*time.Second, nil)
		if what == "switch" {
			require.Equal(t, ap(gwAddr2, 4500), gw.s.Path().Local)
		} else {
			require.Contains(t, ue.s.PeerAddresses(), gwAddr2)
			require.NotContains(t, ue.s.PeerAddresses(), gwAddr6)
		}
	}
}

// The owner ends a session while it is being made fit for export: it says so at once.
func TestDeleteOfQuietSession(t *testing.T) {
	w := newWorld(t, 604)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	gw.take(gw.s.Quiesce(w.now))
	gw.take(gw.s.Delete(w.now))
	w.run(time.Minute, nil)
	require.True(t, gw.s.Closed())
	require.True(t, ue.s.Closed())
}

// A rekey of the IKE SA that has not begun, because the peer was busy or because others are under way, does not keep a
// session from being exported; it is due again afterwards.
func TestWaitingRekeyOfIKESALetsExport(t *testing.T) {
	w := newWorld(t, 605)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	g.Lifetime.IKE = Lifetime{Soft: time.Hour, Hard: 2 * time.Hour}
	tagged(&g)
	ue, gw := w.up(o, g)
	ue.take(ue.s.Quiesce(w.now))
	gw.take(gw.s.RekeyIKE(w.now))
	w.run(time.Second, nil)
	require.NotNil(t, gw.s.ikeRekey)
	require.Empty(t, gw.s.sa.outstanding, "it waits after TEMPORARY_FAILURE")
	gw.take(gw.s.Quiesce(w.now))
	w.run(time.Second, nil)
	require.Len(t, got[Quiescent](gw), 1)
	failover(t, gw, func() []byte {
		blob, err := gw.s.Export(w.now, &transferKey, nil)
		require.NoError(t, err)
		return blob
	}())
	ue.take(ue.s.Resume(w.now))
	w.run(time.Hour+10*time.Minute, func() bool { return len(got[SPIChanged](gw)) > 0 })
	require.Len(t, got[SPIChanged](gw), 1)
	require.True(t, ue.s.Established())
}

// The key of the rekey is still being made when the session shall be quiet.
func TestRekeyOfIKESAWhoseKeyIsMadeLetsExport(t *testing.T) {
	w := newWorld(t, 606)
	_, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	w.workDelay = 10 * time.Millisecond
	gw.take(gw.s.RekeyIKE(w.now))
	gw.take(gw.s.Quiesce(w.now))
	w.run(time.Second, nil)
	require.Len(t, got[Quiescent](gw), 1)
	gw.take(gw.s.Resume(w.now))
	gw.take(gw.s.RekeyIKE(w.now))
	w.run(time.Second, nil)
	require.Len(t, got[SPIChanged](gw), 1)
}

// What an exchange has begun its additional key exchanges end, also in a session that shall be quiet.
func TestFollowUpsOfQuietSession(t *testing.T) {
	for _, wish := range []func(s *Session, now time.Time) Output{
		func(s *Session, now time.Time) Output {
			return s.CreateChild(now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()})
		},
		func(s *Session, now time.Time) Output { return s.RekeyIKE(now) },
	} {
		w := newWorld(t, 607)
		ue, gw := followed(w, suite.ML_KEM_768)
		w.workDelay = 10 * time.Millisecond
		gw.take(wish(gw.s, w.now))
		w.run(time.Second, func() bool { return gw.s.following > 0 })
		gw.take(gw.s.Quiesce(w.now))
		require.Empty(t, got[Quiescent](gw))
		w.run(time.Second, nil)
		require.Len(t, got[Quiescent](gw), 1)
		sameKeys(t, ue.s, gw.s)
	}
}

// Every way by which a session goes to another address asks the policy, also those without UPDATE_SA_ADDRESSES.
func TestEveryNewAddressIsAskedAbout(t *testing.T) {
	forbidden := netip.MustParsePrefix("203.0.113.0/24")
	for name, change := range map[string]func(g *Options){
		"without MOBIKE":                  func(g *Options) { g.NoMOBIKE = true },
		"without MOBIKE, with proof":      func(g *Options) { g.NoMOBIKE, g.Rebind = true, RebindRoutability },
		"ESP from a network that is free": func(g *Options) { g.Rebind, g.RoutabilityExempt = RebindRoutability, []netip.Prefix{forbidden} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 608)
			ue, gw, _ := moved(w, RoutabilityBefore, func(o, g *Options) {
				change(g)
				o.HonestNAT, g.HonestNAT = true, true
				g.AcceptPath = func(_ *Session, p Path) error {
					if forbidden.Contains(p.Remote.Addr()) {
						return errors.New("forbidden")
					}
					return nil
				}
			})
			gw.s.nat = NATStatus{Supported: true, PeerBehindNAT: true}
			first := gw.s.Path()
			elsewhere := first
			elsewhere.Remote = ap(ueAddr2, 40000)
			w.translate = func(fromUE bool, p Path) (Path, bool) {
				if fromUE {
					p.Local = elsewhere.Remote
				}
				return p, fromUE || p.Remote == first.Remote
			}
			if name[0] == 'E' {
				gw.take(gw.s.Rebind(w.now, elsewhere))
			} else {
				ue.take(ue.s.Probe(w.now))
			}
			w.run(time.Second, nil)
			require.Equal(t, first, gw.s.Path())
			require.Equal(t, first, gw.s.ChildPath())
			require.Len(t, got[MoveRejected](gw), 1)
		})
	}
}

// The session ends while the key of a Child SA is being made, or its answer worked on: the owner learns what has become
// of its wish.
func TestClosedWhileChildKeyIsMade(t *testing.T) {
	for _, until := range []string{"made", "asked", "answered"} {
		w := newWorld(t, 609)
		ue, gw := followed(w)
		w.workDelay = 10 * time.Millisecond
		gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: "mine"}))
		w.run(time.Second, func() bool {
			switch until {
			case "made":
				return true
			case "asked":
				return len(gw.s.sa.outstanding) > 0
			}
			return len(gw.s.computing) > 0
		})
		ue.take(ue.s.Delete(w.now))
		gw.take(gw.s.Delete(w.now))
		w.run(time.Second, nil)
		require.Len(t, got[Closed](gw), 1, until)
		failed := got[ChildFailed](gw)
		require.Len(t, failed, 1, until)
		require.Equal(t, "mine", failed[0].Tag)
		require.Error(t, failed[0].Err)
	}
}

// A responder loses its only address, and has another one later: it goes on there.
func TestOnlyAddressIsReplaced(t *testing.T) {
	w := newWorld(t, 610)
	ue, gw, _ := moved(w, RoutabilityBefore, func(_, g *Options) { g.AdditionalAddresses = []netip.Addr{gwAddr} })
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		return p, p.Local.Addr() != gwAddr && p.Remote.Addr() != gwAddr
	}
	gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
	w.run(10*time.Second, nil)
	gw.take(gw.s.SetAddresses(w.now, []netip.Addr{gwAddr2}))
	w.run(10*time.Second, nil)
	require.Equal(t, gwAddr2, gw.s.ChildPath().Local.Addr())
	require.Contains(t, ue.s.PeerAddresses(), gwAddr2)
	require.Empty(t, gw.s.sa.outstanding)
}

// The IKE SA is rekeyed while the peer has not answered the wish that it moves: there it would mean nothing any more.
func TestSwitchDuringRekeyOfIKESA(t *testing.T) {
	w := newWorld(t, 611)
	ue, gw, _ := moved(w, RoutabilityBefore, bothSwitch)
	to := ap(gwAddr2, 4500)
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false } // lost at first
	gw.take(gw.s.SwitchTo(w.now, to))
	w.translate = nil
	ue.take(ue.s.RekeyIKE(w.now))
	w.run(5*time.Second, nil)
	require.Len(t, got[SPIChanged](gw), 1)
	require.Equal(t, []SwitchDone{{To: to, Outcome: Switched}}, got[SwitchDone](gw))
	require.Equal(t, to, gw.s.ChildPath().Local)
}

// A peer agrees to our rekey of the IKE SA with additional key exchanges, and meanwhile rekeys it itself without, and
// deletes the old one: ours is over, and the session can be handed on as before.
func TestFollowUpsOfDeletedIKESA(t *testing.T) {
	w := newWorld(t, 612)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	for _, side := range []*Options{&o, &g} {
		side.IKE = suite.WithAdditional(hybrid(w, "", suite.CURVE25519).IKE, suite.ML_KEM_768, suite.GroupNone)
		tagged(side)
	}
	ue, gw := w.up(o, g)
	gw.take(gw.s.RekeyIKE(w.now))
	w.run(5*time.Millisecond, nil)
	gw.s.ikeRekey.ni = bytes.Repeat([]byte{0xff}, 32)
	key, err := suite.GenerateKey(suite.CURVE25519, o.Rand)
	require.NoError(t, err)
	say := func(exchange message.ExchangeType, response bool, mid uint32, payloads ...message.Payload) {
		for _, d := range ue.s.seal(ue.s.sa, exchange, response, mid, payloads) {
			gw.take(gw.s.Receive(w.now, gw.s.Path(), d))
		}
	}
	exchange := func(number uint8, methods ...suite.GroupID) []message.Payload {
		offer := suite.Offer(suite.WithAdditional(hybrid(w, "", suite.CURVE25519).IKE, methods...), ue.s.newSPI().Bytes())
		offer[0].Number = number
		return []message.Payload{
			&message.SecurityAssociation{Proposals: offer[:1]}, &message.Nonce{Data: bytes.Repeat([]byte{0x77}, 32)},
			&message.KeyExchange{Group: uint16(suite.CURVE25519), Data: key.Public()},
			notify(message.ADDITIONAL_KEY_EXCHANGE, []byte{1}),
		}
	}
	w.workDelay = time.Millisecond
	mid := ue.s.sa.nextSend
	say(message.CREATE_CHILD_SA, false, mid, exchange(1)...) // is worked on while our own is answered
	gw.s.ikeRekey.peer.ni, gw.s.ikeRekey.peer.nr = make([]byte, 32), make([]byte, 32)
	say(message.CREATE_CHILD_SA, true, gw.s.sa.outstanding[0].mid, exchange(gw.s.ikeRekey.proposals[0].Number, suite.ML_KEM_768)...)
	require.Equal(t, 1, gw.s.following)
	w.run(5*time.Millisecond, nil) // our first additional key exchange is on its way
	require.Len(t, gw.s.others, 1)
	say(message.INFORMATIONAL, false, mid+1, deleteIKE())
	require.Len(t, got[SPIChanged](gw), 1)
	require.False(t, gw.s.Closed())
	require.Zero(t, gw.s.following)
	gw.take(gw.s.Quiesce(w.now))
	require.Len(t, got[Quiescent](gw), 1)
}

// Before a peer is authenticated it has one message in pieces with us, and not one of each kind of exchange.
func TestFragmentsOfStrangersAreBounded(t *testing.T) {
	w := newWorld(t, 613)
	g := pskOptions(w.rng, "gw")
	w.serve(g, authorizeAll)
	ue := w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(time.Minute, func() bool { return ue.s.state == stateAuth })
	gw := w.gw.last()
	for exchange := message.IKE_AUTH; exchange <= message.IKE_FOLLOWUP_KE; exchange++ {
		d, err := message.SealFragments(ue.s.sa.header(exchange, false, 1), []message.Payload{&message.VendorID{Data: make([]byte, 60000)}}, ue.s.sa.out, 1200)
		require.NoError(t, err)
		for _, piece := range d[1:] {
			gw.take(gw.s.Receive(w.now, gw.s.Path(), piece))
		}
		require.Equal(t, 1, gw.s.sa.fragments.Pending())
	}
	w.run(time.Minute, func() bool { return ue.s.Established() })
	require.True(t, ue.s.Established())
}

// Message IDs that a synchronisation has made large start a rekey of the IKE SA as those do that were counted.
func TestLargeMessageIDsStartARekey(t *testing.T) {
	w := newWorld(t, 614)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	ue.s.sa.nextRecv, gw.s.sa.nextSend = rekeyAtMessageID+5, rekeyAtMessageID+5
	gw.take(gw.s.Notify(w.now, nil))
	w.run(time.Second, nil)
	require.Len(t, got[SPIChanged](gw), 1)
	require.Less(t, gw.s.sa.nextSend, uint32(10))
}

// A session with many Child SAs, half of them rekeyed, can be handed on.
func TestExportOfManyChildren(t *testing.T) {
	w := newWorld(t, 615)
	_, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	for i := range 2*maxChildren - 1 {
		c, sa := *gw.s.children[0], *gw.s.children[0].sa
		sa.InboundSPI, sa.OutboundSPI, sa.Tag = 1000+uint32(i), 1000+uint32(i), nil
		c.sa, c.line = &sa, &line{out: &c}
		gw.s.children = append(gw.s.children, &c)
	}
	gw.s.children[0].sa.Tag = nil
	blob, err := gw.s.Export(w.now, &transferKey, nil)
	require.NoError(t, err)
	s, _, err := w.gw.front.Import(w.now, &transferKey, nil, blob)
	require.NoError(t, err)
	require.Len(t, s.Children(), 2*maxChildren)
}

// A stranger sends a chain with a key so long that trying a signature takes seconds: nobody tries.
func TestHugeKeysOfStrangers(t *testing.T) {
	authority, key := newCA(t), ecKey(t, elliptic.P256())
	huge := &rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 60000), big.NewInt(1)), E: 65537}
	sub := authority.sign(t, huge, &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "huge"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	rsa2048 := rsaKey(t)
	der, err := x509.CreateCertificate(crand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(8), Subject: pkix.Name{CommonName: "stranger"}, DNSNames: []string{"stranger"}, NotBefore: epoch.Add(-time.Hour),
		NotAfter: epoch.Add(time.Hour),
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "huge"}}, key.Public(), rsa2048)
	require.NoError(t, err)
	verify := func(certs ...[]byte) error {
		ctx := &AuthContext{Prover: fqdn("stranger"), Time: epoch}
		return NewCertificateVerifier(authority.cert).Verify(ctx, message.AuthECDSA256, nil, certs)
	}
	var unknown x509.UnknownAuthorityError
	err = verify(der, sub.Raw)
	require.ErrorAs(t, err, &unknown)
	require.NotContains(t, err.Error(), "candidate authority", "its signature was tried with the huge key")
	leaf := authority.sign(t, huge, &x509.Certificate{SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: "stranger"}, DNSNames: []string{"stranger"}})
	require.ErrorContains(t, verify(leaf.Raw), "60000 bits")
}

// The answer to a synchronisation gets lost, and the peer repeats its request as it was: it gets the same answer, to
// where it is now, and nothing else happens.
func TestRepeatedResyncRequest(t *testing.T) {
	w, ue, gw, stale := clustered(t, 616)
	failover(t, gw, stale)
	var request []byte
	var answers []Datagram
	w.sniff = func(fromUE bool, d Datagram) {
		if h, _ := message.DecodeHeader(d.Data); h.MessageID == 0 && h.Response() {
			answers = append(answers, d)
		} else if h.MessageID == 0 && !fromUE {
			request = d.Data
		}
	}
	gw.take(gw.s.Resync(w.now, Resync{SkipInbound: 5}))
	w.run(15*time.Millisecond, nil)
	next := ue.s.sa.nextRecv
	elsewhere := ue.s.Path()
	elsewhere.Remote = ap(gwAddr2, 4500)
	ue.take(ue.s.Receive(w.now, elsewhere, request))
	require.Len(t, answers, 2)
	require.Equal(t, answers[0].Data, answers[1].Data)
	require.Equal(t, elsewhere, answers[1].Path)
	require.Equal(t, next, ue.s.sa.nextRecv)
	require.Len(t, got[SequenceSkipped](ue), 1)
}
