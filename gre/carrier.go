// SPDX-License-Identifier: Apache-2.0

package gre

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

const (
	protocolGRE = 47
	ipv4Len     = 20
	ipv6Len     = 40
	defaultTTL  = 64

	// MaxCarrierLen is the most that a Carrier writes in front of a PDU: IPv6 and GRE.
	MaxCarrierLen = ipv6Len + HeaderLen
)

// ErrAddresses: the two ends of a carrier are not valid addresses of one family.
var ErrAddresses = errors.New("gre: a carrier needs two addresses of one family")

// Carrier writes the inner IP header and the GRE header of one direction of one child SA: everything that does not change
// from packet to packet is computed once.
type Carrier struct {
	template [ipv6Len]byte
	ipLen    uint8  // 20 or 40
	sum      uint32 // unfolded IPv4 header sum of the template, whose length, identification and checksum are zero
}

// NewCarrier makes the carrier from source to destination (downlink: the user-plane address to the UE's inner address).
// dscp (0..63) goes into the inner header too: harmless where the outer one counts (TS 24.502 8.2.2). DF is never set, so
// that a packet too big for the path is fragmented, not lost.
func NewCarrier(source, destination netip.Addr, dscp uint8) (Carrier, error) {
	source, destination = source.Unmap(), destination.Unmap()
	if !source.IsValid() || !destination.IsValid() || source.Is4() != destination.Is4() {
		return Carrier{}, ErrAddresses
	}
	var c Carrier
	h := c.template[:]
	dscp &= 0x3f
	if source.Is4() {
		c.ipLen = ipv4Len
		h[0], h[1] = 0x45, dscp<<2
		h[8], h[9] = defaultTTL, protocolGRE
		s, d := source.As4(), destination.As4()
		copy(h[12:], s[:])
		copy(h[16:], d[:])
		c.sum = sum16(h[:ipv4Len])
		return c, nil
	}
	c.ipLen = ipv6Len
	binary.BigEndian.PutUint32(h, 6<<28|uint32(dscp)<<22)
	h[6], h[7] = protocolGRE, defaultTTL
	s, d := source.As16(), destination.As16()
	copy(h[8:], s[:])
	copy(h[24:], d[:])
	return c, nil
}

// Len is the number of octets that Put writes: 28 with IPv4, 48 with IPv6, 0 for the zero Carrier.
func (c *Carrier) Len() int {
	if c.ipLen == 0 {
		return 0
	}
	return int(c.ipLen) + HeaderLen
}

// MaxPDU is the largest PDU that the length field of the inner header allows.
func (c *Carrier) MaxPDU() int {
	if c.ipLen == ipv4Len {
		return 0xffff - ipv4Len - HeaderLen
	}
	return 0xffff - HeaderLen
}

// Put writes the headers of a PDU of pduLen octets (at most MaxPDU) into the first Len octets of b. id is the IPv4
// identification: it must differ between packets that may be fragmented, and is not used with IPv6.
func (c *Carrier) Put(b []byte, h Header, pduLen int, id uint16) {
	n := int(c.ipLen)
	copy(b[:n], c.template[:n])
	h.Put(b[n:])
	if n == ipv4Len {
		total := uint16(n + HeaderLen + pduLen)
		binary.BigEndian.PutUint16(b[2:], total)
		binary.BigEndian.PutUint16(b[4:], id)
		binary.BigEndian.PutUint16(b[10:], fold(c.sum+uint32(total)+uint32(id)))
		return
	}
	binary.BigEndian.PutUint16(b[4:], uint16(HeaderLen+pduLen))
}

// Packet is a decoded carrier packet. The slices and offsets refer to the packet given to Decode.
type Packet struct {
	Source, Destination netip.Addr
	Header              Header
	Offset              int // where the PDU starts in the packet
	End                 int // where it ends: padding after the IP length is not part of it
}

// Decode reads a whole inner packet: IPv4 (options allowed) or IPv6 without extension headers, then GRE. It verifies
// lengths, not the IPv4 checksum: the packet comes out of an integrity-protected SA. The error is a Drop.
func Decode(b []byte) (Packet, error) {
	if len(b) < ipv4Len {
		return Packet{}, DropShort
	}
	var p Packet
	switch b[0] >> 4 {
	case 4:
		ihl, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
		if ihl < ipv4Len || total < ihl || total > len(b) {
			return Packet{}, DropLength
		}
		if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
			return Packet{}, DropFragment
		}
		if b[9] != protocolGRE {
			return Packet{}, DropNotGRE
		}
		p.Source, p.Destination = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		p.Offset, p.End = ihl, total
	case 6:
		if len(b) < ipv6Len {
			return Packet{}, DropShort
		}
		total := ipv6Len + int(binary.BigEndian.Uint16(b[4:]))
		if total > len(b) {
			return Packet{}, DropLength
		}
		const headerFragment = 44
		switch b[6] {
		case protocolGRE:
		case headerFragment:
			return Packet{}, DropFragment
		default:
			return Packet{}, DropNotGRE
		}
		p.Source, p.Destination = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		p.Offset, p.End = ipv6Len, total
	default:
		return Packet{}, DropVersion
	}
	h, _, err := DecodeHeader(b[p.Offset:p.End])
	if err != nil {
		return Packet{}, err
	}
	p.Header = h
	p.Offset += HeaderLen
	return p, nil
}

// sum16 adds up the 16-bit words of b, whose length is even.
func sum16(b []byte) uint32 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return s
}

// fold makes the Internet checksum of a sum of 16-bit words (RFC 1071).
func fold(s uint32) uint16 {
	s = s>>16 + s&0xffff
	s += s >> 16
	return ^uint16(s)
}
