// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"fmt"
	"net/netip"
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
			require.Eventually(t, func() bool {
				h, _ := server.link.held.Load(ue)
				h.(*heldUE).mu.Lock()
				defer h.(*heldUE).mu.Unlock()
				return len(h.(*heldUE).attempt) > 0
			}, 10*time.Second, time.Millisecond)
			syn := server.Stay(ue)
			require.NotEmpty(t, syn)
			require.Empty(t, server.Stay(ue))
			server.Input(syn) // the other node is this one here
			sr.next(t, "connected")
			cr.next(t, "connected")
		})
	}
}
