// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/nwu/nas"
	"github.com/open-n3iwf/n3iwf/test/capture"
	labnas "github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
)

// recordedUE is the subscriber of the recording.
func recordedUE(t *testing.T) *N3IWUE {
	s := Subscriber{IMSI: "208930000001234", MCC: "208", MNC: "93", Slices: []labnas.SNSSAI{{SST: 1, HasSD: true, SD: [3]byte{1, 2, 3}}}}
	s.Key = milenage.Subscriber{
		K:   [16]byte(capture.Hex(t, "b73a90cbcf3afb622dba83c58a8415df")),
		OPc: [16]byte(capture.Hex(t, "df0c67868fa25f748b7044c6e7c245b8")),
	}
	u := &N3IWUE{o: N3IWUEOptions{Subscriber: s}}
	u.hosts.o = Options{Subscriber: s, Step: func(string) {}}
	return u
}

// TestCaptureN3IWUE holds the lab's simulator against the recording of free5GC's UE simulator: every IKE message and every NAS message is the same, octet
// for octet, with the recorded keys, nonces and SPIs.
func TestCaptureN3IWUE(t *testing.T) {
	u := recordedUE(t)
	local, remote := netip.MustParseAddrPort("192.168.127.2:500"), netip.MustParseAddrPort("192.168.127.1:500")
	r := capture.Keys(t, capture.Path(t, capture.Registration, "keys.txt"))[0]
	keys := &suite.IKEKeys{AI: r.Bytes(t, "SK_ai"), AR: r.Bytes(t, "SK_ar"), EI: r.Bytes(t, "SK_ei"), ER: r.Bytes(t, "SK_er")}
	fromR, fromI, err := keys.Protectors(n3iwueIKE, false, nil)
	require.NoError(t, err)

	// same compares clear payloads by their octets, in order.
	same := func(want, got []message.Payload) {
		t.Helper()
		a, err := (&message.Message{Payloads: want}).Append(nil)
		require.NoError(t, err)
		b, err := (&message.Message{Payloads: got}).Append(nil)
		require.NoError(t, err)
		require.Equal(t, a, b)
	}
	var request []message.Payload // of the N3IWF, the one before
	var auth []byte
	seen := 0
	for _, d := range capture.UDP(t, capture.Path(t, capture.Registration, "nwu.pcap")) {
		if d.Frame > 86 {
			break // the IKE SA is gone
		}
		m, err := message.Decode(d.Data)
		require.NoError(t, err)
		var payloads []message.Payload
		if m.Exchange != message.IKE_SA_INIT {
			protector := fromR
			if m.FromInitiator() {
				protector = fromI
			}
			opened, err := message.Open(d.Data, protector)
			require.NoError(t, err, "frame %d", d.Frame)
			payloads = opened.Payloads
		}
		if !m.FromInitiator() {
			request = payloads
			continue
		}
		seen++
		eap, isEAP := message.Get[*message.EAP](payloads)
		switch {
		case m.Exchange == message.IKE_SA_INIT:
			ke, _ := message.Get[*message.KeyExchange](m.Payloads)
			nonce, _ := message.Get[*message.Nonce](m.Payloads)
			got, err := n3iwueInit(n3iwueSPI, ke.Data, nonce.Data, local, remote).Append(nil)
			require.NoError(t, err)
			require.Equal(t, d.Data, got, "IKE_SA_INIT")
		case m.Exchange == message.IKE_AUTH && m.MessageID == 1:
			same(payloads, n3iwueFirst())
		case isEAP:
			asked, _ := message.Get[*message.EAP](request)
			reply := eap5g.NASResponse{}
			if asked.Packet[12] == 1 {
				reply.Parameters = n3iwueParameters(&u.o.Subscriber, false)
				reply.PDU, err = n3iwueRegistration(&u.o.Subscriber, false)
			} else {
				reply.PDU, err = u.answerNAS(asked.Packet[16:])
			}
			require.NoError(t, err)
			got, err := eap5g.Packet{Code: eap5g.Response, Identifier: asked.Packet[1], Message: reply}.Append(nil)
			require.NoError(t, err)
			require.Equal(t, eap.Packet, got, "frame %d", d.Frame)
		case m.Exchange == message.IKE_AUTH:
			a, _ := message.Get[*message.Authentication](payloads)
			auth = a.Data
			same(payloads, n3iwueLast(auth))
		case m.Exchange == message.CREATE_CHILD_SA:
			sa, _ := message.Get[*message.SecurityAssociation](payloads)
			nonce, _ := message.Get[*message.Nonce](payloads)
			tsi, _ := message.Get[*message.TSi](request)
			tsr, _ := message.Get[*message.TSr](request)
			spi := sa.Proposals[0].SPI
			same(payloads, n3iwueChild(sa.Proposals[0].Number, binary.BigEndian.Uint32(spi), nonce.Data, tsi, tsr))
		default:
			require.Equal(t, message.INFORMATIONAL, m.Exchange)
			require.Empty(t, payloads, "the answer to Delete")
		}
	}
	require.Equal(t, 8, seen)
	require.Len(t, auth, 20, "PRF_HMAC_SHA1")

	// NAS over TCP.
	var guti labnas.MobileIdentity
	var ours, theirs [][]byte
	up, down := nas.Splitter{Max: 1 << 16}, nas.Splitter{Max: 1 << 16}
	client := netip.MustParseAddr("10.0.0.2")
	for _, s := range capture.TCP(t, capture.Path(t, capture.Registration, "nas-tcp-inner.pcap")) {
		which, list := &down, &theirs
		if s.Src.Addr() == client {
			which, list = &up, &ours
		}
		require.NoError(t, which.Push(s.Data, func(pdu []byte) { *list = append(*list, bytes.Clone(pdu)) }))
	}
	for _, pdu := range theirs {
		b, err := u.hosts.plain(pdu)
		require.NoError(t, err)
		m, err := labnas.Decode(b)
		require.NoError(t, err)
		if accept, ok := m.(*labnas.RegistrationAccept); ok {
			guti = accept.GUTI
		}
	}
	require.NotEmpty(t, guti)
	want := [][]byte{{0x7e, 0, 0x43}, n3iwueSession(u.o.Subscriber.Slices[0]), n3iwueDeregistration(guti)}
	require.Len(t, ours, len(want))
	for i, plain := range want {
		require.Equal(t, plain, ours[i][7:], "behind the security header, with NEA0")
	}
}
