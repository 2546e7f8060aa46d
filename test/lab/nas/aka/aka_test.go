// SPDX-License-Identifier: Apache-2.0

package aka_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
)

func key16(t testing.TB, s string) [16]byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return [16]byte(b)
}

// TestChain follows the keys of one subscriber from K to K_N3IWF.
func TestChain(t *testing.T) {
	s := milenage.Subscriber{K: key16(t, "8baf473f2f8fd09487cccbd7097c6862"), OPc: key16(t, "8e27b6af0e692e750f32667a3b14605d")}
	rand := key16(t, "000102030405060708090a0b0c0d0e0f")
	autn := s.AUTN(rand, 0x21, [2]byte{0x80, 0})
	v := s.F2345(rand)
	network := aka.ServingNetwork("208", "93")
	require.Equal(t, "5G:mnc093.mcc208.3gppnetwork.org", network)
	require.Equal(t, "5G:mnc410.mcc310.3gppnetwork.org", aka.ServingNetwork("310", "410"))

	res := aka.RESStar(v, network, rand)
	hres := aka.HRESStar(rand, res)
	kausf := aka.KAUSF(v, network, autn)
	kseaf := aka.KSEAF(kausf, network)
	kamf := aka.KAMF(kseaf, "208930000000003", []byte{0, 0})
	enc := func(a uint8) []byte { k := aka.KNASenc(kamf, a); return k[:] }
	integ := func(a uint8) []byte { k := aka.KNASint(kamf, a); return k[:] }
	n3iwf, gnb := aka.KN3IWF(kamf, 0), aka.KgNB(kamf, 0)
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"RES*", res[:], "0022810ea40f5d25b8b40d868db4307a"},
		{"HXRES*", hres[:], "261949f0f5830a77b5f2360ba7598164"},
		{"K_AUSF", kausf[:], "22fce162bd57a255e27144e4eb71dbbb6e929d257432e97bfef39a0ebf7c9026"},
		{"K_SEAF", kseaf[:], "0fc70a155fc794aeb3cfa368ef45a3da4054376000f1017e9abe539dc36a204f"},
		{"K_AMF", kamf[:], "6a6f6aa78eceb6bf2a5fcc73ff027103983a587ce66a17bb6173e3a5d6513782"},
		{"K_NASenc 1", enc(1), "8e87d6ab48fc53339b60e80e604a57ca"},
		{"K_NASenc 2", enc(2), "f69f7de8951da1bae1b05d4f3d2b692e"},
		{"K_NASenc 3", enc(3), "f7f59858190911612c5fde6e9f5635b5"},
		{"K_NASenc 0", enc(0), "b31ddc17fba0773e4b26e8146c971faa"},
		{"K_NASint 1", integ(1), "b760fb225d67ebfefebc2f712e0ba4a5"},
		{"K_NASint 2", integ(2), "13479e7fcb9c1820fd4fcf6ee4ee8e76"},
		{"K_NASint 3", integ(3), "1f7d741be31b24cf53d74e627214bb10"},
		{"K_N3IWF", n3iwf[:], "bcb1d8d235045d7724523eadaeafe6d9427f540863f79579b6c915fc3dd30c8c"},
		{"K_gNB", gnb[:], "798aaba958352587c1775c1ff50ea2fb9a60251ab86a6732ed643df06f8505d8"},
	} {
		require.Equal(t, c.want, hex.EncodeToString(c.got), c.name)
	}
}

func TestKN3IWF(t *testing.T) {
	var kamf aka.Key
	for i := range kamf {
		kamf[i] = byte(i)
	}
	for count, want := range []string{
		"164327edabce4d8d24b259b8f3823d66f45ccbe0be327721a35c556c2fe8619c",
		"4393465459716445fe384dc2b54418d348e4383048061aad75b7122bde472bca",
	} {
		k := aka.KN3IWF(kamf, uint32(count))
		require.Equal(t, want, hex.EncodeToString(k[:]))
	}
}
