// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"encoding/binary"
	"net/netip"
	"sort"
)

// Classify returns the QoS flow of an IP packet by the rules, lowest precedence value first, as a UE does for
// uplink packets (clause 6.2.5.1.3; Uplink or Downlink says which way the packet goes). ok is false when no rule
// matches or b is no whole IP header.
func (l QoSRules) Classify(direction uint8, b []byte) (qfi uint8, ok bool) {
	p, ok := parsePacket(b, direction)
	if !ok {
		return 0, false
	}
	rules := make([]*QoSRule, 0, len(l))
	for i := range l {
		if l[i].Precedence != nil && l[i].QFI != nil {
			rules = append(rules, &l[i])
		}
	}
	sort.SliceStable(rules, func(i, j int) bool { return *rules[i].Precedence < *rules[j].Precedence })
	for _, r := range rules {
		for _, f := range r.Filters {
			if f.Direction&direction != 0 && f.matches(p) {
				return *r.QFI, true
			}
		}
	}
	return 0, false
}

// packet is what filters look at. Ports are -1 where the packet has none.
type packet struct {
	local, remote         netip.Addr
	localPort, remotePort int
	protocol, class       uint8
	spi, label            uint32
	hasSPI                bool
}

func parsePacket(b []byte, direction uint8) (packet, bool) {
	p := packet{localPort: -1, remotePort: -1}
	if len(b) < 20 {
		return p, false
	}
	var source, destination netip.Addr
	var payload []byte
	switch b[0] >> 4 {
	case 4:
		header := int(b[0]&15) * 4
		if header < 20 || len(b) < header {
			return p, false
		}
		source, destination = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		p.class, p.protocol = b[1], b[9]
		if binary.BigEndian.Uint16(b[6:])&0x1fff == 0 { // only a first fragment has ports
			payload = b[header:]
		}
	case 6:
		if len(b) < 40 {
			return p, false
		}
		source, destination = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		p.class, p.protocol = b[0]<<4|b[1]>>4, b[6]
		p.label = binary.BigEndian.Uint32(b) & 0xfffff
		payload = b[40:]
	default:
		return p, false
	}
	sport, dport := -1, -1
	if (p.protocol == 6 || p.protocol == 17 || p.protocol == 132) && len(payload) >= 4 {
		sport, dport = int(binary.BigEndian.Uint16(payload)), int(binary.BigEndian.Uint16(payload[2:]))
	}
	if p.protocol == 50 && len(payload) >= 4 {
		p.spi, p.hasSPI = binary.BigEndian.Uint32(payload), true
	}
	p.local, p.remote, p.localPort, p.remotePort = source, destination, sport, dport
	if direction == Downlink {
		p.local, p.remote, p.localPort, p.remotePort = destination, source, dport, sport
	}
	return p, true
}

// matches says whether all components hold. A component that this function does not know never does.
func (f PacketFilter) matches(p packet) bool {
	for _, c := range f.Components {
		if !c.matches(p) {
			return false
		}
	}
	return len(f.Components) > 0
}

func (c FilterComponent) matches(p packet) bool {
	if len(c.Value) != componentSize[c.Type] {
		return false
	}
	v := c.Value
	switch c.Type {
	case MatchAll:
		return true
	case IPv4Remote:
		return matchMask(p.remote, v)
	case IPv4Local:
		return matchMask(p.local, v)
	case IPv6Remote:
		return matchPrefix(p.remote, v)
	case IPv6Local:
		return matchPrefix(p.local, v)
	case ProtocolNext:
		return p.protocol == v[0]
	case LocalPort:
		return p.localPort == int(binary.BigEndian.Uint16(v))
	case LocalPortRange:
		return inRange(p.localPort, v)
	case RemotePort:
		return p.remotePort == int(binary.BigEndian.Uint16(v))
	case RemotePortRange:
		return inRange(p.remotePort, v)
	case SecurityIndex:
		return p.hasSPI && p.spi == binary.BigEndian.Uint32(v)
	case TypeOfService:
		return p.class&v[1] == v[0]&v[1]
	case FlowLabel:
		return p.remote.Is6() && p.label == (uint32(v[0])<<16|uint32(v[1])<<8|uint32(v[2]))&0xfffff
	}
	return false
}

func matchMask(a netip.Addr, v []byte) bool {
	if !a.Is4() {
		return false
	}
	addr := a.As4()
	mask := binary.BigEndian.Uint32(v[4:])
	return binary.BigEndian.Uint32(addr[:])&mask == binary.BigEndian.Uint32(v)&mask
}

func matchPrefix(a netip.Addr, v []byte) bool {
	prefix, err := netip.AddrFrom16([16]byte(v)).Prefix(int(v[16]))
	return err == nil && a.Is6() && prefix.Contains(a)
}

func inRange(port int, v []byte) bool {
	return port >= int(binary.BigEndian.Uint16(v)) && port <= int(binary.BigEndian.Uint16(v[2:]))
}
