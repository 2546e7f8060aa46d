// SPDX-License-Identifier: Apache-2.0

// Package inner looks into the packets that tunnels carry: are they whole IP packets, and do the traffic selectors allow them?
package inner

import (
	"encoding/binary"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// IP next headers.
const (
	protoHopByHop = 0
	ProtocolIPv4  = 4
	ProtocolTCP   = 6
	protoUDP      = 17
	ProtocolIPv6  = 41
	protoRouting  = 43
	protoFragment = 44
	protoDstOpts  = 60
	protoDCCP     = 33
	protoSCTP     = 132
	protoUDPLite  = 136
)

// Header is what selectors look at.
type Header struct {
	Src, Dst         netip.Addr
	Protocol         uint8
	SrcPort, DstPort uint16
	Ports            bool // the ports are known
}

// Parse reads the header of an inner packet and gives the packet without traffic-flow padding. False when it is not a whole IP packet of
// the version that ESP's next header told.
func Parse(b []byte, nextHeader byte, h *Header) ([]byte, bool) {
	switch {
	case nextHeader == ProtocolIPv4 && len(b) >= 20 && b[0]>>4 == 4:
		ihl, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if ihl < 20 || total < ihl || total > len(b) {
			return nil, false
		}
		b = b[:total]
		h.Src, h.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		h.Protocol = b[9]
		h.Ports = false
		if fragmentOffset := binary.BigEndian.Uint16(b[6:]) & 0x1fff; fragmentOffset == 0 {
			h.readPorts(b[ihl:])
		}
		return b, true
	case nextHeader == ProtocolIPv6 && len(b) >= 40 && b[0]>>4 == 6:
		total := 40 + int(binary.BigEndian.Uint16(b[4:]))
		if total > len(b) {
			return nil, false
		}
		b = b[:total]
		h.Src, h.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		return b, h.skipExtensions(b[6], b[40:])
	}
	return nil, false
}

// skipExtensions finds the upper-layer protocol of an IPv6 packet (RFC 8200 4).
func (h *Header) skipExtensions(next byte, b []byte) bool {
	h.Ports = false
	for {
		switch next {
		case protoHopByHop, protoRouting, protoDstOpts:
			if len(b) < 8 || len(b) < int(b[1])*8+8 {
				return false
			}
			next, b = b[0], b[int(b[1])*8+8:]
		case protoFragment:
			if len(b) < 8 {
				return false
			}
			if binary.BigEndian.Uint16(b[2:])>>3 != 0 {
				h.Protocol = b[0]
				return true
			}
			next, b = b[0], b[8:]
		default:
			h.Protocol = next
			h.readPorts(b)
			return true
		}
	}
}

func (h *Header) readPorts(b []byte) {
	switch h.Protocol {
	case ProtocolTCP, protoUDP, protoSCTP, protoDCCP, protoUDPLite:
		if h.Ports = len(b) >= 4; h.Ports {
			h.SrcPort, h.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		}
	}
}

// Matches tells whether one of the selectors holds an end of the packet. Empty selectors hold everything. A selector of certain ports does not hold
// a packet whose ports cannot be seen (RFC 4301 4.4.1.1 OPAQUE).
func Matches(selectors []ipsec.Selector, addr netip.Addr, h *Header, port uint16) bool {
	for i := range selectors {
		s := &selectors[i]
		if (s.Protocol == 0 || s.Protocol == h.Protocol) && s.From.Compare(addr) <= 0 && addr.Compare(s.To) <= 0 && addr.Is4() == s.From.Is4() &&
			(s.AnyPort() || h.Ports && s.StartPort <= port && port <= s.EndPort) {
			return true
		}
	}
	return len(selectors) == 0
}
