// SPDX-License-Identifier: Apache-2.0

package udpclass

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClass(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "::1"} {
		server, err := Listen(netip.AddrPortFrom(netip.MustParseAddr(a), 0))
		require.NoError(t, err)
		client, err := Listen(netip.AddrPortFrom(netip.MustParseAddr(a), 0))
		require.NoError(t, err)
		b := make([]byte, 100)
		for _, class := range []uint8{0, 46 << 2, 10<<2 | 1, 63 << 2} {
			require.NoError(t, client.Write([]byte("data"), class, server.LocalAddr()))
			n, got, from, err := server.Read(b)
			require.NoError(t, err)
			require.Equal(t, "data", string(b[:n]))
			require.Equal(t, class, got, "%s", a)
			require.Equal(t, client.LocalAddr(), from)
		}
		require.NoError(t, server.Close())
		_, _, _, err = server.Read(b)
		require.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, client.Close())
	}
}
