// SPDX-License-Identifier: Apache-2.0

package suite_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

var allGroups = []suite.GroupID{
	suite.MODP_2048, suite.MODP_3072, suite.MODP_4096, suite.ECP_256, suite.ECP_384, suite.ECP_521, suite.CURVE25519,
}

// RFC 5903 section 8 and RFC 7748 section 6.1.
func TestKeyExchangeVectors(t *testing.T) {
	tests := []struct {
		group                suite.GroupID
		i, gi, r, gr, secret string
	}{
		{suite.ECP_256,
			"C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
			"DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180 5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
			"C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
			"D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63 56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
			"D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"},
		{suite.ECP_384,
			"099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
			"667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA" +
				"9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C",
			"41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942E0308312916B8ED2960E4BD55A7448FC",
			"E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571" +
				"DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
			"11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746"},
		{suite.ECP_521,
			"0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A095AA85A30FE1C2952C6771D937BA9777F5957B2639BAB072462F68C27A57382D4A52",
			"0015417E84DBF28C0AD3C278713349DC7DF153C897A1891BD98BAB4357C9ECBEE1E3BF42E00B8E380AEAE57C2D107564941885942AF5A7F4601723C4195D176CED3E" +
				"017CAE20B6641D2EEB695786D8C946146239D099E18E1D5A514C739D7CB4A10AD8A788015AC405D7799DC75E7B7D5B6CF2261A6A7F1507438BF01BEB6CA3926F9582",
			"0145BA99A847AF43793FDD0E872E7CDFA16BE30FDC780F97BCCC3F078380201E9C677D600B343757A3BDBF2A3163E4C2F869CCA7458AA4A4EFFC311F5CB151685EB9",
			"00D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A219B97C356436ADC6E95BB0352F6BE64A6C2912D4EF2D0433CED2B6171640012D9460F" +
				"015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C724D9852077B87220B6536C5C408A1D2AEBB8E86D678AE49CB57091F4732296579AB44FCD17F0FC56A",
			"01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04D1427E73CA4BAA240A34786859810C06B3C715A3A8CC3151F2BEE417996D19F3DDEA"},
		{suite.CURVE25519,
			"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
			"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	}
	for _, tt := range tests {
		t.Run(tt.group.String(), func(t *testing.T) {
			// The private key is what the random source gives.
			i, err := suite.GenerateKey(tt.group, bytes.NewReader(capture.Hex(t, tt.i)))
			require.NoError(t, err)
			require.Equal(t, capture.Hex(t, tt.gi), i.Public())
			secret, err := i.Shared(capture.Hex(t, tt.gr))
			require.NoError(t, err)
			require.Equal(t, capture.Hex(t, tt.secret), secret)

			public, secret, err := suite.Respond(tt.group, bytes.NewReader(capture.Hex(t, tt.r)), capture.Hex(t, tt.gi))
			require.NoError(t, err)
			require.Equal(t, capture.Hex(t, tt.gr), public)
			require.Equal(t, capture.Hex(t, tt.secret), secret)
		})
	}
}

// pi returns floor(2^bits pi) by Machin's formula.
func pi(bits uint) *big.Int {
	unity := new(big.Int).Lsh(big.NewInt(1), bits+64)
	arctan := func(x int64) *big.Int {
		term := new(big.Int).Div(unity, big.NewInt(x))
		sum := new(big.Int).Set(term)
		for n := int64(3); term.Sign() != 0; n += 2 {
			term.Div(term, big.NewInt(x*x))
			part := new(big.Int).Div(term, big.NewInt(n))
			if n%4 == 3 {
				sum.Sub(sum, part)
			} else {
				sum.Add(sum, part)
			}
		}
		return sum
	}
	p := new(big.Int).Mul(arctan(5), big.NewInt(4))
	p.Sub(p, arctan(239)).Lsh(p, 2)
	return p.Rsh(p, 64)
}

// RFC 3526 defines the primes as 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + k).
func modpPrime(n uint, k int64) *big.Int {
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, n)
	p.Sub(p, new(big.Int).Lsh(one, n-64)).Sub(p, one)
	m := pi(n - 130)
	return p.Add(p, m.Add(m, big.NewInt(k)).Lsh(m, 64))
}

var modpPrimes = map[suite.GroupID]*big.Int{
	suite.MODP_2048: modpPrime(2048, 124476), suite.MODP_3072: modpPrime(3072, 1690314), suite.MODP_4096: modpPrime(4096, 240904),
}

func TestMODP(t *testing.T) {
	// Bits of an exponent: at least twice the security strength.
	exponent := map[suite.GroupID]int{suite.MODP_2048: 256, suite.MODP_3072: 320, suite.MODP_4096: 384}
	for g, p := range modpPrimes {
		t.Run(g.String(), func(t *testing.T) {
			x := make([]byte, exponent[g]/8)
			_, _ = rand.Read(x)
			x[0] |= 0x80
			random := bytes.NewReader(x)
			k, err := suite.GenerateKey(g, random)
			require.NoError(t, err)
			require.Zero(t, random.Len())

			// Square and multiply, so as not to ask big.Int.Exp whether big.Int.Exp is right.
			power := func(base *big.Int) []byte {
				result := big.NewInt(1)
				for _, b := range x {
					for bit := 7; bit >= 0; bit-- {
						result.Mul(result, result).Mod(result, p)
						if b>>bit&1 == 1 {
							result.Mul(result, base).Mod(result, p)
						}
					}
				}
				return result.FillBytes(make([]byte, g.PublicLen()))
			}
			require.Equal(t, power(big.NewInt(2)), k.Public())
			y := big.NewInt(0).Sub(p, big.NewInt(3))
			secret, err := k.Shared(y.Bytes())
			require.NoError(t, err)
			require.Equal(t, power(y), secret)

			for name, bad := range map[string]*big.Int{
				"0": big.NewInt(0), "1": big.NewInt(1), "p-1": new(big.Int).Sub(p, big.NewInt(1)), "p": p, "p+1": new(big.Int).Add(p, big.NewInt(1)),
			} {
				_, err := k.Shared(bad.FillBytes(make([]byte, g.PublicLen())))
				require.ErrorIs(t, err, suite.ErrPublicValue, name)
			}
		})
	}
}

func TestKeyExchangeAgrees(t *testing.T) {
	for _, g := range allGroups {
		t.Run(g.String(), func(t *testing.T) {
			a, err := suite.GenerateKey(g, rand.Reader)
			require.NoError(t, err)
			require.Equal(t, g, a.Group())
			require.Len(t, a.Public(), g.PublicLen())
			public, secret, err := suite.Respond(g, rand.Reader, a.Public())
			require.NoError(t, err)
			shared, err := a.Shared(public)
			require.NoError(t, err)
			require.Equal(t, secret, shared)

			for _, bad := range [][]byte{nil, public[1:], append([]byte{0}, public...), make([]byte, g.PublicLen())} {
				_, err := a.Shared(bad)
				require.ErrorIs(t, err, suite.ErrPublicValue, "%d octets", len(bad))
			}
			if g == suite.ECP_256 || g == suite.ECP_384 || g == suite.ECP_521 {
				off := bytes.Clone(public)
				off[len(off)-1] ^= 1
				_, err := a.Shared(off)
				require.ErrorIs(t, err, suite.ErrPublicValue, "not on the curve")
			}

			_, err = suite.GenerateKey(g, bytes.NewReader(nil))
			require.ErrorIs(t, err, io.EOF)
		})
	}
	for _, g := range []suite.GroupID{0, 1, 2, 5, 22, 35} {
		_, err := suite.GenerateKey(g, rand.Reader)
		require.Error(t, err, "%v", g)
		require.False(t, g.Supported())
	}
	// An endless run of zeros is no random source.
	_, err := suite.GenerateKey(suite.ECP_256, zeros{})
	require.Error(t, err)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestFromSeed(t *testing.T) {
	for _, g := range allGroups {
		a, err := suite.GenerateKey(g, mrand.NewChaCha8([32]byte{1}))
		require.NoError(t, err)
		b, err := suite.GenerateKey(g, mrand.NewChaCha8([32]byte{1}))
		require.NoError(t, err)
		require.Equal(t, a.Public(), b.Public(), "%v", g)
	}
}

// A seed whose first exponent makes a shared secret with a leading zero octet is looked for; Respond
// keeps it (left-padded), RespondFull draws again.
func TestRespondFull(t *testing.T) {
	peer, err := suite.GenerateKey(suite.MODP_2048, mrand.NewChaCha8([32]byte{2}))
	require.NoError(t, err)
	for seed := byte(0); ; seed++ {
		public, secret, err := suite.Respond(suite.MODP_2048, mrand.NewChaCha8([32]byte{3, seed}), peer.Public())
		require.NoError(t, err)
		require.Len(t, secret, 256)
		if secret[0] != 0 && public[0] != 0 {
			require.Less(t, seed, byte(255), "none in 256 has a leading zero")
			continue
		}
		public, secret, err = suite.RespondFull(suite.MODP_2048, mrand.NewChaCha8([32]byte{3, seed}), peer.Public())
		require.NoError(t, err)
		require.NotZero(t, public[0])
		require.NotZero(t, secret[0])
		shared, err := peer.Shared(public)
		require.NoError(t, err)
		require.Equal(t, secret, shared)
		return
	}
}

func BenchmarkKeyExchange(b *testing.B) {
	for _, g := range allGroups {
		b.Run(fmt.Sprint(g), func(b *testing.B) {
			peer, err := suite.GenerateKey(g, rand.Reader)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, _, err := suite.Respond(g, rand.Reader, peer.Public()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
