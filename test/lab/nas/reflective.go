// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// DerivedPrecedence is that of the rules that a UE derives by reflective QoS (TS 24.501 6.2.5.1.4.2).
const DerivedPrecedence = 80

// DeriveRule makes the QoS rule of the answers to a downlink IP packet that carries the reflective QoS indication: they go over its QoS flow (TS 24.501
// 6.2.5.1.4.2). False when it is no IP packet. A packet without ports gives a rule without.
func DeriveRule(pdu []byte, qfi uint8) (QoSRule, bool) {
	p, ok := parsePacket(pdu, Downlink)
	if !ok {
		return QoSRule{}, false
	}
	address := func(a netip.Addr, v4, v6 uint8) FilterComponent {
		if a.Is4() {
			return FilterComponent{Type: v4, Value: append(a.AsSlice(), 255, 255, 255, 255)}
		}
		return FilterComponent{Type: v6, Value: append(a.AsSlice(), 128)}
	}
	components := []FilterComponent{
		address(p.remote, IPv4Remote, IPv6Remote), address(p.local, IPv4Local, IPv6Local), {Type: ProtocolNext, Value: []byte{p.protocol}},
	}
	if p.localPort >= 0 {
		components = append(components,
			FilterComponent{Type: LocalPort, Value: binary.BigEndian.AppendUint16(nil, uint16(p.localPort))},
			FilterComponent{Type: RemotePort, Value: binary.BigEndian.AppendUint16(nil, uint16(p.remotePort))})
	}
	if p.hasSPI {
		components = append(components, FilterComponent{Type: SecurityIndex, Value: binary.BigEndian.AppendUint32(nil, p.spi)})
	}
	precedence := uint8(DerivedPrecedence)
	return QoSRule{
		Operation: RuleCreate, Precedence: &precedence, QFI: &qfi, Filters: []PacketFilter{{Direction: Uplink, ID: 1, Components: components}},
	}, true
}

// ReflectiveTime reads the RQ timer, a GPRS timer (TS 24.008 10.5.7.3): how long a derived rule lives without another packet. 0 when it is deactivated.
func ReflectiveTime(timer uint8) time.Duration {
	n := time.Duration(timer & 0x1f)
	switch timer >> 5 {
	case 0:
		return n * 2 * time.Second
	case 2:
		return n * 6 * time.Minute
	case 7:
		return 0
	}
	return n * time.Minute
}
