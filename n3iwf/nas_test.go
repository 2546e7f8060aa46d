// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
)

func TestTemporaryIdentity(t *testing.T) {
	stmsi := &ngap.FiveGSTMSI{AMFSetID: 0x3f8, AMFPointer: 0, FiveGTMSI: 0x12345678}
	for _, c := range []struct {
		name, pdu string
		want      *ngap.FiveGSTMSI
	}{
		{"registration request with GUTI", "7e004179000bf202f839cafe00123456782e028020", stmsi},
		{"the same, integrity protected", "7e01aabbccdd057e004179000bf202f839cafe0012345678", stmsi},
		{"service request with S-TMSI", "7e004c000007f4fe0012345678", stmsi},
		{"registration request with SUCI", "7e004179000d0102f839f0ff00000000002143", nil},
		{"ciphered", "7e02aabbccdd057e004179000bf202f839cafe0012345678", nil},
		{"identity longer than the message", "7e004179000bf202f839cafe001234", nil},
		{"authentication response", "7e00572d10aabbccddeeff00112233445566778899", nil},
		{"session management", "2e0101c1ffff91", nil},
		{"empty", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			pdu, err := hex.DecodeString(c.pdu)
			require.NoError(t, err)
			require.Equal(t, c.want, temporaryIdentity(pdu))
		})
	}
}

func FuzzTemporaryIdentity(f *testing.F) {
	for _, s := range []string{"7e004179000bf202f839cafe0012345678", "7e01aabbccdd057e004179000bf202f839cafe0012345678", "7e004c000007f4fe0012345678"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(_ *testing.T, pdu []byte) { temporaryIdentity(pdu) })
}
