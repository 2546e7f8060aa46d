// SPDX-License-Identifier: Apache-2.0

package user

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// nodeSink is a sink that hands packets of unknown SPIs to another node.
type nodeSink struct {
	*testSink
	other atomic.Pointer[func(packet []byte)] // nil: there is none
}

func (s *nodeSink) Forward(_ uint32, packet []byte) bool {
	other := s.other.Load()
	if other == nil {
		return false
	}
	(*other)(bytes.Clone(packet))
	return true
}

// Two nodes never choose the same SPI, and each can tell whose one is.
func TestNodesInSPIs(t *testing.T) {
	seen := map[uint32]bool{}
	for node := range 4 {
		d := newPlane(t, newTestSink(), Options{Workers: 3, MaxSAs: 64, Node: node, NodeBits: 2})
		for w := range 3 {
			for range 16 {
				spi, err := d.NewInboundSPI(w)
				require.NoError(t, err)
				require.False(t, seen[spi])
				seen[spi] = true
				require.Equal(t, node, d.NodeOf(spi))
				require.Equal(t, w, d.WorkerOf(spi))
			}
			require.Equal(t, node, d.IKENodeOf(d.IKESPI(w, 0x0123456789abcdef)))
			require.Equal(t, node, d.IKENodeOf(d.IKESPI(w, ^uint64(0))))
		}
	}
	_, err := New(Options{Sink: newTestSink(), Node: 4, NodeBits: 2})
	require.ErrorIs(t, err, ipsec.ErrInvalid)
}

// TestTakeOut moves an SA to another node while it sends and receives: no sequence number is used twice, no packet is accepted twice, and none that is
// still under way is lost.
func TestTakeOut(t *testing.T) {
	sinkA, sinkB := newTestSink(), newTestSink()
	a := newPlane(t, &nodeSink{testSink: sinkA}, Options{Workers: 1, NodeBits: 1})
	b := newPlane(t, sinkB, Options{Workers: 1, Node: 1, NodeBits: 1})
	require.Equal(t, a.Layout(), b.Layout())
	peer := peerSocket(t, udpbatch.Options{})
	const id = 7
	sa, sealer := install(t, a, id, 0, peer.LocalAddr())

	inner := innerIPv4(100)
	seal := func() []byte { return sealed(sealer, inner) }
	to := func(d *DataPlane, packet []byte) {
		require.NoError(t, peer.WriteTo(&udpbatch.Address{Remote: d.Sockets()[0].Local}, packet, nil))
	}
	first, late, second := seal(), seal(), seal()
	to(a, first)
	to(a, second)
	sinkA.wait(t, 2)

	h, err := a.Handle(id)
	require.NoError(t, err)
	var sending sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		w := a.NewWriter()
		sending.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = w.Write(h, inner, nil)
					_ = w.Flush()
				}
			}
		})
	}
	used := map[uint32]bool{}
	receive := func(rx *udpbatch.Receiver, until func(seq uint32) bool) {
		for {
			batch, err := rx.Receive()
			require.NoError(t, err)
			for _, d := range batch {
				seq := binary.BigEndian.Uint32(d.Data[4:])
				require.False(t, used[seq], "sequence number %d twice", seq)
				used[seq] = true
				if until(seq) {
					return
				}
			}
		}
	}
	rx := peer.NewReceiver()
	receive(rx, func(uint32) bool { return len(used) >= 100 })
	handed, err := a.TakeOut(id)
	require.NoError(t, err)
	require.Len(t, handed, 1)
	require.True(t, handed[0].Current)
	_, err = a.TakeOut(id)
	require.ErrorIs(t, err, ipsec.ErrUnknown)

	sa.Resume = &handed[0].Resume
	sa.Target.Path.Local = b.Sockets()[0].Local
	require.NoError(t, b.Install(sa))
	require.ErrorIs(t, b.Install(sa), ipsec.ErrExists)
	hb, err := b.Handle(id)
	require.NoError(t, err)
	w := b.NewWriter()
	require.NoError(t, w.Write(hb, inner, nil))
	require.NoError(t, w.Flush())
	last := uint32(0)
	receive(rx, func(seq uint32) bool {
		if uint64(seq) <= handed[0].Resume.Outbound {
			return false
		}
		last = seq
		return true
	})
	require.EqualValues(t, handed[0].Resume.Outbound+ipsec.SequenceMargin+1, last)
	close(stop)
	sending.Wait()
	require.ErrorIs(t, a.NewWriter().Write(h, inner, nil), ipsec.ErrNoOutbound)

	to(b, bytes.Clone(first)) // the receiver decrypts in place
	to(b, second)
	to(b, late)
	sinkB.wait(t, 1)
	s, err := b.Stats(id)
	require.NoError(t, err)
	require.Eventually(t, func() bool { s, err = b.Stats(id); return err == nil && s.Generations[0].Drops.Duplicate == 2 }, 5*time.Second, time.Millisecond)
	require.EqualValues(t, 3, s.Generations[0].Inbound.Packets, "two at the former node, and the late one")
}

// What comes to the former node goes on to the present one and says nothing about the path.
func TestForward(t *testing.T) {
	sinkA, sinkB := &nodeSink{testSink: newTestSink()}, newTestSink()
	a := newPlane(t, sinkA, Options{Workers: 1, NodeBits: 1})
	b := newPlane(t, sinkB, Options{Workers: 1, Node: 1, NodeBits: 1})
	peer := peerSocket(t, udpbatch.Options{})
	sa, sealer := install(t, b, 7, 0, netip.AddrPortFrom(loopback4, 9))
	inject := b.Inject
	sinkA.other.Store(&inject)
	inner := innerIPv4(100)
	packet := sealed(sealer, inner)
	require.NoError(t, peer.WriteTo(&udpbatch.Address{Remote: a.Sockets()[0].Local}, packet, nil))
	sinkB.wait(t, 1)
	sinkB.mu.Lock()
	require.Empty(t, sinkB.events, "no rebinding")
	sinkB.mu.Unlock()
	s, err := b.Stats(sa.ID)
	require.NoError(t, err)
	require.False(t, s.LastInbound.IsZero())
	require.True(t, s.LastOnPath.IsZero())
	require.Zero(t, a.Totals().UnknownSPI)
	b.Inject([]byte{1, 2, 3})
	b.Inject(make([]byte, 64))
	require.EqualValues(t, 1, b.Totals().UnknownSPI)
}
