// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// TestReloadAMFs takes an AMF out of the configuration and puts another one in, while a UE is registered with the first: the UE stays, the next
// one goes to the other, and the first AMF's connection ends with its last UE.
func TestReloadAMFs(t *testing.T) {
	w := prepareWorld(t, nil)
	w.startCoreWith(func(c *core.Config) { c.AMFs = []core.AMF{secondAMF(w)} })
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	u, p := w.online(0)
	finish := w.traffic(p, 200)

	next := *w.cfg
	second := w.cfg.N2.AMFs[0]
	second.Addresses = []netip.Addr{w.addr(hostOtherAMF)}
	next.N2.AMFs = []config.AMF{second}
	next.Limits.MaxUEs = 7
	next.NWu.NAS.Port++
	changed, later, err := w.nf.Reload(&next)
	require.NoError(t, err)
	require.True(t, slices.Contains(changed, "limits.maxUEs") && slices.Contains(changed, "n2.amfs[0].addresses"), "%v", changed)
	require.Equal(t, []string{"nwu.nas.port"}, later)
	w.until("the second AMF", func() bool { return w.nf.Status().AMFs == 2 })
	v, _ := w.online(1)
	names := map[string]int{}
	for _, a := range w.nf.AMFs(w.ctx) {
		names[a.Name] += a.UEs
	}
	require.Equal(t, map[string]int{"lab-amf": 1, "lab-amf-2": 1}, names)
	_, lost := finish()
	require.Zero(t, lost)

	require.NoError(t, w.within(func(ctx context.Context) error { return u.Deregister(ctx) }))
	w.until("the first AMF to leave", func() bool { list := w.nf.AMFs(w.ctx); return len(list) == 1 && list[0].Name == "lab-amf-2" })
	require.NoError(t, w.within(func(ctx context.Context) error { return v.Deregister(ctx) }))
}

// tallied is how often a word was counted.
func tallied(of *n3iwf.Tally, want string) (count uint64) {
	of.All(func(word string, n uint64) {
		if word == want {
			count = n
		}
	})
	return count
}

// words is how many words were counted.
func words(of *n3iwf.Tally) (n int) {
	of.All(func(string, uint64) { n++ })
	return n
}

// TestForbiddenNetworks takes a network from UEs while the N3IWF runs: nobody moves to it, nobody registers from it, and a UE that is in it already
// stays until it leaves.
func TestForbiddenNetworks(t *testing.T) {
	w := newWorld(t, nil)
	u, ping := w.online(0)
	home, free, taken, late := w.addr(10), w.addr(30), w.addr(31), w.addr(11)
	forbid := func(networks ...netip.Addr) {
		next := *w.cfg
		for _, a := range networks {
			next.NWu.ForbiddenNetworks = append(next.NWu.ForbiddenNetworks, netip.PrefixFrom(a, 32))
		}
		changed, later, err := w.nf.Reload(&next)
		require.NoError(t, err)
		require.NotEmpty(t, changed)
		require.Empty(t, later)
	}
	move := func(to netip.Addr) error {
		return w.within(func(ctx context.Context) error { return u.Move(ctx, to, w.addr(hostN3IWF)) })
	}
	forbid(taken, home, late)
	finish := w.traffic(ping, 200)
	w.answered(ping, 10) // it is in one of them, and stays
	require.ErrorContains(t, move(taken), "UNACCEPTABLE_ADDRESSES")
	// Its ESP may come from there before its word does, and be refused as well.
	require.Positive(t, w.nf.Counters().MovesRejected.Load())
	require.NoError(t, move(free))
	require.ErrorContains(t, move(home), "UNACCEPTABLE_ADDRESSES")
	require.NoError(t, move(free))
	w.answered(ping, 10)

	v := w.ue(1)
	ctx, cancel := context.WithTimeout(w.ctx, 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, v.Register(ctx), context.DeadlineExceeded)
	require.Positive(t, w.nf.Counters().IKERefused.Load())
	require.Positive(t, tallied(&w.nf.Counters().IKERefusedFor, "forbidden-network"))
	require.GreaterOrEqual(t, tallied(&w.nf.Counters().MovesBy, n3iwf.Words("address", "refused")), uint64(2))
	require.Equal(t, 1, w.nf.Status().UEs)
	forbid(taken)
	w.register(w.ue(2))
	require.NoError(t, move(home))
	w.answered(ping, 10)
	finish()
}

// TestReloadReachesConnectedUEs changes policies while a UE is up: its moves, its child SAs, its user packets and how long it may be silent follow.
func TestReloadReachesConnectedUEs(t *testing.T) {
	w := newWorld(t, nil, "ambr: 1")
	u, ping := w.online(0)
	next := *w.cfg
	reload := func(change func(c *config.Config)) {
		t.Helper()
		c := next
		change(&c)
		next = c
		changed, later, err := w.nf.Reload(&c)
		require.NoError(t, err)
		require.NotEmpty(t, changed)
		require.Empty(t, later)
		require.Equal(t, 1, w.nf.Status().UEs) // its owner has done it now
	}
	move := func(host int) error {
		return w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(host), w.addr(hostN3IWF)) })
	}
	counters, n3 := w.nf.Counters(), func() relay.Stats { return w.nf.Status().N3 }

	require.NoError(t, move(30))
	w.until("the proof", func() bool { return counters.RoutabilityProven.Load() == 1 })
	reload(func(c *config.Config) { c.NWu.MOBIKE.MovesPerMinute, c.NWu.MOBIKE.ReturnRoutability = 2, "off" })
	require.NoError(t, move(31))
	require.ErrorContains(t, move(32), "UNACCEPTABLE_ADDRESSES")
	reload(func(c *config.Config) { c.NWu.MOBIKE.MovesPerMinute = 0 })
	require.NoError(t, move(32))
	require.NoError(t, move(33))
	require.EqualValues(t, 1, counters.RoutabilityProven.Load(), "nobody was asked at the new addresses")

	flood := func() (dropped uint64) {
		before := n3().Drops[relay.RateLimit]
		_, err := ping.Downlink(w.ctx, 300*time.Millisecond, 1000, 2000) // 16 Mbit/s
		require.NoError(t, err)
		return n3().Drops[relay.RateLimit] - before
	}
	require.NotZero(t, flood())
	reload(func(c *config.Config) { c.NWu.UserPlane.EnforceRates = false })
	require.Zero(t, flood())
	require.Zero(t, n3().Fragmented)
	reload(func(c *config.Config) { c.NWu.UserPlane.PathMTU = 600 })
	flood()
	require.NotZero(t, n3().Fragmented)

	rekeys := counters.ChildRekeys.Load()
	reload(func(c *config.Config) { c.NWu.ESP.Lifetime.Soft = 10 * time.Millisecond })
	w.until("the rekeys", func() bool { return counters.ChildRekeys.Load() >= rekeys+2 })
	reload(func(c *config.Config) { c.NWu.ESP.Lifetime.Soft = 0 })
	reload(func(c *config.Config) { c.Timers.Inactivity = 200 * time.Millisecond })
	w.logged("n3iwf", "release requested", "user-inactivity")
	w.idle()
}

// TestReloadSupportedTAs gives the N3IWF another name and another slice, then tracking areas that the AMF refuses, and the former ones again: the AMF is told
// each time, its refusal is an alarm as long as it holds, and the UE stays.
func TestReloadSupportedTAs(t *testing.T) {
	w := newWorld(t, nil)
	h := listen(w)
	u, ping := w.online(0)
	reload := func(name string, tas ...config.SupportedTA) *ngap.RANConfigurationUpdate {
		t.Helper()
		c := *w.cfg
		c.N3IWF.Name, c.N3IWF.SupportedTAs = name, tas
		changed, later, err := w.nf.Reload(&c)
		require.NoError(t, err)
		require.NotEmpty(t, changed)
		require.Empty(t, later)
		m, _ := next[*ngap.RANConfigurationUpdate](h)
		return m
	}
	refused := func() string { return w.nf.AMFs(w.ctx)[0].Refused }
	first := w.cfg.N3IWF.SupportedTAs[0]
	more := first
	more.PLMNs = slices.Clone(first.PLMNs)
	more.PLMNs[0].Slices = append(slices.Clone(first.PLMNs[0].Slices), config.SNSSAI{SST: 77})
	m := reload("another name", more)
	require.Equal(t, ngap.RANNodeName("another name"), m.RANNodeName)
	require.Equal(t, ngap.SST(77), m.SupportedTAList[0].BroadcastPLMNList[0].TAISliceSupportList[len(first.PLMNs[0].Slices)].SNSSAI.SST)
	w.logged("n3iwf", "the AMF has taken")
	require.Empty(t, refused())

	elsewhere := first
	elsewhere.TAC = 9
	reload(w.cfg.N3IWF.Name, elsewhere)
	w.until("the refusal", func() bool { return refused() == ngap.CauseMiscUnknownPLMNOrSNPN.Cause().String() })
	require.NoError(t, w.within(func(ctx context.Context) error { _, err := ping.Ping(ctx, 1); return err }))
	reload(w.cfg.N3IWF.Name, first)
	w.until("no refusal", func() bool { return refused() == "" })
	w.sameStory(u)
	v, _ := w.online(1)
	require.NoError(t, w.within(v.Deregister))
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}
