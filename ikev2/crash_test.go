// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

var crashSecret = bytes.Repeat([]byte{7}, 32)

// restart is a gateway that has forgotten everything but its secret.
func (w *world) restart() {
	w.gw.front = NewResponder(w.gw.front.Options())
	w.gw.sessions = map[message.SPI]*node{}
}

func TestCrashedGateway(t *testing.T) {
	w := newWorld(t, 140)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	g.CrashSecret = crashSecret
	ue, gw := w.up(o, g)
	require.Len(t, ue.s.sa.peerToken, 32)
	require.Nil(t, gw.s.sa.peerToken)

	// Without a restart there is no answer without protection at all.
	ue.take(ue.s.Probe(w.now))
	w.run(time.Second, nil)
	require.Len(t, got[Alive](ue), 1)

	w.restart()
	start := w.now
	ue.take(ue.s.Probe(w.now))
	w.run(time.Minute, func() bool { return ue.s.Closed() })
	require.Equal(t, []Closed{{Reason: ErrPeerRestarted, ByPeer: true}}, got[Closed](ue))
	require.Less(t, w.now.Sub(start), 100*time.Millisecond, "one round trip")
}

func TestCrashedUE(t *testing.T) {
	w := newWorld(t, 141)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	o.CrashSecret = crashSecret
	ue, gw := w.up(o, g)
	front := NewResponder(o) // answers for the UE after its restart
	var sent []Datagram
	w.sniff = func(fromUE bool, d Datagram) {
		if !fromUE {
			sent = append(sent, d)
		}
	}
	gw.take(gw.s.Probe(w.now))
	d := front.Unknown(w.now, ue.s.Path(), sent[0].Data)
	require.NotNil(t, d)
	gw.take(gw.s.Receive(w.now, reverse(d.Path), d.Data))
	require.Equal(t, []Closed{{Reason: ErrPeerRestarted, ByPeer: true}}, got[Closed](gw))
}

// After a rekey of the IKE SA it is the new token that counts.
func TestCrashTokenAfterRekey(t *testing.T) {
	w := newWorld(t, 142)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	g.CrashSecret = crashSecret
	ue, gw := w.up(o, g)
	former := ue.s.sa.peerToken
	for _, n := range []*node{ue, gw} {
		n.take(n.s.RekeyIKE(w.now))
		w.run(time.Second, nil)
		require.NotEqual(t, former, ue.s.sa.peerToken)
		require.Equal(t, crashToken(crashSecret, gw.s.sa.initiator, gw.s.sa.spiI, gw.s.sa.spiR), ue.s.sa.peerToken)
		former = ue.s.sa.peerToken
	}
}

func TestCrashTokensThatDoNotCount(t *testing.T) {
	w := newWorld(t, 143)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	g.CrashSecret = crashSecret
	ue, _ := w.up(o, g)
	right := bytes.Clone(ue.s.sa.peerToken)
	wrong := bytes.Clone(right)
	wrong[31] ^= 1
	header := func(flags message.Flags) message.Header {
		return message.Header{InitiatorSPI: ue.s.sa.spiI, ResponderSPI: ue.s.sa.spiR, Exchange: message.INFORMATIONAL, Flags: flags}
	}
	token := func(data []byte) message.Payload { return notify(message.QUICK_CRASH_DETECTION, data) }
	invalid := notify(message.INVALID_IKE_SPI, nil)
	try := func(h message.Header, payloads ...message.Payload) Output {
		data, err := (&message.Message{Header: h, Payloads: payloads}).Append(nil)
		require.NoError(t, err)
		return ue.s.Receive(w.now, reverse(ue.s.Path()), data)
	}
	for name, out := range map[string]Output{
		"no token":              try(header(message.FlagResponse), invalid),
		"a wrong token":         try(header(message.FlagResponse), invalid, token(wrong)),
		"a short token":         try(header(message.FlagResponse), invalid, token(right[:16])),
		"no INVALID_IKE_SPI":    try(header(message.FlagResponse), token(right)),
		"our own direction":     try(header(message.FlagResponse|message.FlagInitiator), invalid, token(right)),
		"after too many others": try(header(message.FlagResponse), invalid, token(wrong), token(wrong), token(wrong), token(wrong), token(right)),
		"of another IKE SA": try(message.Header{InitiatorSPI: ue.s.sa.spiI, ResponderSPI: 1, Exchange: message.INFORMATIONAL, Flags: message.FlagResponse},
			invalid, token(right)),
	} {
		require.Empty(t, out.Events, name)
		require.False(t, ue.s.Closed(), name)
	}
	require.NotEmpty(t, try(header(0), invalid, token(wrong), token(right)).Events, "also unasked, for ESP that nobody knows")
	require.True(t, ue.s.Closed())

	// Tokens of other lengths than RFC 6290 4.1 has are none.
	sa := &ikeSA{}
	for _, n := range []int{0, 15, 129} {
		sa.learnToken([]*message.Notify{notify(message.QUICK_CRASH_DETECTION, make([]byte, n))})
		require.Nil(t, sa.peerToken)
	}
}

// The token of an SA that lives elsewhere would end it: with Elsewhere nobody gets it out of a node, and without it
// anybody does. That is why each node needs a secret of its own, or must know whose SPIs are whose.
func TestNoTokenForSAsElsewhere(t *testing.T) {
	w := newWorld(t, 144)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	tagged(&g)
	g.CrashSecret = crashSecret
	ue, gw := w.up(o, g)
	// An attacker who saw the SPIs asks the node that has handed the session on, or another node of the cluster.
	h := message.Header{InitiatorSPI: ue.s.sa.spiI, ResponderSPI: ue.s.sa.spiR, Exchange: message.INFORMATIONAL, Flags: message.FlagInitiator}
	data, err := message.Seal(nil, h, nil, ue.s.sa.out)
	require.NoError(t, err)
	ask := func(o Options) message.Payload {
		d := NewResponder(o).Unknown(w.now, gw.s.Path(), data)
		require.NotNil(t, d)
		m, err := message.Decode(d.Data)
		require.NoError(t, err)
		require.Equal(t, message.INVALID_IKE_SPI, m.Payloads[0].(*message.Notify).Type)
		if n := message.GetNotify(m.Payloads, message.QUICK_CRASH_DETECTION); n != nil {
			return n
		}
		return nil
	}
	require.Equal(t, ue.s.sa.peerToken, ask(g).(*message.Notify).Data, "the danger")
	g.Elsewhere = func(spi message.SPI) bool { return spi == gw.s.SPI() }
	require.Nil(t, ask(g))
	g.Elsewhere, g.CrashSecret = nil, bytes.Repeat([]byte{8}, 32)
	require.NotEqual(t, ue.s.sa.peerToken, ask(g).(*message.Notify).Data, "another node's secret")
	// What is not a protected request gets none.
	g.CrashSecret = crashSecret
	data, err = (&message.Message{Header: h}).Append(nil)
	require.NoError(t, err)
	require.Nil(t, ask(g))
}
