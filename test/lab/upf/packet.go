// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"encoding/binary"
	"math/bits"
)

const (
	ipv4Len = 20
	icmpLen = 8
	udpLen  = 8

	protocolICMP = 1
	protocolUDP  = 17

	icmpEchoReply, icmpEcho = 0, 8
)

// packet is an IPv4 packet, taken apart. It aliases the input.
type packet struct {
	tos, protocol byte
	src, dst      [4]byte
	body          []byte // behind the header
}

// parse takes an IPv4 packet apart, which b holds and nothing else. The reason is NumReasons when it is well-formed.
func parse(b []byte) (p packet, r Reason) {
	if len(b) < ipv4Len || b[0]>>4 != 4 {
		return p, MalformedIP
	}
	head := int(b[0]&15) * 4
	if head < ipv4Len || head > len(b) || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return p, MalformedIP
	}
	if checksum(0, b[:head]) != 0 {
		return p, Checksum
	}
	if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 { // more fragments, or an offset
		return p, Fragment
	}
	return packet{tos: b[1], protocol: b[9], src: [4]byte(b[12:]), dst: [4]byte(b[16:]), body: b[head:]}, NumReasons
}

// putIPv4 writes a header without options in front of a body of n octets.
func putIPv4(b []byte, tos, protocol byte, src, dst [4]byte, id uint16, n int) {
	_ = b[ipv4Len-1]
	b[0], b[1] = 0x45, tos
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4Len+n))
	binary.BigEndian.PutUint16(b[4:], id)
	b[6], b[7], b[8], b[9], b[10], b[11] = 0, 0, 64, protocol, 0, 0
	*(*[4]byte)(b[12:]) = src
	*(*[4]byte)(b[16:]) = dst
	binary.BigEndian.PutUint16(b[10:], checksum(0, b[:ipv4Len]))
}

// putUDP writes a header without checksum (RFC 768 allows that over IPv4) in front of n octets.
func putUDP(b []byte, src, dst uint16, n int) {
	_ = b[udpLen-1]
	binary.BigEndian.PutUint16(b, src)
	binary.BigEndian.PutUint16(b[2:], dst)
	binary.BigEndian.PutUint16(b[4:], uint16(udpLen+n))
	b[6], b[7] = 0, 0
}

// udpChecksum tells whether the UDP checksum of p is right, or left out.
func (p *packet) udpChecksum() bool {
	if p.body[6] == 0 && p.body[7] == 0 {
		return true
	}
	sum := uint64(binary.BigEndian.Uint32(p.src[:])) + uint64(binary.BigEndian.Uint32(p.dst[:])) + protocolUDP + uint64(len(p.body))
	return checksum(sum, p.body) == 0
}

// checksum is the Internet checksum (RFC 1071) of b and what is in sum already. Eight octets at a time are right as 2^16 = 1 modulo 0xffff.
func checksum(sum uint64, b []byte) uint16 {
	var carry uint64
	for ; len(b) >= 8; b = b[8:] {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
	}
	var tail [8]byte
	copy(tail[:], b)
	sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(tail[:]), carry)
	sum = sum>>32 + sum&0xffffffff + carry
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
