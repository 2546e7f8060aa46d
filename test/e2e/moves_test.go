// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
)

// TestMoves lets a UE walk at random over several IPv4 addresses and an IPv6 one, with traffic running and both sides on the socket all the time:
// nothing is lost and everything but the path stays, whatever the policy. With "before", no user data reaches an address that has not answered.
func TestMoves(t *testing.T) {
	for _, policy := range []string{"before", "after", "off"} {
		t.Run(policy, func(t *testing.T) { testMoves(t, policy) })
	}
}

func testMoves(t *testing.T, policy string) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, func(c *config.Config) {
		c.NWu.MOBIKE.ReturnRoutability, c.NWu.MOBIKE.ProvenFor = policy, 0
		c.NWu.IKE.Retransmission.Initial = 50 * time.Millisecond
	})
	p := newProxy(w)
	u, pr := w.online(0, p.through)
	watch := &pathWatch{}
	p.watch(watch.see)
	finish := w.traffic(pr, 400)
	before := u.State()
	tunnel := w.core.State().UEs[0].Sessions[0]

	places := []netip.Addr{w.addr(10), w.addr(30), w.addr(31), w.addr(32), netip.IPv6Loopback()}
	at := 0
	const moves = 20
	for i := range moves {
		next := (at + 1 + random.IntN(len(places)-1)) % len(places)
		n3iwf := w.addr(hostProxy)
		if places[next].Is6() {
			n3iwf = netip.IPv6Loopback()
		}
		watch.next(places[next])
		require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, places[next], n3iwf) }), "move %d to %s", i, places[next])
		require.NoError(t, w.within(func(ctx context.Context) error { _, err := u.Arrived(ctx); return err }), "move %d to %s", i, places[next])
		w.answered(pr, 10)
		if policy != "off" {
			w.until("the proof of the new path", func() bool { _, answered := watch.result(); return answered })
		}
		early, answered := watch.result()
		switch policy {
		case "before":
			require.Zero(t, early, "move %d: user data went to %s before it had answered", i, places[next])
			require.True(t, answered, "move %d: no return routability check of %s", i, places[next])
		case "after":
			require.Positive(t, early, "move %d: user data waited for the answer", i)
			require.True(t, answered)
		case "off":
			require.False(t, answered)
		}
		at = next
	}
	after := u.State()
	require.Equal(t, before.IKE, after.IKE)
	require.Equal(t, before.Inner, after.Inner)
	require.Equal(t, before.Children, after.Children, "SPIs and keys")
	require.Equal(t, before.Sessions, after.Sessions)
	require.Equal(t, tunnel, w.core.State().UEs[0].Sessions[0])
	checks := uint64(0)
	if policy != "off" {
		checks = moves
	}
	w.until("the last return routability check", func() bool { return u.RoutabilityChecks() >= checks })
	w.until("its answer at the N3IWF", func() bool { return w.nf.Counters().RoutabilityProven.Load() >= checks })
	require.EqualValues(t, checks, w.nf.Counters().RoutabilityProven.Load())
	require.EqualValues(t, moves, w.nf.Counters().Moves.Load())
	require.Zero(t, w.nf.Counters().RoutabilityFailed.Load())
	sent, lost := finish()
	require.Zero(t, lost, "of %d packets", sent)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// pathWatch follows what goes to and comes from the address that the UE moves to. It reads only what is not encrypted: the non-ESP marker and the
// IKE header. It loses the UE's answers until some user data has left the UE there, so that there is something to hold back.
type pathWatch struct {
	mu       sync.Mutex
	to       netip.Addr
	answered bool // the UE has answered a request of the N3IWF on that path
	uplink   int
	early    int // user data that came before
}

func (p *pathWatch) next(to netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to, p.answered, p.uplink, p.early = to, false, 0, 0
}

func (p *pathWatch) result() (early int, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.early, p.answered
}

func (p *pathWatch) see(f *flow, up bool, data []byte) (lost bool) {
	const marker, flags, response = 4, 19, 0x20
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.client.Addr() != p.to || len(data) < marker {
		return false
	}
	ike := binary.BigEndian.Uint32(data) == 0
	switch {
	case up && ike && len(data) > marker+flags && data[marker+flags]&response != 0:
		if p.uplink < 10 {
			return true
		}
		p.answered = true
	case up && !ike:
		p.uplink++
	case !up && !ike && !p.answered:
		p.early++
	}
	return false
}
