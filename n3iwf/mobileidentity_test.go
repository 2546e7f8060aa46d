// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIdentityText(t *testing.T) {
	for _, c := range []struct{ pdu, want string }{
		// The Registration Request of a UE with the null scheme: PLMN 208/93, MSIN 0000007487.
		{"7e004179000d0102f8390000000000000047782e04f0f0f0f0", "suci-0-208-93-0000-0-0-0000007487"},
		{"7e004179000d01023314f1ff00000000003072", "suci-0-203-413-1-0-0-0000000327"},
		{"7e004179000b0102f839f0ff0102aabbcc", "suci-0-208-93-0-1-2-aabbcc"}, // profile A, not readable
		{"7e004179000bf202f839cafe0000000001", "5g-guti-02f839cafe0000000001"},
		{"7e004c100007f4fe0000000001", "5g-s-tmsi-fe0000000001"},
		{"7e004179ffff01", "none"},
		{"7e0057", "none"},
		{"", "none"},
	} {
		b, err := hex.DecodeString(c.pdu)
		require.NoError(t, err)
		require.Equal(t, c.want, identityText(mobileIdentity(b)), c.pdu)
	}
}

func FuzzIdentityText(f *testing.F) {
	f.Add([]byte{0x7e, 0, 0x41, 0x79, 0, 0x0d, 1, 2, 0xf8, 0x39, 0, 0, 0, 0, 0, 0, 0, 0x47, 0x78})
	f.Fuzz(func(t *testing.T, b []byte) {
		require.NotEmpty(t, identityText(mobileIdentity(b)))
		_ = temporaryIdentity(b)
	})
}
