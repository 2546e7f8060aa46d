// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

// The recorded UE's half of a registration, played to our responder: every message of the UE as it was, with the keys,
// the nonce and the IKE_SA_INIT response of the record in the place of ours. The UE's proof, its Child SA's keys and
// its answers to our own requests all have to fit.
func TestCaptureUE(t *testing.T) {
	records := capture.Keys(t, capture.Path(t, capture.Registration, "keys.txt"))
	var ike []capture.Datagram
	for _, d := range capture.UDP(t, capture.Path(t, capture.Registration, "nwu.pcap")) {
		if d.Src.Port() == 500 && d.Dst.Port() == 500 {
			ike = append(ike, d)
		}
	}
	ue := ike[0].Src
	path := Path{Local: ike[0].Dst, Remote: ue}
	var fromUE [][]byte
	for _, d := range ike {
		if d.Src == ue {
			fromUE = append(fromUE, d.Data)
		}
	}
	require.GreaterOrEqual(t, len(fromUE), 8)

	kdf := hmac.New(sha256.New, capture.Hex(t, "5808c3efe204013d3e06305741c1065d6038dc1c8dd9774b1d38b857f542a149"))
	kdf.Write(capture.Hex(t, "6e 00000000 0004 02 0001"))
	kN3IWF := kdf.Sum(nil)

	profile := suite.LegacyLab()
	var children []*ChildSA
	spis := []uint32{0x5f1265f4, 0x4f000000}
	o := Options{
		IKE: profile.IKE, ESP: profile.ESP, FullMODP: profile.FullMODP, EAP: true, Identity: fqdn("n3iwf"),
		Prove: newCA(t).issue(t, ecKey(t, elliptic.P256()), "n3iwf"),
		NewChildSPI: func() (uint32, error) {
			spi := spis[0]
			spis = spis[1:]
			return spi, nil
		},
	}
	front := NewResponder(o)
	s, out, err := front.Init(epoch, path, fromUE[0])
	require.NoError(t, err)
	require.Len(t, out.Work, 1)
	require.Equal(t, recordedIKE, s.sa.suite)
	require.False(t, s.nat.PeerBehindNAT || s.nat.BehindNAT)

	// From here on we are the recorded N3IWF.
	m, err := message.Decode(ike[1].Data)
	require.NoError(t, err)
	nr, _ := message.Get[*message.Nonce](m.Payloads)
	s.sa.spiR, s.hs.nr, s.hs.initResp = m.ResponderSPI, nr.Data, ike[1].Data
	get := func(name string) []byte { return records[0].Bytes(t, name) }
	require.NoError(t, s.useKeys(s.sa, &suite.IKEKeys{
		D: get("SK_d"), AI: get("SK_ai"), AR: get("SK_ar"), EI: get("SK_ei"), ER: get("SK_er"), PI: get("SK_pi"), PR: get("SK_pr"),
	}))
	s.state = stateAuth

	var events []Event
	next := 1
	take := func(out Output) {
		events = out.Events
		for _, e := range out.Events {
			if up, ok := e.(ChildUp); ok {
				children = append(children, up.Child)
			}
		}
		for _, w := range out.Work {
			w.Run()
			s.Done(epoch, w)
		}
	}
	receive := func() {
		take(s.Receive(epoch, path, fromUE[next]))
		next++
	}
	receive()
	start := events[0].(EAPStart)
	require.Equal(t, Identity{Type: message.ID_KEY_ID, Data: []byte("UE")}, start.Peer)
	require.Nil(t, start.Wanted.Data)
	for id := range 4 {
		packet := []byte{1, byte(id), 0, 4}
		if id == 3 {
			take(s.EAPSuccess(epoch, []byte{3, byte(id), 0, 4}, kN3IWF))
		} else {
			take(s.SendEAP(epoch, packet))
		}
		receive()
		if id < 3 {
			require.IsType(t, EAPReceived{}, events[0])
			require.EqualValues(t, 254, events[0].(EAPReceived).Packet[4], "an expanded type: EAP-5G")
		}
	}
	asked := events[0].(AuthRequest)
	require.False(t, asked.MOBIKE)
	_, wantsAddress := asked.Config.Get(message.INTERNAL_IP4_ADDRESS)
	require.True(t, wantsAddress)
	require.Equal(t, anyTS(), asked.RemoteTS, "of the first request, while CP came with the last")
	inner := netip.MustParseAddr("10.0.0.2")
	take(s.AuthorizeChild(epoch, Authorization{RemoteTS: []message.TrafficSelector{message.AddrSelector(0, inner)}}))
	require.IsType(t, Established{}, events[0])
	require.Equal(t, uint32(2), children[0].OutboundSPI, "a constant of this UE, below what RFC 4303 allows")
	require.Equal(t, Keys{Encr: records[1].Bytes(t, "i2r_encr"), Integ: records[1].Bytes(t, "i2r_integ")}, children[0].InboundKeys)
	require.Equal(t, Keys{Encr: records[1].Bytes(t, "r2i_encr"), Integ: records[1].Bytes(t, "r2i_integ")}, children[0].OutboundKeys)

	// Our CREATE_CHILD_SA request has message ID 0; the recorded answer is to the recorded nonce.
	p := &pendingChild{req: ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}, policy: []message.Proposal{children[0].Suite.Proposal(1, nil)}}
	s.begin(epoch)
	s.enqueueChild(p, s.now)
	take(s.finish())
	recorded := records[2].Bytes(t, "nonces")
	answer, err := message.Open(fromUE[next], s.sa.in)
	require.NoError(t, err)
	theirs, _ := message.Get[*message.Nonce](answer.Payloads)
	p.ni = bytes.TrimSuffix(recorded, theirs.Data)
	require.Less(t, len(p.ni), len(recorded))
	receive()
	require.Len(t, children, 2)
	require.Equal(t, Keys{Encr: records[2].Bytes(t, "i2r_encr"), Integ: records[2].Bytes(t, "i2r_integ")}, children[1].OutboundKeys)
	require.Equal(t, Keys{Encr: records[2].Bytes(t, "r2i_encr"), Integ: records[2].Bytes(t, "r2i_integ")}, children[1].InboundKeys)

	take(s.Delete(epoch))
	receive()
	require.Equal(t, []Event{Closed{Reason: ErrDeleted}}, events)
}

var recordedIKE = suite.IKE{
	Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}, Integ: suite.AUTH_HMAC_SHA1_96,
	PRF: suite.PRF_HMAC_SHA1, Group: suite.MODP_2048,
}
