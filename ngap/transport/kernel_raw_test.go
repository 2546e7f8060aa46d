// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelsctp

package transport

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"
)

// wired is two machines, joined by the network cards of the virtual one that test/vm makes: unlike a veth they do not leave checksums out.
func wired(t *testing.T) (user, kernel *machine) {
	t.Helper()
	var list []*machine
	for i, name := range []string{"user", "kernel"} {
		card := fmt.Sprint("eth", i)
		ip(t, "netns add "+name)
		t.Cleanup(func() { ip(t, "netns del "+name) })
		ns, err := netns.GetFromName(name)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, ns.Close()) })
		ip(t, fmt.Sprintf("link set %s netns %s", card, name))
		t.Cleanup(func() { ip(t, fmt.Sprintf("-n %s link set %s netns 1", name, card)) })
		ip(t, fmt.Sprintf("-n %s addr add %s/24 dev %s", name, onWire(i), card))
		ip(t, fmt.Sprintf("-n %s link set %s up", name, card))
		list = append(list, &machine{name, ns})
	}
	return list[0], list[1]
}

func onWire(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 3, 0, byte(1 + i)}) }

// TestKernelMeetsRaw is the same judge without UDP, as every AMF has it: IP protocol 132, with the checksums of both. The kernel of the user-space end
// must not answer for it: what it says of SCTP by itself is dropped, so that it is as if it had none.
func TestKernelMeetsRaw(t *testing.T) {
	require.NoError(t, ProbeKernel())
	user, kernel := wired(t)
	rules := exec.Command("ip", "netns", "exec", user.name, "nft", "-f", "-")
	rules.Stdin = strings.NewReader(`table ip only { chain out { type filter hook output priority 0; meta l4proto 132 meta skuid 0 accept; meta l4proto 132 drop; }; }`)
	out, err := rules.CombinedOutput()
	require.NoError(t, err, string(out))
	raw := Options{Mode: ModeRaw, HeartbeatInterval: 50 * time.Millisecond, HeartbeatMisses: 100, Logger: quiet}
	linux := raw
	linux.Mode = ModeKernel
	for i, c := range []struct {
		name           string
		server, client *machine
		listen, dial   Options
		at, from       netip.Addr
	}{
		{"kernel is server", kernel, user, linux, raw, onWire(1), onWire(0)}, {"kernel is client", user, kernel, raw, linux, onWire(0), onWire(1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.listen
			o.Local, o.OutboundStreams = []netip.AddrPort{netip.AddrPortFrom(c.at, uint16(40021+i))}, 3
			var l Listener
			var err error
			c.server.do(func() { l, err = Listen(o) })
			require.NoError(t, err)
			defer l.Close() //nolint:errcheck // nothing to lose
			d := c.dial
			d.Local, d.Remote = []netip.AddrPort{netip.AddrPortFrom(c.from, 0)}, o.Local
			dial := func(ctx context.Context, o Options) (a Association, err error) {
				c.client.do(func() { a, err = Dial(ctx, o) })
				return a, err
			}
			testPair(t, meeting(t, l, d, dial))
			if c.server == user {
				return // its kernel would say that nobody is at another port, and must not here
			}
			d.Remote = []netip.AddrPort{netip.AddrPortFrom(c.at, 40029)}
			_, err = dial(t.Context(), d)
			requireLoss(t, err, ReasonRefused)
		})
	}
}
