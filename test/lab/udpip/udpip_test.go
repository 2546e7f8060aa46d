// SPDX-License-Identifier: Apache-2.0

package udpip

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
)

var pairs = map[string][2]netip.AddrPort{
	"IPv4": {netip.MustParseAddrPort("10.45.0.2:4500"), netip.MustParseAddrPort("192.0.2.1:500")},
	"IPv6": {netip.MustParseAddrPort("[fd45:100::2]:4500"), netip.MustParseAddrPort("[fd45:9::2]:500")},
}

// TestPackets lets gopacket judge what Append writes, and write what Parse reads.
func TestPackets(t *testing.T) {
	for name, pair := range pairs {
		for _, n := range []int{0, 1, 8, 1399, MaxPayload} {
			p := Packet{Source: pair[0], Destination: pair[1], Class: 46<<2 | 1, Payload: bytes.Repeat([]byte{0xa5}, n)}
			b := Append(nil, p, 7)
			first := layers.LayerTypeIPv4
			if name == "IPv6" {
				first = layers.LayerTypeIPv6
			}
			seen := gopacket.NewPacket(b, first, gopacket.Default)
			require.Nil(t, seen.ErrorLayer(), "%s of %d octets", name, n)
			udp := seen.Layer(layers.LayerTypeUDP).(*layers.UDP)
			require.EqualValues(t, 4500, udp.SrcPort)
			require.EqualValues(t, 500, udp.DstPort)
			require.Equal(t, p.Payload, append([]byte{}, udp.Payload...))

			again := gopacket.NewSerializeBuffer()
			require.NoError(t, udp.SetNetworkLayerForChecksum(seen.NetworkLayer()))
			require.NoError(t, gopacket.SerializeLayers(again, gopacket.SerializeOptions{ComputeChecksums: true, FixLengths: true},
				seen.NetworkLayer().(gopacket.SerializableLayer), udp, gopacket.Payload(p.Payload)))
			require.Equal(t, again.Bytes(), b, "%s of %d octets", name, n)
			back, ok := Parse(b)
			require.True(t, ok)
			require.Equal(t, p.Source, back.Source)
			require.Equal(t, p.Destination, back.Destination)
			require.Equal(t, p.Class, back.Class)
			require.True(t, bytes.Equal(p.Payload, back.Payload))
		}
	}
}

// TestRefused are packets that Parse must not take, and pairs that Append cannot.
func TestRefused(t *testing.T) {
	for name, pair := range pairs {
		good := Append(nil, Packet{Source: pair[0], Destination: pair[1], Payload: []byte("some payload")}, 1)
		for n := range good {
			_, ok := Parse(good[:n])
			require.False(t, ok, "%s cut to %d octets", name, n)
		}
		_, ok := Parse(append(bytes.Clone(good), 0))
		require.False(t, ok, "%s with a trailing octet", name)
		bad := bytes.Clone(good)
		bad[len(bad)-1] ^= 1
		_, ok = Parse(bad)
		require.False(t, ok, "%s with a wrong checksum", name)
	}
	fragment := Append(nil, Packet{Source: pairs["IPv4"][0], Destination: pairs["IPv4"][1]}, 1)
	fragment[6] = 0x20
	_, ok := Parse(fragment)
	require.False(t, ok)
	require.Empty(t, Append(nil, Packet{Source: pairs["IPv4"][0], Destination: pairs["IPv6"][1]}, 1))
	require.Empty(t, Append(nil, Packet{Source: pairs["IPv4"][0], Destination: pairs["IPv4"][1], Payload: make([]byte, MaxPayload+1)}, 1))
}

func FuzzParse(f *testing.F) {
	for _, pair := range pairs {
		f.Add(Append(nil, Packet{Source: pair[0], Destination: pair[1], Payload: []byte("payload")}, 1))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := Parse(b)
		if !ok {
			return
		}
		back, ok := Parse(Append(nil, p, 0))
		require.True(t, ok)
		require.Equal(t, p, back)
	})
}
