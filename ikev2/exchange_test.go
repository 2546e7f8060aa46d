// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

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
			require.Equal(t, Closed{Reason: ErrSyntax, ByPeer: true}, got[Closed](ue)[0], "neither side says another word (RFC 7296 2.21.3)")
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
