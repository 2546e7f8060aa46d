// SPDX-License-Identifier: Apache-2.0

package udpbatch

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// A socket goes on sending from an address that the machine has lost; one that was never there is still refused.
func TestSourceThatIsGone(t *testing.T) {
	testenv.NeedRoot(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := netns.Get()
	require.NoError(t, err)
	defer func() { require.NoError(t, before.Close()) }()
	own, err := netns.New()
	require.NoError(t, err)
	defer func() { require.NoError(t, own.Close()) }()
	defer func() { require.NoError(t, netns.Set(before)) }()
	lo, err := netlink.LinkByName("lo")
	require.NoError(t, err)
	require.NoError(t, netlink.LinkSetUp(lo))
	for _, row := range []struct{ gone, bind, peer, prefix string }{
		{"192.0.2.1", "192.0.2.1", "127.0.0.1", "/32"},
		{"192.0.2.1", "0.0.0.0", "127.0.0.1", "/32"},
		{"2001:db8::1", "2001:db8::1", "::1", "/128"},
		{"2001:db8::1", "::", "::1", "/128"},
	} {
		t.Run(row.bind, func(t *testing.T) {
			addr, err := netlink.ParseAddr(row.gone + row.prefix)
			require.NoError(t, err)
			addr.Flags = unix.IFA_F_NODAD
			local := netip.AddrPortFrom(netip.MustParseAddr(row.bind), 0)
			if row.bind == row.gone {
				_, err := Listen(Options{Local: local})
				require.ErrorIs(t, err, unix.EADDRNOTAVAIL)
			}
			require.NoError(t, netlink.AddrAdd(lo, addr))
			c, err := Listen(Options{Local: local})
			require.NoError(t, err)
			defer func() { require.NoError(t, c.Close()) }()
			peer, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(row.peer), 0)))
			require.NoError(t, err)
			defer func() { require.NoError(t, peer.Close()) }()
			require.NoError(t, netlink.AddrDel(lo, addr))
			to := &Address{Remote: peer.LocalAddr().(*net.UDPAddr).AddrPort(), Local: netip.MustParseAddr(row.gone)}
			require.NoError(t, c.WriteTo(to, nil, []byte("gone")))
			require.NoError(t, peer.SetReadDeadline(time.Now().Add(5*time.Second)))
			b := make([]byte, 10)
			n, from, err := peer.ReadFromUDPAddrPort(b)
			require.NoError(t, err)
			require.Equal(t, "gone", string(b[:n]))
			require.Equal(t, netip.AddrPortFrom(netip.MustParseAddr(row.gone), c.LocalAddr().Port()), netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		})
	}
}
