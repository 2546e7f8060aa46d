// SPDX-License-Identifier: Apache-2.0

package suite_test

import (
	"bytes"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/rand"
	csha256 "crypto/sha256"
	"crypto/sha3"
	"encoding/hex"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

// The accumulated ML-KEM-768 vector of c2sp.org/CCTV/ML-KEM in the shorter form that Go's own test of crypto/mlkem
// prints (without the expanded private key): 100 runs of the pq-crystals reference code, hashed. It shows that the KE
// payloads hold the octets of FIPS 203 and that our half of the exchange is the initiator's.
func TestMLKEM768Accumulated(t *testing.T) {
	in, out := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	m, junk := make([]byte, 32), make([]byte, mlkem.CiphertextSize768)
	for range 100 {
		k, err := suite.GenerateKey(suite.ML_KEM_768, in)
		require.NoError(t, err)
		_, _ = out.Write(k.Public())
		_, _ = io.ReadFull(in, m)
		ek, err := mlkem.NewEncapsulationKey768(k.Public())
		require.NoError(t, err)
		secret, ct, err := mlkemtest.Encapsulate768(ek, m)
		require.NoError(t, err)
		_, _ = out.Write(ct)
		_, _ = out.Write(secret)
		shared, err := k.Shared(ct)
		require.NoError(t, err)
		require.Equal(t, secret, shared)
		_, _ = io.ReadFull(in, junk)
		other, err := k.Shared(junk)
		require.NoError(t, err)
		_, _ = out.Write(other)
	}
	sum := make([]byte, 32)
	_, _ = out.Read(sum)
	require.Equal(t, "1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415", hex.EncodeToString(sum))
}

// The "unlucky" ML-KEM-1024 vector of c2sp.org/CCTV/ML-KEM: seed d | z, message m, shared key K, and the SHA-256 of
// the encapsulation key and of the ciphertext that it prints in full.
func TestMLKEM1024Vector(t *testing.T) {
	seed := capture.Hex(t, "9526e27d918ae2379c067c81c59eca33fcd7045ea098c6ea6ed7d8aaea511cb6"+
		"8476013560151d986dc7834dcb57c75f845f8d7ee71558d0955f3f4feb723cf2")
	m := capture.Hex(t, "e48f74ad416e99631003ded1478aec62a02c245d88ed7f2fae92aedf13ca03b3")
	k, err := suite.GenerateKey(suite.ML_KEM_1024, bytes.NewReader(seed))
	require.NoError(t, err)
	ek, err := mlkem.NewEncapsulationKey1024(k.Public())
	require.NoError(t, err)
	secret, ct, err := mlkemtest.Encapsulate1024(ek, m)
	require.NoError(t, err)
	require.Equal(t, capture.Hex(t, "984b648fda1cc7ff5fb01d89387f1827ffd43f0bd6c12b157b8b6101273a01ee"), secret)
	require.Equal(t, "9dbc23d3cd4f961d5bafb1538c74c5eee4348964c0d26e0aded8f7a05a378403", hex.EncodeToString(sum(k.Public())))
	require.Equal(t, "1ed13e48ac8c44095b0816298af980e5e5f432c0de6a2860882747126bccfa15", hex.EncodeToString(sum(ct)))
	shared, err := k.Shared(ct)
	require.NoError(t, err)
	require.Equal(t, secret, shared)
}

func sum(b []byte) []byte { s := csha256.Sum256(b); return s[:] }

func TestMLKEMAgrees(t *testing.T) {
	for g, answer := range map[suite.GroupID]int{suite.ML_KEM_768: 1088, suite.ML_KEM_1024: 1568} {
		t.Run(g.String(), func(t *testing.T) {
			i, err := suite.GenerateKey(g, rand.Reader)
			require.NoError(t, err)
			require.Len(t, i.Public(), g.PublicLen())
			public, secret, err := suite.Respond(g, rand.Reader, i.Public())
			require.NoError(t, err)
			require.Len(t, public, answer)
			shared, err := i.Shared(public)
			require.NoError(t, err)
			require.Equal(t, secret, shared)
			// FIPS 203 7.2: a key with a coefficient of q or more is refused.
			over := bytes.Clone(i.Public())
			over[0], over[1] = 0xff, over[1]|0x0f
			for name, bad := range map[string][]byte{
				"none": nil, "short": i.Public()[1:], "long": append([]byte{0}, i.Public()...), "not reduced": over,
			} {
				_, _, err := suite.Respond(g, rand.Reader, bad)
				require.ErrorIs(t, err, suite.ErrPublicValue, name)
			}
			for name, bad := range map[string][]byte{"none": nil, "short": public[1:], "long": append([]byte{0}, public...)} {
				_, err := i.Shared(bad)
				require.ErrorIs(t, err, suite.ErrPublicValue, name)
			}
			// Another ciphertext gives another secret and no error.
			public[7] ^= 1
			other, err := i.Shared(public)
			require.NoError(t, err)
			require.NotEqual(t, secret, other)
		})
	}
}
