// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

// A private key that travels gives the same public value and the same secret.
func TestRestoreKey(t *testing.T) {
	for _, g := range []GroupID{MODP_2048, MODP_3072, MODP_4096, ECP_256, ECP_384, ECP_521, CURVE25519, ML_KEM_768, ML_KEM_1024} {
		t.Run(g.String(), func(t *testing.T) {
			k, err := GenerateKey(g, rand.Reader)
			require.NoError(t, err)
			again, err := RestoreKey(g, k.Private())
			require.NoError(t, err)
			require.Equal(t, k.Public(), again.Public())
			public, secret, err := Respond(g, rand.Reader, k.Public())
			require.NoError(t, err)
			same, err := again.Shared(public)
			require.NoError(t, err)
			require.Equal(t, secret, same)
			for _, bad := range [][]byte{nil, {}, {1}, make([]byte, 5000)} {
				_, err := RestoreKey(g, bad)
				require.Error(t, err)
			}
		})
	}
	_, err := RestoreKey(GroupNone, []byte{1})
	require.Error(t, err)
}
