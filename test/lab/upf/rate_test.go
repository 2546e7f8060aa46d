// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
)

const pduLen = 1400

// peer is a RAN with batched sockets.
func peer(tb testing.TB) (*UPF, *Session, *udpbatch.Conn) {
	tb.Helper()
	conn, err := udpbatch.Listen(udpbatch.Options{Local: netip.AddrPortFrom(loopback, 0)})
	require.NoError(tb, err)
	u, err := New(Options{Listen: netip.AddrPortFrom(loopback, 0), Pool: netip.MustParsePrefix("10.60.0.0/24"), PeerPort: conn.LocalAddr().Port()})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		require.NoError(tb, u.Close())
		require.NoError(tb, conn.Close())
	})
	s, err := u.Add(SessionConfig{Flows: []uint8{1}})
	require.NoError(tb, err)
	s.SetDownlink(loopback, downTEID)
	return u, s, conn
}

func gpdu(s *Session, pdu []byte) []byte {
	b := make([]byte, gtpu.GPDUHeaderLen)
	gtpu.PutUplink(b, s.TEID(), 1, len(pdu))
	return append(b, pdu...)
}

// BenchmarkSource is the time for a packet from the source through the loopback to a socket that takes it. At 1 Gbit/s it may be 11.2 us.
func BenchmarkSource(b *testing.B) {
	_, s, conn := peer(b)
	request := gpdu(s, sourceRequest(b, s, 4_000_000, 10_000, pduLen))
	to := udpbatch.Address{Remote: s.upf.LocalAddr()}
	rx := conn.NewReceiver()
	b.SetBytes(pduLen)
	require.NoError(b, conn.WriteTo(&to, request, nil))
	for n := 0; n < b.N; {
		if !s.sourcing.Load() {
			require.NoError(b, conn.WriteTo(&to, request, nil))
		}
		batch, err := rx.Receive()
		require.NoError(b, err)
		n += len(batch)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)*pduLen*8/b.Elapsed().Seconds()/1e9, "Gbit/s")
}

// BenchmarkSink is the time for a packet through the loopback to the sink, which counts it.
func BenchmarkSink(b *testing.B) {
	_, s, conn := peer(b)
	pdu := make([]byte, pduLen)
	putIPv4(pdu, 0, protocolUDP, s.address.As4(), server.As4(), 0, pduLen-ipv4Len)
	putUDP(pdu[ipv4Len:], 40000, PortSink, pduLen-ipv4Len-udpLen)
	packet := gpdu(s, pdu)
	to := udpbatch.Address{Remote: s.upf.LocalAddr()}
	tx := conn.NewSender()
	b.SetBytes(pduLen)
	for begin := s.Stats().Sink.Packets; s.Stats().Sink.Packets-begin < uint64(b.N); {
		for range 256 {
			require.NoError(b, tx.Append(&to, packet, nil))
		}
		_, err := tx.Flush()
		require.NoError(b, err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)*pduLen*8/b.Elapsed().Seconds()/1e9, "Gbit/s")
}

// TestSourceRate: what was asked for is sent, at 1 Gbit/s too. (Whether the machine is fast enough for more is for the benchmark.)
func TestSourceRate(t *testing.T) {
	u, s, conn := peer(t)
	to := udpbatch.Address{Remote: u.LocalAddr()}
	begin := time.Now()
	require.NoError(t, conn.WriteTo(&to, gpdu(s, sourceRequest(t, s, 90_000, 500, pduLen)), nil))
	require.Eventually(t, func() bool { return u.Stats().Downlink.Packets > 0 && !s.sourcing.Load() }, 20*time.Second, time.Millisecond)
	sent := u.Stats().Downlink.Packets
	t.Logf("%d packets in %s", sent, time.Since(begin))
	require.LessOrEqual(t, sent, uint64(45_000))
	require.Greater(t, sent, uint64(4_500), "a tenth, on a machine with much else to do")
}

// FuzzUplink gives any PDU to the data network: it must not panic, and must answer nothing that is no reply to the session's address.
func FuzzUplink(f *testing.F) {
	u, s, _ := peer(f)
	w := &worker{u: u, conn: u.sockets[0], sender: u.sockets[0].NewSender()}
	f.Add(ping(f, s.Address(), 1, []byte("seed")))
	f.Add(datagram(f, s.Address(), PortEcho, []byte("seed")))
	f.Add(datagram(f, s.Address(), PortSink, nil))
	f.Add(datagram(f, s.Address(), 53, []byte("seed")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, pdu []byte) {
		before := s.Stats()
		w.answer = nil
		w.uplink(s, 1, pdu)
		after := s.Stats()
		answered := after.Downlink.Packets - before.Downlink.Packets
		taken := after.Sink.Packets - before.Sink.Packets
		require.LessOrEqual(t, answered, uint64(1))
		if answered == 1 {
			p, bad := parse(w.answer[gtpu.GPDUHeaderLen:])
			require.Equal(t, NumReasons, bad)
			require.Equal(t, s.address.As4(), p.dst)
		}
		if answered+taken == 0 && !s.sourcing.Load() && s.wanted.Load() == nil && len(pdu) < ipv4Len+udpLen+requestLen {
			require.Equal(t, before.Dropped()+1, after.Dropped(), "silent")
		}
		_, _ = w.sender.Flush()
	})
}
