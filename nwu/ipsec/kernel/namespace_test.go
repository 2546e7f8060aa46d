// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"
)

// namespace is a network namespace with a name.
type namespace struct {
	name string
	ns   netns.NsHandle
}

// newNamespace makes one that goes with the test.
func newNamespace(t *testing.T, name string) *namespace {
	t.Helper()
	run(t, "ip", "netns", "add", name)
	ns, err := netns.GetFromName(name)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, ns.Close())
		run(t, "ip", "netns", "del", name)
	})
	n := &namespace{name, ns}
	n.ip(t, "link set lo up")
	return n
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

func (n *namespace) ip(t *testing.T, line string) string {
	t.Helper()
	return run(t, "ip", append([]string{"-n", n.name}, strings.Fields(line)...)...)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), out)
	return string(out)
}

// network is two namespaces with a wire between: gw has .1, peer .2 and .3, gw2 a second address.
type network struct{ gw, peer *namespace }

const (
	gw4, gw4b, gw6            = "198.51.100.1", "198.51.100.9", "2001:db8::1"
	peer4, peer4b, peer6      = "198.51.100.2", "198.51.100.3", "2001:db8::2"
	gwMAC, peerMAC            = "02:00:00:00:00:01", "02:00:00:00:00:02"
	testInterfaceID           = 42
	testNATTPort, testIKEPort = 14500, 10500
)

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{newNamespace(t, "gw"), newNamespace(t, "peer")}
	n.gw.ip(t, "link add v0 address "+gwMAC+" type veth peer name v1 address "+peerMAC+" netns peer")
	for _, a := range []string{gw4, gw4b} {
		n.gw.ip(t, fmt.Sprintf("addr add %s/24 dev v0", a))
	}
	n.gw.ip(t, fmt.Sprintf("addr add %s/64 dev v0 nodad", gw6))
	for _, a := range []string{peer4, peer4b} {
		n.peer.ip(t, fmt.Sprintf("addr add %s/24 dev v1", a))
	}
	n.peer.ip(t, fmt.Sprintf("addr add %s/64 dev v1 nodad", peer6))
	n.gw.ip(t, "link set v0 up")
	n.peer.ip(t, "link set v1 up")
	// The neighbours are known from the start: while one is looked for, which takes a second in IPv6 when the first question is lost, the kernel keeps a
	// hundred packets and drops what else comes.
	for _, a := range []string{peer4, peer4b, peer6} {
		n.gw.ip(t, fmt.Sprintf("neigh replace %s lladdr %s dev v0 nud permanent", a, peerMAC))
	}
	for _, a := range []string{gw4, gw4b, gw6} {
		n.peer.ip(t, fmt.Sprintf("neigh replace %s lladdr %s dev v1 nud permanent", a, gwMAC))
	}
	return n
}
