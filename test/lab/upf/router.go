// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"encoding/binary"
	"net/netip"
)

// The UPF is the router on the link of a PDU session with IPv6 and gives the UE its prefix (TS 23.501 5.8.2.2.3, RFC 4861, RFC 4862).

const (
	ipv6Len              = 40
	protocolICMPv6       = 58
	routerSolicitation   = 133
	routerAdvertisement  = 134
	neighbourHopLimit    = 255
	advertisementLen     = 16 + 32 // with one prefix option
	optionPrefix         = 3
	prefixIsOnLinkAndOwn = 0xc0
)

func isRouterSolicitation(pdu []byte) bool {
	return len(pdu) >= ipv6Len+8 && pdu[0]>>4 == 6 && pdu[6] == protocolICMPv6 && pdu[7] == neighbourHopLimit && pdu[ipv6Len] == routerSolicitation &&
		int(binary.BigEndian.Uint16(pdu[4:])) == len(pdu)-ipv6Len && icmp6Sum(pdu) == 0
}

// icmp6Sum is the checksum over an IPv6 packet of ICMPv6 with its pseudo header (RFC 4443 2.3), 0 when the one in it is right.
func icmp6Sum(pdu []byte) uint16 {
	sum := uint64(protocolICMPv6) + uint64(len(pdu)-ipv6Len)
	for _, half := range [][]byte{pdu[8:24], pdu[24:40]} {
		for i := 0; i < len(half); i += 4 {
			sum += uint64(binary.BigEndian.Uint32(half[i:]))
		}
	}
	return checksum(sum, pdu[ipv6Len:])
}

// advertisement appends a Router Advertisement with the session's prefix, for good.
func (s *Session) advertisement(b []byte) []byte {
	at := len(b)
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, advertisementLen)
	b = append(b, protocolICMPv6, neighbourHopLimit)
	b = append(append(b, router.AsSlice()...), netip.MustParseAddr("ff02::1").AsSlice()...)
	b = append(b, routerAdvertisement, 0, 0, 0, 64, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, optionPrefix, 4, delegatedBits, prefixIsOnLinkAndOwn, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)
	b = append(b, s.prefix.Addr().AsSlice()...)
	binary.BigEndian.PutUint16(b[at+ipv6Len+2:], icmp6Sum(b[at:]))
	return b
}
