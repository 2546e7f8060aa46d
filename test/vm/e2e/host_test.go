// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"
)

// host is a network namespace with a name.
type host struct {
	name string
	ns   netns.NsHandle
}

// newHost makes one that goes with the test.
func newHost(t *testing.T, name string) *host {
	t.Helper()
	run(t, "ip", "netns", "add", name)
	ns, err := netns.GetFromName(name)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, ns.Close())
		run(t, "ip", "netns", "del", name)
	})
	h := &host{name, ns}
	h.ip(t, "link set lo up")
	return h
}

// do runs f on a thread of the host; sockets that f opens, and processes that it starts, stay there.
func (h *host) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread goes with the goroutine
		if err := netns.Set(h.ns); err != nil {
			panic(err)
		}
		f()
	}()
	<-done
}

func (h *host) ip(t *testing.T, line string) string {
	t.Helper()
	return run(t, "ip", append([]string{"-n", h.name}, strings.Fields(line)...)...)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), out)
	return string(out)
}
