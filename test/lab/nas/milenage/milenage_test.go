// SPDX-License-Identifier: Apache-2.0

package milenage_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
)

func octets[T ~[16]byte | ~[14]byte | ~[8]byte | ~[6]byte | ~[2]byte](t testing.TB, s string) T {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	var out T
	require.Len(t, b, len(out))
	for i := range b {
		out[i] = b[i]
	}
	return out
}

// TestSet1 is test set 1 of TS 35.208.
func TestSet1(t *testing.T) {
	k, op := octets[[16]byte](t, "465b5ce8b199b49faa5f0a2ee238a6bc"), octets[[16]byte](t, "cdc202d5123e20f62b6d676ac72cb318")
	s := milenage.Subscriber{K: k, OPc: milenage.OPc(k, op)}
	require.Equal(t, octets[[16]byte](t, "cd63cb71954a9f4e48a5994e37a02baf"), s.OPc)
	rand := octets[[16]byte](t, "23553cbe9637a89d218ae64dae47bf35")
	macA, macS := s.F1(rand, 0xff9bb4d0b607, octets[[2]byte](t, "b9b9"))
	require.Equal(t, octets[[8]byte](t, "4a9ffac354dfafb3"), macA)
	require.Equal(t, octets[[8]byte](t, "01cfaf9ec4e871e9"), macS)
	require.Equal(t, milenage.Vector{
		RES: octets[[8]byte](t, "a54211d5e3ba50bf"), CK: octets[[16]byte](t, "b40ba9a3c58b2a05bbf0d987b21bf8cb"),
		IK: octets[[16]byte](t, "f769bcd751044604127672711c6d3441"), AK: octets[[6]byte](t, "aa689c648370"),
	}, s.F2345(rand))
	require.Equal(t, octets[[6]byte](t, "451e8beca43b"), s.F5Star(rand))
}

func TestTokens(t *testing.T) {
	s := milenage.Subscriber{K: octets[[16]byte](t, "8baf473f2f8fd09487cccbd7097c6862"), OPc: octets[[16]byte](t, "8e27b6af0e692e750f32667a3b14605d")}
	rand, amf := octets[[16]byte](t, "000102030405060708090a0b0c0d0e0f"), [2]byte{0x80, 0}
	autn := s.AUTN(rand, 0x21, amf)
	require.Equal(t, octets[[16]byte](t, "6fbfa38003c1800041ecbb46a59b6ea4"), autn)
	sqn, v, err := s.CheckAUTN(rand, autn)
	require.NoError(t, err)
	require.EqualValues(t, 0x21, sqn)
	require.Equal(t, s.F2345(rand), v)
	require.Equal(t, octets[[14]byte](t, "3810e6cdfe09a739facdf82ba154"), s.AUTS(rand, 0x21))
	sqn, err = s.CheckAUTS(rand, s.AUTS(rand, 0x123456789abc))
	require.NoError(t, err)
	require.EqualValues(t, 0x123456789abc, sqn)

	for i := range autn {
		bad := autn
		bad[i] ^= 1
		_, _, err = s.CheckAUTN(rand, bad)
		require.ErrorIs(t, err, milenage.ErrMAC, "octet %d", i)
	}
	_, _, err = s.CheckAUTN(rand, s.AUTN(rand, 0x21, [2]byte{}))
	require.ErrorIs(t, err, milenage.ErrSeparation)
	auts := s.AUTS(rand, 5)
	auts[3] ^= 1
	_, err = s.CheckAUTS(rand, auts)
	require.ErrorIs(t, err, milenage.ErrMAC)
	require.Equal(t, milenage.SQN(0x010203040506), milenage.ParseSQN(milenage.SQN(0x010203040506).Bytes()))
}
