// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// inKernel counts the states and policies of an interface number.
func (w *world) inKernel(id uint32) (states, policies int) {
	w.t.Helper()
	var err error
	w.gw.do(func() {
		var c *xfrm.Conn
		if c, err = xfrm.Dial(); err != nil {
			return
		}
		defer c.Close() //nolint:errcheck // nothing was written
		var list []*xfrm.State
		if list, err = c.States(func(s *xfrm.State) bool { return s.IfID == id }); err != nil {
			return
		}
		var more []*xfrm.Policy
		more, err = c.Policies(func(p *xfrm.Policy) bool { return p.IfID == id })
		states, policies = len(list), len(more)
	})
	require.NoError(w.t, err)
	return states, policies
}

// sendFromHost has the N3IWFs' host send to an address, with a mark. It may be told that there is no way.
func (w *world) sendFromHost(to netip.Addr, mark int) {
	w.t.Helper()
	w.gw.do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(w.t, err)
		defer unix.Close(fd) //nolint:errcheck // nothing to lose
		require.NoError(w.t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, mark))
		_ = unix.Sendto(fd, []byte("secret"), 0, &unix.SockaddrInet4{Port: 9, Addr: to.As4()})
	})
}

// Two N3IWFs on one host, with ESP in the kernel. One is killed. Nothing leaves in clear for its UE before it starts again, while
// it does, or after; the start removes the states, policies and interface that it has left, and no others. The other's UE loses no packet in all that.
// When both stop in good order nothing is left but what others have made.
func TestKernelNeighbours(t *testing.T) {
	w := newWorld(t, 3)
	w.gw.ip(t, "route add default via "+at(netNWu, ueSite).String()) // what is in clear would find its way
	w.gw.ip(t, "xfrm state add src 203.0.113.1 dst 203.0.113.2 proto esp spi 0x777 mode tunnel aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 128")
	w.gw.ip(t, "xfrm policy add src 203.0.113.1/32 dst 203.0.113.2/32 dir out tmpl src 203.0.113.1 dst 203.0.113.2 proto esp mode tunnel")
	wire := listen(t, w.wlan, "nwu")
	w.startCore()
	a, b := w.startN3IWF(0), w.startN3IWF(1)
	u, p := w.online(0, 0)
	_, q := w.online(1, 1)
	inner := netip.MustParseAddr(u.State().Inner[0])
	ping := func() error {
		return w.within(func(ctx context.Context) error { _, err := p.Ping(ctx, 2); return err })
	}
	type objects struct{ states, policies int }
	has := func(id uint32) (o objects) { o.states, o.policies = w.inKernel(id); return o }
	others := has(2)
	require.Equal(t, others, has(1), "one UE each")
	require.NotZero(t, others.states)
	require.NotZero(t, others.policies)
	probeClear := func() {
		for _, mark := range []int{0, 1, 2, 1 << 24} {
			w.sendFromHost(inner, mark)
		}
	}
	finish := w.traffic(q)

	// A second process of the same number is refused, and so is one of the same addresses; neither has done harm.
	for words, twin := range map[string]*nf{
		"interface id 1 is in use by a running process": w.launch(2, func(n *nf) {
			n.config = strings.Replace(n.config, "interfaceID: 3", "interfaceID: 1", 1)
		}),
		"address already in use": w.launch(0, func(n *nf) {
			n.config = strings.Replace(n.config, "interfaceID: 1", "interfaceID: 3", 1)
		}),
	} {
		require.Error(t, twin.cmd.Wait())
		require.True(t, twin.text.has(words), twin.text.tail(1000))
	}
	require.NoError(t, ping())
	probeClear()

	require.NoError(t, a.cmd.Process.Kill())
	_ = a.cmd.Wait() // killed
	require.Equal(t, others, has(1), "all that it had is there")
	probeClear()
	again := w.startN3IWF(0)
	require.True(t, again.text.has("removed what an earlier run has left in the kernel", "interface=nwu1"))
	require.Zero(t, has(1))
	require.Equal(t, others, has(2))
	probeClear()
	require.NoError(t, u.Close())
	u, p = w.online(0, 0)
	require.Equal(t, others, has(1))
	inner = netip.MustParseAddr(u.State().Inner[0])
	probeClear()

	sent, lost := finish()
	require.Zero(t, lost, "of %d packets of the other's UE", sent)
	require.NotZero(t, sent)
	require.Zero(t, b.text.count("level=ERROR"))

	for _, n := range []*nf{again, b} {
		require.NoError(t, n.cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, n.cmd.Wait())
	}
	require.Zero(t, has(1))
	require.Zero(t, has(2))
	require.Contains(t, w.gw.ip(t, "xfrm state"), "0x00000777")
	require.Contains(t, w.gw.ip(t, "xfrm policy"), "203.0.113.1/32")
	require.NotContains(t, w.gw.ip(t, "link"), "nwu1")
	require.NotContains(t, w.gw.ip(t, "link"), "nwu2")
	require.NotContains(t, w.gw.ip(t, "route"), "10.60.")
	left, err := os.ReadDir("/sys/fs/bpf/n3iwf")
	require.True(t, err == nil || os.IsNotExist(err), err)
	require.Empty(t, left)

	// Only IKE, and ESP in UDP, between outer addresses; the listener has heard them.
	ends := []netip.Addr{at(netNWu, 1), at(netNWu, 2), at(netNWu, ueSite)}
	esp := 0
	for _, packet := range wire.take() {
		if packet[0]>>4 != 4 {
			continue // neighbour discovery of IPv6
		}
		from, to := netip.AddrFrom4([4]byte(packet[12:])), netip.AddrFrom4([4]byte(packet[16:]))
		require.Contains(t, ends, from, "% x", packet)
		require.Contains(t, ends, to, "% x", packet)
		require.EqualValues(t, unix.IPPROTO_UDP, packet[9], "% x", packet)
		ports := []uint16{binary.BigEndian.Uint16(packet[20:]), binary.BigEndian.Uint16(packet[22:])}
		require.True(t, slices.Contains(ports, 500) || slices.Contains(ports, 4500), "% x", packet)
		if slices.Contains(ports, 4500) {
			esp++
		}
	}
	require.Greater(t, esp, sent)
}
