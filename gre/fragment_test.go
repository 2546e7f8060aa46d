// SPDX-License-Identifier: Apache-2.0

package gre

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
)

// TestFragment: gopacket reads each fragment, none is too long, the Reassembler (which takes what Linux makes, see its own tests) joins them, and
// what comes out is the PDU.
func TestFragment(t *testing.T) {
	for _, ends := range [][2]string{{"10.60.0.2", "10.60.0.9"}, {"fd00:60::2", "fd00:60::9"}} {
		c, err := NewCarrier(netip.MustParseAddr(ends[0]), netip.MustParseAddr(ends[1]), 46)
		require.NoError(t, err)
		for _, longest := range []int{MinFragment, 100, 576, 1286, 1438, 1500} {
			for _, n := range []int{1, 15, 16, 17, 500, 1400, 1500} {
				if n/(longest-MaxFragmentHead) > reassemblyPieces/2 {
					continue // more pieces than any real MTU makes, and than a Reassembler takes
				}
				t.Run(fmt.Sprintf("%s %d %d", ends[0], longest, n), func(t *testing.T) {
					pdu := bytes.Repeat([]byte{byte(n), 7, 9}, n)[:n]
					b := make([]byte, MaxFragmentHead)
					var r Reassembler
					var whole []byte
					for from, next := 0, -1; next != 0; from = next {
						var head int
						var part []byte
						head, part, next = c.Fragment(b, Header{QFI: 5}, pdu, from, 0x10007, longest)
						packet := append(bytes.Clone(b[:head]), part...)
						require.LessOrEqual(t, len(packet), longest)
						var first gopacket.Decoder = layers.LayerTypeIPv4
						if c.ipLen == ipv6Len {
							first = layers.LayerTypeIPv6
						}
						p := gopacket.NewPacket(packet, first, gopacket.Default)
						require.NotNil(t, p.NetworkLayer())
						if ip, ok := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok {
							require.EqualValues(t, 7, ip.Id)
							require.EqualValues(t, len(packet), ip.Length)
							require.Zero(t, fold(sum16(packet[:ipv4Len])), "checksum")
						} else {
							require.EqualValues(t, 0x10007, p.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment).Identification)
						}
						if next == 0 && from == 0 && c.ipLen == ipv4Len {
							whole = packet // an IPv4 packet of one fragment is no fragment
							break
						}
						var kept bool
						whole, kept = r.Add(1, packet, time.Unix(0, 0))
						require.Equal(t, next != 0, kept, "only the last fragment completes it")
					}
					got, err := Decode(whole)
					require.NoError(t, err)
					require.Equal(t, Header{QFI: 5}, got.Header)
					require.Equal(t, pdu, whole[got.Offset:got.End])
				})
			}
		}
	}
}
