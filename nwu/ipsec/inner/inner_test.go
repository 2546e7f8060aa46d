// SPDX-License-Identifier: Apache-2.0

package inner

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// ipv6 makes an IPv6 packet from next header and body.
func ipv6(next byte, body ...byte) []byte {
	b := make([]byte, 40, 40+len(body))
	b[0], b[6], b[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	b[23], b[39] = 2, 1
	return append(b, body...)
}

func TestInnerIPv6Extensions(t *testing.T) {
	udp := []byte{0x12, 0x34, 0x56, 0x78, 0, 8, 0, 0}
	for name, c := range map[string]struct {
		packet   []byte
		ok       bool
		protocol byte
		ports    bool
	}{
		"none":                {ipv6(protoUDP, udp...), true, protoUDP, true},
		"no next header":      {ipv6(59), true, 59, false},
		"hop by hop":          {ipv6(protoHopByHop, append([]byte{protoUDP, 0, 0, 0, 0, 0, 0, 0}, udp...)...), true, protoUDP, true},
		"two extensions":      {ipv6(protoDstOpts, append([]byte{protoRouting, 0, 0, 0, 0, 0, 0, 0, protoUDP, 0, 0, 0, 0, 0, 0, 0}, udp...)...), true, protoUDP, true},
		"first fragment":      {ipv6(protoFragment, append([]byte{protoUDP, 0, 0, 1, 0, 0, 0, 0}, udp...)...), true, protoUDP, true},
		"later fragment":      {ipv6(protoFragment, append([]byte{protoUDP, 0, 1, 0, 0, 0, 0, 0}, udp...)...), true, protoUDP, false},
		"extension too long":  {ipv6(protoHopByHop, append([]byte{protoUDP, 9, 0, 0, 0, 0, 0, 0}, udp...)...), false, 0, false},
		"extension cut":       {ipv6(protoDstOpts, protoUDP, 0), false, 0, false},
		"fragment header cut": {ipv6(protoFragment, protoUDP, 0, 0), false, 0, false},
		"ports cut":           {ipv6(protoUDP, 1, 2), true, protoUDP, false},
	} {
		t.Run(name, func(t *testing.T) {
			var h Header
			b, ok := Parse(append(c.packet, 1, 2, 3), ProtocolIPv6, &h) // with traffic-flow padding
			require.Equal(t, c.ok, ok)
			if ok {
				require.Len(t, b, len(c.packet))
				require.Equal(t, c.protocol, h.Protocol)
				require.Equal(t, c.ports, h.Ports)
			}
		})
	}
}

// FuzzInner gives the parser of inner packets anything.
func FuzzInner(f *testing.F) {
	f.Add(ipv6(protoHopByHop, protoUDP, 0, 0, 0, 0, 0, 0, 0), byte(ProtocolIPv6))
	f.Add([]byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 47, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, byte(ProtocolIPv4))
	all := []ipsec.Selector{ipsec.PrefixSelector(netip.MustParsePrefix("0.0.0.0/0"), 0), ipsec.PrefixSelector(netip.MustParsePrefix("::/0"), 0)}
	f.Fuzz(func(t *testing.T, b []byte, next byte) {
		var h Header
		p, ok := Parse(b, next, &h)
		if !ok {
			return
		}
		if len(p) > len(b) || len(p) < 20 || !Matches(all, h.Src, &h, h.SrcPort) || !Matches(all, h.Dst, &h, h.DstPort) {
			t.Fatalf("%d of %d octets, %+v", len(p), len(b), h)
		}
	})
}
