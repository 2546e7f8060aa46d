// SPDX-License-Identifier: Apache-2.0

package nas_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// TestProtectedVectors opens the protected messages of a whole registration in their order, compares them with the
// plain ones, and protects them again to the same octets.
func TestProtectedVectors(t *testing.T) {
	kamf := aka.Key(unhex(t, "6a6f6aa78eceb6bf2a5fcc73ff027103983a587ce66a17bb6173e3a5d6513782"))
	contexts := map[bool][2]*security.Context{}
	for _, up := range []bool{true, false} {
		from, to := security.Downlink, security.Uplink
		if up {
			from, to = to, from
		}
		sender, err := security.New(kamf, 0, 2, 2, security.BearerNon3GPP, from)
		require.NoError(t, err)
		receiver, err := security.New(kamf, 0, 2, 2, security.BearerNon3GPP, to)
		require.NoError(t, err)
		contexts[up] = [2]*security.Context{sender, receiver}
	}
	require.Len(t, protectedVectors, 12)
	for _, v := range protectedVectors {
		sender, receiver := contexts[v.up][0], contexts[v.up][1]
		got, count, err := receiver.Unprotect(unhex(t, v.hex))
		require.NoError(t, err, v.name)
		require.Equal(t, v.count, count, v.name)
		_, err = nas.Decode(got)
		require.NoError(t, err, v.name)
		if v.header != uint8(security.Integrity) { // that one has a ciphered container
			require.Contains(t, plainOf(v.name), hex.EncodeToString(got), v.name)
		}
		again, err := sender.Protect(security.HeaderType(v.header), got)
		require.NoError(t, err)
		require.Equal(t, v.hex, hex.EncodeToString(again), v.name)
	}
}

// plainOf returns the plain messages whose name starts like that of a protected one.
func plainOf(name string) []string {
	var list []string
	for _, v := range plainVectors {
		if strings.HasPrefix(v.name, name) {
			list = append(list, v.hex)
		}
	}
	return list
}
