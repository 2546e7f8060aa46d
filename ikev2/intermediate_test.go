// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"crypto/elliptic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// hybrid returns options whose only IKE proposal has these additional key exchanges.
func hybrid(w *world, id string, group suite.GroupID, additional ...suite.GroupID) Options {
	o := pskOptions(w.rng, id)
	ike := suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 256}, PRF: suite.PRF_HMAC_SHA2_384, Group: group,
		Additional: suite.AdditionalKE(additional...)}
	o.IKE = []message.Proposal{ike.Proposal(1, nil)}
	return o
}

// wireCounts counts the messages of each exchange that the UE sent, and its largest datagram.
type wireCounts struct {
	requests map[message.ExchangeType]map[uint32]bool
	largest  int
}

func (c *wireCounts) watch(w *world) {
	c.requests = map[message.ExchangeType]map[uint32]bool{}
	w.sniff = func(fromUE bool, d Datagram) {
		h, err := message.DecodeHeader(d.Data)
		if err != nil || d.Keepalive {
			return
		}
		c.largest = max(c.largest, len(d.Data))
		if fromUE && !h.Response() {
			if c.requests[h.Exchange] == nil {
				c.requests[h.Exchange] = map[uint32]bool{}
			}
			c.requests[h.Exchange][h.MessageID] = true
		}
	}
}

func TestAdditionalKeyExchanges(t *testing.T) {
	k768, k1024 := suite.ML_KEM_768, suite.ML_KEM_1024
	for name, row := range map[string]struct {
		group      suite.GroupID
		additional []suite.GroupID
	}{
		"X25519 and ML-KEM-768":          {suite.CURVE25519, []suite.GroupID{k768}},
		"X25519 and ML-KEM-1024":         {suite.CURVE25519, []suite.GroupID{k1024}},
		"P-256 and ML-KEM-768":           {suite.ECP_256, []suite.GroupID{k768}},
		"P-384 and ML-KEM-1024":          {suite.ECP_384, []suite.GroupID{k1024}},
		"X25519, both ML-KEMs and P-256": {suite.CURVE25519, []suite.GroupID{k768, k1024, suite.ECP_256}},
		"ML-KEM-768 first, then X25519":  {k768, []suite.GroupID{suite.CURVE25519}},
		"a gap: ADDKE1 and ADDKE3":       {suite.CURVE25519, []suite.GroupID{k768, 0, k1024}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.workDelay = time.Millisecond
			var wire wireCounts
			wire.watch(w)
			o, g := hybrid(w, "ue", row.group, row.additional...), hybrid(w, "gw", row.group, row.additional...)
			ue, gw := w.up(o, g)
			sameKeys(t, ue.s, gw.s)
			require.Equal(t, suite.AdditionalKE(row.additional...), gw.s.sa.suite.Additional)
			n := len(gw.s.sa.suite.Additional.Methods())
			require.Len(t, wire.requests[message.IKE_INTERMEDIATE], n)
			require.True(t, wire.requests[message.IKE_AUTH][uint32(n)+1], "IKE_AUTH follows with the next message ID")
			require.Equal(t, ue.s.sa.keys, gw.s.sa.keys)
			// Everything after goes under the new keys.
			ue.take(ue.s.Probe(w.now))
			w.run(time.Second, nil)
			require.Len(t, got[Alive](ue), 1)
		})
	}
}

// keyEpochs collects the keys of the IKE SA, the older ones first.
type keyEpochs struct{ keys []*suite.IKEKeys }

func (k *keyEpochs) IKE(_, _ message.SPI, _ suite.IKE, keys *suite.IKEKeys) {
	k.keys = append(k.keys, keys)
}
func (k *keyEpochs) Child(*ChildSA) {}

// IntAuth and both AUTH payloads computed here from what went over the wire (RFC 9242 3.3.2), each side splitting its
// messages in its own way.
func TestIntAuthByHand(t *testing.T) {
	w := newWorld(t, 5)
	o, g := hybrid(w, "ue", suite.CURVE25519, suite.ML_KEM_768, suite.ML_KEM_1024), hybrid(w, "gw", suite.CURVE25519, suite.ML_KEM_768, suite.ML_KEM_1024)
	o.FragmentSize, g.FragmentSize = 500, 1000
	var epochs keyEpochs
	g.KeyLog = &epochs
	var sent [2][][]byte // by the UE, by the gateway
	w.sniff = func(fromUE bool, d Datagram) {
		i := 1
		if fromUE {
			i = 0
		}
		sent[i] = append(sent[i], bytes.Clone(d.Data))
	}
	ue, _ := w.up(o, g)
	require.Len(t, epochs.keys, 3)
	ike := ue.s.sa.suite
	// content returns the decrypted inner payloads of a side's message.
	content := func(side int, mid uint32) []byte {
		keys := epochs.keys[min(int(mid)-1, 2)]
		_, open, err := keys.Protectors(ike, side == 1, nil)
		require.NoError(t, err)
		var r message.Reassembler
		for _, d := range sent[side] {
			m, err := message.Decode(d)
			require.NoError(t, err)
			if m.MessageID != mid {
				continue
			}
			switch p := m.Payloads[0].(type) {
			case *message.Encrypted:
				plain, err := p.Decrypt(open)
				require.NoError(t, err)
				return plain
			case *message.EncryptedFragment:
				plain, err := p.Decrypt(open)
				require.NoError(t, err)
				if _, whole, complete := r.Add(epoch, m.Header, p, plain); complete {
					return whole
				}
			}
		}
		require.Fail(t, "no such message")
		return nil
	}
	prf := ike.PRF
	var chain [2][]byte
	for mid := uint32(1); mid <= 2; mid++ {
		for side, flags := range []byte{0x08, 0x20} {
			inner := content(side, mid)
			total := 28 + 4 + len(inner)
			b := append(ue.s.sa.spiI.Bytes(), ue.s.sa.spiR.Bytes()...)
			b = append(b, 46, 0x20, 43, flags, 0, 0, 0, byte(mid), 0, 0, byte(total>>8), byte(total))
			b = append(b, 34, 0, byte((total-28)>>8), byte(total-28))
			key := [2][]byte{epochs.keys[mid-1].PI, epochs.keys[mid-1].PR}[side]
			chain[side] = prf.Sum(key, chain[side], b, inner)
		}
	}
	intAuth := append(append(bytes.Clone(chain[0]), chain[1]...), 0, 0, 0, 3)

	nonce := func(init []byte) []byte {
		m, err := message.Decode(init)
		require.NoError(t, err)
		n, _ := message.Get[*message.Nonce](m.Payloads)
		return n.Data
	}
	for side, first := range []message.PayloadType{message.PayloadIDi, message.PayloadIDr} {
		in, err := message.DecodePayloads(first, content(side, 3))
		require.NoError(t, err)
		auth, ok := message.Get[*message.Authentication](in)
		require.True(t, ok)
		id, key := []byte("\x02\x00\x00\x00ue"), epochs.keys[2].PI
		if side == 1 {
			id, key = []byte("\x02\x00\x00\x00gw"), epochs.keys[2].PR
		}
		want := prf.Sum(prf.Sum([]byte("a shared secret"), []byte("Key Pad for IKEv2")), sent[side][0], nonce(sent[1-side][0]), prf.Sum(key, id), intAuth)
		require.Equal(t, want, auth.Data, "side %d", side)
	}
}

// The negotiation (RFC 9370 2.2.1): with a peer that does not know it, with an optional one, and with no way.
func TestAdditionalKeyExchangeNegotiation(t *testing.T) {
	classic := suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 256}, PRF: suite.PRF_HMAC_SHA2_256, Group: suite.CURVE25519}
	optional := suite.WithAdditional([]message.Proposal{classic.Proposal(0, nil)}, suite.ML_KEM_768, suite.GroupNone)
	for name, row := range map[string]struct {
		ue, gw []message.Proposal
		want   suite.Additional
		fails  bool
	}{
		"both can":                   {suite.HybridPQ().IKE, suite.HybridPQ().IKE, suite.AdditionalKE(suite.ML_KEM_768), false},
		"the responder cannot":       {suite.HybridPQ().IKE, suite.Default().IKE, suite.Additional{}, false},
		"the initiator cannot":       {suite.Default().IKE, suite.HybridPQ().IKE, suite.Additional{}, false},
		"optional, and done":         {optional, suite.HybridPQ().IKE, suite.AdditionalKE(suite.ML_KEM_768), false},
		"optional, and left out":     {optional, suite.Default().IKE, suite.Additional{}, false},
		"the responder insists":      {suite.Default().IKE, suite.CNSA2().IKE, suite.Additional{}, true},
		"the initiator insists":      {suite.CNSA2().IKE, suite.Default().IKE, suite.Additional{}, true},
		"CNSA without ML-KEM":        {suite.WithoutAdditional(suite.CNSA().IKE), suite.CNSA().IKE, suite.Additional{}, false},
		"CNSA with ML-KEM":           {suite.CNSA2().IKE, suite.CNSA().IKE, suite.AdditionalKE(suite.ML_KEM_1024), false},
		"hybrid with another choice": {suite.CNSA2().IKE, suite.HybridPQ().IKE, suite.AdditionalKE(suite.ML_KEM_1024), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2)
			o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
			o.IKE, g.IKE = row.ue, row.gw
			if row.fails {
				w.serve(g, authorizeAll)
				ue := w.dial(o, wantChild(), nil)
				w.run(time.Minute, nil)
				require.Equal(t, message.NO_PROPOSAL_CHOSEN, got[Closed](ue)[0].Reason.(*NotifyError).Type)
				require.Empty(t, w.gw.nodes)
				return
			}
			ue, gw := w.up(o, g)
			sameKeys(t, ue.s, gw.s)
			require.Equal(t, row.want, gw.s.sa.suite.Additional)
			require.Equal(t, row.want, ue.s.sa.suite.Additional)
		})
	}
}

// An initiator that offers additional key exchanges without INTERMEDIATE_EXCHANGE_SUPPORTED gets none, and a responder
// that takes one without it is not believed.
func TestIntermediateMustBeAnnounced(t *testing.T) {
	for _, fromUE := range []bool{true, false} {
		w := newWorld(t, 1)
		o, g := hybrid(w, "ue", suite.CURVE25519, suite.ML_KEM_768), hybrid(w, "gw", suite.CURVE25519, suite.ML_KEM_768)
		w.serve(g, authorizeAll)
		w.rewrite = func(ue bool, data []byte) []byte {
			m, err := message.Decode(data)
			if err != nil || m.Exchange != message.IKE_SA_INIT || ue != fromUE {
				return data
			}
			var kept []message.Payload
			for _, p := range m.Payloads {
				if n, ok := p.(*message.Notify); !ok || n.Type != message.INTERMEDIATE_EXCHANGE_SUPPORTED {
					kept = append(kept, p)
				}
			}
			m.Payloads = kept
			out, err := m.Append(nil)
			require.NoError(t, err)
			return out
		}
		ue := w.dial(o, wantChild(), nil)
		w.run(2*time.Minute, nil)
		require.False(t, ue.s.Established())
		require.Len(t, got[Closed](ue), 1)
		if fromUE {
			require.Empty(t, w.gw.nodes)
		}
	}
}

// IKE_INTERMEDIATE over a network that loses, repeats and reorders, split small, with certificates and EAP.
func TestIntermediateOnABadNetwork(t *testing.T) {
	authority := newCA(t)
	for seed := int64(1); seed <= 12; seed++ {
		w := newWorld(t, seed)
		w.loss, w.dup = 0.2, 0.2
		w.delay = func() time.Duration { return time.Duration(5+w.rng.Intn(60)) * time.Millisecond }
		w.workDelay = 3 * time.Millisecond
		o, g := hybrid(w, "ue", suite.CURVE25519, suite.ML_KEM_768, suite.ML_KEM_1024), hybrid(w, "gw", suite.CURVE25519, suite.ML_KEM_768, suite.ML_KEM_1024)
		o.FragmentSize, g.FragmentSize = 400, 500
		o.Window, g.Window = int(seed%3), int(seed%4)
		o.Retransmit.First, g.Retransmit.First = 200*time.Millisecond, 200*time.Millisecond
		on := authorizeAll
		switch seed % 3 {
		case 1:
			o.Prove, o.Verify = authority.issue(t, ecKey(t, elliptic.P256()), "ue"), NewCertificateVerifier(authority.cert)
			g.Prove, g.Verify = authority.issue(t, ecKey(t, elliptic.P384()), "gw"), o.Verify
		case 2:
			g.EAP, g.Verify = true, nil
			g.Prove = authority.issue(t, ecKey(t, elliptic.P256()), "gw")
			o.EAP, o.Prove, o.Verify = true, nil, NewCertificateVerifier(authority.cert)
			on = eapOwner(2, []byte("msk"), true)
		}
		w.serve(g, on)
		var peer func(n *node, e Event)
		if o.EAP {
			peer = eapPeer([]byte("msk"))
		}
		ue := w.dial(o, wantChild(), peer)
		w.run(time.Minute, func() bool { return ue.s.Established() })
		require.True(t, ue.s.Established(), "seed %d: %v", seed, ue.events)
		i := len(w.gw.nodes) - 1
		for ; i > 0 && !w.gw.nodes[i].s.Established(); i-- { // others are of repeated IKE_SA_INIT requests
		}
		w.run(time.Minute, func() bool { return w.gw.nodes[i].s.Established() })
		sameKeys(t, ue.s, w.gw.nodes[i].s)
	}
}

// A path that carries only small datagrams: the response of an IKE_INTERMEDIATE that was lost is split anew under the
// keys of its own exchange, although the responder has others by then.
func TestIntermediateSplitAnew(t *testing.T) {
	w := newWorld(t, 1)
	o, g := hybrid(w, "ue", suite.CURVE25519, suite.ML_KEM_768), hybrid(w, "gw", suite.CURVE25519, suite.ML_KEM_768)
	w.rewrite = func(_ bool, data []byte) []byte {
		if h, _ := message.DecodeHeader(data); len(data) > 600 && h.Exchange == message.IKE_INTERMEDIATE {
			return nil
		}
		return data
	}
	ue, gw := w.up(o, g)
	sameKeys(t, ue.s, gw.s)
}

// hostileIntermediate lets a UE with the right keys send requests of its own making after IKE_SA_INIT.
func hostileIntermediate(t *testing.T, additional ...suite.GroupID) (w *world, ue, gw *node) {
	w = newWorld(t, 9)
	o, g := hybrid(w, "ue", suite.CURVE25519, additional...), hybrid(w, "gw", suite.CURVE25519, additional...)
	w.serve(g, authorizeAll)
	ue = w.dial(o, wantChild(), nil)
	// Its own request is under way.
	w.run(time.Second, func() bool { return ue.s.state == stateAuth && len(ue.s.sa.outstanding) == 1 })
	w.wire = nil
	return w, ue, w.gw.last()
}

// send seals a request of the UE's under its present keys and returns what the gateway answers in the open.
func (n *node) hostile(gw *node, exchange message.ExchangeType, mid uint32, inner ...message.Payload) []message.Payload {
	for _, d := range n.s.seal(n.s.sa, exchange, false, mid, inner) {
		gw.take(gw.s.Receive(n.w.now, reverse(n.s.Path()), d))
	}
	gw.w.run(100*time.Millisecond, func() bool { return gw.s.sa.pending == nil })
	var in []message.Payload
	for _, f := range n.w.wire {
		m, err := message.Decode(f.data)
		if f.toGW || err != nil || !m.Response() || m.MessageID != mid {
			continue
		}
		if sk, ok := m.Payloads[0].(*message.Encrypted); ok {
			in, _ = sk.Open(n.s.sa.in)
		}
	}
	n.w.wire = nil
	return in
}

func TestHostileIntermediate(t *testing.T) {
	k768, k1024 := suite.ML_KEM_768, suite.ML_KEM_1024
	key := func(g suite.GroupID) *message.KeyExchange {
		k, err := suite.GenerateKey(g, bytes.NewReader(bytes.Repeat([]byte{3}, 64)))
		require.NoError(t, err)
		return &message.KeyExchange{Group: uint16(g), Data: k.Public()}
	}
	long := key(k768)
	long.Data = append(long.Data, 0)
	id := &message.IDi{Identification: message.Identification{Type: message.ID_FQDN, Data: []byte("ue")}}
	for name, row := range map[string]struct {
		agreed   []suite.GroupID
		exchange message.ExchangeType
		inner    []message.Payload
		want     message.NotifyType
	}{
		"a KE payload too short":           {[]suite.GroupID{k768}, message.IKE_INTERMEDIATE, []message.Payload{&message.KeyExchange{Group: 36, Data: key(k768).Data[1:]}}, message.INVALID_SYNTAX},
		"a KE payload too long":            {[]suite.GroupID{k768}, message.IKE_INTERMEDIATE, []message.Payload{long}, message.INVALID_SYNTAX},
		"a ciphertext in place of the key": {[]suite.GroupID{k768}, message.IKE_INTERMEDIATE, []message.Payload{&message.KeyExchange{Group: 36, Data: make([]byte, 1088)}}, message.INVALID_SYNTAX},
		"a key that is not reduced":        {[]suite.GroupID{k768}, message.IKE_INTERMEDIATE, []message.Payload{&message.KeyExchange{Group: 36, Data: bytes.Repeat([]byte{0xff}, 1184)}}, message.INVALID_SYNTAX},
		"another method":                   {[]suite.GroupID{k768}, message.IKE_INTERMEDIATE, []message.Payload{key(k1024)}, message.INVALID_SYNTAX},
		"the wrong order":                  {[]suite.GroupID{k768, k1024}, message.IKE_INTERMEDIATE, []message.Payload{key(k1024)}, message.INVALID_SYNTAX},
		"no KE payload":                    {[]suite.GroupID{k768}, message.IKE_INTERMEDIATE, []message.Payload{notify(message.MOBIKE_SUPPORTED, nil)}, message.INVALID_SYNTAX},
		"IKE_AUTH without it":              {[]suite.GroupID{k768}, message.IKE_AUTH, []message.Payload{id}, message.INVALID_SYNTAX},
		"one that was not agreed":          {nil, message.IKE_INTERMEDIATE, []message.Payload{key(k768)}, message.INVALID_SYNTAX},
		"an unknown critical payload":      {[]suite.GroupID{k768}, message.IKE_INTERMEDIATE, []message.Payload{key(k768), &message.Unknown{Type: 200, Critical: true}}, message.UNSUPPORTED_CRITICAL_PAYLOAD},
		"IKE_FOLLOWUP_KE":                  {[]suite.GroupID{k768}, message.IKE_FOLLOWUP_KE, []message.Payload{key(k768)}, message.INVALID_SYNTAX},
	} {
		t.Run(name, func(t *testing.T) {
			_, ue, gw := hostileIntermediate(t, row.agreed...)
			in := ue.hostile(gw, row.exchange, 1, row.inner...)
			require.NotNil(t, message.GetNotify(in, row.want), "%v", in)
			require.True(t, gw.s.Closed())
			require.Zero(t, gw.w.gw.front.HalfOpen())
		})
	}
	t.Run("one too many", func(t *testing.T) {
		_, ue, gw := hostileIntermediate(t, k768)
		// The gateway takes the first one and has new keys, which the UE does not know: it repeats under the old ones.
		ue.hostile(gw, message.IKE_INTERMEDIATE, 1, key(k768))
		require.Equal(t, 1, gw.s.hs.intermediate.done)
		before := gw.s.sa.keys
		ue.hostile(gw, message.IKE_INTERMEDIATE, 2, key(k768))
		ue.hostile(gw, message.IKE_AUTH, 2, id)
		require.False(t, gw.s.Closed())
		require.Same(t, before, gw.s.sa.keys, "nothing under old keys counts")
		gw.w.run(2*time.Minute, nil)
		require.True(t, gw.s.Closed(), "and the half-open session ends in its time")
	})
	t.Run("a message ID ahead", func(t *testing.T) {
		_, ue, gw := hostileIntermediate(t, k768)
		require.Nil(t, ue.hostile(gw, message.IKE_INTERMEDIATE, 2, key(k768)))
		require.Zero(t, gw.s.hs.intermediate.done)
	})
}

// One more exchange than was agreed, by a UE that has the keys for it.
func TestIntermediateTooMany(t *testing.T) {
	w := newWorld(t, 9)
	o, g := hybrid(w, "ue", suite.CURVE25519, suite.ML_KEM_768), hybrid(w, "gw", suite.CURVE25519, suite.ML_KEM_768)
	w.serve(g, authorizeAll)
	ue := w.dial(o, wantChild(), nil)
	w.run(time.Second, func() bool { return ue.s.hs.intermediate.done == 1 })
	w.wire = nil // its own IKE_AUTH
	gw := w.gw.last()
	in := ue.hostile(gw, message.IKE_INTERMEDIATE, 2, &message.KeyExchange{Group: 36, Data: make([]byte, 1184)})
	require.NotNil(t, message.GetNotify(in, message.INVALID_SYNTAX))
	require.True(t, gw.s.Closed())
}

// What an initiator does with bad responses: it ends, as nothing can be told before IKE_AUTH.
func TestHostileIntermediateResponse(t *testing.T) {
	for name, inner := range map[string][]message.Payload{
		"a ciphertext too short": {&message.KeyExchange{Group: 36, Data: make([]byte, 1087)}},
		"a key in its place":     {&message.KeyExchange{Group: 36, Data: make([]byte, 1184)}},
		"another method":         {&message.KeyExchange{Group: 37, Data: make([]byte, 1568)}},
		"nothing":                {},
		"an error":               {notify(message.INVALID_SYNTAX, nil)},
		"a critical payload":     {&message.Unknown{Type: 200, Critical: true}},
	} {
		t.Run(name, func(t *testing.T) {
			w, ue, gw := hostileIntermediate(t, suite.ML_KEM_768)
			for _, d := range gw.s.seal(gw.s.sa, message.IKE_INTERMEDIATE, true, 1, inner) {
				ue.take(ue.s.Receive(w.now, reverse(gw.s.Path()), d))
			}
			w.run(time.Second, nil)
			require.True(t, ue.s.Closed())
		})
	}
	// A ciphertext of the right length that is not the responder's gives other keys: the peers do not understand each
	// other any more, and the session ends in its time.
	w, ue, gw := hostileIntermediate(t, suite.ML_KEM_768)
	for _, d := range gw.s.seal(gw.s.sa, message.IKE_INTERMEDIATE, true, 1, []message.Payload{&message.KeyExchange{Group: 36, Data: make([]byte, 1088)}}) {
		ue.take(ue.s.Receive(w.now, reverse(gw.s.Path()), d))
	}
	w.run(5*time.Second, nil)
	require.Equal(t, 1, ue.s.hs.intermediate.done)
	w.run(2*time.Minute, nil)
	require.True(t, ue.s.Closed())
	require.ErrorIs(t, got[Closed](ue)[0].Reason, ErrHalfOpenTime)
}
