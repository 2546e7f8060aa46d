// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelsctp

package transport

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// isolate gives the test's goroutine a network namespace of its own with a
// loopback that has the MTU of an Ethernet.
func isolate(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	require.NoError(t, unix.Unshare(unix.CLONE_NEWNET), "a network namespace needs root")
	lo, err := netlink.LinkByName("lo")
	require.NoError(t, err)
	require.NoError(t, netlink.LinkSetMTU(lo, 1500))
	require.NoError(t, netlink.LinkSetUp(lo))
	// Linux 6.1 loses what it aggregates (GSO) for SCTP over UDP on a loopback:
	// its transmit side drops every packet above the MTU. So it shall not.
	require.NoError(t, netlink.LinkSetGSOMaxSize(lo, 1400))
}

// meeting opens associations of the kernel with user space: both ends are known to live.
func meeting(t *testing.T, l Listener, o Options, dial func(context.Context, Options) (Association, error)) func(Options) (c, s Association) {
	return func(more Options) (c, s Association) {
		o.OutboundStreams = more.OutboundStreams
		c, err := dial(t.Context(), o)
		require.NoError(t, err)
		s, err = l.Accept(t.Context())
		require.NoError(t, err)
		// The kernel answers our heartbeats, and we its own.
		for _, a := range []Association{c, s} {
			if a, ok := a.(*userAssociation); ok {
				deadline := time.Now().Add(20 * time.Second)
				for a.Stats().HeartbeatsAnswered < 2 {
					require.NoError(t, a.Err())
					require.True(t, time.Now().Before(deadline), "the kernel does not answer heartbeats")
					runtime.Gosched()
				}
			}
		}
		return c, s
	}
}

// TestKernelMeetsUserSpace is the independent judge of user-space SCTP: the
// kernel's, over UDP encapsulation, once as server and once as client.
func TestKernelMeetsUserSpace(t *testing.T) {
	testenv.Need(t, testenv.KernelAtLeast(t, 5, 11), "Linux 5.11 or newer, whose SCTP goes over UDP")
	require.NoError(t, ProbeKernel())
	sysctl := func(t *testing.T, name, value string) {
		require.NoError(t, os.WriteFile("/proc/sys/net/sctp/"+name, []byte(value), 0o600))
	}
	local := func(port uint16) []netip.AddrPort {
		return []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}
	}
	user := Options{Mode: ModeUDP, AcceptZeroChecksum: true, HeartbeatInterval: 50 * time.Millisecond, HeartbeatMisses: 100, Logger: quiet}
	kernel := Options{Mode: ModeKernel, HeartbeatInterval: 50 * time.Millisecond, HeartbeatMisses: 100, Logger: quiet}

	t.Run("kernel is server", func(t *testing.T) {
		isolate(t)
		sysctl(t, "udp_port", "9899")
		defer sysctl(t, "udp_port", "0")
		o := kernel
		o.Local, o.OutboundStreams = local(40011), 3
		l, err := Listen(o)
		require.NoError(t, err)
		defer l.Close() //nolint:errcheck // nothing to lose
		d := user
		d.Remote, d.RemoteUDPPort = local(40011), 9899
		testPair(t, meeting(t, l, d, Dial))
		d.Remote = local(40012)
		_, err = Dial(t.Context(), d)
		requireLoss(t, err, ReasonRefused)
	})
	t.Run("kernel is client", func(t *testing.T) {
		isolate(t)
		sysctl(t, "udp_port", "9899")
		defer sysctl(t, "udp_port", "0")
		sysctl(t, "encap_port", "9900")
		defer sysctl(t, "encap_port", "0")
		o := user
		o.Local, o.UDPPort, o.OutboundStreams = local(40013), 9900, 3
		l, err := Listen(o)
		require.NoError(t, err)
		defer l.Close() //nolint:errcheck // nothing to lose
		d := kernel
		d.Remote = local(40013)
		testPair(t, meeting(t, l, d, Dial))
	})
}
