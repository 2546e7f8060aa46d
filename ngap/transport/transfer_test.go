// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// payload makes a message that says which it is, of any length from 8 octets.
func payload(stream uint16, seq uint32, n int) []byte {
	b := make([]byte, max(n, 8))
	binary.BigEndian.PutUint32(b, seq)
	binary.BigEndian.PutUint16(b[4:], stream)
	for i := 8; i < len(b); i++ {
		b[i] = byte(uint32(i)*7 + seq)
	}
	return b
}

// exchange sends messages on every stream in both directions at once and
// requires each stream to be complete and in order.
func exchange(t *testing.T, rng *rand.Rand, a, b Association, count, maxLen int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var g errgroup.Group
	for _, dir := range [][2]Association{{a, b}, {b, a}} {
		streams := dir[0].Streams()
		lens := make([]int, count)
		for i := range lens {
			lens[i] = 8 + rng.IntN(maxLen)
		}
		g.Go(func() error {
			for i, n := range lens {
				if err := dir[0].Send(ctx, uint16(i%streams), payload(uint16(i%streams), uint32(i), n)); err != nil {
					return err
				}
			}
			return nil
		})
		g.Go(func() error {
			next := make([]int, streams)
			for range lens {
				m, err := dir[1].Receive(ctx)
				if err != nil {
					return err
				}
				i := next[m.Stream]*streams + int(m.Stream)
				next[m.Stream]++
				require.Equal(t, uint32(PPID), m.PPID)
				if !bytes.Equal(payload(m.Stream, uint32(i), lens[i]), m.Data) {
					return fmt.Errorf("stream %d: message %d is not what was sent", m.Stream, i)
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait(), "%+v %+v", a.Stats(), b.Stats())
}

func TestTransferOverLoopback(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			l, err := Listen(Options{Mode: ModeUDP, Local: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(ip), Port)}, UDPPort: EphemeralPort, Logger: quiet})
			require.NoError(t, err)
			require.Equal(t, ModeUDP, l.Mode())
			c, err := Dial(t.Context(), Options{Mode: ModeUDP, Remote: l.Addr().AddrPorts(), RemoteUDPPort: int(l.Addr().UDPPort), OutboundStreams: 5, Logger: quiet})
			require.NoError(t, err)
			s, err := l.Accept(t.Context())
			require.NoError(t, err)
			require.NoError(t, l.Close())
			require.Equal(t, 5, c.Streams())
			require.Equal(t, 16, s.Streams())
			exchange(t, rand.New(rand.NewPCG(1, 1)), c, s, 300, 3000)
			big := payload(3, 9, 64<<10)
			send(t, c, 3, big)
			require.Equal(t, big, receive(t, s).Data)
			require.NoError(t, c.Close())
			requireLoss(t, receiveError(t, s), ReasonPeerShutdown)
			requireLoss(t, c.Err(), ReasonClosed)
		})
	}
}

func TestTransferUnderLossReorderAndDuplication(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			n := newNetwork(seed)
			defer n.close()
			n.latency = 5 * time.Millisecond
			c, s, l := n.pair(t, Options{OutboundStreams: 8, ShutdownTimeout: time.Minute}, Options{OutboundStreams: 3})
			n.set(func() { n.loss, n.dup, n.late = 0.05, 0.05, 0.3 })
			exchange(t, rand.New(rand.NewPCG(seed, 2)), c, s, 400, 6000)
			n.set(func() { n.loss = 0.2 })
			require.NoError(t, c.Close())
			<-s.Done()
			requireLoss(t, s.Err(), ReasonPeerShutdown)
			require.NoError(t, l.Close())
		})
	}
}

// The engine's receive window once was a bitmap that broke where TSNs wrap.
func TestTransferAcrossTSNWrap(t *testing.T) {
	for _, buffer := range []int{1, 500_000, 1 << 20, 3 << 20, 9 << 20} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(7)
			defer n.close()
			n.latency = 5 * time.Millisecond
			l := n.listen(t, serverAddr, Options{ReceiveBuffer: buffer})
			ep := n.endpoint(n.wire(clientAddr), 50000, options(t, Options{ReceiveBuffer: buffer}), false)
			a := newUserAssociation(ep, netip.MustParseAddrPort(serverAddr), Port, ep.freeTag(), ^uint32(0)-150)
			ep.mu.Lock()
			ep.adopt(a)
			ep.mu.Unlock()
			a.mu.Lock()
			a.askLocked()
			a.mu.Unlock()
			<-a.up
			s, err := l.Accept(t.Context())
			require.NoError(t, err)
			n.set(func() { n.loss, n.late = 0.05, 0.5 })
			exchange(t, rand.New(rand.NewPCG(3, 3)), a, s, 600, 1000)
			n.set(func() { n.loss, n.late = 0, 0 })
			require.NoError(t, a.Close())
			require.NoError(t, l.Close())
		})
	}
}

func TestReceiveBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(1)
		defer n.close()
		n.latency = time.Millisecond
		c, s, l := n.pair(t, Options{SendBuffer: 100_000}, Options{ReceiveBuffer: 256_000})
		var accepted int
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			err := c.Send(ctx, 1, payload(1, uint32(accepted), 1000))
			cancel()
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			accepted++
		}
		require.Less(t, accepted*1000, 256_000+2*100_000, "nobody received, so no more than both buffers may have been taken")
		require.Greater(t, accepted*1000, 256_000)
		start := time.Now()
		for i := range accepted {
			requirePayload(t, receive(t, s), 1, uint32(i), 1000)
		}
		require.Less(t, time.Since(start), time.Second, "an opened window must be announced, not found by slow probes")
		send(t, c, 1, payload(1, 0, 8))
		receive(t, s)
		require.NoError(t, s.Close())
		<-c.Done()
		require.NoError(t, l.Close())
	})
}

func TestSendArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(1)
		defer n.close()
		c, s, _ := n.pair(t, Options{OutboundStreams: 30, MaxMessageSize: 1000}, Options{MaxInboundStreams: 2})
		require.Equal(t, 2, c.Streams())
		require.ErrorIs(t, c.Send(t.Context(), 2, []byte{1}), ErrStream)
		require.ErrorIs(t, c.Send(t.Context(), 0, nil), ErrMessageSize)
		require.ErrorIs(t, c.Send(t.Context(), 0, make([]byte, 1001)), ErrMessageSize)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, c.Send(ctx, 0, []byte{1}), context.Canceled)
		_, err := c.Receive(ctx)
		require.ErrorIs(t, err, context.Canceled)
		// A message above the receiver's limit is dropped, the next one comes.
		send(t, s, 0, bytes.Repeat([]byte{1}, 1001))
		send(t, s, 0, []byte("next"))
		require.Equal(t, "next", string(receive(t, c).Data))
		require.EqualValues(t, 1, c.Stats().DroppedTooLarge)
		time.Sleep(time.Second) // virtual; nothing is under way any more that could cross the ABORT
		require.NoError(t, c.Abort("enough"))
		require.Contains(t, requireLoss(t, receiveError(t, s), ReasonPeerAbort).Detail, "enough")
		requireLoss(t, c.Send(t.Context(), 0, []byte{1}), ReasonAborted)
	})
}
