// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

func addAddress(t *testing.T, link, address string) (remove func()) {
	t.Helper()
	l, err := netlink.LinkByName(link)
	require.NoError(t, err)
	a, err := netlink.ParseAddr(address)
	require.NoError(t, err)
	a.Flags = unix.IFA_F_NODAD
	require.NoError(t, netlink.AddrAdd(l, a))
	return func() { require.NoError(t, netlink.AddrDel(l, a)) }
}

// The N3IWF has two addresses. It loses one, gets it back, and then the link of the other one dies: each time the UE is
// told within a second and goes to the one that is left, and its pings go on.
func TestMultihomedN3IWF(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	r1, r2, local := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("203.0.113.10")
	require.NoError(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "r2"}, PeerName: "cable"}))
	for _, name := range []string{"r2", "cable"} {
		l, err := netlink.LinkByName(name)
		require.NoError(t, err)
		require.NoError(t, netlink.LinkSetUp(l))
	}
	remove := addAddress(t, "lo", "192.0.2.1/32")
	addAddress(t, "r2", "198.51.100.1/24")
	addAddress(t, "lo", "203.0.113.10/32")
	w := newWorld(t, func(c *config.Config) {
		c.NWu.Addresses = []netip.Addr{r1, r2}
		c.NWu.MOBIKE.AdditionalAddresses = c.NWu.Addresses
	})
	u, p := w.online(0, func(o *ue.Options) { o.Local, o.N3IWF, o.TestPathsAfter = local, r1, 3 })
	before, moves := w.core.State().UEs, w.nf.Counters().Moves.Load()
	end := w.traffic(p, 100)
	w.answered(p, 20)
	loses := func(what string, from, to netip.Addr, lose func()) {
		t.Helper()
		require.Equal(t, from, u.Path().Remote.Addr(), what)
		lost := time.Now()
		lose()
		w.until(what+": the UE at the other address", func() bool { return u.Path().Remote.Addr() == to })
		took := time.Since(lost)
		t.Logf("%s: the UE has moved after %v", what, took)
		require.Less(t, took, time.Second, what)
		w.answered(p, 20)
	}
	loses("address gone", r1, r2, remove)
	addAddress(t, "lo", "192.0.2.1/32")
	w.logged("local address", "address=192.0.2.1", "present=true")
	loses("cable pulled", r2, r1, func() {
		cable, err := netlink.LinkByName("cable")
		require.NoError(t, err)
		require.NoError(t, netlink.LinkSetDown(cable))
	})
	sent, missing := end()
	t.Logf("%d pings, %d lost", sent, missing)
	require.Less(t, missing, 100, "a second in all, of two moves")
	require.Equal(t, before[0].RANID, w.core.State().UEs[0].RANID, "it did not connect anew")
	require.EqualValues(t, 2, w.nf.Counters().Moves.Load()-moves)
	require.Zero(t, w.nf.Counters().RoutabilityFailed.Load())
}
