// SPDX-License-Identifier: Apache-2.0

package suite_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

// RFC 4231 test cases 1, 2 and 6; for SHA-1 RFC 2202 cases 1 and 2.
func TestPRFVectors(t *testing.T) {
	longKey := strings.Repeat("aa", 131)
	const longText = "Test Using Larger Than Block-Size Key - Hash Key First"
	tests := []struct {
		prf       suite.PRFID
		key, data string
		want      string
	}{
		{suite.PRF_HMAC_SHA1, strings.Repeat("0b", 20), "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
		{suite.PRF_HMAC_SHA1, "4a656665", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		{suite.PRF_HMAC_SHA2_256, strings.Repeat("0b", 20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{suite.PRF_HMAC_SHA2_256, "4a656665", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{suite.PRF_HMAC_SHA2_256, longKey, longText, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{suite.PRF_HMAC_SHA2_384, strings.Repeat("0b", 20), "Hi There", "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6"},
		{suite.PRF_HMAC_SHA2_512, strings.Repeat("0b", 20), "Hi There", "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
	}
	for _, tt := range tests {
		key := capture.Hex(t, tt.key)
		want := capture.Hex(t, tt.want)
		require.Equal(t, want, tt.prf.Sum(key, []byte(tt.data)))
		require.Equal(t, want, tt.prf.Sum(key, []byte(tt.data[:3]), nil, []byte(tt.data[3:])))
		require.Len(t, want, tt.prf.Len())
	}
	// The integrity algorithms are the same MACs, cut (RFC 4868 2.1.2).
	for integ, want := range map[suite.IntegID]string{
		suite.AUTH_HMAC_SHA2_256_128: "b0344c61d8db38535ca8afceaf0bf12b", suite.AUTH_HMAC_SHA2_384_192: "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec6",
		suite.AUTH_HMAC_SHA2_512_256: "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde", suite.AUTH_HMAC_SHA1_96: "b617318655057264e28bc0b6",
	} {
		mac := integ.New(capture.Hex(t, strings.Repeat("0b", 20)))
		mac.Write([]byte("Hi There"))
		require.Equal(t, capture.Hex(t, want), mac.Sum(nil)[:integ.ICVLen()])
	}
}

// NIST CAVP, SP 800-135 IKEv2, HMAC-SHA1: 132 octets of key material are SK_d, SK_ai/r, SK_ei/r (AES-128)
// and SK_pi/r.
func TestCAVPKeys(t *testing.T) {
	ni, nr := capture.Hex(t, "32b50d5f4a3763f3"), capture.Hex(t, "9206a04b26564cb1")
	secret := capture.Hex(t, "4b2c1f971981a8ad8d0abeafabf38cf75fc8349c148142465ed9c8b516b8be52")
	secretNew := capture.Hex(t, "863f3c9d06efd39d2b907b97f8699e5dd5251ef64a2a176f36ee40c87d4f9330")
	const spiI, spiR = message.SPI(0x34c9e7c188868785), message.SPI(0x3ff77d760d2b2199)
	dkm := capture.Hex(t, "a14293677cc80ff8f9cc0eee30d895da9d8f405666e30ef0dfcb63c634a46002a2a63080e514a062768b76606f9fa5e9"+
		"92204fc5a670bde3f10d6b027113936a5c55b648a194ae587b0088d52204b702c979fa280870d2ed41efa9c549fd1119"+
		"8af1670b143d384bd275c5f594cf266b05ebadca855e4249520a441a81157435a7a56cc4")
	s := suite.IKE{
		Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 128}, Integ: suite.AUTH_HMAC_SHA1_96,
		PRF: suite.PRF_HMAC_SHA1, Group: suite.MODP_2048,
	}
	cut := func(b []byte) *suite.IKEKeys {
		return &suite.IKEKeys{
			D: b[:20], AI: b[20:40], AR: b[40:60], EI: b[60:76], ER: b[76:92], PI: b[92:112], PR: b[112:132],
		}
	}
	keys := suite.NewIKEKeys(s, secret, ni, nr, spiI, spiR)
	require.Equal(t, cut(dkm), keys)

	skeyseed := capture.Hex(t, "63e81194946ebd05df7df5ebf5d8750056bf1f1d")
	want := suite.PRF_HMAC_SHA1.Expand(132, skeyseed, ni, nr, spiI.Bytes(), spiR.Bytes())
	require.Equal(t, cut(want), suite.RekeyIKE(suite.PRF_HMAC_SHA1, keys.D, s, secretNew, ni, nr, spiI, spiR))
}

// In a rekey SKEYSEED comes from the old PRF, everything after it from the new (RFC 7296 2.18).
func TestRekeyWithAnotherPRF(t *testing.T) {
	s := suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 256}, PRF: suite.PRF_HMAC_SHA2_512}
	got := suite.RekeyIKE(suite.PRF_HMAC_SHA2_256, []byte("SK_d"), s, []byte("g^ir"), []byte("Ni"), []byte("Nr"), 1, 2)
	skeyseed := suite.PRF_HMAC_SHA2_256.Sum([]byte("SK_d"), []byte("g^irNiNr"))
	m := suite.PRF_HMAC_SHA2_512.Expand(3*64+2*36, skeyseed, []byte("NiNr"), message.SPI(1).Bytes(), message.SPI(2).Bytes())
	require.Equal(t, &suite.IKEKeys{D: m[:64], AI: []byte{}, AR: []byte{}, EI: m[64:100], ER: m[100:136], PI: m[136:200], PR: m[200:264]}, got)
}

func TestExpand(t *testing.T) {
	p := suite.PRF_HMAC_SHA2_256
	t1 := p.Sum([]byte("k"), []byte("s\x01"))
	t2 := p.Sum([]byte("k"), t1, []byte("s\x02"))
	require.Equal(t, append(t1, t2[:8]...), p.Expand(40, []byte("k"), []byte("s")))
	require.Empty(t, p.Expand(0, []byte("k")))
	require.Len(t, p.Expand(255*32, []byte("k")), 255*32)
	require.Panics(t, func() { p.Expand(255*32+1, []byte("k")) })
}

// The layout of KEYMAT (RFC 7296 2.17): keys of the initiator first, encryption before integrity.
func TestChildKeys(t *testing.T) {
	cbc := suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}, Integ: suite.AUTH_HMAC_SHA2_256_128}
	m := suite.PRF_HMAC_SHA2_256.Expand(128, []byte("SK_d"), []byte("g^irNiNr"))
	require.Equal(t, suite.ChildKeys{InitiatorEncr: m[:32], InitiatorInteg: m[32:64], ResponderEncr: m[64:96], ResponderInteg: m[96:]},
		suite.NewChildKeys(suite.PRF_HMAC_SHA2_256, []byte("SK_d"), cbc, []byte("g^ir"), []byte("Ni"), []byte("Nr")))
	for _, e := range []suite.Encr{{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}, {ID: suite.ENCR_CHACHA20_POLY1305}} {
		k := suite.NewChildKeys(suite.PRF_HMAC_SHA2_256, []byte("SK_d"), suite.ESP{Encr: e}, nil, []byte("Ni"), []byte("Nr"))
		require.Len(t, k.InitiatorEncr, e.KeyLen()+4)
		require.Len(t, k.ResponderEncr, e.KeyLen()+4)
		require.Empty(t, k.InitiatorInteg)
		require.Empty(t, k.ResponderInteg)
	}
}

func TestProtectorWantsFittingKeys(t *testing.T) {
	gcm := suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}
	cbc := suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 128}
	for name, try := range map[string]struct {
		e        suite.Encr
		i        suite.IntegID
		ek, ik   int
		accepted bool
	}{
		"GCM":                      {gcm, suite.AUTH_NONE, 20, 0, true},
		"GCM without salt":         {gcm, suite.AUTH_NONE, 16, 0, false},
		"GCM with HMAC":            {gcm, suite.AUTH_HMAC_SHA2_256_128, 20, 32, false},
		"CBC":                      {cbc, suite.AUTH_HMAC_SHA2_256_128, 16, 32, true},
		"CBC without integrity":    {cbc, suite.AUTH_NONE, 16, 0, false},
		"CBC with a short MAC key": {cbc, suite.AUTH_HMAC_SHA2_256_128, 16, 31, false},
		"odd key length":           {suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 64}, suite.AUTH_HMAC_SHA2_256_128, 8, 32, false},
		"3DES":                     {suite.Encr{ID: 3}, suite.AUTH_HMAC_SHA2_256_128, 24, 32, false},
		"NULL":                     {suite.Encr{ID: 11}, suite.AUTH_HMAC_SHA2_256_128, 0, 32, false},
	} {
		_, err := suite.NewProtector(try.e, try.i, make([]byte, try.ek), make([]byte, try.ik), rand.Reader)
		require.Equal(t, try.accepted, err == nil, "%s: %v", name, err)
	}
}

// RFC 7634 appendix B.
func TestChaCha20Vector(t *testing.T) {
	key := capture.Hex(t, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3")
	p, err := suite.NewProtector(suite.Encr{ID: suite.ENCR_CHACHA20_POLY1305}, suite.AUTH_NONE, key, nil, nil)
	require.NoError(t, err)
	datagram := capture.Hex(t, "c0c1c2c3c4c5c6c7 d0d1d2d3d4d5d6d7 2e202500 00000009 00000045 29000029"+
		"1011121314151617 6103 94701f8d017f7c12924889 6b71bfe25236efd7cdc67066906315b2")
	m, err := message.Open(datagram, p)
	require.NoError(t, err)
	require.Equal(t, []message.Payload{&message.Notify{SPI: []byte{}, Type: message.SET_WINDOW_SIZE, Data: []byte{0, 0, 0, 10}}}, m.Payloads)
}

// The IVs of an AEAD never repeat, those of CBC come from the random source.
func TestIVs(t *testing.T) {
	gcm := suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}
	p, err := suite.NewProtector(gcm, suite.AUTH_NONE, make([]byte, 20), nil, nil)
	require.NoError(t, err)
	seen := map[string]bool{}
	for range 1000 {
		b, err := p.Seal(nil, []byte("same"))
		require.NoError(t, err)
		require.False(t, seen[string(b[:8])])
		seen[string(b[:8])] = true
	}
	p, err = suite.NewProtector(suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 128}, suite.AUTH_HMAC_SHA2_256_128, make([]byte, 16), make([]byte, 32), strings.NewReader("0123456789abcdef"))
	require.NoError(t, err)
	b, err := p.Seal(nil, nil)
	require.NoError(t, err)
	require.Equal(t, "0123456789abcdef", string(b[:16]))
	_, err = p.Seal(nil, nil)
	require.Error(t, err, "no randomness left")
}

// Padding longer than the plaintext is a broken message even with a right ICV.
func TestBadPadding(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 16))
	require.NoError(t, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(t, err)
	p, err := suite.NewProtector(suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}, suite.AUTH_NONE, make([]byte, 20), nil, nil)
	require.NoError(t, err)
	aad := []byte("header")
	for pad, ok := range map[byte]bool{0: true, 4: true, 5: false, 200: false} {
		datagram := gcm.Seal(append(aad, make([]byte, 8)...), make([]byte, 12), []byte{1, 2, 3, 4, pad}, aad)
		plain, err := p.Open(datagram, len(aad))
		require.Equal(t, ok, err == nil, "pad length %d", pad)
		if ok {
			require.Len(t, plain, 4-int(pad))
		} else {
			require.ErrorIs(t, err, message.ErrIntegrity)
		}
	}
}

func TestNATDetectionHash(t *testing.T) {
	a := suite.NATDetectionHash(1, 2, netip.MustParseAddrPort("192.0.2.1:500"))
	require.Equal(t, a, suite.NATDetectionHash(1, 2, netip.MustParseAddrPort("[::ffff:192.0.2.1]:500")), "an address is the same in both forms")
	require.NotEqual(t, a, suite.NATDetectionHash(1, 2, netip.MustParseAddrPort("192.0.2.1:501")))
	// sha1sum of the 34 octets, by coreutils.
	v6 := suite.NATDetectionHash(0x0102030405060708, 0x1112131415161718, netip.MustParseAddrPort("[2001:db8::1]:4500"))
	require.Equal(t, capture.Hex(t, "1ee24423bf8f59515e0265c6d0f08be3d038f7e5"), v6)
}
