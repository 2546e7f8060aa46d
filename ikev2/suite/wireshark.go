// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// File names of Wireshark's key tables, in its profile directory.
const (
	WiresharkIKEFile = "ikev2_decryption_table"
	WiresharkESPFile = "esp_sa"
)

// WiresharkIKE returns the line of Wireshark's ikev2_decryption_table for an IKE SA, without the
// end of line. ok is false when Wireshark 4.0 has no name for the algorithms
// (ChaCha20-Poly1305).
func WiresharkIKE(spiI, spiR message.SPI, s IKE, k *IKEKeys) (line string, ok bool) {
	var encr, integ string
	switch s.Encr.ID {
	case ENCR_AES_CBC:
		encr = fmt.Sprintf("AES-CBC-%d [RFC3602]", s.Encr.KeyBits)
	case ENCR_AES_GCM_16:
		encr = fmt.Sprintf("AES-GCM-%d with 16 octet ICV [RFC5282]", s.Encr.KeyBits)
	default:
		return "", false
	}
	switch s.Integ {
	case AUTH_NONE:
		integ = "NONE [RFC4306]"
	case AUTH_HMAC_SHA1_96:
		integ = "HMAC_SHA1_96 [RFC2404]"
	default:
		integ = s.Integ.String() + " [RFC4868]"
	}
	return fmt.Sprintf("%v,%v,%x,%x,%q,%x,%x,%q", spiI, spiR, k.EI, k.ER, encr, k.AI, k.AR, integ), true
}

// WiresharkESP returns the line of Wireshark's esp_sa table for one direction of a Child SA, without
// the end of line: outer addresses from src to dst, the SPI in the packets, and the keys as in
// ChildKeys. After a move there is another line for the new addresses. ok is false when Wireshark
// 4.0 has no name for the algorithms (ChaCha20-Poly1305).
func WiresharkESP(src, dst netip.Addr, spi uint32, s ESP, encrKey, integKey []byte) (line string, ok bool) {
	src, dst = src.Unmap(), dst.Unmap()
	family := "IPv4"
	if !src.Is4() {
		family = "IPv6"
	}
	var encr, integ string
	switch s.Encr.ID {
	case ENCR_AES_CBC:
		encr = "AES-CBC [RFC3602]"
	case ENCR_AES_GCM_16:
		encr = "AES-GCM with 16 octet ICV [RFC4106]"
	default:
		return "", false
	}
	integ = map[IntegID]string{
		AUTH_NONE: "NULL", AUTH_HMAC_SHA1_96: "HMAC-SHA-1-96 [RFC2404]", AUTH_HMAC_SHA2_256_128: "HMAC-SHA-256-128 [RFC4868]",
		AUTH_HMAC_SHA2_384_192: "HMAC-SHA-384-192 [RFC4868]", AUTH_HMAC_SHA2_512_256: "HMAC-SHA-512-256 [RFC4868]",
	}[s.Integ]
	return fmt.Sprintf("%q,%q,%q,\"0x%08x\",%q,%q,%q,%q", family, src, dst, spi, encr, hexKey(encrKey), integ, hexKey(integKey)), true
}

func hexKey(key []byte) string {
	if len(key) == 0 {
		return ""
	}
	return fmt.Sprintf("0x%x", key)
}
