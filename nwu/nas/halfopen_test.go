// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
)

// Handshakes that are begun and never finished cost a bounded amount, and do not keep others out.
func TestHalfOpen(t *testing.T) {
	server, sr, client, cr := pair(t, nil, func(s, _ *Options) { s.MaxHalfOpen = 16 })
	syn := func(from netip.Addr, port uint16) []byte {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from.AsSlice(), DstIP: net.IPv4(10, 0, 0, 1)}
		tcp := &layers.TCP{SrcPort: layers.TCPPort(port), DstPort: 20000, Seq: 1, SYN: true, Window: 1000}
		require.NoError(t, tcp.SetNetworkLayerForChecksum(ip))
		b := gopacket.NewSerializeBuffer()
		require.NoError(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, tcp))
		return b.Bytes()
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	flood := netip.MustParseAddr("10.9.0.1")
	for range 100 { // fills the room for handshakes
		server.Input(syn(flood, 1000))
		flood = flood.Next()
	}
	before := heap()
	for i := range 5000 {
		server.Input(syn(flood, uint16(i+1)))
		flood = flood.Next()
	}
	require.NoError(t, client.Dial(netip.MustParseAddr("10.0.0.2"), netip.MustParseAddrPort("10.0.0.1:20000")))
	require.Equal(t, "10.0.0.2", sr.next(t, "connected").ue.String())
	cr.next(t, "connected")
	require.Less(t, heap()-before, int64(1<<20))
	require.NoError(t, client.Send(netip.MustParseAddr("10.0.0.2"), []byte("hello")))
	require.Equal(t, "hello", string(sr.next(t, "nas").pdu))
	require.Equal(t, uint64(1), server.Stats().Connections)
}
