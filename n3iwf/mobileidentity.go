// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// Types of 5GS mobile identity, in the lowest bits of its first octet (TS 24.501 9.11.3.4).
const (
	identityType = 7
	identitySUCI = 1
	identityGUTI = 2
	identityTMSI = 4
)

// mobileIdentity is the 5GS mobile identity in a Registration Request or Service Request that is not ciphered, nil when there is none.
func mobileIdentity(pdu []byte) []byte {
	if len(pdu) > 7 && pdu[0] == 0x7e && pdu[1]&0x0f == 1 {
		pdu = pdu[7:] // integrity protected, not ciphered
	}
	if len(pdu) < 7 || pdu[0] != 0x7e || pdu[1]&0x0f != 0 || pdu[2] != 0x41 && pdu[2] != 0x4c {
		return nil
	}
	n := int(binary.BigEndian.Uint16(pdu[4:]))
	if n < 1 || n > len(pdu)-6 {
		return nil
	}
	return pdu[6 : 6+n]
}

// logIdentity tells who the UE is, when the operator wants that.
func (u *ue) logIdentity(pdu []byte) {
	if !u.nf.live().Debug.Identities {
		return
	}
	u.log.Info("identity of the UE", slog.String("identity", identityText(mobileIdentity(pdu))))
}

// identityText writes an identity as TS 23.003 28.7 does: SUCIs with all their parts, and the 5G-GUTI in hexadecimal.
func identityText(b []byte) string {
	const imsi, nullScheme = 0, 0
	switch {
	case len(b) == 0:
		return "none"
	case b[0]&identityType == identitySUCI && b[0]>>4&7 == imsi && len(b) > 8:
		output := hex.EncodeToString(b[8:])
		if b[6]&0x0f == nullScheme {
			output = digits(b[8:])
		}
		mcc, mnc := digits(b[1:2])+digits([]byte{b[2]&0x0f | 0xf0}), digits(b[3:4])+digits([]byte{b[2]>>4 | 0xf0})
		return fmt.Sprintf("suci-0-%s-%s-%s-%d-%d-%s", mcc, mnc, digits(b[4:6]), b[6]&0x0f, b[7], output)
	case b[0]&identityType == identityGUTI && len(b) == 11:
		return "5g-guti-" + hex.EncodeToString(b[1:])
	case b[0]&identityType == identityTMSI && len(b) == 7:
		return "5g-s-tmsi-" + hex.EncodeToString(b[1:])
	}
	return hex.EncodeToString(b)
}

// digits reads BCD digits, the lower half of an octet first, until a filler.
func digits(b []byte) string {
	var text []byte
	for _, octet := range b {
		for _, d := range []byte{octet & 0x0f, octet >> 4} {
			if d > 9 {
				return string(text)
			}
			text = append(text, '0'+d)
		}
	}
	return string(text)
}
