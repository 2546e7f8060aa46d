// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package ebpf

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Uplink packets follow the host's routes, also those of a rule for our N3 address, as soon as these change.
func TestKernelFollowsRoutes(t *testing.T) {
	w := newWorldOf(t, setting{refresh: time.Hour})
	w.connect(nil)
	const good, bad, good6 = "203.0.113.20", "203.0.113.21", "fe80::20"
	ip := func(line string) {
		t.Helper()
		run(t, "ip", strings.Fields("-n gw "+line)...)
	}
	mac := w.mac(w.upf, "n1").String()
	ip("neigh replace " + good + " lladdr " + mac + " dev n0")
	ip("neigh replace " + bad + " lladdr 02:00:00:00:00:21 dev n0")
	ip("-6 neigh replace " + good6 + " lladdr " + mac + " dev n0")
	for i, step := range []struct {
		change  string
		nextHop netip.Addr // not valid: not ours to know
		arrives bool
		leaves  bool // the kernel's fast path
	}{
		{"addr show", addr(upfN3), true, false},
		{"route add " + upfN3 + " via " + bad, addr(bad), false, false},
		{"route replace " + upfN3 + " via " + good, addr(good), true, false},
		{"route replace " + upfN3 + " via inet6 " + good6 + " dev n0", netip.Addr{}, true, false},
		{"route del " + upfN3, addr(upfN3), true, false},
		{"route add blackhole " + upfN3, netip.Addr{}, false, true},
		{"route del blackhole " + upfN3, addr(upfN3), true, false},
		{"route add " + upfN3 + " via " + bad + " table 77", addr(upfN3), true, false},
		{"rule add from " + gwN3 + " lookup 77", addr(bad), false, false},
		{"route replace " + upfN3 + " via " + good + " table 77", addr(good), true, false},
		{"rule del from " + gwN3 + " lookup 77", addr(upfN3), true, false},
	} {
		ip(step.change)
		var want uint32
		if step.nextHop.IsValid() {
			want = network4(step.nextHop)
		}
		w.eventually(step.change, func() bool { return w.child().NextHop == want })
		if step.leaves {
			require.Zero(t, w.child().UplinkMax)
		}
		before, handedUp := w.inKernel().Uplink.Packets, w.plane.Status().HandedUp["uplink"]["too long"]
		w.send(greFrom(ue, 9, numbered(i, 100)))
		if step.arrives {
			require.Equal(t, numbered(i, 100), w.gpdu().Payload, step.change)
		}
		if step.leaves {
			before--
			handedUp++
		}
		w.eventually("forwarded in the kernel, or left to user space", func() bool {
			return w.inKernel().Uplink.Packets == before+1 && w.plane.Status().HandedUp["uplink"]["too long"] == handedUp
		})
	}
}
