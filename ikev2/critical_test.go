// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

var (
	strange  = &message.Unknown{Type: 200, Critical: true}
	harmless = &message.Unknown{Type: 200}
)

// An unknown critical payload in a request is answered with its type, and nothing of the request is done (RFC 7296 2.5).
func TestCriticalPayloadInRequests(t *testing.T) {
	for _, exchange := range []message.ExchangeType{message.CREATE_CHILD_SA, message.INFORMATIONAL} {
		for _, byUE := range []bool{true, false} {
			w := newWorld(t, 170)
			ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
			from, to := ue, gw
			if !byUE {
				from, to = gw, ue
			}
			in := ask(w, from, exchange, deleteIKE(), strange)
			require.Len(t, in, 1)
			require.Equal(t, notify(message.UNSUPPORTED_CRITICAL_PAYLOAD, []byte{200}).Data, in[0].(*message.Notify).Data)
			require.Equal(t, message.UNSUPPORTED_CRITICAL_PAYLOAD, in[0].(*message.Notify).Type)
			require.True(t, to.s.Established(), "the Delete beside it was not done")
			// Without the critical bit, and for a known type with it, it means nothing.
			require.Empty(t, ask(w, from, message.INFORMATIONAL, harmless))
			require.True(t, to.s.Established())
		}
	}
}

func TestCriticalPayloadInIKEAuth(t *testing.T) {
	w := newWorld(t, 171)
	w.serve(pskOptions(w.rng, "gw"), authorizeAll)
	ue := w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(time.Second, func() bool { return ue.s.state == stateAuth })
	w.wire = nil // its own request
	gw := w.gw.last()
	d := ue.s.seal(ue.s.sa, message.IKE_AUTH, false, 1, []message.Payload{strange})
	gw.take(gw.s.Receive(w.now, gw.s.Path(), d[0]))
	require.True(t, gw.s.Closed())
	require.Empty(t, got[AuthRequest](gw))
	w.run(time.Second, nil)
	require.Equal(t, &NotifyError{Type: message.UNSUPPORTED_CRITICAL_PAYLOAD, Data: []byte{200}}, got[Closed](ue)[0].Reason)
	require.Zero(t, w.gw.front.HalfOpen())
}

func TestCriticalPayloadInInit(t *testing.T) {
	w := newWorld(t, 172)
	g := pskOptions(w.rng, "gw")
	r := NewResponder(g)
	p := newSpoofed(t, g)
	from, data := p.next()
	path := Path{Local: ap(gwAddr, 500), Remote: from}
	m, err := message.Decode(bytes.Clone(data))
	require.NoError(t, err)
	m.Payloads = append(m.Payloads, strange)
	data, err = m.Append(nil)
	require.NoError(t, err)
	s, out, err := r.Init(epoch, path, data)
	require.Nil(t, s)
	require.Error(t, err)
	m, err = message.Decode(out.Datagrams[0].Data)
	require.NoError(t, err)
	require.Equal(t, []message.Payload{&message.Notify{SPI: []byte{}, Type: message.UNSUPPORTED_CRITICAL_PAYLOAD, Data: []byte{200}}}, m.Payloads)
	require.Zero(t, m.ResponderSPI)
	require.Zero(t, r.HalfOpen())
}

// In a response there is nobody to tell: the exchange has failed, and with it the IKE SA; one that is not protected is
// anybody's and means nothing.
func TestCriticalPayloadInResponses(t *testing.T) {
	for _, byUE := range []bool{true, false} {
		w := newWorld(t, 173)
		ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
		from, to := ue, gw
		if !byUE {
			from, to = gw, ue
		}
		w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
		to.take(to.s.Notify(w.now, "asked"))
		h := from.s.sa.header(message.INFORMATIONAL, true, to.s.sa.outstanding[0].mid)
		plain, err := (&message.Message{Header: h, Payloads: []message.Payload{strange}}).Append(nil)
		require.NoError(t, err)
		to.take(to.s.Receive(w.now, to.s.Path(), plain))
		require.True(t, to.s.Established())
		require.Empty(t, got[InfoDone](to))
		sealed, err := message.Seal(nil, h, []message.Payload{strange}, from.s.sa.out)
		require.NoError(t, err)
		sent := len(w.wire)
		to.take(to.s.Receive(w.now, to.s.Path(), sealed))
		require.True(t, to.s.Closed())
		require.ErrorIs(t, got[InfoDone](to)[0].Err, ErrSyntax)
		require.Len(t, w.wire, sent, "no message in reaction to a response")
	}
	// An IKE_SA_INIT response with one is not believed, and the real one still counts.
	w := newWorld(t, 174)
	w.serve(pskOptions(w.rng, "gw"), authorizeAll)
	ue := w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(time.Millisecond, nil)
	data, err := (&message.Message{
		Header: message.Header{InitiatorSPI: ue.s.sa.spiI, Exchange: message.IKE_SA_INIT, Flags: message.FlagResponse}, Payloads: []message.Payload{strange},
	}).Append(nil)
	require.NoError(t, err)
	ue.take(ue.s.Receive(w.now, reverse(w.path), data))
	w.run(time.Second, nil)
	require.True(t, ue.s.Established())
}

// INITIAL_CONTACT reaches the owner with the proof of who says it, and not otherwise: else anybody could end the other
// sessions of anybody.
func TestInitialContactAfterAuthenticationOnly(t *testing.T) {
	for name, secret := range map[string]string{"proven": "a shared secret", "forged": "a guess"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 175)
			o := pskOptions(w.rng, "ue")
			o.Prove = psk(secret)
			want := wantChild()
			want.InitialContact = true
			w.serve(pskOptions(w.rng, "gw"), authorizeAll)
			ue := w.dial(o, want, nil)
			w.run(time.Second, nil)
			gw := w.gw.last()
			if name == "forged" {
				require.Empty(t, got[AuthRequest](gw))
				require.Empty(t, got[Established](gw))
				require.True(t, gw.s.Closed())
				return
			}
			require.True(t, got[AuthRequest](gw)[0].InitialContact)
			// Later it means nothing any more (RFC 7296 2.4).
			ue.take(ue.s.Notify(w.now, nil, notify(message.INITIAL_CONTACT, nil)))
			w.run(time.Second, nil)
			require.Len(t, got[AuthRequest](gw), 1)
			require.True(t, gw.s.Established())
		})
	}
	// With EAP it comes in the first request, before anything is proven.
	w := newWorld(t, 176)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	g.EAP, g.Verify, o.EAP, o.Prove = true, nil, true, nil
	want := wantChild()
	want.InitialContact = true
	owner := eapOwner(2, []byte("msk"), true)
	w.serve(g, func(n *node, e Event) {
		if start, ok := e.(EAPStart); ok {
			require.False(t, n.s.Established())
			require.Equal(t, fqdn("ue"), start.Peer)
		}
		owner(n, e)
	})
	w.dial(o, want, eapPeer([]byte("msk")))
	w.run(5*time.Second, nil)
	all := got[AuthRequest](w.gw.last())
	require.Len(t, all, 1)
	require.True(t, all[0].InitialContact)
	// Nobody said it.
	w = newWorld(t, 178)
	_, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	require.False(t, got[AuthRequest](gw)[0].InitialContact)
}

// What a peer that is not authenticated yet makes us keep is bounded, however many messages it sends.
func TestHandshakeKeepsLittle(t *testing.T) {
	w := newWorld(t, 177)
	g := pskOptions(w.rng, "gw")
	g.EAP = true
	w.serve(g, eapOwner(1000, []byte("msk"), true))
	ue := w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(time.Second, func() bool { return ue.s.state == stateAuth })
	w.wire = nil
	gw := w.gw.last()
	junk := []message.Payload{&message.IDi{Identification: *fqdn("ue").payload()}}
	for range 20 {
		junk = append(junk, notify(50000, make([]byte, 1000)), &message.Certificate{Encoding: message.CertX509Signature, Data: make([]byte, 1000)})
	}
	for mid := uint32(1); mid < 40; mid++ {
		for _, d := range ue.s.seal(ue.s.sa, message.IKE_AUTH, false, mid, junk) {
			gw.take(gw.s.Receive(w.now, gw.s.Path(), d))
		}
		if mid == 1 {
			junk = append(junk, &message.EAP{Packet: []byte{2, 1, 0, 6, 254, 1}})
		}
		w.run(10*time.Millisecond, nil)
	}
	require.False(t, gw.s.Closed(), "%v", got[Closed](gw))
	kept := 0
	for _, n := range gw.s.hs.notifies {
		kept += cap(n.Data)
	}
	for _, c := range gw.s.hs.peerCerts {
		kept += cap(c)
	}
	require.NotZero(t, kept)
	require.LessOrEqual(t, kept, maxKept)
}
