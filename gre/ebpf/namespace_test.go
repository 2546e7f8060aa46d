// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package ebpf

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"
)

type namespace struct {
	name string
	ns   netns.NsHandle
}

func newNamespace(t testing.TB, name string) *namespace {
	t.Helper()
	run(t, "ip", "netns", "add", name)
	ns, err := netns.GetFromName(name)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, ns.Close())
		run(t, "ip", "netns", "del", name)
	})
	run(t, "ip", "-n", name, "link", "set", "lo", "up")
	return &namespace{name, ns}
}

// do runs f on a thread inside the namespace; sockets that f opens stay there.
func (n *namespace) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread goes with the goroutine
		if err := netns.Set(n.ns); err != nil {
			panic(err)
		}
		f()
	}()
	<-done
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), out)
	return string(out)
}

// virtioLinks takes the network cards of the machine to the namespaces, under the names, that are given, until the test ends.
func virtioLinks(t testing.TB, places ...string) {
	t.Helper()
	for i, place := range places {
		card := fmt.Sprint("eth", i)
		ns, name, _ := strings.Cut(place, " ")
		run(t, "ip", "link", "set", card, "netns", ns)
		run(t, "ip", "-n", ns, "link", "set", card, "name", name)
		t.Cleanup(func() {
			run(t, "ip", "-n", ns, "link", "set", name, "down")
			run(t, "ip", "-n", ns, "link", "set", name, "name", card)
			run(t, "ip", "-n", ns, "link", "set", card, "netns", "1")
		})
	}
}
