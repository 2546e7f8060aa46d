// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelsctp

package transport

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"
)

// These are two machines, an N3IWF and an AMF, with two links between them, each in a network of its own, and the kernel's SCTP on both.

// machine is a network namespace.
type machine struct {
	name string
	ns   netns.NsHandle
}

// do runs f on a thread of the machine; sockets that f opens stay there.
func (m *machine) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread goes with the goroutine
		if err := netns.Set(m.ns); err != nil {
			panic(err)
		}
		f()
	}()
	<-done
}

func ip(t *testing.T, line string) {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput()
	require.NoError(t, err, "ip %s: %s", line, out)
}

// links takes the links of that number up or down.
func (m *machine) links(t *testing.T, state string, numbers ...int) {
	t.Helper()
	for _, i := range numbers {
		ip(t, fmt.Sprintf("-n %s link set link%d %s", m.name, i, state))
	}
}

const (
	twoLinksPort       = 38412
	n3iwfSite, amfSite = 1, 2
)

// siteAddresses are those of a machine on both links.
func siteAddresses(site int, port uint16) []netip.AddrPort {
	return []netip.AddrPort{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(site)}), port), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, 0, byte(site)}), port),
	}
}

func twoLinks(t *testing.T) (n3iwf, amf *machine) {
	t.Helper()
	machines := []*machine{{name: "n3iwf"}, {name: "amf"}}
	for _, m := range machines {
		ip(t, "netns add "+m.name)
		t.Cleanup(func() { ip(t, "netns del "+m.name) })
		ns, err := netns.GetFromName(m.name)
		require.NoError(t, err)
		m.ns = ns
		t.Cleanup(func() { require.NoError(t, ns.Close()) })
	}
	for i := range 2 {
		ip(t, fmt.Sprintf("-n n3iwf link add link%d type veth peer name link%d netns amf", i+1, i+1))
		for k, m := range machines {
			ip(t, fmt.Sprintf("-n %s addr add %s/24 dev link%d", m.name, siteAddresses(k+1, 0)[i].Addr(), i+1))
			m.links(t, "up", i+1)
		}
	}
	return machines[0], machines[1]
}

// confirmed waits until a machine's kernel has no path any more whose first heartbeat is unanswered.
func (m *machine) confirmed(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		var remote []byte
		var err error
		m.do(func() { remote, err = os.ReadFile("/proc/thread-self/net/sctp/remaddr") })
		require.NoError(t, err)
		lines := strings.Split(strings.TrimSpace(string(remote)), "\n")[1:]
		return len(lines) == 2 && !slices.ContainsFunc(lines, func(l string) bool { return strings.HasSuffix(strings.TrimSpace(l), "3") })
	}, 10*time.Second, 20*time.Millisecond)
}

// quick has timers for tests: a path fails within a second or two; unless the test is of a peer that is away for a shorter time than that.
func quick(o Options) Options {
	o.Mode, o.Logger = ModeKernel, quiet
	if o.HeartbeatInterval == 0 {
		o.HeartbeatInterval, o.HeartbeatMisses = 300*time.Millisecond, 2
	}
	o.RTOInitial, o.RTOMin, o.RTOMax = 300*time.Millisecond, 200*time.Millisecond, 400*time.Millisecond
	return o
}

func listenAMF(t *testing.T, amf *machine, o Options) Listener {
	t.Helper()
	o.Local = siteAddresses(amfSite, twoLinksPort)
	var l Listener
	var err error
	amf.do(func() { l, err = Listen(quick(o)) })
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() }) // again, where the test has done it
	return l
}

// dialAMF dials from any port, or from that one.
func dialAMF(t *testing.T, n3iwf *machine, o Options, from uint16) (a Association, err error) {
	t.Helper()
	o.Local, o.Remote = siteAddresses(n3iwfSite, from), siteAddresses(amfSite, twoLinksPort)
	n3iwf.do(func() { a, err = Dial(t.Context(), quick(o)) })
	return a, err
}

func connectAMF(t *testing.T, n3iwf *machine, l Listener, o Options, from uint16) (c, s Association) {
	t.Helper()
	c, err := dialAMF(t, n3iwf, o, from)
	require.NoError(t, err)
	s, err = l.Accept(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = c.Abort("test is over"), s.Abort("test is over") })
	return c, s
}

// Each end knows both addresses of the other. When a link goes while messages are under way on many streams, the association lives on and nothing is lost
// or out of order; and so when that one comes back and the other one goes.
func TestKernelMultihoming(t *testing.T) {
	n3iwf, amf := twoLinks(t)
	l := listenAMF(t, amf, Options{OutboundStreams: 20})
	c, s := connectAMF(t, n3iwf, l, Options{OutboundStreams: 30, MaxInboundStreams: 40}, 0)
	require.Len(t, c.RemoteAddr().IPs, 2)
	require.Len(t, s.RemoteAddr().IPs, 2)
	require.Equal(t, 30, c.Streams())
	require.Equal(t, 20, s.Streams())
	rng := rand.New(rand.NewPCG(1, 2))
	exchange(t, rng, c, s, 200, 3000)
	for i, step := range []struct {
		state string
		link  int
	}{{"down", 1}, {"up", 1}, {"down", 2}, {"up", 2}} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			exchange(t, rng, c, s, 300, 3000)
		}()
		amf.links(t, step.state, step.link)
		<-done
		exchange(t, rng, c, s, 50, 3000) // with the link in its new state from the start
		if step.state == "up" {
			// The path must be known to be good before the other one may fail.
			time.Sleep(quick(Options{}).HeartbeatInterval * 5)
		}
		require.NoError(t, c.Err(), i)
		require.NoError(t, s.Err(), i)
	}
	require.NoError(t, c.Close())
	requireLoss(t, receiveError(t, s), ReasonPeerShutdown)
}

// When both links go the association is lost, at both ends, after the misses that were asked for and with the reason; the next one comes up as soon as a
// link is back.
func TestKernelAssociationLost(t *testing.T) {
	n3iwf, amf := twoLinks(t)
	l := listenAMF(t, amf, Options{})
	c, s := connectAMF(t, n3iwf, l, Options{}, 0)
	exchange(t, rand.New(rand.NewPCG(1, 3)), c, s, 20, 2000)
	amf.links(t, "down", 1, 2)
	begin := time.Now()
	requireLoss(t, receiveError(t, c), ReasonPeerGone)
	requireLoss(t, receiveError(t, s), ReasonPeerGone)
	require.Greater(t, time.Since(begin), 300*time.Millisecond)
	requireLoss(t, c.Send(t.Context(), 0, []byte{1}), ReasonPeerGone)
	amf.links(t, "up", 2)
	c, s = connectAMF(t, n3iwf, l, Options{}, 0)
	exchange(t, rand.New(rand.NewPCG(1, 4)), c, s, 20, 2000)
}

// An AMF that was restarted does not know the association: its kernel says so to the next message, and a new one comes up.
func TestKernelAMFRestart(t *testing.T) {
	n3iwf, amf := twoLinks(t)
	patient := Options{HeartbeatInterval: 20 * time.Second, HeartbeatMisses: 10}
	l := listenAMF(t, amf, patient)
	c, s := connectAMF(t, n3iwf, l, patient, 0)
	amf.links(t, "down", 1, 2) // its last words are not heard
	require.NoError(t, s.Abort("power cut"))
	require.NoError(t, l.Close())
	l = listenAMF(t, amf, patient)
	amf.links(t, "up", 1, 2)
	begin := time.Now()
	send(t, c, 0, []byte("anybody there?"))
	requireLoss(t, receiveError(t, c), ReasonPeerAbort)
	require.Less(t, time.Since(begin), 15*time.Second, "it does not wait for a heartbeat")
	c, s = connectAMF(t, n3iwf, l, patient, 0)
	exchange(t, rand.New(rand.NewPCG(1, 5)), c, s, 20, 2000)
}

// A peer that was restarted and comes back from the same port restarts the association (RFC 9260 5.2.4.2). For NGAP all is lost then: the old one ends
// with that reason, and the peer's next attempt gets a new one.
func TestKernelPeerRestart(t *testing.T) {
	n3iwf, amf := twoLinks(t)
	patient := Options{HeartbeatInterval: 20 * time.Second, HeartbeatMisses: 10}
	l := listenAMF(t, amf, patient)
	c, s := connectAMF(t, n3iwf, l, patient, 40123)
	send(t, c, 3, []byte("before"))
	require.Equal(t, "before", string(receive(t, s).Data))
	amf.confirmed(t) // a heartbeat that finds nobody would be answered with ABORT before the restart
	n3iwf.links(t, "down", 1, 2)
	require.NoError(t, c.Abort("power cut"))
	n3iwf.links(t, "up", 1, 2)
	// The kernel goes on with the socket of before, so nobody accepts this one; the AMF's end gives it up.
	// That may happen before the new one has seen that it is up.
	c, err := dialAMF(t, n3iwf, patient, 40123)
	requireLoss(t, receiveError(t, s), ReasonPeerRestart)
	if err == nil {
		requireLoss(t, receiveError(t, c), ReasonPeerAbort)
	} else {
		require.ErrorContains(t, err, "refused by the peer")
	}
	c, s = connectAMF(t, n3iwf, l, patient, 40123)
	exchange(t, rand.New(rand.NewPCG(1, 6)), c, s, 20, 2000)
}
