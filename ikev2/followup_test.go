// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// followed brings up two sides whose rekeys need these additional key exchanges.
func followed(w *world, additional ...suite.GroupID) (ue, gw *node) {
	o, g := hybrid(w, "ue", suite.CURVE25519, additional...), hybrid(w, "gw", suite.CURVE25519, additional...)
	for _, side := range []*Options{&o, &g} {
		esp := suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 256}, Group: suite.CURVE25519, Additional: suite.AdditionalKE(additional...)}
		side.ESP = []message.Proposal{esp.Proposal(0, nil)}
		side.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{Tag: "accepted"}, nil }
	}
	return w.up(o, g)
}

// New Child SAs, rekeys of Child SAs and of the IKE SA with one and two additional key exchanges, from both sides
// (RFC 9370 2.2.4).
func TestFollowUp(t *testing.T) {
	for name, additional := range map[string][]suite.GroupID{
		"one": {suite.ML_KEM_768}, "two": {suite.ML_KEM_1024, suite.ECP_256},
	} {
		t.Run(name, func(t *testing.T) {
			roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
				w := newWorld(t, 90)
				w.workDelay = 2 * time.Millisecond
				ue, gw := followed(w, additional...)
				we, peer := pick(ue, gw)
				exchanges := map[message.Header]bool{}
				w.sniff = func(_ bool, d Datagram) {
					if h, err := message.DecodeHeader(d.Data); err == nil && !h.Response() && h.Exchange == message.IKE_FOLLOWUP_KE {
						exchanges[h] = true
					}
				}
				old := we.s.Children()[0]
				for range 3 {
					we.events, peer.events = nil, nil
					we.take(we.s.RekeyChild(w.now, we.s.Children()[0].InboundSPI))
					w.run(5*time.Second, nil)
					sameKeys(t, ue.s, gw.s)
					require.Len(t, we.s.Children(), 1)
					require.NotEqual(t, old.InboundKeys, we.s.Children()[0].InboundKeys)
					require.Equal(t, suite.AdditionalKE(additional...), we.s.Children()[0].Suite.Additional)
					require.Len(t, got[ChildSwitched](we), 1)
					require.Len(t, got[ChildSwitched](peer), 1)

					spi := we.s.SPI()
					we.take(we.s.RekeyIKE(w.now))
					w.run(time.Minute, nil)
					require.NotEqual(t, spi, we.s.SPI(), "%v %v", we.events, peer.events)
					require.Equal(t, we.s.sa.keys, peer.s.sa.keys)
					require.Equal(t, suite.AdditionalKE(additional...), we.s.sa.suite.Additional)
					require.Len(t, got[SPIForgotten](we), 1)
					require.Len(t, got[SPIForgotten](peer), 1)
					require.Empty(t, we.s.followUps)
					require.Empty(t, peer.s.followUps)
					require.Zero(t, we.s.following)
					require.Empty(t, got[RekeyFailed](we))
				}
				we.take(we.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: "new"}))
				w.run(5*time.Second, nil)
				require.Len(t, we.s.Children(), 2)
				sameKeys(t, ue.s, gw.s)
				require.Len(t, exchanges, 7*len(additional), "one for each method of three times two rekeys and a new pair")
			})
		})
	}
}

// The keys by hand: SK(0) | Ni | Nr | SK(1) | ... (RFC 9370 2.2.4).
func TestFollowUpKeys(t *testing.T) {
	prf, skd := suite.PRF_HMAC_SHA2_256, []byte("SK_d")
	ike := suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}, PRF: prf, Group: suite.CURVE25519}
	seed := prf.Sum(skd, []byte("SK(0)NiNrSK(1)SK(2)"))
	want := prf.Expand(32, seed, []byte("NiNr"), message.SPI(1).Bytes(), message.SPI(2).Bytes())
	keys := suite.RekeyIKE(prf, skd, ike, []byte("SK(0)"), []byte("Ni"), []byte("Nr"), 1, 2, []byte("SK(1)"), []byte("SK(2)"))
	require.Equal(t, want, keys.D)
	esp := suite.ESP{Encr: ike.Encr}
	child := suite.NewChildKeys(prf, skd, esp, []byte("SK(0)"), []byte("Ni"), []byte("Nr"), []byte("SK(1)"))
	require.Equal(t, prf.Expand(20, skd, []byte("SK(0)NiNrSK(1)")), child.InitiatorEncr)
}

// Both sides rekey at once: one pair and one IKE SA remain, whoever's nonces win, on good and bad networks.
func TestFollowUpCollisions(t *testing.T) {
	for seed := int64(1); seed <= 60; seed++ {
		w := newWorld(t, seed)
		ue, gw := followed(w, suite.ML_KEM_768)
		w.workDelay = time.Duration(seed%4) * 4 * time.Millisecond
		if seed%2 == 0 {
			w.loss, w.dup = 0.15, 0.1
			w.delay = func() time.Duration { return time.Duration(3+w.rng.Intn(40)) * time.Millisecond }
		}
		first := ue.s.SPI()
		gap := time.Duration(seed%7) * 6 * time.Millisecond
		ikeToo := seed%3 != 0
		ue.take(ue.s.RekeyChild(w.now, ue.s.Children()[0].InboundSPI))
		if ikeToo {
			ue.take(ue.s.RekeyIKE(w.now))
		}
		w.run(gap, nil)
		if c := gw.s.Children(); len(c) > 0 {
			gw.take(gw.s.RekeyChild(w.now, c[0].InboundSPI))
		}
		if ikeToo {
			gw.take(gw.s.RekeyIKE(w.now))
		}
		w.run(4*time.Minute, nil)
		require.True(t, ue.s.Established(), "seed %d: %v", seed, ue.events)
		require.True(t, gw.s.Established(), "seed %d: %v", seed, gw.events)
		require.Len(t, ue.s.Children(), 1, "seed %d", seed)
		sameKeys(t, ue.s, gw.s)
		require.Equal(t, ue.s.sa.keys, gw.s.sa.keys, "seed %d", seed)
		require.Equal(t, sentOn(ue), map[uint32]bool{ue.s.Children()[0].InboundSPI: true}, "seed %d", seed)
		require.Equal(t, sentOn(gw), map[uint32]bool{gw.s.Children()[0].InboundSPI: true}, "seed %d", seed)
		if ikeToo {
			require.NotEqual(t, first, ue.s.SPI(), "seed %d", seed)
		}
		for _, n := range []*node{ue, gw} {
			require.Empty(t, n.s.followUps, "seed %d", seed)
			require.Zero(t, n.s.following, "seed %d", seed)
			require.Empty(t, n.s.reserved, "seed %d", seed)
			require.False(t, n.s.ikeRekey.underway(), "seed %d", seed)
		}
		ue.take(ue.s.Probe(w.now))
		w.run(30*time.Second, nil)
		require.NotEmpty(t, got[Alive](ue), "seed %d", seed)
	}
}

// After the peer began its IKE_FOLLOWUP_KE a rekey of the same SA is refused for now (RFC 9370 2.2.4).
func TestFollowUpRefusesRekey(t *testing.T) {
	w := newWorld(t, 7)
	ue, gw := followed(w, suite.ML_KEM_768)
	w.workDelay = 50 * time.Millisecond
	ue.take(ue.s.RekeyChild(w.now, ue.s.Children()[0].InboundSPI))
	w.run(time.Second, func() bool { return ue.s.following == 1 })
	answer := ask(w, gw, message.CREATE_CHILD_SA, []message.Payload{
		&message.Notify{Protocol: message.ProtocolESP, SPI: spiBytes(gw.s.Children()[0].InboundSPI), Type: message.REKEY_SA},
		&message.SecurityAssociation{Proposals: suite.Offer(gw.s.opt.ESP, spiBytes(4711))}, &message.Nonce{Data: make([]byte, 32)},
		x25519(t), &message.TSi{TrafficSelectors: anyTS()}, &message.TSr{TrafficSelectors: anyTS()},
	}...)
	require.NotNil(t, message.GetNotify(answer, message.TEMPORARY_FAILURE), "%v", answer)
	answer = ask(w, gw, message.CREATE_CHILD_SA, []message.Payload{
		&message.SecurityAssociation{Proposals: suite.Offer(gw.s.opt.IKE, message.SPI(4711).Bytes())}, &message.Nonce{Data: make([]byte, 32)}, x25519(t),
	}...)
	require.NotNil(t, message.GetNotify(answer, message.TEMPORARY_FAILURE), "%v", answer)
	w.run(10*time.Second, nil)
	require.Len(t, ue.s.Children(), 1)
	sameKeys(t, ue.s, gw.s)
}

func x25519(t *testing.T) *message.KeyExchange {
	k, err := suite.GenerateKey(suite.CURVE25519, bytes.NewReader(bytes.Repeat([]byte{9}, 32)))
	require.NoError(t, err)
	return &message.KeyExchange{Group: uint16(suite.CURVE25519), Data: k.Public()}
}

func followUpRequest(link []byte, ke *message.KeyExchange) []message.Payload {
	return []message.Payload{ke, notify(message.ADDITIONAL_KEY_EXCHANGE, link)}
}

// What a peer with the right keys can send in place of what is due.
func TestHostileFollowUp(t *testing.T) {
	key := func(g suite.GroupID) *message.KeyExchange {
		k, err := suite.GenerateKey(g, bytes.NewReader(bytes.Repeat([]byte{3}, 64)))
		require.NoError(t, err)
		return &message.KeyExchange{Group: uint16(g), Data: k.Public()}
	}
	start := func(t *testing.T) (w *world, ue, gw *node, link []byte) {
		w = newWorld(t, 11)
		ue, gw = followed(w, suite.ML_KEM_768, suite.ML_KEM_1024)
		in := ask(w, ue, message.CREATE_CHILD_SA, []message.Payload{
			&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.ESP, spiBytes(4711))}, &message.Nonce{Data: make([]byte, 32)},
			x25519(t), &message.TSi{TrafficSelectors: anyTS()}, &message.TSr{TrafficSelectors: anyTS()},
		}...)
		n := message.GetNotify(in, message.ADDITIONAL_KEY_EXCHANGE)
		require.NotNil(t, n, "%v", in)
		require.Len(t, gw.s.followUps, 1)
		require.Len(t, gw.s.Children(), 1, "nothing is up before the last one")
		return w, ue, gw, bytes.Clone(n.Data)
	}
	for name, row := range map[string]struct {
		inner func(link []byte) []message.Payload
		want  message.NotifyType
		ends  bool
	}{
		"another link":   {func([]byte) []message.Payload { return followUpRequest(make([]byte, 16), key(suite.ML_KEM_768)) }, message.STATE_NOT_FOUND, false},
		"an empty link":  {func([]byte) []message.Payload { return followUpRequest(nil, key(suite.ML_KEM_768)) }, message.STATE_NOT_FOUND, false},
		"no link":        {func([]byte) []message.Payload { return []message.Payload{key(suite.ML_KEM_768)} }, message.STATE_NOT_FOUND, false},
		"no KE payload":  {func(l []byte) []message.Payload { return followUpRequest(l, key(suite.ML_KEM_768))[1:] }, message.INVALID_SYNTAX, true},
		"the second one": {func(l []byte) []message.Payload { return followUpRequest(l, key(suite.ML_KEM_1024)) }, message.INVALID_SYNTAX, true},
		"a key too short": {func(l []byte) []message.Payload {
			return followUpRequest(l, &message.KeyExchange{Group: 36, Data: make([]byte, 1183)})
		}, message.INVALID_SYNTAX, true},
		"a key not reduced": {func(l []byte) []message.Payload {
			return followUpRequest(l, &message.KeyExchange{Group: 36, Data: bytes.Repeat([]byte{255}, 1184)})
		}, message.INVALID_SYNTAX, true},
		"an unknown critical": {func(l []byte) []message.Payload {
			return append(followUpRequest(l, key(suite.ML_KEM_768)), &message.Unknown{Type: 200, Critical: true})
		}, message.UNSUPPORTED_CRITICAL_PAYLOAD, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, ue, gw, link := start(t)
			in := ask(w, ue, message.IKE_FOLLOWUP_KE, row.inner(link)...)
			require.NotNil(t, message.GetNotify(in, row.want), "%v", in)
			require.Equal(t, row.ends, gw.s.Closed())
			if !row.ends {
				require.Len(t, gw.s.Children(), 1)
			}
		})
	}
	t.Run("the right ones, and one too many", func(t *testing.T) {
		w, ue, gw, link := start(t)
		in := ask(w, ue, message.IKE_FOLLOWUP_KE, followUpRequest(link, key(suite.ML_KEM_768))...)
		next := message.GetNotify(in, message.ADDITIONAL_KEY_EXCHANGE)
		require.NotNil(t, next)
		require.NotEqual(t, link, next.Data)
		in = ask(w, ue, message.IKE_FOLLOWUP_KE, followUpRequest(link, key(suite.ML_KEM_1024))...)
		require.NotNil(t, message.GetNotify(in, message.STATE_NOT_FOUND), "the former link does not count again")
		in = ask(w, ue, message.IKE_FOLLOWUP_KE, followUpRequest(next.Data, key(suite.ML_KEM_1024))...)
		require.Nil(t, message.GetNotify(in, message.ADDITIONAL_KEY_EXCHANGE))
		require.Len(t, gw.s.Children(), 2)
		in = ask(w, ue, message.IKE_FOLLOWUP_KE, followUpRequest(next.Data, key(suite.ML_KEM_1024))...)
		require.NotNil(t, message.GetNotify(in, message.STATE_NOT_FOUND))
	})
	t.Run("too late", func(t *testing.T) {
		w, ue, gw, link := start(t)
		require.Len(t, gw.s.reserved, 1)
		w.run(followUpTime+time.Second, nil)
		require.Empty(t, gw.s.followUps)
		require.Empty(t, gw.s.reserved, "its SPI is given back")
		in := ask(w, ue, message.IKE_FOLLOWUP_KE, followUpRequest(link, key(suite.ML_KEM_768))...)
		require.NotNil(t, message.GetNotify(in, message.STATE_NOT_FOUND))
	})
	t.Run("many begun and none ended", func(t *testing.T) {
		w, ue, gw, _ := start(t)
		var in []message.Payload
		for range maxFollowUps {
			in = ask(w, ue, message.CREATE_CHILD_SA, []message.Payload{
				&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.ESP, spiBytes(4712))}, &message.Nonce{Data: make([]byte, 32)},
				x25519(t), &message.TSi{TrafficSelectors: anyTS()}, &message.TSr{TrafficSelectors: anyTS()},
			}...)
		}
		require.NotNil(t, message.GetNotify(in, message.TEMPORARY_FAILURE))
		require.Len(t, gw.s.followUps, maxFollowUps)
		require.Len(t, gw.s.reserved, maxFollowUps)
	})
	t.Run("a rekey of the IKE SA begun again", func(t *testing.T) {
		w, ue, gw, _ := start(t)
		for range 3 {
			in := ask(w, ue, message.CREATE_CHILD_SA, []message.Payload{
				&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.IKE, message.SPI(4711).Bytes())}, &message.Nonce{Data: make([]byte, 32)}, x25519(t),
			}...)
			require.NotNil(t, message.GetNotify(in, message.ADDITIONAL_KEY_EXCHANGE))
			require.Len(t, gw.s.followUps, 2)
		}
		// Meanwhile what is no child still goes, and what is one waits.
		gw.take(gw.s.Probe(w.now))
		gw.take(gw.s.RekeyChild(w.now, gw.s.Children()[0].InboundSPI))
		w.run(time.Second, nil)
		require.Len(t, got[Alive](gw), 1)
		require.Empty(t, got[ChildUp](gw)[1:])
		w.run(followUpTime+time.Minute, nil)
		require.Len(t, got[ChildUp](gw), 2, "the rekey went through after the peer had given up")
	})
}

// A responder that forgets: the rekey starts over, once.
func TestFollowUpStateLost(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		for _, ike := range []bool{false, true} {
			w := newWorld(t, 12)
			ue, gw := followed(w, suite.ML_KEM_768)
			we, peer := pick(ue, gw)
			lost := 0
			forget := func(times int) func() bool {
				return func() bool {
					if len(peer.s.followUps) > 0 && lost < times {
						peer.s.dropFollowUps(func(*followUp) bool { return true })
						lost++
					}
					return false
				}
			}
			old, spi := we.s.Children()[0], we.s.SPI()
			if ike {
				we.take(we.s.RekeyIKE(w.now))
			} else {
				we.take(we.s.RekeyChild(w.now, old.InboundSPI))
			}
			w.run(time.Minute, forget(1))
			require.Equal(t, 1, lost)
			require.Empty(t, got[RekeyFailed](we))
			require.Equal(t, ike, spi != we.s.SPI())
			require.Equal(t, !ike, old != we.s.Children()[0])
			sameKeys(t, ue.s, gw.s)

			lost = 0
			if ike {
				we.take(we.s.RekeyIKE(w.now))
			} else {
				we.take(we.s.RekeyChild(w.now, we.s.Children()[0].InboundSPI))
			}
			w.run(time.Minute, forget(2))
			require.Equal(t, 2, lost)
			require.Len(t, got[RekeyFailed](we), 1)
			require.True(t, ue.s.Established())
			sameKeys(t, ue.s, gw.s)
		}
	})
}

// What an initiator does with bad answers: the rekey fails, the SA stays.
func TestHostileFollowUpResponse(t *testing.T) {
	for name, inner := range map[string][]message.Payload{
		"a ciphertext too short": {&message.KeyExchange{Group: 36, Data: make([]byte, 1087)}},
		"another method":         {&message.KeyExchange{Group: 37, Data: make([]byte, 1568)}},
		"nothing":                {notify(message.MOBIKE_SUPPORTED, nil)},
		"an error":               {notify(message.NO_PROPOSAL_CHOSEN, nil)},
		"no link to the next":    {&message.KeyExchange{Group: 36, Data: make([]byte, 1088)}},
		"a link too long":        {&message.KeyExchange{Group: 36, Data: make([]byte, 1088)}, notify(message.ADDITIONAL_KEY_EXCHANGE, make([]byte, maxLink+1))},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 13)
			ue, gw := followed(w, suite.ML_KEM_768, suite.ML_KEM_1024)
			ue.take(ue.s.RekeyChild(w.now, ue.s.Children()[0].InboundSPI))
			w.run(time.Second, func() bool {
				return len(ue.s.sa.outstanding) == 1 && ue.s.sa.outstanding[0].exchange == message.IKE_FOLLOWUP_KE
			})
			w.wire = nil
			for _, d := range gw.s.seal(gw.s.sa, message.IKE_FOLLOWUP_KE, true, ue.s.sa.outstanding[0].mid, inner) {
				ue.take(ue.s.Receive(w.now, reverse(gw.s.Path()), d))
			}
			w.run(time.Second, nil)
			require.Len(t, got[RekeyFailed](ue), 1)
			require.Len(t, ue.s.Children(), 1)
			require.Empty(t, ue.s.reserved)
			require.Zero(t, ue.s.following)
			require.True(t, ue.s.Established())
		})
	}
}

// The UE moves while both sides rekey the IKE SA and its own rekey only waits for the additional key exchange of the
// peer's, which goes to where the UE was: the update is not kept back, and both come to their end.
func TestMoveDuringFollowUpCollision(t *testing.T) {
	for seed := int64(1); seed <= 40; seed++ {
		w := newWorld(t, seed)
		ue, gw := followed(w, suite.ML_KEM_768)
		first := ue.s.SPI()
		ue.take(ue.s.RekeyIKE(w.now))
		w.run(time.Duration(seed%4)*3*time.Millisecond, nil)
		gw.take(gw.s.RekeyIKE(w.now))
		w.run(time.Duration(seed)*time.Millisecond, nil)
		to := uePath(ueAddr2, 4500)
		w.translate = func(_ bool, p Path) (Path, bool) { return p, p.Remote.Addr() != ueAddr && p.Local.Addr() != ueAddr }
		ue.take(ue.s.Move(w.now, to))
		w.run(20*time.Second, nil)
		require.Equal(t, reverse(to), gw.s.ChildPath(), "seed %d", seed)
		require.NotEqual(t, first, ue.s.SPI(), "seed %d", seed)
		require.Equal(t, ue.s.sa.keys, gw.s.sa.keys, "seed %d", seed)
		sameKeys(t, ue.s, gw.s)
	}
}
