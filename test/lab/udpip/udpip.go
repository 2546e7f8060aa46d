// SPDX-License-Identifier: Apache-2.0

// Package udpip writes and reads whole IP packets of UDP, of both families, as hosts without a kernel interface need them: a relay UE and the
// user plane function's way out of the data network.
package udpip

import (
	"encoding/binary"
	"net/netip"
)

const (
	ipv4Len = 20
	ipv6Len = 40
	udpLen  = 8

	protocolUDP = 17
	hopLimit    = 64
)

// MaxPayload is the longest payload that fits both families.
const MaxPayload = 65535 - ipv4Len - udpLen

// Packet is an IP packet of UDP, taken apart. Payload aliases the input.
type Packet struct {
	Source, Destination netip.AddrPort
	Class               uint8 // type of service or traffic class: DSCP << 2 | ECN
	Payload             []byte
}

// Append writes p behind b. Source and Destination must be of one family and Payload no longer than MaxPayload; it gives b as it was otherwise.
// id is the identification of an IPv4 packet.
func Append(b []byte, p Packet, id uint16) []byte {
	source, destination := p.Source.Addr().Unmap(), p.Destination.Addr().Unmap()
	if !source.IsValid() || source.Is4() != destination.Is4() || len(p.Payload) > MaxPayload {
		return b
	}
	n := udpLen + len(p.Payload)
	if source.Is4() {
		at := len(b)
		b = append(b, 0x45, p.Class)
		b = binary.BigEndian.AppendUint16(b, uint16(ipv4Len+n))
		b = binary.BigEndian.AppendUint16(b, id)
		b = append(b, 0, 0, hopLimit, protocolUDP, 0, 0)
		b = append(append(b, source.AsSlice()...), destination.AsSlice()...)
		binary.BigEndian.PutUint16(b[at+10:], ^sum(0, b[at:]))
	} else {
		b = append(b, 0x60|p.Class>>4, p.Class<<4, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
		b = append(b, protocolUDP, hopLimit)
		b = append(append(b, source.AsSlice()...), destination.AsSlice()...)
	}
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, p.Source.Port())
	b = binary.BigEndian.AppendUint16(b, p.Destination.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = append(append(b, 0, 0), p.Payload...)
	check := ^sum(pseudo(source, destination, n), b[at:])
	if check == 0 {
		check = 0xffff // 0 says that there is none (RFC 768)
	}
	binary.BigEndian.PutUint16(b[at+6:], check)
	return b
}

// Parse takes apart what b holds and nothing else. It refuses fragments, IPv6 extension headers, other protocols than UDP and wrong checksums.
func Parse(b []byte) (p Packet, ok bool) {
	if len(b) == 0 {
		return p, false
	}
	var source, destination netip.Addr
	var body []byte
	switch b[0] >> 4 {
	case 4:
		if len(b) < ipv4Len {
			return p, false
		}
		head := int(b[0]&15) * 4
		if head < ipv4Len || head > len(b) || int(binary.BigEndian.Uint16(b[2:])) != len(b) || sum(0, b[:head]) != 0xffff ||
			binary.BigEndian.Uint16(b[6:])&0x3fff != 0 || b[9] != protocolUDP {
			return p, false
		}
		p.Class, source, destination, body = b[1], netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), b[head:]
	case 6:
		if len(b) < ipv6Len || int(binary.BigEndian.Uint16(b[4:])) != len(b)-ipv6Len || b[6] != protocolUDP {
			return p, false
		}
		p.Class, source, destination, body = b[0]<<4|b[1]>>4, netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), b[ipv6Len:]
	default:
		return p, false
	}
	if len(body) < udpLen || int(binary.BigEndian.Uint16(body[4:])) != len(body) {
		return p, false
	}
	without := body[6] == 0 && body[7] == 0 && source.Is4()
	if !without && sum(pseudo(source, destination, len(body)), body) != 0xffff {
		return p, false
	}
	p.Source = netip.AddrPortFrom(source, binary.BigEndian.Uint16(body))
	p.Destination = netip.AddrPortFrom(destination, binary.BigEndian.Uint16(body[2:]))
	p.Payload = body[udpLen:]
	return p, true
}

// pseudo is the sum of the pseudo header (RFC 768, RFC 8200 8.1).
func pseudo(source, destination netip.Addr, n int) uint32 {
	return uint32(sum(uint32(sum(protocolUDP+uint32(n), source.AsSlice())), destination.AsSlice()))
}

// sum adds b up in one's complement (RFC 1071).
func sum(s uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
