// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"context"
	"encoding/binary"
	"net/netip"
	"time"
)

// A UE makes its IPv6 address from the interface identifier of its PDU session and the prefix that the router on the session's link advertises
// (RFC 4862, TS 23.501 5.8.2.2.3).

const (
	ipv6Len             = 40
	protocolICMPv6      = 58
	routerAdvertisement = 134
	prefixOption        = 3
)

var allRouters = netip.MustParseAddr("ff02::2")

// LinkLocal is the session's IPv6 address on its link; the zero address without IPv6.
func (s *Session) LinkLocal() netip.Addr {
	id := s.InterfaceID()
	if id == [8]byte{} {
		return netip.Addr{}
	}
	return joined(netip.MustParseAddr("fe80::"), id)
}

func joined(prefix netip.Addr, id [8]byte) netip.Addr {
	b := prefix.As16()
	copy(b[8:], id[:])
	return netip.AddrFrom16(b)
}

// Address6 asks the router for a prefix and gives the session's global IPv6 address.
func (s *Session) Address6(ctx context.Context) (netip.Addr, error) {
	sender := s.NewSender()
	for {
		if prefix := s.prefix.Load(); prefix != nil {
			return joined(*prefix, s.InterfaceID()), nil
		}
		if err := sender.Write(0, solicitation(s.LinkLocal())); err != nil {
			return netip.Addr{}, err
		}
		if err := sender.Flush(); err != nil {
			return netip.Addr{}, err
		}
		select {
		case <-ctx.Done():
			return netip.Addr{}, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// solicitation is a Router Solicitation (RFC 4861 4.1).
func solicitation(from netip.Addr) []byte {
	b := append([]byte{0x60, 0, 0, 0, 0, 8, protocolICMPv6, 255}, from.AsSlice()...)
	b = append(append(b, allRouters.AsSlice()...), 133, 0, 0, 0, 0, 0, 0, 0)
	binary.BigEndian.PutUint16(b[ipv6Len+2:], ^icmp6Sum(b))
	return b
}

// icmp6Sum adds up an ICMPv6 packet with its pseudo header (RFC 4443 2.3); 0xffff when its checksum is right.
func icmp6Sum(pdu []byte) uint16 {
	sum := uint32(protocolICMPv6 + len(pdu) - ipv6Len)
	for _, part := range [][]byte{pdu[8:ipv6Len], pdu[ipv6Len:]} {
		for ; len(part) >= 2; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
		if len(part) == 1 {
			sum += uint32(part[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// advertised takes the prefix of a Router Advertisement; false for other packets.
func (s *Session) advertised(pdu []byte) bool {
	if len(pdu) < ipv6Len+16 || pdu[0]>>4 != 6 || pdu[6] != protocolICMPv6 || pdu[7] != 255 || pdu[ipv6Len] != routerAdvertisement || icmp6Sum(pdu) != 0xffff {
		return false
	}
	for options := pdu[ipv6Len+16:]; len(options) >= 8 && options[1] > 0 && len(options) >= 8*int(options[1]); options = options[8*int(options[1]):] {
		if options[0] == prefixOption && options[1] == 4 && options[2] == 64 {
			prefix := netip.AddrFrom16([16]byte(options[16:32]))
			s.prefix.Store(&prefix)
		}
	}
	return true
}
