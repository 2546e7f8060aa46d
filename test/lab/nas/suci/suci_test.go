// SPDX-License-Identifier: Apache-2.0

package suci_test

import (
	"crypto/ecdh"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/nas/suci"
)

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// TestProfileA is the example of TS 33.501 clause C.4.3 and one more MSIN under the same keys.
func TestProfileA(t *testing.T) {
	home, err := ecdh.X25519().NewPrivateKey(unhex(t, "c53c22208b61860b06c62e5406a7b330c2b577aa5558981510d128247d38bd1d"))
	require.NoError(t, err)
	require.Equal(t, unhex(t, "5a8d38864820197c3394b92613b20b91633cbd897119273bf8e4a6f4eec0a650"), home.PublicKey().Bytes())
	ephemeral, err := ecdh.X25519().NewPrivateKey(unhex(t, "c80949f13ebe61af4ebdbd293ea4f942696b9e815d7e8f0096bbf6ed7de62256"))
	require.NoError(t, err)
	public := "b2e92f836055a255837debf850b528997ce0201cb82adfe4be1f587d07d8457d"
	for msin, want := range map[string]string{
		"00012080f6": "cb02352410" + "cddd9e730ef3fa87",
		"0000000030": "cb0315a4d6" + "e1174a91a624bfdc",
	} {
		out, err := suci.Conceal(home.PublicKey(), ephemeral, unhex(t, msin))
		require.NoError(t, err)
		require.Equal(t, public+want, hex.EncodeToString(out))
		back, err := suci.Reveal(home, out)
		require.NoError(t, err)
		require.Equal(t, msin, hex.EncodeToString(back))
		for i := range out {
			if i == 31 { // the highest bit of an X25519 public key is not used
				continue
			}
			bad := append([]byte(nil), out...)
			bad[i] ^= 1
			_, err = suci.Reveal(home, bad)
			require.Error(t, err, "octet %d", i)
		}
		for n := range len(out) {
			_, err = suci.Reveal(home, out[:n])
			require.Error(t, err, "%d octets", n)
		}
	}
	_, err = suci.Reveal(home, make([]byte, 45))
	require.Error(t, err, "a public key of low order")
}
