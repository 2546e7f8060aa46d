// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
)

// Handshakes that are begun and never finished cost a bounded amount, and do not keep others out; what they leave behind goes with the UE.
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
	const floods = 50
	flood := func(handshakes int) {
		for i := range handshakes {
			server.Input(syn(netip.AddrFrom4([4]byte{10, 9, 0, byte(i % floods)}), uint16(i+1)))
		}
	}
	flood(200) // fills the room for handshakes
	before := heap()
	flood(20000)
	require.NoError(t, client.Dial(netip.MustParseAddr("10.0.0.2"), netip.MustParseAddrPort("10.0.0.1:20000")))
	require.Equal(t, "10.0.0.2", sr.next(t, "connected").ue.String())
	cr.next(t, "connected")
	// What the stack has queued is bounded, too, but comes on top until it is worked off.
	require.Eventually(t, func() bool { return heap()-before < 1<<20 }, 10*time.Second, time.Millisecond, "more than 52 octets a handshake stay")
	require.NoError(t, client.Send(netip.MustParseAddr("10.0.0.2"), []byte("hello")))
	require.Equal(t, "hello", string(sr.next(t, "nas").pdu))
	require.Equal(t, uint64(1), server.Stats().Connections)

	for i := range floods {
		server.Disconnect(netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}))
	}
	var left []any
	server.link.latest.Range(func(ue, _ any) bool { left = append(left, ue); return true })
	require.Equal(t, []any{netip.MustParseAddr("10.0.0.2")}, left)
}
