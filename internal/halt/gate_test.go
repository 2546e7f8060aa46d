// SPDX-License-Identifier: Apache-2.0

package halt

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// reading is a socket with readers that count what they get.
type reading struct {
	conn    *net.UDPConn
	gate    *Gate
	got     atomic.Int64
	running sync.WaitGroup
}

func newReading(t *testing.T, readers int, shut bool) *reading {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	r := &reading{conn: conn, gate: New(conn.SetReadDeadline, shut)}
	for range readers {
		r.gate.Enter()
		r.running.Go(func() {
			defer r.gate.Leave()
			b := make([]byte, 16)
			for {
				switch _, err := conn.Read(b); {
				case err == nil:
					r.got.Add(1)
				case r.gate.Passed(err):
					return
				}
			}
		})
	}
	t.Cleanup(func() {
		_ = conn.Close()
		r.gate.Close()
		r.running.Wait()
		goleak.VerifyNone(t)
	})
	return r
}

func (r *reading) send(t *testing.T) {
	t.Helper()
	_, err := r.conn.WriteTo([]byte{1}, r.conn.LocalAddr())
	require.NoError(t, err)
}

func (r *reading) until(t *testing.T, n int64) {
	t.Helper()
	require.Eventually(t, func() bool { return r.got.Load() == n }, 20*time.Second, time.Millisecond)
}

// What comes while the gate is shut waits in the socket.
func TestGate(t *testing.T) {
	r := newReading(t, 3, false)
	r.send(t)
	r.until(t, 1)
	for i := range int64(20) {
		require.NoError(t, r.gate.Shut(t.Context()))
		r.send(t)
		require.Equal(t, 1+i, r.got.Load(), "nobody reads")
		r.gate.Open()
		r.until(t, 2+i)
	}
}

// A gate can be shut from the beginning, and a socket be closed while it is.
func TestGateShutAtFirst(t *testing.T) {
	r := newReading(t, 2, true)
	r.send(t)
	require.NoError(t, r.gate.Shut(t.Context()), "they come to rest")
	require.Zero(t, r.got.Load())
	r.gate.Open()
	r.until(t, 1)
	require.NoError(t, r.gate.Shut(t.Context()))
}

// A reader that is busy for too long leaves the gate open.
func TestGateWithBusyReader(t *testing.T) {
	r := newReading(t, 1, false)
	r.gate.Enter() // does something else
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.gate.Shut(ctx), context.Canceled)
	r.send(t)
	r.until(t, 1)
	r.gate.Leave()
	require.NoError(t, r.gate.Shut(t.Context()))
	r.gate.Open()
}
