// SPDX-License-Identifier: Apache-2.0

package user

import (
	"encoding/binary"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// IP next headers.
const (
	protoHopByHop = 0
	protoIPv4     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoDstOpts  = 60
	protoDCCP     = 33
	protoSCTP     = 132
	protoUDPLite  = 136
)

// innerHeader is what selectors look at.
type innerHeader struct {
	src, dst         netip.Addr
	protocol         uint8
	srcPort, dstPort uint16
	ports            bool // the ports are known
}

// parseInner reads the header of an inner packet and gives the packet without traffic-flow padding. False when it is not a whole IP packet of
// the version that ESP's next header told.
func parseInner(b []byte, nextHeader byte, h *innerHeader) ([]byte, bool) {
	switch {
	case nextHeader == protoIPv4 && len(b) >= 20 && b[0]>>4 == 4:
		ihl, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if ihl < 20 || total < ihl || total > len(b) {
			return nil, false
		}
		b = b[:total]
		h.src, h.dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		h.protocol = b[9]
		h.ports = false
		if fragmentOffset := binary.BigEndian.Uint16(b[6:]) & 0x1fff; fragmentOffset == 0 {
			h.readPorts(b[ihl:])
		}
		return b, true
	case nextHeader == protoIPv6 && len(b) >= 40 && b[0]>>4 == 6:
		total := 40 + int(binary.BigEndian.Uint16(b[4:]))
		if total > len(b) {
			return nil, false
		}
		b = b[:total]
		h.src, h.dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		return b, h.skipExtensions(b[6], b[40:])
	}
	return nil, false
}

// skipExtensions finds the upper-layer protocol of an IPv6 packet (RFC 8200 4).
func (h *innerHeader) skipExtensions(next byte, b []byte) bool {
	h.ports = false
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
				h.protocol = b[0]
				return true
			}
			next, b = b[0], b[8:]
		default:
			h.protocol = next
			h.readPorts(b)
			return true
		}
	}
}

func (h *innerHeader) readPorts(b []byte) {
	switch h.protocol {
	case protoTCP, protoUDP, protoSCTP, protoDCCP, protoUDPLite:
		if h.ports = len(b) >= 4; h.ports {
			h.srcPort, h.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		}
	}
}

// matches tells whether one of the selectors holds an end of the packet. Empty selectors hold everything. A selector of certain ports does not hold
// a packet whose ports cannot be seen (RFC 4301 4.4.1.1 OPAQUE).
func matches(selectors []ipsec.Selector, addr netip.Addr, h *innerHeader, port uint16) bool {
	for i := range selectors {
		s := &selectors[i]
		if (s.Protocol == 0 || s.Protocol == h.protocol) && s.From.Compare(addr) <= 0 && addr.Compare(s.To) <= 0 && addr.Is4() == s.From.Is4() &&
			(s.AnyPort() || h.ports && s.StartPort <= port && port <= s.EndPort) {
			return true
		}
	}
	return len(selectors) == 0
}
