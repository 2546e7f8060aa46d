// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLeave: a UE that goes on at another node loses nothing: what both sides have sent arrives, and its next connection is not taken here.
func TestLeave(t *testing.T) {
	for _, c := range []struct{ ue, server string }{{"10.0.0.2", "10.0.0.1:20000"}, {"fd00::2", "[fd00::1]:20000"}} {
		t.Run(c.ue, func(t *testing.T) {
			server, sr, client, cr := pair(t, nil, nil)
			ue, to := netip.MustParseAddr(c.ue), netip.MustParseAddrPort(c.server)
			require.False(t, server.Leave(ue), "no connection")
			server.Stay(ue)
			require.NoError(t, client.Dial(ue, to))
			sr.next(t, "connected")
			cr.next(t, "connected")
			for i := range 50 {
				require.NoError(t, client.Send(ue, fmt.Appendf(nil, "up %d", i)))
				require.NoError(t, server.Send(ue, fmt.Appendf(nil, "down %d", i)))
			}
			require.True(t, server.Leave(ue))
			for i := range 50 {
				require.Equal(t, fmt.Sprintf("up %d", i), string(sr.next(t, "nas").pdu))
				require.Equal(t, fmt.Sprintf("down %d", i), string(cr.next(t, "nas").pdu))
			}
			require.ErrorIs(t, cr.next(t, "closed").reason, ErrPeerClosed)
			require.ErrorIs(t, sr.next(t, "closed").reason, ErrPeerClosed)
			require.ErrorIs(t, server.Send(ue, []byte("late")), ErrNotConnected)
			require.Zero(t, server.Stats().Connections)

			require.NoError(t, client.Dial(ue, to))
			require.Empty(t, sr.events, "its attempts are for another node")
			require.Eventually(t, func() bool { return server.link.attemptFrom(ue, 0) != nil }, 10*time.Second, time.Millisecond)
			syn := server.Stay(ue)
			require.NotEmpty(t, syn)
			require.Empty(t, server.Stay(ue))
			server.Input(syn) // the other node is this one here
			sr.next(t, "connected")
			cr.next(t, "connected")
		})
	}
}

// TestLeaveWhileOpening: a connection that the UE takes for open, and of which nobody has been told here yet, comes to nothing when the UE leaves. The UE
// hears that from where it goes on, and has lost nothing of what it has sent.
func TestLeaveWhileOpening(t *testing.T) {
	const flags, syn = 20 + 13, 0x02
	var next atomic.Pointer[Server] // where the UE goes on
	acks := make(chan []byte, 64)
	server, sr, client, cr := pair(t, func(toServer bool, p []byte) bool {
		switch s := next.Load(); {
		case !toServer:
			return s == nil
		case s != nil:
			s.Input(p)
			return false
		case p[flags] == syn:
			return true
		}
		select {
		case acks <- bytes.Clone(p):
		default:
		}
		return false
	}, nil)
	nr := newRecorder()
	other, err := NewServer(Options{
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Events: nr, Logger: slog.New(slog.DiscardHandler),
		Out: func(_ netip.Addr, p []byte) { client.Input(p) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	ue, to := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddrPort("10.0.0.1:20000")
	require.NoError(t, client.Dial(ue, to))
	cr.next(t, "connected")
	require.NoError(t, client.Send(ue, []byte("up")))
	require.False(t, server.Leave(ue), "the server knows of none")
	server.Input(<-acks)
	server.Input(<-acks)
	first := server.Stay(ue)
	require.NotEmpty(t, first)
	next.Store(other)
	other.Input(first)
	end := cr.next(t, "closed")
	require.ErrorIs(t, end.reason, ErrReset)
	require.Equal(t, [][]byte{[]byte("up")}, end.lost.Unsure)
	require.NoError(t, client.Dial(ue, to))
	cr.next(t, "connected")
	nr.next(t, "connected")
	require.NoError(t, client.Send(ue, []byte("again")))
	require.Equal(t, "again", string(nr.next(t, "nas").pdu))
	require.Empty(t, sr.events)
}
