// SPDX-License-Identifier: Apache-2.0

package message_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

// The recorded SA: SPIs and algorithms of keys.txt.
const (
	recordedSPIi = message.SPI(0x000000000006f708)
	recordedSPIr = message.SPI(0xd4a40ab414422112)
)

var (
	recordedIKE = suite.IKE{
		Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}, Integ: suite.AUTH_HMAC_SHA1_96,
		PRF: suite.PRF_HMAC_SHA1, Group: suite.MODP_2048,
	}
	recordedESP = suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}, Integ: suite.AUTH_HMAC_SHA1_96}
)

type recordedMessage struct {
	frame int
	raw   []byte
	clear *message.Message
	inner []message.Payload // nil without SK
}

// registration decodes and opens every IKE message of the capture. Frame 88 is not protected: the
// N3IWF answers a late packet with INVALID_IKE_SPI after it deleted the SA.
func registration(t testing.TB) []recordedMessage {
	t.Helper()
	r := capture.Keys(t, capture.Path(t, capture.Registration, "keys.txt"))[0]
	keys := &suite.IKEKeys{
		AI: r.Bytes(t, "SK_ai"), AR: r.Bytes(t, "SK_ar"), EI: r.Bytes(t, "SK_ei"), ER: r.Bytes(t, "SK_er"),
	}
	fromR, fromI, err := keys.Protectors(recordedIKE, false, nil)
	require.NoError(t, err)
	var all []recordedMessage
	for _, d := range capture.UDP(t, capture.Path(t, capture.Registration, "nwu.pcap")) {
		m, err := message.Decode(d.Data)
		require.NoError(t, err, "frame %d", d.Frame)
		rec := recordedMessage{frame: d.Frame, raw: d.Data, clear: m}
		if len(m.Payloads) > 0 {
			if sk, ok := m.Payloads[len(m.Payloads)-1].(*message.Encrypted); ok {
				prot := fromR
				if m.FromInitiator() {
					prot = fromI
				}
				before := bytes.Clone(d.Data)
				rec.inner, err = sk.Open(prot)
				require.NoError(t, err, "frame %d", d.Frame)
				require.Equal(t, before, d.Data, "Open must not touch the datagram")
			}
		}
		all = append(all, rec)
	}
	require.Equal(t, 17, len(all))
	return all
}

func TestCaptureReencode(t *testing.T) {
	r := capture.Keys(t, capture.Path(t, capture.Registration, "keys.txt"))[0]
	open := map[bool]*suite.Protector{}
	for _, initiator := range []bool{true, false} {
		e, a := "SK_er", "SK_ar"
		if initiator {
			e, a = "SK_ei", "SK_ai"
		}
		p, err := suite.NewProtector(recordedIKE.Encr, recordedIKE.Integ, r.Bytes(t, e), r.Bytes(t, a), nil)
		require.NoError(t, err)
		open[initiator] = p
	}
	protected := 0
	for _, rec := range registration(t) {
		again, err := rec.clear.Append(nil)
		require.NoError(t, err)
		require.Equal(t, rec.raw, again, "frame %d", rec.frame)
		for _, p := range append(rec.clear.Payloads, rec.inner...) {
			_, unknown := p.(*message.Unknown)
			require.False(t, unknown, "frame %d", rec.frame)
		}
		if len(rec.clear.Payloads) == 0 {
			continue
		}
		sk, ok := rec.clear.Payloads[0].(*message.Encrypted)
		if !ok {
			continue
		}
		protected++
		plain, err := sk.Decrypt(open[rec.clear.FromInitiator()])
		require.NoError(t, err)
		inner, err := message.AppendPayloads([]byte{}, rec.inner)
		require.NoError(t, err)
		require.Equal(t, plain, inner, "frame %d", rec.frame)

		// One flipped bit anywhere after the header must be found. (In the header it would be
		// found too, or be another message.)
		for i := message.HeaderLen + 4; i < len(rec.raw); i += 7 {
			bad := bytes.Clone(rec.raw)
			bad[i] ^= 1 << (i % 8)
			_, err := message.Open(bad, open[rec.clear.FromInitiator()])
			require.ErrorIs(t, err, message.ErrIntegrity, "frame %d octet %d", rec.frame, i)
		}
	}
	require.Equal(t, 14, protected)
}

// What the registration says, read once by hand (facts: n3iwue-contract).
func TestCaptureContent(t *testing.T) {
	all := registration(t)

	init := all[0].clear
	require.Equal(t, message.Header{InitiatorSPI: recordedSPIi, Exchange: message.IKE_SA_INIT, Flags: message.FlagInitiator}, init.Header)
	sa, ok := message.Get[*message.SecurityAssociation](init.Payloads)
	require.True(t, ok)
	choice, err := suite.SelectIKE(suite.LegacyLab().IKE, sa.Proposals, 0, suite.MODP_2048)
	require.NoError(t, err)
	require.Equal(t, recordedIKE, choice.IKE)
	_, err = suite.SelectIKE(suite.Default().IKE, sa.Proposals, 0, suite.MODP_2048)
	require.ErrorIs(t, err, suite.ErrNoProposalChosen, "SHA-1 only: not with the default profile")
	answered, _ := message.Get[*message.SecurityAssociation](all[1].clear.Payloads)
	require.Equal(t, answered.Proposals, []message.Proposal{choice.Answer([]byte{})})
	accepted, err := suite.AcceptIKE(sa.Proposals, answered.Proposals, 0)
	require.NoError(t, err)
	require.Equal(t, recordedIKE, accepted.IKE)
	for _, rec := range all[:2] {
		ke, _ := message.Get[*message.KeyExchange](rec.clear.Payloads)
		require.EqualValues(t, suite.MODP_2048, ke.Group)
		require.Len(t, ke.Data, 256)
	}

	first := all[2].inner
	idi, _ := message.Get[*message.IDi](first)
	require.Equal(t, message.ID_KEY_ID, idi.Type)
	require.Equal(t, "UE", string(idi.Data))
	tsi, _ := message.Get[*message.TSi](first)
	require.Equal(t, message.TrafficSelectors{message.AnyIPv4}, tsi.TrafficSelectors)
	sa, _ = message.Get[*message.SecurityAssociation](first)
	child, err := suite.SelectESP(suite.LegacyLab().ESP, sa.Proposals, suite.GroupNone, true)
	require.NoError(t, err)
	require.Equal(t, recordedESP, child.ESP)
	require.Equal(t, []byte{0, 0, 0, 2}, child.Peer.SPI)

	last := all[11].inner
	cp, _ := message.Get[*message.Configuration](last)
	require.Equal(t, message.CFG_REPLY, cp.Type)
	inner, _ := cp.Get(message.INTERNAL_IP4_ADDRESS)
	require.Equal(t, []byte{10, 0, 0, 2}, inner)
	require.Equal(t, []byte{10, 0, 0, 1}, message.GetNotify(last, 55502).Data)
	require.Equal(t, []byte{0x4e, 0x20}, message.GetNotify(last, 55506).Data)
	require.Nil(t, message.ErrorNotify(last))

	del, _ := message.Get[*message.Delete](all[14].inner)
	require.Equal(t, &message.Delete{Protocol: message.ProtocolIKE}, del)
	require.Empty(t, all[15].inner)
}

// The Diffie-Hellman secret is not in keys.txt, so that SK_* cannot be derived; that they are right
// is shown by every message opening with them, and SK_d by the Child SAs' keys.
func TestCaptureChildKeys(t *testing.T) {
	all := registration(t)
	records := capture.Keys(t, capture.Path(t, capture.Registration, "keys.txt"))
	exchanges := [][2][]message.Payload{
		{all[0].clear.Payloads, all[1].clear.Payloads}, // the first Child SA takes the nonces of IKE_SA_INIT
		{all[12].inner, all[13].inner},                 // CREATE_CHILD_SA, which the N3IWF starts
	}
	for i, exchange := range exchanges {
		ni, _ := message.Get[*message.Nonce](exchange[0])
		nr, _ := message.Get[*message.Nonce](exchange[1])
		rec := records[1+i]
		require.Equal(t, rec.Bytes(t, "nonces"), append(bytes.Clone(ni.Data), nr.Data...))
		got := suite.NewChildKeys(recordedIKE.PRF, records[0].Bytes(t, "SK_d"), recordedESP, nil, ni.Data, nr.Data)
		require.Equal(t, suite.ChildKeys{
			InitiatorEncr: rec.Bytes(t, "i2r_encr"), InitiatorInteg: rec.Bytes(t, "i2r_integ"),
			ResponderEncr: rec.Bytes(t, "r2i_encr"), ResponderInteg: rec.Bytes(t, "r2i_integ"),
		}, got)
	}
}

func TestCaptureNATDetection(t *testing.T) {
	all := registration(t)
	datagrams := capture.UDP(t, capture.Path(t, capture.Registration, "nwu.pcap"))
	for i := range 2 {
		m, d := all[i].clear, datagrams[i]
		require.Equal(t, suite.NATDetectionHash(m.InitiatorSPI, m.ResponderSPI, d.Src), message.GetNotify(m.Payloads, message.NAT_DETECTION_SOURCE_IP).Data)
		require.Equal(t, suite.NATDetectionHash(m.InitiatorSPI, m.ResponderSPI, d.Dst), message.GetNotify(m.Payloads, message.NAT_DETECTION_DESTINATION_IP).Data)
	}
}

func TestCaptureAUTH(t *testing.T) {
	all := registration(t)
	keys := capture.Keys(t, capture.Path(t, capture.Registration, "keys.txt"))[0]
	ni, _ := message.Get[*message.Nonce](all[0].clear.Payloads)
	nr, _ := message.Get[*message.Nonce](all[1].clear.Payloads)
	idi, _ := message.Get[*message.IDi](all[2].inner)
	idr, _ := message.Get[*message.IDr](all[3].inner)
	prf := recordedIKE.PRF
	fromI := prf.SignedOctets(all[0].raw, nr.Data, keys.Bytes(t, "SK_pi"), idi.Body())
	fromR := prf.SignedOctets(all[1].raw, ni.Data, keys.Bytes(t, "SK_pr"), idr.Body())

	// Round 1: the N3IWF's certificate signs.
	cert, ok := message.Get[*message.Certificate](all[3].inner)
	require.True(t, ok)
	require.Equal(t, message.CertX509Signature, cert.Encoding)
	x, err := x509.ParseCertificate(cert.Data)
	require.NoError(t, err)
	auth, _ := message.Get[*message.Authentication](all[3].inner)
	require.Equal(t, message.AuthRSA, auth.Method)
	require.NoError(t, suite.Verify(x.PublicKey, auth.Method, auth.Data, fromR, suite.VerifyOptions{SHA1: true}))
	require.ErrorIs(t, suite.Verify(x.PublicKey, auth.Method, auth.Data, fromR, suite.VerifyOptions{}), suite.ErrSignatureMethod)
	require.ErrorIs(t, suite.Verify(x.PublicKey, auth.Method, auth.Data, fromI, suite.VerifyOptions{SHA1: true}), suite.ErrSignature)

	// Round 2: both with K_N3IWF, which the AMF derived from K_AMF (TS 33.501 A.9) for uplink NAS
	// COUNT 0 and sent as the SecurityKey IE (id 94, reject, 32 octets).
	kdf := hmac.New(sha256.New, capture.Hex(t, "5808c3efe204013d3e06305741c1065d6038dc1c8dd9774b1d38b857f542a149"))
	kdf.Write(capture.Hex(t, "6e 00000000 0004 02 0001"))
	kN3IWF := kdf.Sum(nil)
	sent := false
	for _, c := range capture.SCTP(t, capture.Path(t, capture.Registration, "n2.pcap")) {
		sent = sent || bytes.Contains(c.Data, append(capture.Hex(t, "005e 00 20"), kN3IWF...))
	}
	require.True(t, sent, "K_N3IWF in the InitialContextSetupRequest")

	authI, _ := message.Get[*message.Authentication](all[10].inner)
	require.Equal(t, message.AuthSharedKey, authI.Method)
	require.True(t, prf.VerifySharedKey(kN3IWF, fromI, authI.Data))
	authR, _ := message.Get[*message.Authentication](all[11].inner)
	require.Equal(t, message.AuthSharedKey, authR.Method)
	require.True(t, prf.VerifySharedKey(kN3IWF, fromR, authR.Data))
	require.False(t, prf.VerifySharedKey(kN3IWF, fromI, authR.Data))
}
