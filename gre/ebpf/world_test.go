// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package ebpf

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
)

// The world of these tests is three namespaces: a UE with ESP in user space, the N3IWF with the kernel's, and a UPF that is a socket. Nothing
// between them is replaced.

const (
	gwOuter            = "198.51.100.1"
	ueOuter, ueOuter2  = "198.51.100.2", "198.51.100.3"
	gwOuter2           = "198.51.100.9"
	gwOuter6, ueOuter6 = "2001:db8::1", "2001:db8::2"
	gwN3, upfN3        = "203.0.113.1", "203.0.113.9"
	gwN36, upfN36      = "2001:db8:3::1", "2001:db8:3::9"
	natt               = 4500
	patience           = 20 * time.Second
	uplinkTEID         = 0xa1b2c3d4
	pinFolder          = "/sys/fs/bpf/n3iwf-test/42"
)

var addr = netip.MustParseAddr

var ue6, up6 = addr("fd00::5"), addr("fd00::2") // inner

// catcher is the UE's sink, or, with a relay, the N3IWF's.
type catcher struct {
	relay   *relay.Relay
	mu      sync.Mutex
	packets [][]byte
	count   int
	quiet   bool // only counts
}

func (c *catcher) NewReceiver() ipsec.Receiver {
	if c.relay != nil {
		return c.relay.NewUplink()
	}
	return c
}
func (*catcher) IKE(ipsec.Path, []byte) {}
func (*catcher) Event(ipsec.Event)      {}
func (c *catcher) Inbound(batch []ipsec.Inbound) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count += len(batch)
	for _, in := range batch {
		if !c.quiet {
			c.packets = append(c.packets, bytes.Clone(in.Packet))
		}
	}
}

func (c *catcher) take() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.packets
	c.packets = nil
	return p
}

func (c *catcher) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

type world struct {
	setting
	t             testing.TB
	gw, ueNS, upf *namespace
	dp            *kernel.DataPlane
	relay         *relay.Relay
	plane         *UserPlane
	session       *relay.Session
	config        relay.Config // of the session
	ue            *user.DataPlane
	ueSink        *catcher
	writer        ipsec.Writer
	handle        ipsec.Handle
	n3            *net.UDPConn // the UPF
	events        chan relay.Event
	six           bool  // IPv6 too
	dscp          uint8 // of child SAs
	leave         bool  // sessions that are set from now on are left to the relay
}

// setting is a world other than the usual one, which has ESP in UDP over IPv4, and virtual Ethernet.
type setting struct {
	all     bool          // plain ESP too, and IPv6 everywhere
	virtio  bool          // N3 is two network cards of the virtual machine, joined by a wire
	room    int           // Options.MaxSessions
	refresh time.Duration // Options.RefreshInterval
}

func newWorld(t testing.TB) *world { return newWorldOf(t, setting{}) }

func newWorldOf(t testing.TB, v setting) *world {
	t.Helper()
	kinds := []ipsec.Kind{ipsec.NATT}
	if v.all {
		kinds = append(kinds, ipsec.ESP)
	}
	w := &world{t: t, setting: v, events: make(chan relay.Event, 16), gw: newNamespace(t, "gw"), ueNS: newNamespace(t, "ue"), upf: newNamespace(t, "upf")}
	if v.virtio {
		virtioLinks(t, "gw n0", "upf n1")
	} else {
		run(t, "ip", "-n", "gw", "link", "add", "n0", "type", "veth", "peer", "name", "n1", "netns", "upf")
	}
	for _, line := range []string{
		"-n gw link add v0 type veth peer name v1 netns ue",
		"-n gw addr add " + gwOuter + "/24 dev v0", "-n gw addr add " + gwN3 + "/24 dev n0",
		"-n ue addr add " + ueOuter + "/24 dev v1", "-n ue addr add " + ueOuter2 + "/24 dev v1", "-n upf addr add " + upfN3 + "/24 dev n1",
		"-n gw link set v0 up", "-n gw link set n0 up", "-n ue link set v1 up", "-n upf link set n1 up",
	} {
		run(t, "ip", strings.Fields(line)...)
	}
	listen := []netip.AddrPort{netip.AddrPortFrom(addr(gwN3), gtpu.Port)}
	outer, wildcard := []netip.Addr{addr(gwOuter)}, []netip.Addr{netip.IPv4Unspecified()}
	routes := []netip.Prefix{netip.PrefixFrom(ue, 32)}
	if w.six = v.all; w.six {
		for _, line := range []string{
			"-n gw addr add " + gwOuter2 + "/24 dev v0", "-n gw addr add " + gwOuter6 + "/64 dev v0 nodad", "-n gw addr add " + gwN36 + "/64 dev n0 nodad",
			"-n ue addr add " + ueOuter6 + "/64 dev v1 nodad", "-n upf addr add " + upfN36 + "/64 dev n1 nodad",
		} {
			run(t, "ip", strings.Fields(line)...)
		}
		listen = append(listen, netip.AddrPortFrom(addr(gwN36), gtpu.Port))
		routes = append(routes, netip.PrefixFrom(ue6, 128))
		outer, wildcard = append(outer, addr(gwOuter2), addr(gwOuter6)), append(wildcard, netip.IPv6Unspecified())
	}
	sockets := func(at []netip.Addr) (list []ipsec.Socket) {
		for _, a := range at {
			for _, kind := range kinds {
				list = append(list, ipsec.Socket{Kind: kind, Local: netip.AddrPortFrom(a, natt)})
			}
		}
		return list
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	var err error
	w.gw.do(func() {
		w.relay, err = relay.New(relay.Options{
			Listen: listen, Logger: log, Echo: gtpu.EchoTimers{Interval: time.Hour}, Events: func(e relay.Event) { w.events <- e },
		})
		require.NoError(t, err)
		w.dp, err = kernel.New(kernel.Options{
			Sink: &catcher{relay: w.relay}, InterfaceID: 42, Shared: true, Workers: 1, Log: log,
			Sockets: sockets(outer),
			Routes:  routes,
		})
		require.NoError(t, err)
	})
	w.relay.Start(w.dp)
	w.plane = w.open()
	w.dp.Use(w)
	w.relay.Offload(w)
	w.ueSink = &catcher{}
	w.ueNS.do(func() {
		// One socket for both addresses keeps the order of what comes: a move leaves out more numbers than a replay window holds.
		w.ue, err = user.New(user.Options{Sink: w.ueSink, Workers: 1, MaxSAs: 64, Sockets: sockets(wildcard), Log: log})
		require.NoError(t, err)
	})
	w.upf.do(func() {
		w.n3, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr(upfN3), gtpu.Port)))
		require.NoError(t, err)
	})
	require.NoError(t, w.n3.SetReadBuffer(8<<20))
	t.Cleanup(func() {
		require.NoError(t, w.plane.Close())
		require.NoError(t, w.relay.Close())
		require.NoError(t, w.dp.Close())
		require.NoError(t, w.ue.Close())
		require.NoError(t, w.n3.Close())
		require.NoDirExists(t, pinFolder)
	})
	return w
}

var errLeft = errors.New("left to the relay by the test")

// The world is the relay's Offload, so that the user plane behind it can be exchanged.

func (w *world) Set(s relay.Offloaded) error {
	if w.leave {
		return errLeft
	}
	return w.plane.Set(s)
}
func (w *world) Hold(teid uint32)                      { w.plane.Hold(teid) }
func (w *world) Remove(teid uint32)                    { w.plane.Remove(teid) }
func (w *world) Traffic(teid uint32) relay.Traffic     { return w.plane.Traffic(teid) }
func (w *world) Totals() relay.Traffic                 { return w.plane.Totals() }
func (w *world) Flows(teid uint32) []relay.FlowTraffic { return w.plane.Flows(teid) }
func (w *world) Restrict(mark uint32, on bool)         { w.plane.Restrict(mark, on) }
func (w *world) Heard(mark uint32) (uint64, time.Time, uint32) {
	return w.plane.Heard(mark)
}

// open makes the user plane in the kernel.
func (w *world) open() (u *UserPlane) {
	w.t.Helper()
	var err error
	w.gw.do(func() {
		u, err = Open(Options{
			XfrmInterface: w.dp.Interface(), ID: 42, N3: []netip.Addr{addr(gwN3)}, Pin: pinFolder, RefreshInterval: cmp.Or(w.refresh, 50*time.Millisecond),
			Child: w.dp.Marking, MaxSessions: w.room,
			Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
		})
	})
	require.NoError(w.t, err)
	return u
}

func natTPath(local, remote string) ipsec.Path {
	return ipsec.Path{Local: netip.AddrPortFrom(addr(local), natt), Remote: netip.AddrPortFrom(addr(remote), natt), NATT: true}
}

func unlimited(local, remote string) ipsec.Target {
	return ipsec.Target{Path: natTPath(local, remote), Limit: ipsec.Unlimited}
}

// connect makes a session with flows 1 and 9 through child SA 7, at both ends.
func (w *world) connect(change func(*relay.Config)) {
	t := w.t
	c := relay.Config{Name: "test", PDUType: gre.PDUIPv4, UPF: netip.AddrPortFrom(addr(upfN3), 0), UplinkTEID: uplinkTEID}
	var err error
	w.session, err = w.relay.Add(c)
	require.NoError(t, err)
	w.install(1)
	c.Children, c.Default = []relay.Child{{ID: 7, UE: ue, UP: up}}, 7
	c.Flows = []relay.Flow{{QFI: 1}, {QFI: 9, Reflective: true, DSCP: 46}}
	if change != nil {
		change(&c)
	}
	require.NoError(t, w.session.Update(c))
	w.config = c
	w.writer = w.ue.NewWriter()
	w.handle, err = w.ue.Handle(7)
	require.NoError(t, err)
}

// install puts a generation of child SA 7 to both ends, with keys made of that octet.
func (w *world) install(key byte) (gw, peer ipsec.ChildSA) {
	w.t.Helper()
	ours, err := w.dp.NewInboundSPI(0)
	require.NoError(w.t, err)
	theirs, err := w.ue.NewInboundSPI(0)
	require.NoError(w.t, err)
	gw = ipsec.ChildSA{
		ID: 7, InboundSPI: ours, OutboundSPI: theirs, Algorithms: ipsec.Algorithms{Encr: ipsec.EncrAESGCM16},
		InboundKeys: ipsec.Keys{Encr: bytes.Repeat([]byte{key}, 20)}, OutboundKeys: ipsec.Keys{Encr: bytes.Repeat([]byte{key + 100}, 20)}, ESN: true,
		Target: unlimited(gwOuter, ueOuter), Context: w.session,
		Local: []ipsec.Selector{ipsec.HostSelector(up, 0)}, Remote: []ipsec.Selector{ipsec.HostSelector(ue, 0)}, DSCP: w.dscp,
	}
	if w.six {
		gw.Local, gw.Remote = append(gw.Local, ipsec.HostSelector(up6, 0)), append(gw.Remote, ipsec.HostSelector(ue6, 0))
	}
	peer = gw
	peer.InboundSPI, peer.OutboundSPI, peer.InboundKeys, peer.OutboundKeys = theirs, ours, gw.OutboundKeys, gw.InboundKeys
	peer.Local, peer.Remote, peer.Target, peer.Context = nil, nil, unlimited(ueOuter, gwOuter), nil
	require.NoError(w.t, w.dp.Install(gw))
	require.NoError(w.t, w.ue.Install(peer))
	return gw, peer
}

func (w *world) eventually(what string, cond func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			require.FailNow(w.t, "did not happen", "%s\nkernel %+v\nrelay %+v\nIPsec %+v\n%s", what, w.plane.Status(), w.relay.Stats(), w.dp.Totals(),
				run(w.t, "ip", "netns", "exec", "gw", "cat", "/proc/net/xfrm_stat"))
		}
	}
}

// dump is what the maps hold of configuration.
func (w *world) dump() string {
	var b strings.Builder
	var mark, teid uint32
	var c userplaneChild
	var s userplaneSession
	for it := w.plane.objects.Children.Iterate(); it.Next(&mark, &c); {
		fmt.Fprintf(&b, "%x %+v\n", mark, c)
	}
	for it := w.plane.objects.Sessions.Iterate(); it.Next(&teid, &s); {
		fmt.Fprintf(&b, "%x %+v\n", teid, s)
	}
	return b.String()
}

// offloaded tells whether the only session is in the kernel.
func (w *world) offloaded() bool { return w.relay.Stats().Offloaded == 1 }

// unsent counts what the N3IWF's kernel was given and had no policy or state for.
func (w *world) unsent() (n int) {
	for line := range strings.Lines(run(w.t, "ip", "netns", "exec", "gw", "cat", "/proc/net/xfrm_stat")) {
		if f := strings.Fields(line); len(f) == 2 && slices.Contains([]string{"XfrmOutPolBlock", "XfrmOutNoStates", "XfrmOutStateInvalid"}, f[0]) {
			v, err := strconv.Atoi(f[1])
			require.NoError(w.t, err)
			n += v
		}
	}
	return n
}

// inKernel and inRelay are what either has forwarded.
func (w *world) inKernel() relay.Traffic { return w.plane.Totals() }
func (w *world) inRelay() relay.Traffic {
	t := w.relay.Stats().Traffic
	t.Subtract(w.plane.Totals())
	return t
}

func pinned(t testing.TB) int {
	t.Helper()
	list, err := filepath.Glob(pinFolder + "/*")
	require.NoError(t, err)
	return len(list)
}

// mac is the address of a link.
func (w *world) mac(n *namespace, link string) (mac net.HardwareAddr) {
	n.do(func() {
		l, err := netlink.LinkByName(link)
		require.NoError(w.t, err)
		mac = l.Attrs().HardwareAddr
	})
	return mac
}
