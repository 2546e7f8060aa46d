// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

// These tests need a kernel with ESP and xfrm interfaces: test/vm runs them on one.

package kernel

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func at(s string, port uint16) netip.AddrPort { return netip.AddrPortFrom(addr(s), port) }

// testOptions serve all of gw's addresses.
func testOptions(t *testing.T, sink ipsec.Sink) Options {
	return Options{
		Sink: sink, InterfaceID: testInterfaceID, MaxChildren: 4096,
		Routes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")},
		Sockets: []ipsec.Socket{
			{Kind: ipsec.NATT, Local: at("0.0.0.0", testNATTPort)}, {Kind: ipsec.NATT, Local: at("::", testNATTPort)},
			{Kind: ipsec.IKE, Local: at("0.0.0.0", testIKEPort)}, {Kind: ipsec.ESP, Local: at("0.0.0.0", 0)},
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// onAddresses gives each address sockets of its own in place of wildcards.
func onAddresses() []ipsec.Socket {
	return []ipsec.Socket{
		{Kind: ipsec.NATT, Local: at(gw4, testNATTPort)}, {Kind: ipsec.NATT, Local: at(gw6, testNATTPort)},
		{Kind: ipsec.IKE, Local: at(gw4, testIKEPort)}, {Kind: ipsec.ESP, Local: at(gw4, 0)},
	}
}

func (n *network) try(o Options) (d *DataPlane, err error) {
	n.gw.do(func() { d, err = New(o) })
	return d, err
}

func (n *network) new(t *testing.T, o Options) *DataPlane {
	t.Helper()
	d, err := n.try(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func (n *network) listen(o udpbatch.Options) (c *udpbatch.Conn, err error) {
	n.peer.do(func() { c, err = udpbatch.Listen(o) })
	return c, err
}

func TestKernelContract(t *testing.T) {
	for _, mode := range []struct {
		workers           int
		shared, addresses bool
	}{{1, false, false}, {3, true, false}, {2, false, true}} {
		workers, shared := mode.workers, mode.shared
		margin := uint64(0)
		if shared {
			margin = 4 * defaultMargin
		}
		t.Run(fmt.Sprintf("workers=%d,shared=%v,addresses=%v", workers, shared, mode.addresses), func(t *testing.T) {
			n := newNetwork(t)
			contract.Run(t, func(t *testing.T, sink ipsec.Sink) contract.Environment {
				o := testOptions(t, sink)
				o.Workers, o.PathReports, o.Shared, o.InboundGrace = workers, -1, shared, time.Minute
				if mode.addresses {
					o.Sockets = onAddresses()
				}
				d := n.new(t, o)
				t.Cleanup(func() { // the kernel's reasons, for those who look into a failure
					if t.Failed() {
						n.gw.do(func() { t.Log(xfrmCounters(t)) })
					}
				})
				local6 := netip.AddrPort{}
				if encap6(t) {
					local6 = at(gw6, testNATTPort)
				}
				return contract.Environment{
					DataPlane: d, Listen: n.listen, PlainESP: true,
					Successor: func(t *testing.T, sink ipsec.Sink, estate *ipsec.Estate) (ipsec.DataPlane, error) {
						o := o
						o.Sink, o.Estate, o.Log = sink, estate, slog.New(slog.NewTextHandler(t.Output(), nil))
						return n.try(o)
					},
					Local4: at(gw4, testNATTPort), Local6: local6, IKE4: at(gw4, testIKEPort),
					Peer4: [2]netip.Addr{addr(peer4), addr(peer4b)}, Peer6: addr(peer6),
					Limits: contract.Limits{OneState: true, SequenceMargin: margin, Uncounted: true, Sampled: true},
				}
			})
		})
	}
}

// xfrmCounters are those of the calling thread's network namespace that are not 0.
func xfrmCounters(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("/proc/thread-self/net/xfrm_stat")
	require.NoError(t, err)
	var b strings.Builder
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 2 && f[1] != "0" {
			fmt.Fprintf(&b, "%s=%s ", f[0], f[1])
		}
	}
	return b.String()
}
