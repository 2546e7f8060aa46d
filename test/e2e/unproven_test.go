// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
)

// TestFlappingUnproven lets a UE go to and fro between two addresses with traffic running, and answer no return routability check there, under
// "after". The downlink to each stays within 64 KiB over all visits. When it answers, everything goes on.
func TestFlappingUnproven(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) {
		c.NWu.MOBIKE.ReturnRoutability, c.NWu.MOBIKE.ProvenFor = "after", 0
	})
	p := newProxy(w)
	u, pr := w.online(0, p.through)
	counts := &unansweredCounts{up: map[netip.Addr]int{}, down: map[netip.Addr]int{}}
	p.watch(counts.see)
	places := []netip.Addr{w.addr(30), w.addr(31)}
	counts.silence(places...)

	ctx, cancel := context.WithCancel(w.ctx)
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	running.Go(func() { pr.Run(ctx, 400, 1200) })
	const visits, packets, limit = 8, 60, 64 << 10
	for i := range visits {
		at := places[i%2]
		before, _ := counts.of(at)
		require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, at, w.addr(hostProxy)) }), "visit %d", i)
		w.until("uplink from there", func() bool { up, _ := counts.of(at); return up >= before+packets })
		_, down := counts.of(at)
		require.Positive(t, down)
	}
	for _, at := range places {
		up, down := counts.of(at)
		require.GreaterOrEqual(t, up, visits/2*packets)
		require.Greater(t, down, limit*9/10, "the downlink to %s was used", at)
		require.LessOrEqual(t, down, limit, "octets to %s, which has not answered", at)
	}
	require.Zero(t, w.nf.Counters().RoutabilityProven.Load())
	counts.silence()
	w.answered(pr, 20)
	w.until("the proof", func() bool { return w.nf.Counters().RoutabilityProven.Load() == 1 })
	cancel()
	running.Wait()
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// unansweredCounts count ESP of each UE address: packets up, octets down. What UEs answer from the silent addresses gets lost.
type unansweredCounts struct {
	mu       sync.Mutex
	silent   map[netip.Addr]bool
	up, down map[netip.Addr]int
}

func (c *unansweredCounts) silence(at ...netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = map[netip.Addr]bool{}
	for _, a := range at {
		c.silent[a] = true
	}
}

func (c *unansweredCounts) of(a netip.Addr) (up, down int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up[a], c.down[a]
}

func (c *unansweredCounts) see(f *flow, up bool, data []byte) (lost bool) {
	const marker, flags, response = 4, 19, 0x20
	c.mu.Lock()
	defer c.mu.Unlock()
	a := f.client.Addr()
	switch ike := len(data) >= marker && binary.BigEndian.Uint32(data) == 0; {
	case len(data) < marker:
	case !ike && up:
		c.up[a]++
	case !ike:
		c.down[a] += len(data)
	case up && len(data) > marker+flags && data[marker+flags]&response != 0:
		return c.silent[a]
	}
	return false
}
