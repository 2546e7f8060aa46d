// SPDX-License-Identifier: Apache-2.0

package user

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
)

// A socket whose receiving fails once is no news, one where it fails time and again keeps the data plane from working, until it receives again.
func TestWorking(t *testing.T) {
	d, err := New(Options{
		Sink: newTestSink(), Sockets: []Socket{{Kind: NATT, Local: netip.MustParseAddrPort("127.0.0.1:0")}}, Workers: 1, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	broken := errors.New("out of buffers")
	r := &receiver{d: d, e: d.receivers[0].e}
	d.mu.Lock()
	d.receivers = append(d.receivers, r)
	d.mu.Unlock()
	calls := 0
	r.receive(func() ([]udpbatch.Datagram, error) {
		calls++
		switch calls {
		case 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12:
			require.NoError(t, d.Working(), "call %d", calls)
			return nil, broken
		case 13:
			require.ErrorIs(t, d.Working(), broken)
			require.ErrorContains(t, d.Working(), d.Sockets()[0].Local.String())
			return nil, broken
		case 2, 14:
			return nil, nil
		}
		require.NoError(t, d.Working())
		return nil, net.ErrClosed
	})
	require.Equal(t, 15, calls)
}
