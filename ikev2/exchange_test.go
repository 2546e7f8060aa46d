// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// Two sessions on a network that loses, doubles and reorders, each doing all it can: at the end both agree on
// everything.
func TestBadNetwork(t *testing.T) {
	for seed := int64(1); seed <= 40; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t, seed)
			w.loss, w.dup = 0.25, 0.2
			w.delay = func() time.Duration { return time.Duration(5+w.rng.Intn(400)) * time.Millisecond }
			w.workDelay = 2 * time.Millisecond
			g := pskOptions(w.rng, "gw")
			g.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{Tag: "ue's"}, nil }
			g.Routability = Routability(seed % 3)
			o := pskOptions(w.rng, "ue")
			o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{Tag: "gw's"}, nil }
			if seed%2 == 0 {
				o.ESP = suite.WithGroups(o.ESP, suite.CURVE25519)
				g.ESP = suite.WithGroups(g.ESP, suite.CURVE25519, suite.GroupNone)
			}
			// A lost response can leave half-open sessions behind at the gateway, so several can exist.
			w.serve(g, authorizeAll)
			ue := w.dial(o, wantChild(), nil)
			var gw *node
			w.run(2*time.Minute, func() bool {
				for _, n := range w.gw.nodes {
					if n.s.Established() && ue.s.Established() {
						gw = n
						return true
					}
				}
				return false
			})
			require.NotNil(t, gw, "seed %d: %v", seed, ue.events)
			paths := []Path{uePath(ueAddr, 4500), uePath(ueAddr2, 4500), uePath(ueAddr2, 6000), uePath(ueAddr6, 4500)}
			made := 0
			for i := range 40 {
				switch w.rng.Intn(6) {
				case 0:
					gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: i}))
					made++
				case 1:
					ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: i}))
					made++
				case 2:
					ue.take(ue.s.Move(w.now, paths[w.rng.Intn(len(paths))]))
				case 3:
					ue.take(ue.s.Probe(w.now))
				case 4:
					gw.take(gw.s.Probe(w.now))
				case 5:
					if c := gw.s.Children(); len(c) > 1 {
						n := []*node{ue, gw}[w.rng.Intn(2)]
						c := n.s.Children()
						if len(c) > 0 {
							n.take(n.s.DeleteChild(w.now, c[0].InboundSPI))
						}
					}
				}
				w.run(time.Duration(w.rng.Intn(3000))*time.Millisecond, nil)
				require.False(t, ue.s.Closed() || gw.s.Closed(), "seed %d: %v %v", seed, got[Closed](ue), got[Closed](gw))
			}
			w.loss = 0
			w.run(6*time.Minute, nil)
			require.False(t, ue.s.Closed() || gw.s.Closed())
			sameKeys(t, ue.s, gw.s)
			require.Equal(t, ue.s.Path(), reverse(gw.s.Path()), "seed %d", seed)
			require.Equal(t, ue.s.ChildPath(), reverse(gw.s.ChildPath()), "seed %d", seed)
			require.Equal(t, made, len(got[ChildUp](ue))-1, "seed %d: %v %v", seed, got[ChildFailed](ue), got[ChildFailed](gw))
			require.Empty(t, ue.s.reserved)
			require.Empty(t, gw.s.reserved)
			gw.take(gw.s.Delete(w.now))
			w.run(time.Minute, nil)
			require.True(t, ue.s.Closed() && gw.s.Closed())
		})
	}
}

func TestChildFromEitherSide(t *testing.T) {
	w := newWorld(t, 20)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))

	// The gateway's own requests start with message ID 0, and carry its notifies.
	w.sniff = func(fromUE bool, d Datagram) {
		h, err := message.DecodeHeader(d.Data)
		require.NoError(t, err)
		require.Equal(t, message.CREATE_CHILD_SA, h.Exchange)
		require.EqualValues(t, 0, h.MessageID)
		require.Equal(t, fromUE, h.FromInitiator(), "the I flag is that of the IKE SA's initiator")
	}
	ue.s.opt.AcceptChild = func(_ *Session, offer *ChildOffer) (ChildAnswer, error) {
		require.EqualValues(t, 55501, offer.Notifies[0].Type)
		narrow := message.AddrSelector(47, netip.MustParseAddr("10.0.0.2"))
		return ChildAnswer{LocalTS: []message.TrafficSelector{narrow}, Tag: "user plane"}, nil
	}
	gw.take(gw.s.CreateChild(w.now, ChildRequest{
		LocalTS: anyTS(), RemoteTS: anyTS(), Notifies: []*message.Notify{notify(55501, []byte{3, 1, 0, 2})}, Tag: 5,
	}))
	w.run(time.Second, nil)
	sameKeys(t, ue.s, gw.s)
	require.Equal(t, "10.0.0.2", gw.s.Children()[1].RemoteTS[0].Start.String())
	require.Equal(t, 5, gw.s.Children()[1].Tag)
	require.Equal(t, "user plane", ue.s.Children()[1].Tag)

	// A gateway refuses children that the UE asks for.
	w.sniff = nil
	ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: 6}))
	w.run(time.Second, nil)
	require.Equal(t, ChildFailed{Tag: 6, Err: &NotifyError{Type: message.NO_ADDITIONAL_SAS}}, got[ChildFailed](ue)[0])
	require.Empty(t, ue.s.reserved)
}

func TestPFS(t *testing.T) {
	for name, row := range map[string]struct {
		mine, theirs []suite.GroupID
		want         suite.GroupID
		fails        message.NotifyType
	}{
		"same":           {mine: []suite.GroupID{suite.CURVE25519}, theirs: []suite.GroupID{suite.CURVE25519}, want: suite.CURVE25519},
		"another first":  {mine: []suite.GroupID{suite.ECP_256, suite.ECP_384}, theirs: []suite.GroupID{suite.ECP_384}, want: suite.ECP_384},
		"accepted":       {mine: []suite.GroupID{suite.MODP_2048}, want: suite.MODP_2048},
		"not wanted":     {},
		"wanted by them": {theirs: []suite.GroupID{suite.ECP_256}, fails: message.NO_PROPOSAL_CHOSEN},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 21)
			o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
			o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
			o.ESP = suite.WithGroups(o.ESP, row.theirs...)
			g.ESP = suite.WithGroups(g.ESP, row.mine...)
			ue, gw := w.up(o, g)
			require.Equal(t, suite.GroupNone, ue.s.Children()[0].Suite.Group, "none in IKE_AUTH")
			gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
			w.run(time.Second, nil)
			sameKeys(t, ue.s, gw.s)
			if row.fails != 0 {
				require.Equal(t, row.fails, got[ChildFailed](gw)[0].Err.(*NotifyError).Type)
				return
			}
			require.Len(t, gw.s.Children(), 2)
			require.Equal(t, row.want, gw.s.Children()[1].Suite.Group)
		})
	}
}

// ask sends a request of the UE with any payloads, and returns those of the response.
func ask(w *world, n *node, exchange message.ExchangeType, out ...message.Payload) (in []message.Payload) {
	w.t.Helper()
	answered := false
	n.s.begin(w.now)
	n.s.enqueue(&request{
		exchange: exchange,
		build:    func(*request) []message.Payload { return append([]message.Payload{}, out...) },
		done:     func(_ *request, got []message.Payload) { in, answered = got, true },
	}, false)
	n.take(n.s.finish())
	w.run(time.Second, func() bool { return answered })
	require.True(w.t, answered)
	return in
}

// rekeyChild plays the initiator of a rekey of the pair that c is the UE's end of, and returns the gateway's new pair.
func rekeyChild(w *world, ue, gw *node, c *ChildSA) *ChildSA {
	w.t.Helper()
	spi := uint32(0x5e5e0000) + uint32(w.rng.Intn(1000))
	ni := ue.s.nonce()
	in := ask(w, ue, message.CREATE_CHILD_SA,
		&message.Notify{Protocol: message.ProtocolESP, SPI: spiBytes(c.InboundSPI), Type: message.REKEY_SA},
		&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.ESP, spiBytes(spi))},
		&message.Nonce{Data: ni},
		&message.TSi{TrafficSelectors: c.LocalTS}, &message.TSr{TrafficSelectors: c.RemoteTS})
	require.Nil(w.t, message.ErrorNotify(in))
	mine, err := ue.s.childAnswer(in, suite.Offer(ue.s.opt.ESP, spiBytes(spi)), c.LocalTS, c.RemoteTS, false)
	require.NoError(w.t, err)
	nr, _ := message.Get[*message.Nonce](in)
	mine.InboundSPI = spi
	ue.s.childKeys(mine, nil, ni, nr.Data)
	ue.s.addChild(mine)
	up := got[ChildUp](gw)
	return up[len(up)-1].Child
}

func TestChildRekeyByPeer(t *testing.T) {
	w := newWorld(t, 22)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	old := gw.s.Children()[0]
	fresh := rekeyChild(w, ue, gw, ue.s.Children()[0])
	up := got[ChildUp](gw)[1]
	require.Equal(t, old.InboundSPI, up.Replaces)
	require.Equal(t, old.Tag, fresh.Tag, "what belongs to the pair stays with it")
	require.Equal(t, old.Suite, fresh.Suite)
	sameKeys(t, ue.s, gw.s)

	// The initiator deletes the old pair; the answer names ours of it.
	in := ask(w, ue, message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{old.OutboundSPI}})
	d, ok := message.Get[*message.Delete](in)
	require.True(t, ok)
	require.Equal(t, []uint32{old.InboundSPI}, d.SPIs)
	require.Equal(t, []ChildDown{{Child: old, ByPeer: true}}, got[ChildDown](gw))
	require.Equal(t, []*ChildSA{fresh}, gw.s.Children())
}

func TestRekeyRefusals(t *testing.T) {
	w := newWorld(t, 23)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	c := ue.s.Children()[0]
	rekey := func(spi uint32, ts []message.TrafficSelector) []message.Payload {
		return ask(w, ue, message.CREATE_CHILD_SA,
			&message.Notify{Protocol: message.ProtocolESP, SPI: spiBytes(spi), Type: message.REKEY_SA},
			&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.ESP, spiBytes(7777))},
			&message.Nonce{Data: ue.s.nonce()},
			&message.TSi{TrafficSelectors: ts}, &message.TSr{TrafficSelectors: c.RemoteTS})
	}
	n := message.ErrorNotify(rekey(0x12345678, c.LocalTS))
	require.Equal(t, &message.Notify{Protocol: message.ProtocolESP, SPI: spiBytes(0x12345678), Type: message.CHILD_SA_NOT_FOUND, Data: []byte{}}, n)
	n = message.ErrorNotify(rekey(c.InboundSPI, []message.TrafficSelector{message.AnyIPv6}))
	require.Equal(t, message.TS_UNACCEPTABLE, n.Type)

	// A pair that the gateway is deleting cannot be rekeyed (RFC 7296 2.25.1).
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
	gw.take(gw.s.DeleteChild(w.now, gw.s.Children()[0].InboundSPI))
	w.translate = nil
	n = message.ErrorNotify(rekey(c.InboundSPI, c.LocalTS))
	require.Equal(t, message.TEMPORARY_FAILURE, n.Type)
	// Deleting it as well is answered with nothing.
	in := ask(w, ue, message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{c.InboundSPI}})
	require.Empty(t, in)
	w.run(10*time.Second, nil)
	require.Len(t, got[ChildDown](gw), 1)
	require.Empty(t, gw.s.Children())
}

func TestTemporaryFailureIsRetried(t *testing.T) {
	w := newWorld(t, 24)
	o := pskOptions(w.rng, "ue")
	busy := true
	o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) {
		if busy {
			return ChildAnswer{}, &NotifyError{Type: message.TEMPORARY_FAILURE}
		}
		return ChildAnswer{}, nil
	}
	ue, gw := w.up(o, pskOptions(w.rng, "gw"))
	start := w.now
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(20*time.Second, nil)
	require.Empty(t, got[ChildFailed](gw))
	busy = false
	w.run(20*time.Second, func() bool { return len(gw.s.Children()) == 2 })
	require.Len(t, gw.s.Children(), 2)
	require.Greater(t, w.now.Sub(start), 5*time.Second)
	sameKeys(t, ue.s, gw.s)

	// A peer that never gets ready loses the session.
	busy = true
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(7*time.Minute, nil)
	require.Equal(t, ErrBusy, got[Closed](gw)[0].Reason)
	require.True(t, got[Closed](ue)[0].ByPeer)
}

func TestWindow(t *testing.T) {
	w := newWorld(t, 25)
	o := pskOptions(w.rng, "ue")
	o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
	ue, gw := w.up(o, pskOptions(w.rng, "gw"))
	for i := range 5 {
		gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: i}))
		require.Len(t, gw.s.sa.outstanding, 1)
	}
	w.run(time.Second, nil)
	require.Len(t, gw.s.Children(), 6)
	// In order of the calls.
	for i, e := range got[ChildUp](gw)[1:] {
		require.Equal(t, i, e.Child.Tag)
	}
	for _, row := range []struct{ said, window uint32 }{{4, 4}, {2, 4}, {1 << 31, maxWindow}} {
		ask(w, ue, message.INFORMATIONAL, notify(message.SET_WINDOW_SIZE, binary.BigEndian.AppendUint32(nil, row.said)))
		require.EqualValues(t, row.window, gw.s.sa.window)
	}
	for range 5 {
		gw.take(gw.s.Probe(w.now))
		gw.take(gw.s.Notify(w.now, nil, notify(60000, nil)))
	}
	require.Len(t, gw.s.sa.outstanding, 6)
}

func TestReplayedRequest(t *testing.T) {
	w := newWorld(t, 26)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	var request, response Datagram
	w.sniff = func(fromUE bool, d Datagram) {
		if fromUE {
			request = d
		} else {
			response = d
		}
	}
	ue.take(ue.s.Notify(w.now, nil, notify(60000, []byte("hello"))))
	w.run(time.Second, nil)
	require.Len(t, got[InfoReceived](gw), 1)
	require.Len(t, got[InfoDone](ue), 1)
	before := gw.s.Path()

	// The same datagram from elsewhere: the same response, bit by bit, goes there, and nothing else happens.
	elsewhere := Path{Local: ap(gwAddr, 4500), Remote: ap(ueAddr2, 999), NATT: true}
	events := len(gw.events)
	out := gw.s.Receive(w.now, elsewhere, request.Data)
	require.Equal(t, []Datagram{{Path: elsewhere, Data: response.Data}}, out.Datagrams)
	require.Empty(t, out.Events)
	require.Equal(t, events, len(gw.events))
	require.Equal(t, before, gw.s.Path())

	// Another message with the same message ID is none.
	forged := bytes.Clone(request.Data)
	forged[len(forged)-1] ^= 1
	require.Empty(t, gw.s.Receive(w.now, elsewhere, forged).Datagrams)

	// Older ones are dropped.
	ue.take(ue.s.Notify(w.now, nil, notify(60000, []byte("again"))))
	old := request
	w.run(time.Second, nil)
	ue.take(ue.s.Notify(w.now, nil, notify(60000, []byte("and again"))))
	w.run(time.Second, nil)
	require.Empty(t, gw.s.Receive(w.now, elsewhere, old.Data).Datagrams)
}

func TestForgedMessagesChangeNothing(t *testing.T) {
	w := newWorld(t, 27)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	var requests []Datagram
	w.sniff = func(fromUE bool, d Datagram) {
		if fromUE {
			requests = append(requests, d)
		}
	}
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	require.Len(t, requests, 1)
	elsewhere := Path{Local: ap(gwAddr, 4500), Remote: ap(ueAddr2, 4500), NATT: true}
	for i := range requests[0].Data {
		for _, bit := range []byte{1, 0x80} {
			forged := bytes.Clone(requests[0].Data)
			forged[i] ^= bit
			out := gw.s.Receive(w.now, elsewhere, forged)
			require.Empty(t, out.Datagrams, "octet %d", i)
			require.Empty(t, out.Events, "octet %d", i)
		}
	}
	require.Empty(t, gw.s.Receive(w.now, elsewhere, requests[0].Data[:20]).Datagrams)
	// The genuine one still works.
	require.NotEmpty(t, gw.s.Receive(w.now, elsewhere, requests[0].Data).Events)
}

func TestCriticalPayload(t *testing.T) {
	w := newWorld(t, 28)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	in := ask(w, ue, message.INFORMATIONAL,
		&message.Unknown{Type: 200, Critical: true, Body: []byte("?")}, notify(60000, nil))
	require.Len(t, in, 1)
	require.Equal(t, message.UNSUPPORTED_CRITICAL_PAYLOAD, in[0].(*message.Notify).Type)
	require.Equal(t, []byte{200}, in[0].(*message.Notify).Data)
	require.Empty(t, got[InfoReceived](gw), "nothing else of it counts")
	require.Empty(t, ask(w, ue, message.INFORMATIONAL, &message.Unknown{Type: 200, Body: []byte("?")}))
	require.True(t, gw.s.Established())
}

func TestInvalidSyntaxEndsTheSession(t *testing.T) {
	for name, out := range map[string][]message.Payload{
		"payloads missing": {&message.Nonce{Data: make([]byte, 32)}},
		"short nonce":      {&message.SecurityAssociation{}, &message.Nonce{Data: make([]byte, 8)}, &message.TSi{}, &message.TSr{}},
		"malformed":        {&message.Unknown{Type: message.PayloadNonce, Body: nil}, &message.Unknown{Type: message.PayloadKE, Body: []byte{1}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 29)
			ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
			in := ask(w, ue, message.CREATE_CHILD_SA, out...)
			require.Equal(t, message.INVALID_SYNTAX, message.ErrorNotify(in).Type)
			require.Equal(t, Closed{Reason: ErrSyntax, ByPeer: true}, got[Closed](gw)[0])
		})
	}
}

func TestDelete(t *testing.T) {
	for _, byGW := range []bool{true, false} {
		w := newWorld(t, 30)
		ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
		a, b := ue, gw
		if byGW {
			a, b = gw, ue
		}
		var last Datagram
		w.sniff = func(fromUE bool, d Datagram) {
			if fromUE != byGW {
				last = d
			}
		}
		a.take(a.s.Delete(w.now))
		w.run(time.Second, nil)
		require.Equal(t, []Closed{{Reason: ErrDeleted}}, got[Closed](a))
		require.Equal(t, []Closed{{Reason: ErrDeleted, ByPeer: true}}, got[Closed](b))
		// The answer may be lost: it is given again.
		out := b.s.Receive(w.now, last.Path, last.Data)
		require.Len(t, out.Datagrams, 1)
		require.Empty(t, out.Events)
	}
	// Both at once, and one that nobody answers.
	w := newWorld(t, 31)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	ue.take(ue.s.Delete(w.now))
	gw.take(gw.s.Delete(w.now))
	w.run(time.Second, nil)
	require.Len(t, got[Closed](ue), 1)
	require.Len(t, got[Closed](gw), 1)

	w = newWorld(t, 32)
	_, gw = w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	gw.take(gw.s.Probe(w.now))
	gw.take(gw.s.Delete(w.now))
	w.run(40*time.Second, nil)
	require.Equal(t, []Closed{{Reason: ErrDeleted}}, got[Closed](gw))
}

func TestDeadPeer(t *testing.T) {
	for _, mobike := range []bool{true, false} {
		w := newWorld(t, 33)
		g := pskOptions(w.rng, "gw")
		g.NoMOBIKE = !mobike
		g.Liveness = 20 * time.Second
		ue, gw := w.up(pskOptions(w.rng, "ue"), g)
		require.Equal(t, mobike, ue.s.MOBIKE())
		w.run(time.Minute, nil)
		require.GreaterOrEqual(t, len(got[Alive](gw)), 2)
		start := w.now
		var sent [][]byte
		w.sniff = func(fromUE bool, d Datagram) { sent = append(sent, d.Data) }
		w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
		w.run(10*time.Minute, func() bool { return gw.s.Closed() })
		require.Equal(t, []Closed{{Reason: ErrTimeout}}, got[Closed](gw))
		if mobike {
			require.Greater(t, w.now.Sub(start), 5*time.Minute, "a moving peer gets time")
		} else {
			require.Less(t, w.now.Sub(start), 4*time.Minute)
		}
		require.Greater(t, len(sent), 8)
		for _, d := range sent {
			require.Equal(t, sent[0], d, "bit-identical")
		}
	}
}

func TestInitRetransmissionsAndAttempts(t *testing.T) {
	w := newWorld(t, 34)
	var init []Datagram
	w.sniff = func(fromUE bool, d Datagram) {
		if h, _ := message.DecodeHeader(d.Data); fromUE && h.Exchange == message.IKE_SA_INIT {
			init = append(init, d)
		}
	}
	g := w.serve(pskOptions(w.rng, "gw"), authorizeAll)
	w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(time.Second, func() bool { return len(init) == 1 })
	from := reverse(init[0].Path)
	s, out, err := g.front.Init(w.now, from, init[0].Data)
	require.NoError(t, err)
	require.NotNil(t, s)
	// While the key exchange is computed there is nothing to answer.
	again, nothing, err := g.front.Init(w.now, from, init[0].Data)
	require.NoError(t, err)
	require.Nil(t, again)
	require.Empty(t, nothing.Datagrams)
	out.Work[0].Run()
	response := s.Done(w.now, out.Work[0])
	require.Len(t, response.Datagrams, 1)
	again, same, err := g.front.Init(w.now, from, init[0].Data)
	require.NoError(t, err)
	require.Nil(t, again)
	require.Equal(t, response.Datagrams[0].Data, same.Datagrams[0].Data)

	// The same SPI with another nonce and key is a new attempt, and both can go on (a UE may do just that).
	m, err := message.Decode(init[0].Data)
	require.NoError(t, err)
	n, _ := message.Get[*message.Nonce](m.Payloads)
	n.Data = bytes.Repeat([]byte{9}, 256)
	other, err := m.Append(nil)
	require.NoError(t, err)
	s2, _, err := g.front.Init(w.now, from, other)
	require.NoError(t, err)
	require.NotNil(t, s2)
	require.NotEqual(t, s.SPI(), s2.SPI())
	require.Equal(t, 2, g.front.HalfOpen())
}

func TestHalfOpenLimits(t *testing.T) {
	rng := rand.New(rand.NewSource(35))
	o := pskOptions(rng, "gw")
	o.Limits = Limits{CookieTotal: 20, CookiePerSource: 2, Total: 30, PerSource: 4, Exempt: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}
	r := NewResponder(o)
	var all []*Session
	attempt := func(from netip.Addr, cookie []byte, i int) (*Session, Output, error) {
		key, err := suite.GenerateKey(suite.ECP_256, o.Rand)
		require.NoError(t, err)
		m := message.Message{Header: message.Header{InitiatorSPI: message.SPI(i + 1), Exchange: message.IKE_SA_INIT, Flags: message.FlagInitiator}}
		if cookie != nil {
			m.Payloads = append(m.Payloads, notify(message.COOKIE, cookie))
		}
		m.Payloads = append(m.Payloads,
			&message.SecurityAssociation{Proposals: suite.Offer(o.IKE, nil)},
			&message.KeyExchange{Group: uint16(suite.ECP_256), Data: key.Public()},
			&message.Nonce{Data: bytes.Repeat([]byte{byte(i)}, 32)})
		data, err := m.Append(nil)
		require.NoError(t, err)
		s, out, err := r.Init(epoch, Path{Local: ap(gwAddr, 500), Remote: ap(from, 500)}, data)
		if s != nil {
			all = append(all, s)
		}
		return s, out, err
	}
	for i := range 2 {
		s, _, _ := attempt(ueAddr, nil, i)
		require.NotNil(t, s)
	}
	s, out, err := attempt(ueAddr, nil, 2)
	require.Nil(t, s)
	require.NoError(t, err)
	m, err := message.Decode(out.Datagrams[0].Data)
	require.NoError(t, err)
	require.Len(t, m.Payloads, 1)
	require.Zero(t, m.ResponderSPI)
	cookie := m.Payloads[0].(*message.Notify).Data
	s, _, _ = attempt(ueAddr2, cookie, 2)
	require.NotNil(t, s, "an exempt source needs none")
	s, _, _ = attempt(ueAddr, cookie, 2)
	require.NotNil(t, s)
	s, out, _ = attempt(ueAddr, cookie, 3)
	require.Nil(t, s, "the cookie is for another SPI and nonce")
	m, _ = message.Decode(out.Datagrams[0].Data)
	s, _, _ = attempt(ueAddr, m.Payloads[0].(*message.Notify).Data, 3)
	require.NotNil(t, s)
	s, out, err = attempt(ueAddr, nil, 4)
	require.Nil(t, s)
	require.ErrorIs(t, err, ErrHalfOpenLimit)
	require.Empty(t, out.Datagrams)
	// Addresses of one /64 count together.
	for i := range 6 {
		s, out, _ = attempt(netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i)), nil, 10+i)
		require.Equal(t, i < 2, s != nil)
	}
	// The exempt relay goes on until the total is reached, with cookies.
	for i := 0; err == nil || !errors.Is(err, ErrHalfOpenLimit) || i < 30; i++ {
		s, out, err = attempt(ueAddr2, nil, 100+i)
		if s == nil && err == nil {
			require.GreaterOrEqual(t, r.HalfOpen(), 20)
			m, _ := message.Decode(out.Datagrams[0].Data)
			_, _, err = attempt(ueAddr2, m.Payloads[0].(*message.Notify).Data, 100+i)
		}
	}
	require.Equal(t, 30, r.HalfOpen())
	for _, s := range all {
		s.Timeout(epoch.Add(2 * time.Minute))
	}
	require.Zero(t, r.HalfOpen())
	require.Empty(t, r.sources)
}

func TestUnknown(t *testing.T) {
	o := pskOptions(rand.New(rand.NewSource(36)), "gw")
	o.Limits.ErrorsPerSecond = 3
	r := NewResponder(o)
	h := message.Header{InitiatorSPI: 1, ResponderSPI: 2, Exchange: message.INFORMATIONAL, Flags: message.FlagInitiator, MessageID: 7}
	data, err := (&message.Message{Header: h}).Append(nil)
	require.NoError(t, err)
	path := Path{Local: ap(gwAddr, 500), Remote: ap(ueAddr, 500)}
	d := r.Unknown(epoch, path, data)
	m, err := message.Decode(d.Data)
	require.NoError(t, err)
	require.Equal(t, message.INVALID_IKE_SPI, m.Payloads[0].(*message.Notify).Type)
	require.Equal(t, message.Header{InitiatorSPI: 1, ResponderSPI: 2, Exchange: message.INFORMATIONAL, Flags: message.FlagResponse, MessageID: 7}, m.Header)
	higher := bytes.Clone(data)
	higher[17] = 0x30
	m, err = message.Decode(r.Unknown(epoch, path, higher).Data)
	require.NoError(t, err)
	require.Equal(t, message.INVALID_MAJOR_VERSION, m.Payloads[0].(*message.Notify).Type)
	response := bytes.Clone(data)
	response[19] |= byte(message.FlagResponse)
	require.Nil(t, r.Unknown(epoch, path, response), "never an answer to a response")
	require.NotNil(t, r.Unknown(epoch, path, data))
	require.Nil(t, r.Unknown(epoch, path, data), "the rate is limited")
	require.NotNil(t, r.Unknown(epoch.Add(time.Second), path, data))
}

func TestFragments(t *testing.T) {
	authority := newCA(t)
	w := newWorld(t, 37)
	w.loss, w.dup = 0.1, 0.1
	w.delay = func() time.Duration { return time.Duration(5+w.rng.Intn(50)) * time.Millisecond }
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	o.FragmentSize, g.FragmentSize = 300, 300
	o.Prove, o.Verify = authority.issue(t, rsaKey(t), "ue"), NewCertificateVerifier(authority.cert)
	g.Prove, g.Verify = authority.issue(t, rsaKey(t), "gw"), NewCertificateVerifier(authority.cert)
	fragments := 0
	w.sniff = func(_ bool, d Datagram) {
		h, err := message.Decode(d.Data)
		require.NoError(t, err)
		if h.Exchange == message.IKE_SA_INIT {
			return
		}
		require.LessOrEqual(t, len(d.Data), 300)
		if _, ok := h.Payloads[0].(*message.EncryptedFragment); ok {
			fragments++
		}
	}
	ue, gw := w.up(o, g)
	sameKeys(t, ue.s, gw.s)
	require.Greater(t, fragments, 8)
	require.Nil(t, gw.s.sa.fragments)
}

func TestLingering(t *testing.T) {
	w := newWorld(t, 38)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	gw.take(gw.s.Delete(w.now))
	w.run(time.Second, nil)
	for _, out := range []Output{
		ue.s.Probe(w.now), ue.s.Delete(w.now), ue.s.Move(w.now, uePath(ueAddr2, 1)), ue.s.Timeout(w.now.Add(time.Hour)),
		ue.s.DeleteChild(w.now, 1), ue.s.SendEAP(w.now, nil), ue.s.SetMSK(w.now, nil), ue.s.Rebind(w.now, Path{}),
		ue.s.EAPSuccess(w.now, nil, nil), ue.s.EAPFailure(w.now, nil), ue.s.AuthorizeChild(w.now, Authorization{}),
	} {
		require.Equal(t, Output{}, out)
	}
	require.Equal(t, ErrState, ue.s.CreateChild(w.now, ChildRequest{}).Events[0].(ChildFailed).Err)
	require.Equal(t, ErrState, ue.s.Notify(w.now, nil).Events[0].(InfoDone).Err)
}

func TestKeepalive(t *testing.T) {
	w := newWorld(t, 39)
	g := pskOptions(w.rng, "gw")
	g.HonestNAT = true
	w.translate = nat(ueAddr, ueAddr2, 20000)
	count := map[bool]int{}
	w.sniff = func(fromUE bool, d Datagram) {
		if d.Keepalive {
			require.Equal(t, []byte{0xff}, d.Data)
			count[fromUE]++
		}
	}
	ue, gw := w.up(pskOptions(w.rng, "ue"), g)
	require.Equal(t, NATStatus{Supported: true, BehindNAT: true}, ue.s.NAT())
	require.Equal(t, NATStatus{Supported: true, PeerBehindNAT: true}, gw.s.NAT())
	w.run(2*time.Minute, nil)
	require.Equal(t, map[bool]int{true: 6}, count)
}

// nat is a translate function: from inside in both directions behind outside, with ports from base on.
func nat(inside, outside netip.Addr, base uint16) func(fromUE bool, p Path) (Path, bool) {
	return func(fromUE bool, p Path) (Path, bool) {
		if fromUE && p.Local.Addr() == inside {
			p.Local = ap(outside, base+p.Local.Port()%1000)
			return p, true
		}
		if !fromUE && p.Remote.Addr() == outside {
			for _, port := range []uint16{500, 4500} {
				if p.Remote.Port() == base+port%1000 {
					// 500 and 4500 have the same rest: the path tells them apart.
					if p.NATT == (port == 4500) {
						p.Remote = ap(inside, port)
						return p, true
					}
				}
			}
			return p, false
		}
		return p, true
	}
}
