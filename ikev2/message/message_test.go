// SPDX-License-Identifier: Apache-2.0

package message_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

// same compares payloads; nil and empty slices are the same on the wire.
func same(t testing.TB, want, got any) {
	t.Helper()
	opts := []cmp.Option{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}
}

func selector(protocol uint8, start, end string) message.TrafficSelector {
	return message.TrafficSelector{
		Protocol: protocol, StartPort: 1, EndPort: 65534,
		Start: netip.MustParseAddr(start), End: netip.MustParseAddr(end),
	}
}

// payloads is every kind of payload with its body in hex, written by hand from RFC 7296 section 3.
var payloads = []struct {
	name    string
	payload message.Payload
	body    string
}{
	{"SA", &message.SecurityAssociation{Proposals: []message.Proposal{
		{Number: 1, Protocol: message.ProtocolIKE, Transforms: []message.Transform{
			{Type: message.TransformENCR, ID: 12, KeyLength: 256}, {Type: message.TransformPRF, ID: 5},
		}},
		{Number: 2, Protocol: message.ProtocolESP, SPI: []byte{1, 2, 3, 4}, Transforms: []message.Transform{
			{Type: message.TransformESN, ID: 1, Extra: "\x00\x11\x00\x02zz"},
		}},
	}}, "0200001c 01010002 0300000c 0100000c 800e0100 00000008 02000005" +
		"0000001a 02030401 01020304 0000000e 05000001 00110002 7a7a"},
	{"KE", &message.KeyExchange{Group: 31, Data: []byte{0xaa, 0xbb}}, "001f0000 aabb"},
	{"IDi", &message.IDi{Identification: message.Identification{Type: message.ID_FQDN, Data: []byte("a.b")}}, "02000000 612e62"},
	{"IDr with reserved octets", &message.IDr{Identification: message.Identification{
		Type: message.ID_KEY_ID, Reserved: [3]byte{1, 2, 3}, Data: []byte{9},
	}}, "0b010203 09"},
	{"CERT", &message.Certificate{Encoding: message.CertX509Signature, Data: []byte{0x30, 0}}, "04 3000"},
	{"CERTREQ", &message.CertificateRequest{Encoding: message.CertX509Signature, Authorities: bytes.Repeat([]byte{7}, 20)},
		"04 0707070707070707070707070707070707070707"},
	{"AUTH", &message.Authentication{Method: message.AuthSharedKey, Data: []byte{1}}, "02000000 01"},
	{"Nonce", &message.Nonce{Data: bytes.Repeat([]byte{5}, 16)}, "05050505050505050505050505050505"},
	{"N", &message.Notify{Type: message.COOKIE, Data: []byte{1, 2}}, "00004006 0102"},
	{"N with SPI", &message.Notify{Protocol: message.ProtocolESP, SPI: []byte{0, 0, 1, 0}, Type: message.REKEY_SA}, "03044009 00000100"},
	{"D of ESP", &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{1, 0xffffffff}}, "03040002 00000001 ffffffff"},
	{"D of IKE", &message.Delete{Protocol: message.ProtocolIKE}, "01000000"},
	{"V", &message.VendorID{Data: []byte("x")}, "78"},
	{"TSi", &message.TSi{TrafficSelectors: message.TrafficSelectors{selector(6, "10.0.0.1", "10.0.0.2")}},
		"01000000 07060010 0001fffe 0a000001 0a000002"},
	{"TSr", &message.TSr{TrafficSelectors: message.TrafficSelectors{selector(0, "2001:db8::1", "2001:db8::ff"), message.AnyIPv4}},
		"02000000 08000028 0001fffe 20010db8000000000000000000000001 20010db80000000000000000000000ff" +
			"07000010 0000ffff 00000000 ffffffff"},
	{"CP", &message.Configuration{Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{
		{Type: message.INTERNAL_IP4_ADDRESS}, {Type: message.INTERNAL_IP4_NETMASK, Value: []byte{255, 255, 255, 0}},
	}}, "01000000 00010000 00020004 ffffff00"},
	{"EAP", &message.EAP{Packet: []byte{3, 1, 0, 4}}, "03010004"},
	{"unknown", &message.Unknown{Type: 200, Body: []byte{1}}, "01"},
}

func TestPayloads(t *testing.T) {
	var chain []message.Payload
	for _, tt := range payloads {
		t.Run(tt.name, func(t *testing.T) {
			body, err := tt.payload.AppendBody([]byte("before"))
			require.NoError(t, err)
			require.Equal(t, capture.Hex(t, tt.body), body[len("before"):])

			encoded, err := message.AppendPayloads(nil, []message.Payload{tt.payload})
			require.NoError(t, err)
			decoded, err := message.DecodePayloads(tt.payload.PayloadType(), encoded)
			require.NoError(t, err)
			same(t, []message.Payload{tt.payload}, decoded)
		})
		chain = append(chain, tt.payload)
	}

	m := &message.Message{Header: message.Header{
		InitiatorSPI: 1, ResponderSPI: 2, Exchange: message.INFORMATIONAL, Flags: message.FlagResponse, MessageID: 77,
	}, Payloads: chain}
	encoded, err := m.Append(nil)
	require.NoError(t, err)
	decoded, err := message.Decode(encoded)
	require.NoError(t, err)
	same(t, m, decoded)
}

// Every proper prefix of a message, and of each payload with its length put right, is an error or
// decodes to something else; never a panic, and never the whole.
func TestTruncation(t *testing.T) {
	for _, tt := range payloads {
		whole, err := message.AppendPayloads(nil, []message.Payload{tt.payload})
		require.NoError(t, err)
		for n := range whole {
			_, err := message.DecodePayloads(tt.payload.PayloadType(), whole[:n])
			var syntax *message.SyntaxError
			require.ErrorAs(t, err, &syntax, "%s: %d of %d octets", tt.name, n, len(whole))
			require.ErrorIs(t, err, message.ErrTruncated)
			if n < 4 {
				continue
			}
			cut := bytes.Clone(whole[:n])
			cut[2], cut[3] = byte(n>>8), byte(n)
			if p, err := message.DecodePayloads(tt.payload.PayloadType(), cut); err == nil {
				again, err := message.AppendPayloads(nil, p)
				require.NoError(t, err)
				require.Equal(t, cut, again, "%s: %d of %d octets", tt.name, n, len(whole))
			}
		}
	}
	for _, d := range capture.UDP(t, capture.Path(t, capture.Registration, "nwu.pcap"))[:4] {
		for n := range d.Data {
			_, err := message.Decode(d.Data[:n])
			require.Error(t, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	tests := []struct {
		name string
		of   message.PayloadType
		body string
	}{
		{"no proposal", message.PayloadSA, ""},
		{"proposal shorter than its header", message.PayloadSA, "00000007 01010000"},
		{"SPI longer than the proposal", message.PayloadSA, "00000008 01010500"},
		{"fewer transforms than announced", message.PayloadSA, "00000010 01010002 00000008 02000005"},
		{"more transforms than announced", message.PayloadSA, "00000018 01010001 00000008 02000005 00000008 02000005"},
		{"transform not marked as last", message.PayloadSA, "00000010 01010001 03000008 02000005"},
		{"transform shorter than its header", message.PayloadSA, "00000010 01010001 00000007 02000005"},
		{"attribute longer than its transform", message.PayloadSA, "00000014 01010001 0000000c 01000014 000e0002"},
		{"half an attribute", message.PayloadSA, "00000012 01010001 0000000a 01000014 800e"},
		{"octets after the last proposal", message.PayloadSA, "00000010 01010001 00000008 02000005 00"},
		{"odd mark of a proposal", message.PayloadSA, "01000010 01010001 00000008 02000005"},
		{"KE of 3 octets", message.PayloadKE, "001f00"},
		{"ID of 3 octets", message.PayloadIDi, "020000"},
		{"CERT without encoding", message.PayloadCERT, ""},
		{"CERTREQ without encoding", message.PayloadCERTREQ, ""},
		{"AUTH of 3 octets", message.PayloadAUTH, "020000"},
		{"notify with a longer SPI than payload", message.PayloadNotify, "03044009 000001"},
		{"delete with one SPI missing", message.PayloadDelete, "03040002 00000001"},
		{"delete with SPI size 8", message.PayloadDelete, "03080001 0000000000000001"},
		{"delete of IKE with SPIs", message.PayloadDelete, "01040001 00000001"},
		{"selector of a wrong length", message.PayloadTSi, "01000000 0700000c 0000ffff 0a000001"},
		{"selector longer than the payload", message.PayloadTSi, "01000000 07000010 0000ffff 0a000001"},
		{"fewer selectors than announced", message.PayloadTSi, "02000000 07000010 0000ffff 00000000 ffffffff"},
		{"more selectors than announced", message.PayloadTSi, "00000000 07000010 0000ffff 00000000 ffffffff"},
		{"attribute longer than CP", message.PayloadCP, "01000000 00010004 0a0000"},
		{"SK inside SK", message.PayloadSK, "00"},
		{"SKF inside SK", message.PayloadSKF, "00010001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := capture.Hex(t, tt.body)
			b := append([]byte{0, 0, 0, byte(4 + len(body))}, body...)
			_, err := message.DecodePayloads(tt.of, b)
			var syntax *message.SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Equal(t, tt.of, syntax.Payload)
		})
	}
}

func TestUnknownSelectorTypesAreLeftOut(t *testing.T) {
	b := capture.Hex(t, "00000020 03000000 0a000004 07000010 0000ffff 00000000 ffffffff 09000004")
	p, err := message.DecodePayloads(message.PayloadTSi, b)
	require.NoError(t, err)
	require.Equal(t, []message.Payload{&message.TSi{TrafficSelectors: message.TrafficSelectors{message.AnyIPv4}}}, p)
}

// A transform with an attribute that we do not know, or two key lengths, is no known transform.
func TestOddAttributes(t *testing.T) {
	for _, attributes := range []string{"80110001", "800e0100 800e0080", "000e0002 0100", "800e0000"} {
		a := capture.Hex(t, attributes)
		b := append(capture.Hex(t, "00000000 00000000 01010001 00000000 01000014"), a...)
		b[3], b[7], b[15] = byte(len(b)), byte(len(b)-4), byte(8+len(a))
		p, err := message.DecodePayloads(message.PayloadSA, b)
		require.NoError(t, err)
		transform := p[0].(*message.SecurityAssociation).Proposals[0].Transforms[0]
		require.NotEmpty(t, transform.Extra)
		again, err := message.AppendPayloads(nil, p)
		require.NoError(t, err)
		require.Equal(t, b, again)
	}
}

func TestHeader(t *testing.T) {
	good, err := (&message.Message{Header: message.Header{InitiatorSPI: 5, Exchange: message.IKE_SA_INIT, Flags: message.FlagInitiator}}).Append(nil)
	require.NoError(t, err)
	require.Equal(t, capture.Hex(t, "0000000000000005 0000000000000000 00202208 00000000 0000001c"), good)
	edit := func(i int, v byte) []byte { b := bytes.Clone(good); b[i] = v; return b }

	t.Run("higher minor version", func(t *testing.T) {
		_, err := message.Decode(edit(17, 0x2f))
		require.NoError(t, err)
	})
	for _, version := range []byte{0x10, 0x30} {
		m, err := message.Decode(edit(17, version))
		var unsupported *message.UnsupportedVersion
		require.ErrorAs(t, err, &unsupported)
		require.Equal(t, version>>4, unsupported.Major)
		require.Equal(t, message.SPI(5), m.InitiatorSPI, "the header can be answered")
		h, err := message.DecodeHeader(edit(17, version))
		require.Error(t, err)
		require.Equal(t, message.SPI(5), h.InitiatorSPI)
	}
	for name, b := range map[string][]byte{
		"length too large": edit(27, 29), "length too small": edit(27, 27), "huge length": edit(24, 255),
		"trailing octet": append(bytes.Clone(good), 0), "payload announced but missing": edit(16, 40),
		"too large": make([]byte, message.MaxLen+1),
	} {
		m, err := message.Decode(b)
		require.Error(t, err, name)
		require.Nil(t, m, name)
	}
}

func TestCritical(t *testing.T) {
	m := &message.Message{Header: message.Header{InitiatorSPI: 3}, Payloads: []message.Payload{
		&message.Unknown{Type: 7, Critical: true, Body: []byte{1}}, &message.Nonce{Data: []byte{2}},
	}}
	b, err := m.Append(nil)
	require.NoError(t, err)
	decoded, err := message.Decode(b)
	var critical *message.UnsupportedCritical
	require.ErrorAs(t, err, &critical)
	require.EqualValues(t, 7, critical.Type)
	require.Equal(t, message.SPI(3), decoded.InitiatorSPI, "the header can be answered")

	// The bit means nothing on a payload that is known (RFC 7296 2.5).
	p, err := message.DecodePayloads(message.PayloadNonce, []byte{0, 0x80, 0, 5, 9})
	require.NoError(t, err)
	same(t, []message.Payload{&message.Nonce{Data: []byte{9}}}, p)
}

func TestTooManyPayloads(t *testing.T) {
	b := bytes.Repeat([]byte{43, 0, 0, 4}, 300)
	b[len(b)-4] = 0
	_, err := message.DecodePayloads(message.PayloadVendorID, b)
	require.Error(t, err)
	_, err = message.DecodePayloads(message.PayloadVendorID, b[len(b)-4*256:])
	require.NoError(t, err)
}

func TestTooLong(t *testing.T) {
	for name, p := range map[string]message.Payload{
		"payload":    &message.Nonce{Data: make([]byte, 0xfffc)},
		"SPI":        &message.Notify{SPI: make([]byte, 256)},
		"proposal":   &message.SecurityAssociation{Proposals: []message.Proposal{{SPI: make([]byte, 256)}}},
		"transforms": &message.SecurityAssociation{Proposals: []message.Proposal{{Transforms: make([]message.Transform, 256)}}},
		"transform":  &message.SecurityAssociation{Proposals: []message.Proposal{{Transforms: []message.Transform{{Extra: string(make([]byte, 65530))}}}}},
		"selectors":  &message.TSi{TrafficSelectors: make(message.TrafficSelectors, 256)},
		"attribute":  &message.Configuration{Attributes: []message.ConfigAttribute{{Value: make([]byte, 65536)}}},
		"SPIs":       &message.Delete{Protocol: message.ProtocolESP, SPIs: make([]uint32, 65536)},
	} {
		m := &message.Message{Payloads: []message.Payload{p}}
		_, err := m.Append(nil)
		require.ErrorIs(t, err, message.ErrTooLong, name)
	}
	half := &message.Nonce{Data: make([]byte, 40000)}
	_, err := (&message.Message{Payloads: []message.Payload{half, half}}).Append(nil)
	require.ErrorIs(t, err, message.ErrTooLong)
	out, _ := protectors(t, gcm128)
	_, err = message.Seal(nil, message.Header{}, []message.Payload{half, half}, out)
	require.ErrorIs(t, err, message.ErrTooLong)
}

var (
	gcm128 = suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}, PRF: suite.PRF_HMAC_SHA2_256, Group: suite.CURVE25519}
	cbc128 = suite.IKE{
		Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 128}, Integ: suite.AUTH_HMAC_SHA2_256_128,
		PRF: suite.PRF_HMAC_SHA2_256, Group: suite.CURVE25519,
	}
)

// protectors returns what the initiator seals with and the responder opens with.
func protectors(t testing.TB, s suite.IKE) (seal, open message.Protector) {
	t.Helper()
	keys := suite.NewIKEKeys(s, []byte("secret"), []byte("ni"), []byte("nr"), 1, 2)
	seal, _, err := keys.Protectors(s, true, rand.Reader)
	require.NoError(t, err)
	_, open, err = keys.Protectors(s, false, rand.Reader)
	require.NoError(t, err)
	return seal, open
}

func TestSealOpen(t *testing.T) {
	h := message.Header{InitiatorSPI: 1, ResponderSPI: 2, Exchange: message.IKE_AUTH, Flags: message.FlagInitiator, MessageID: 1}
	for _, s := range []suite.IKE{gcm128, cbc128} {
		seal, open := protectors(t, s)
		for n := range 40 { // every length of padding
			inner := []message.Payload{&message.VendorID{Data: make([]byte, n)}, &message.EAP{Packet: []byte{3, 0, 0, 4}}}
			b, err := message.Seal([]byte("before"), h, inner, seal)
			require.NoError(t, err)
			require.Equal(t, "before", string(b[:6]))
			m, err := message.Open(b[6:], open)
			require.NoError(t, err)
			same(t, &message.Message{Header: h, Payloads: inner}, m)
		}
		b, err := message.Seal(nil, h, nil, seal)
		require.NoError(t, err)
		m, err := message.Open(b, open)
		require.NoError(t, err)
		require.Empty(t, m.Payloads)
		for n := range b { // with all lengths put right
			cut := bytes.Clone(b[:n])
			if n >= 32 {
				cut[26], cut[27], cut[30], cut[31] = byte(n>>8), byte(n), byte((n-28)>>8), byte(n-28)
			}
			_, err := message.Open(cut, open)
			require.Error(t, err)
			require.True(t, n < 32 || errors.Is(err, message.ErrIntegrity), "%d octets: %v", n, err)
		}
	}
	unprotected, err := (&message.Message{Header: h, Payloads: []message.Payload{&message.Nonce{}}}).Append(nil)
	require.NoError(t, err)
	_, open := protectors(t, gcm128)
	_, err = message.Open(unprotected, open)
	var syntax *message.SyntaxError
	require.ErrorAs(t, err, &syntax)
}

func TestAppendDoesNotAllocate(t *testing.T) {
	m := &message.Message{}
	for _, tt := range payloads {
		m.Payloads = append(m.Payloads, tt.payload)
	}
	buf := make([]byte, 0, 2048)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := m.Append(buf); err != nil {
			t.Fatal(err)
		}
	}))
}

func TestNames(t *testing.T) {
	require.Equal(t, "UPDATE_SA_ADDRESSES", message.UPDATE_SA_ADDRESSES.String())
	require.Equal(t, "INITIAL_CONTACT", message.INITIAL_CONTACT.String())
	require.Equal(t, "notify 55501", message.NotifyType(55501).String())
	require.True(t, message.NotifyType(15500).IsError())
	require.False(t, message.INITIAL_CONTACT.IsError())
	require.Equal(t, "TSi", message.PayloadTSi.String())
	require.Equal(t, "IKE_AUTH response 3 (0000000000000001 0000000000000002)",
		message.Header{InitiatorSPI: 1, ResponderSPI: 2, Exchange: message.IKE_AUTH, Flags: message.FlagResponse, MessageID: 3}.String())
	id := message.AddrIdentification(netip.MustParseAddr("::ffff:192.0.2.1"))
	require.Equal(t, "ID_IPV4_ADDR:192.0.2.1", id.String())
	require.Equal(t, "10.0.0.1-10.0.0.2/proto 6/ports 1-65534", selector(6, "10.0.0.1", "10.0.0.2").String())
	require.True(t, message.AnyIPv4.Contains(netip.MustParseAddr("192.0.2.1")))
	require.False(t, message.AnyIPv4.Contains(netip.MustParseAddr("::1")))
	require.True(t, message.AnyIPv6.Contains(netip.MustParseAddr("::1")))
}
