// SPDX-License-Identifier: Apache-2.0

// Package probe measures a PDU session from the UE's side: ICMP and UDP echo with sequence numbers, so that each lost packet is known, and bulk
// transfer for throughput. It makes the UE's IPv4 packets itself, as there is no kernel interface behind the lab's UE.
package probe

import (
	"encoding/binary"
	"net/netip"
)

const (
	ipv4Len = 20
	icmpLen = 8
	udpLen  = 8

	protocolICMP = 1
	protocolUDP  = 17
)

// appendIPv4 appends an IPv4 header without options.
func appendIPv4(b []byte, src, dst netip.Addr, protocol byte, payload int, id uint16) []byte {
	start := len(b)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(ipv4Len+payload))
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0x40, 0, 64, protocol, 0, 0) // DF: what is too long must be seen
	s, d := src.As4(), dst.As4()
	b = append(append(b, s[:]...), d[:]...)
	binary.BigEndian.PutUint16(b[start+10:], checksum(0, b[start:]))
	return b
}

// appendUDP appends an IPv4 packet with UDP, without UDP checksum (RFC 768 allows none over IPv4).
func appendUDP(b []byte, src, dst netip.AddrPort, id uint16, payload []byte) []byte {
	b = appendIPv4(b, src.Addr(), dst.Addr(), protocolUDP, udpLen+len(payload), id)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(udpLen+len(payload)))
	b = append(b, 0, 0)
	return append(b, payload...)
}

// AppendEcho appends an IPv4 packet with an ICMP echo request (RFC 792).
func AppendEcho(b []byte, src, dst netip.Addr, id, seq uint16, payload []byte) []byte {
	b = appendIPv4(b, src, dst, protocolICMP, icmpLen+len(payload), seq)
	start := len(b)
	b = append(b, 8, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[start+2:], checksum(0, b[start:]))
	return b
}

// EchoReply gives identifier and payload of an IPv4 packet that is an ICMP echo reply.
func EchoReply(b []byte) (id uint16, payload []byte, ok bool) {
	r, ok := parse(b)
	return r.id, r.payload, ok && r.protocol == protocolICMP && r.icmpType == 0
}

// received is a packet of the data network.
type received struct {
	protocol         byte
	src              netip.Addr
	srcPort, dstPort uint16 // UDP
	icmpType         byte
	id, seq          uint16 // ICMP echo
	payload          []byte
}

// parse reads an IPv4 packet with UDP or ICMP.
func parse(b []byte) (r received, ok bool) {
	if len(b) < ipv4Len || b[0]>>4 != 4 {
		return r, false
	}
	ihl, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if ihl < ipv4Len || total < ihl || total > len(b) {
		return r, false
	}
	r.protocol = b[9]
	r.src = netip.AddrFrom4([4]byte(b[12:16]))
	body := b[ihl:total]
	switch {
	case r.protocol == protocolUDP && len(body) >= udpLen:
		r.srcPort, r.dstPort = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
		r.payload = body[udpLen:]
	case r.protocol == protocolICMP && len(body) >= icmpLen:
		r.icmpType = body[0]
		r.id, r.seq = binary.BigEndian.Uint16(body[4:]), binary.BigEndian.Uint16(body[6:])
		r.payload = body[icmpLen:]
	default:
		return r, false
	}
	return r, true
}

// checksum is the Internet checksum (RFC 1071).
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
