// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// User packets come to their socket, and the host's IP does not see them.
func TestKernelOverlooksGRE(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), kernelEnd(t, n.peer, false, nil)
	connect(t, gw, ue, 1, gcm128, func(sa *ipsec.ChildSA) {
		sa.Local = append(sa.Local, ipsec.HostSelector(addr("fd00::1"), 0))
		sa.Remote = append(sa.Remote, ipsec.HostSelector(addr("fd00::2"), 0))
	})
	pass(t, ue, gw, 1)
	// received counts what IP has taken from its links.
	received := func() (v4, v6 int) {
		n.gw.do(func() {
			number := func(file, pattern string) int {
				text, err := os.ReadFile("/proc/thread-self/net/" + file)
				require.NoError(t, err)
				m := regexp.MustCompile(pattern).FindSubmatch(text)
				require.NotNil(t, m, "%s: %s", file, text)
				v, err := strconv.Atoi(string(m[1]))
				require.NoError(t, err)
				return v
			}
			v4, v6 = number("snmp", `Ip: \d+ \d+ (\d+)`), number("snmp6", `Ip6InReceives\s+(\d+)`)
		})
		return v4, v6
	}
	h, err := ue.Handle(1)
	require.NoError(t, err)
	w := ue.NewWriter()
	const packets = 200
	send := func(p []byte) {
		for range packets {
			require.NoError(t, w.Write(h, p, nil))
		}
		require.NoError(t, w.Flush())
		came := 0
		eventually(t, "all packets", func() bool { came += len(gw.take()); return came >= packets })
	}
	before4, before6 := received()
	send(packet(ue.inner, gw.inner, 0, 100))
	inner6 := append([]byte{0x60, 0, 0, 0, 0, 60, 47, 64}, addr("fd00::2").AsSlice()...)
	send(append(append(inner6, addr("fd00::1").AsSlice()...), make([]byte, 60)...))
	after4, after6 := received()
	require.Less(t, after4-before4, 2*packets+packets/2, "the ESP packets, and nothing of what was in them")
	require.GreaterOrEqual(t, after4-before4, 2*packets)
	require.Less(t, after6-before6, packets/2)
}
