// SPDX-License-Identifier: Apache-2.0

package suite_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

// facts: K_N3IWF of K_AMF 00..1f and count 0 in the role of the MSK, over the octets 00..0f.
func TestSharedKeyVector(t *testing.T) {
	octets := capture.Hex(t, "000102030405060708090a0b0c0d0e0f")
	key := capture.Hex(t, "164327edabce4d8d24b259b8f3823d66f45ccbe0be327721a35c556c2fe8619c")
	want := capture.Hex(t, "431ea620c02aea965f4055b0124ac026ff6947c63b204e6ac30c5e41f674cbed")
	p := suite.PRF_HMAC_SHA2_256
	require.Equal(t, want, p.SharedKeyMIC(key, octets))
	require.True(t, p.VerifySharedKey(key, octets, want))
	require.False(t, p.VerifySharedKey(key, octets, want[:31]))
	require.False(t, p.VerifySharedKey(key[1:], octets, want))
}

func TestSignedOctets(t *testing.T) {
	p := suite.PRF_HMAC_SHA2_256
	want := append([]byte("messagenonce"), p.Sum([]byte("SK_p"), []byte("id"))...)
	require.Equal(t, want, p.SignedOctets([]byte("message"), []byte("nonce"), []byte("SK_p"), []byte("id")))
}

var testKeys = sync.OnceValue(func() map[string]crypto.Signer {
	keys := map[string]crypto.Signer{}
	keys["RSA-2048"], _ = rsa.GenerateKey(rand.Reader, 2048)
	keys["RSA-4096"], _ = rsa.GenerateKey(rand.Reader, 4096)
	keys["P-256"], _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	keys["P-384"], _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	keys["P-521"], _ = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, keys["Ed25519"], _ = ed25519.GenerateKey(rand.Reader)
	return keys
})

// AlgorithmIdentifiers as X.509 writes them: an independent encoding of the same type.
func x509Algorithm(t *testing.T, key crypto.Signer, a x509.SignatureAlgorithm) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, SignatureAlgorithm: a,
	}, &x509.Certificate{}, key.Public(), key)
	require.NoError(t, err)
	var c struct{ TBS, Algorithm, Signature asn1.RawValue }
	_, err = asn1.Unmarshal(der, &c)
	require.NoError(t, err)
	return c.Algorithm.FullBytes
}

func TestSignatures(t *testing.T) {
	octets := []byte("the signed octets")
	tests := []struct {
		key    string
		hashes []suite.HashID
		pss    bool
		method message.AuthMethod
		x509   x509.SignatureAlgorithm // 0: classic
		hash   string                  // for openssl
	}{
		{"RSA-2048", nil, false, message.AuthRSA, 0, "sha1"},
		{"RSA-2048", []uint16{1, 2, 3, 4}, false, message.AuthDigitalSignature, x509.SHA256WithRSA, "sha256"},
		{"RSA-2048", []uint16{4, 3}, false, message.AuthDigitalSignature, x509.SHA384WithRSA, "sha384"},
		{"RSA-2048", []uint16{4}, false, message.AuthDigitalSignature, x509.SHA512WithRSA, "sha512"},
		{"RSA-4096", []uint16{2, 3, 4}, false, message.AuthDigitalSignature, x509.SHA384WithRSA, "sha384"},
		{"RSA-2048", []uint16{2}, true, message.AuthDigitalSignature, x509.SHA256WithRSAPSS, "sha256"},
		{"RSA-2048", []uint16{3}, true, message.AuthDigitalSignature, x509.SHA384WithRSAPSS, "sha384"},
		{"RSA-2048", []uint16{4}, true, message.AuthDigitalSignature, x509.SHA512WithRSAPSS, "sha512"},
		{"P-256", nil, false, message.AuthECDSA256, 0, ""},
		{"P-384", nil, false, message.AuthECDSA384, 0, ""},
		{"P-521", nil, false, message.AuthECDSA521, 0, ""},
		{"P-256", suite.SignatureHashes, false, message.AuthDigitalSignature, x509.ECDSAWithSHA256, "sha256"},
		{"P-384", suite.SignatureHashes, false, message.AuthDigitalSignature, x509.ECDSAWithSHA384, "sha384"},
		{"P-521", suite.SignatureHashes, false, message.AuthDigitalSignature, x509.ECDSAWithSHA512, "sha512"},
		{"P-384", []uint16{2}, false, message.AuthDigitalSignature, x509.ECDSAWithSHA256, "sha256"},
		{"Ed25519", suite.SignatureHashes, false, message.AuthDigitalSignature, x509.PureEd25519, ""},
	}
	for _, tt := range tests {
		name := tt.key + "/" + tt.method.String()
		if tt.x509 != 0 {
			name += "/" + tt.x509.String()
		}
		t.Run(name, func(t *testing.T) {
			key := testKeys()[tt.key]
			method, data, err := suite.Sign(key, octets, suite.SignOptions{PeerHashes: tt.hashes, PSS: tt.pss}, rand.Reader)
			require.NoError(t, err)
			require.Equal(t, tt.method, method)
			signature := data
			if method == message.AuthDigitalSignature {
				algorithm := data[1 : 1+data[0]]
				require.Equal(t, x509Algorithm(t, key, tt.x509), algorithm)
				signature = data[1+data[0]:]
			}
			opts := suite.VerifyOptions{SHA1: method == message.AuthRSA}
			require.NoError(t, suite.Verify(key.Public(), method, data, octets, opts))
			require.ErrorIs(t, suite.Verify(key.Public(), method, data, []byte("other octets"), opts), suite.ErrSignature)
			broken := bytes.Clone(data)
			broken[len(broken)-1] ^= 1
			require.ErrorIs(t, suite.Verify(key.Public(), method, broken, octets, opts), suite.ErrSignature)
			for n := range data {
				require.Error(t, suite.Verify(key.Public(), method, data[:n], octets, opts))
			}
			for other, k := range testKeys() {
				if other != tt.key {
					require.Error(t, suite.Verify(k.Public(), method, data, octets, opts), other)
				}
			}
			if tt.hash != "" {
				openssl(t, key, tt.hash, tt.pss, octets, signature)
			}
		})
	}
}

// openssl verifies our signature, and we verify one of openssl's.
func openssl(t *testing.T, key crypto.Signer, hash string, pss bool, octets, signature []byte) {
	t.Helper()
	testenv.NeedTool(t, "openssl", "openssl")
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, b, 0o600))
		return name
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	args := []string{"dgst", "-" + hash}
	if pss {
		args = append(args, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1")
	}
	in := file("octets", octets)
	out, err := exec.Command("openssl", append(args,
		"-verify", file("public.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"-signature", file("signature", signature), in)...).CombinedOutput()
	require.NoError(t, err, "%s", out)

	theirs := filepath.Join(dir, "theirs")
	out, err = exec.Command("openssl", append(args,
		"-sign", file("private.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), "-out", theirs, in)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	sig, err := os.ReadFile(theirs)
	require.NoError(t, err)
	method, ours, err := suite.Sign(key, octets, suite.SignOptions{PSS: pss, PeerHashes: map[string][]uint16{
		"sha256": {2}, "sha384": {3}, "sha512": {4},
	}[hash]}, rand.Reader)
	require.NoError(t, err)
	if method == message.AuthDigitalSignature {
		sig = append(bytes.Clone(ours[:1+ours[0]]), sig...)
	}
	require.NoError(t, suite.Verify(key.Public(), method, sig, octets, suite.VerifyOptions{SHA1: method == message.AuthRSA}))
}

func TestNoCommonSignatureMethod(t *testing.T) {
	for name, hashes := range map[string][]suite.HashID{"RSA-2048": {1, 5}, "P-256": {}, "Ed25519": {2, 3, 4}} {
		_, _, err := suite.Sign(testKeys()[name], nil, suite.SignOptions{PeerHashes: hashes}, rand.Reader)
		require.ErrorIs(t, err, suite.ErrNoSignatureMethod, name)
	}
	_, _, err := suite.Sign(testKeys()["Ed25519"], nil, suite.SignOptions{}, rand.Reader)
	require.ErrorIs(t, err, suite.ErrNoSignatureMethod)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	_, _, err = suite.Sign(p224, nil, suite.SignOptions{}, rand.Reader)
	require.ErrorIs(t, err, suite.ErrNoSignatureMethod)
}

func TestVerifyRefuses(t *testing.T) {
	rsaKey := testKeys()["RSA-2048"]
	octets := []byte("octets")
	_, sha1sig, err := suite.Sign(rsaKey, octets, suite.SignOptions{}, rand.Reader)
	require.NoError(t, err)
	digital := func(algorithm string, signature []byte) []byte {
		a := capture.Hex(t, algorithm)
		return append(append([]byte{byte(len(a))}, a...), signature...)
	}
	const sha1RSA = "300d06092a864886f70d0101050500"
	for name, try := range map[string]struct {
		method message.AuthMethod
		data   []byte
		o      suite.VerifyOptions
	}{
		"SHA-1 classic":         {message.AuthRSA, sha1sig, suite.VerifyOptions{}},
		"SHA-1 in method 14":    {message.AuthDigitalSignature, digital(sha1RSA, sha1sig), suite.VerifyOptions{}},
		"shared key":            {message.AuthSharedKey, sha1sig, suite.VerifyOptions{}},
		"NULL":                  {message.AuthNULL, nil, suite.VerifyOptions{}},
		"DSS":                   {message.AuthDSS, sha1sig, suite.VerifyOptions{SHA1: true}},
		"unknown algorithm":     {message.AuthDigitalSignature, digital("300306012a", sha1sig), suite.VerifyOptions{SHA1: true}},
		"empty":                 {message.AuthDigitalSignature, nil, suite.VerifyOptions{SHA1: true}},
		"PSS with SHA-1":        {message.AuthDigitalSignature, digital("300d06092a864886f70d01010a3000", sha1sig), suite.VerifyOptions{SHA1: true}},
		"ECDSA of an RSA key":   {message.AuthECDSA256, make([]byte, 64), suite.VerifyOptions{}},
		"Ed25519 of an RSA key": {message.AuthDigitalSignature, digital("300506032b6570", make([]byte, 64)), suite.VerifyOptions{}},
	} {
		require.ErrorIs(t, suite.Verify(rsaKey.Public(), try.method, try.data, octets, try.o), suite.ErrSignatureMethod, name)
	}
	// What SHA1 allows, and an AlgorithmIdentifier without its NULL.
	require.NoError(t, suite.Verify(rsaKey.Public(), message.AuthDigitalSignature, digital(sha1RSA, sha1sig), octets, suite.VerifyOptions{SHA1: true}))
	require.NoError(t, suite.Verify(rsaKey.Public(), message.AuthDigitalSignature, digital("300b06092a864886f70d010105", sha1sig), octets, suite.VerifyOptions{SHA1: true}))

	weak := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	require.ErrorIs(t, suite.Verify(weak, message.AuthRSA, sha1sig, octets, suite.VerifyOptions{SHA1: true}), suite.ErrSignatureMethod)
	require.ErrorIs(t, suite.Verify("no key", message.AuthRSA, sha1sig, octets, suite.VerifyOptions{SHA1: true}), suite.ErrSignatureMethod)
}

func TestHashes(t *testing.T) {
	b := suite.AppendHashes(nil, suite.SignatureHashes)
	require.Equal(t, capture.Hex(t, "0002 0003 0004 0005"), b)
	hashes, err := suite.ParseHashes(b)
	require.NoError(t, err)
	require.Equal(t, suite.SignatureHashes, hashes)
	hashes, err = suite.ParseHashes(nil)
	require.NoError(t, err)
	require.NotNil(t, hashes)
	_, err = suite.ParseHashes([]byte{0})
	require.Error(t, err)
}

func FuzzVerify(f *testing.F) {
	keys := []crypto.Signer{testKeys()["RSA-2048"], testKeys()["P-256"], testKeys()["Ed25519"]}
	for i, k := range keys {
		for _, pss := range []bool{true, false} {
			method, data, err := suite.Sign(k, []byte("octets"), suite.SignOptions{PeerHashes: suite.SignatureHashes, PSS: pss}, rand.Reader)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), uint8(method), data)
		}
	}
	f.Fuzz(func(t *testing.T, key, method uint8, data []byte) {
		if suite.Verify(keys[int(key)%len(keys)].Public(), message.AuthMethod(method), data, []byte("other"), suite.VerifyOptions{SHA1: true}) == nil {
			t.Fatal("verified")
		}
	})
}

// FuzzSelect: whatever is offered, a choice is one of the offered proposals, complete, and passes
// the initiator's check.
func FuzzSelect(f *testing.F) {
	for _, p := range []suite.Profile{suite.Default(), suite.LegacyLab()} {
		for _, offer := range [][]message.Proposal{suite.Offer(p.IKE, nil), suite.Offer(p.ESP, make([]byte, 4)), suite.Offer(suite.WithGroups(p.ESP, 19, 0), make([]byte, 4))} {
			b, err := (&message.SecurityAssociation{Proposals: offer}).AppendBody([]byte{0, 0, 0, 0})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b[4:], uint16(19), true)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, ke uint16, first bool) {
		n := len(body) + 4
		if n > 0xffff {
			return
		}
		payloads, err := message.DecodePayloads(message.PayloadSA, append([]byte{0, 0, byte(n >> 8), byte(n)}, body...))
		if err != nil {
			return
		}
		offered := payloads[0].(*message.SecurityAssociation).Proposals
		seen := map[uint8]bool{}
		for _, p := range offered {
			if seen[p.Number] {
				return // numbers that are not unique make an answer ambiguous
			}
			seen[p.Number] = true
		}
		p := suite.LegacyLab()
		if c, err := suite.SelectIKE(p.IKE, offered, 0, suite.GroupID(ke)); err == nil {
			a, err := suite.AcceptIKE(offered, []message.Proposal{c.Answer(nil)}, 0)
			if err != nil || a.IKE != c.IKE || !c.IKE.Supported() {
				t.Fatalf("%v %v %v", err, a.IKE, c.IKE)
			}
		}
		if c, err := suite.SelectESP(p.ESP, offered, suite.GroupID(ke), first); err == nil {
			a, err := suite.AcceptESP(offered, []message.Proposal{c.Answer(make([]byte, 4))}, first)
			if err != nil || a.ESP != c.ESP || !c.ESP.Supported() {
				t.Fatalf("%v %v %v", err, a.ESP, c.ESP)
			}
		}
	})
}
