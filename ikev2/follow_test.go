// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// follow gives the responder other options, and its session too.
func follow(gw *node, change func(*Options)) {
	o := gw.w.gw.front.Options()
	change(&o)
	gw.w.gw.front.SetOptions(o)
	gw.take(gw.s.Follow(gw.w.now, gw.w.gw.front))
}

// A session that is up works by new options from the moment on that it is told: moves.
func TestFollowMoves(t *testing.T) {
	w := newWorld(t, 171)
	ue, gw, log := moved(w, RoutabilityOff, nil)
	there, back := uePath(ueAddr2, 4500), uePath(ueAddr, 4500)
	messages := func(to Path) int {
		*log = nil
		ue.take(ue.s.Move(w.now, to))
		w.run(time.Second, nil)
		return len(*log)
	}
	require.Equal(t, 2, messages(there))
	require.Equal(t, 2, messages(back))
	follow(gw, func(o *Options) { o.Routability = RoutabilityBefore })
	require.Equal(t, 4, messages(there), "has to be proven now")
	require.Equal(t, reverse(there), gw.s.ChildPath())
	require.Equal(t, 2, messages(back), "the first path is proven")
	require.Equal(t, 2, messages(there), "is proven")
	follow(gw, func(o *Options) { o.RoutabilityMemory = 10 * time.Second })
	require.Equal(t, 2, messages(back))
	w.run(12*time.Second, nil)
	require.Equal(t, 4, messages(there), "a proof of before counts as long as one of now")

	w.run(2*time.Minute, nil)
	follow(gw, func(o *Options) { o.MovesPerMinute = 1 })
	require.Equal(t, 4, messages(back))
	require.Equal(t, 2, messages(there), "refused")
	require.Equal(t, reverse(back), gw.s.Path())
	require.Equal(t, ErrMoveRate, got[MoveRejected](gw)[0].Err)
}

// The same: when the peer is asked whether it lives, and how requests are repeated.
func TestFollowTimes(t *testing.T) {
	w := newWorld(t, 172)
	_, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	var asked []time.Time
	silent := false
	w.sniff = func(fromUE bool, d Datagram) {
		if h, err := message.DecodeHeader(d.Data); err == nil && !fromUE && !h.Response() {
			asked = append(asked, w.now)
		}
	}
	w.translate = func(_ bool, p Path) (Path, bool) { return p, !silent }
	w.run(time.Hour, nil)
	require.Empty(t, asked)
	follow(gw, func(o *Options) { o.Liveness = 5 * time.Minute })
	w.run(11*time.Minute, nil) // the silence was longer than that already: at once, and after 5 and 10 minutes
	require.Len(t, asked, 3)
	follow(gw, func(o *Options) { o.Liveness = 0 })
	w.run(time.Hour, nil)
	require.Len(t, asked, 3)

	silent, asked = true, nil
	follow(gw, func(o *Options) {
		o.Retransmit = Retransmission{First: time.Second, Factor: 1, Jitter: -1, GiveUp: 4 * time.Second}
		o.Patience = -1
	})
	gw.take(gw.s.Probe(w.now))
	begin := w.now
	w.run(time.Minute, nil)
	require.Len(t, asked, 4)
	for i, at := range asked {
		require.Equal(t, time.Duration(i)*time.Second, at.Sub(begin))
	}
	require.True(t, gw.s.Closed())
}

// The age of an SA counts from its beginning: shorter lifetimes hold for SAs that exist, but end none before a rekey had its time.
func TestFollowLifetimes(t *testing.T) {
	lifetimes := func(soft, hard time.Duration) func(*Options) {
		l := Lifetime{Soft: soft, Hard: hard, Jitter: -1}
		return func(o *Options) { o.Lifetime = Lifetimes{IKE: l, Child: l} }
	}
	begin := func(t *testing.T, soft, hard time.Duration) (*world, *node) {
		w := newWorld(t, 173)
		g := pskOptions(w.rng, "gw")
		lifetimes(soft, hard)(&g)
		_, gw := w.up(pskOptions(w.rng, "ue"), g)
		return w, gw
	}
	rekeys := func(n *node) [2]int { return [2]int{len(got[SPIChanged](n)), len(got[ChildSwitched](n))} }
	none, once := [2]int{}, [2]int{1, 1}

	t.Run("shorter", func(t *testing.T) {
		w, gw := begin(t, 4*time.Hour, 5*time.Hour)
		w.run(time.Hour, nil)
		follow(gw, lifetimes(2*time.Hour, 3*time.Hour))
		w.run(59*time.Minute, nil)
		require.Equal(t, none, rekeys(gw))
		w.run(2*time.Minute, nil)
		require.Equal(t, once, rekeys(gw))
		w.run(2*time.Hour, nil)
		require.Equal(t, [2]int{2, 2}, rekeys(gw))
	})
	t.Run("over", func(t *testing.T) {
		w, gw := begin(t, 4*time.Hour, 5*time.Hour)
		w.run(3*time.Hour, nil)
		follow(gw, lifetimes(30*time.Minute, time.Hour))
		w.run(4*time.Minute, nil) // a tenth of 30 minutes
		require.Equal(t, once, rekeys(gw))
		w.run(time.Hour, nil)
		require.False(t, gw.s.Closed())
		require.Len(t, gw.s.Children(), 1)
	})
	t.Run("far shorter", func(t *testing.T) {
		w := newWorld(t, 174)
		g := pskOptions(w.rng, "gw")
		g.Lifetime.Child = Lifetime{Soft: 10 * time.Hour, Hard: 12 * time.Hour, Jitter: 0.5}
		_, gw := w.up(pskOptions(w.rng, "ue"), g)
		for range 10 { // whatever the jitter was
			follow(gw, func(o *Options) { o.Lifetime.Child = Lifetime{Soft: time.Minute, Hard: time.Hour} })
			before := rekeys(gw)[1]
			w.run(67*time.Second, nil)
			require.Greater(t, rekeys(gw)[1], before)
			follow(gw, func(o *Options) { o.Lifetime.Child = g.Lifetime.Child })
			w.run(time.Second, nil)
			gw.take(gw.s.RekeyChild(w.now, gw.s.Children()[0].InboundSPI))
			w.run(time.Second, nil)
		}
	})
	t.Run("longer", func(t *testing.T) {
		w, gw := begin(t, time.Hour, 2*time.Hour)
		w.run(30*time.Minute, nil)
		follow(gw, lifetimes(3*time.Hour, 4*time.Hour))
		w.run(149*time.Minute, nil)
		require.Equal(t, none, rekeys(gw))
		w.run(2*time.Minute, nil)
		require.Equal(t, once, rekeys(gw))
	})
	t.Run("never", func(t *testing.T) {
		w, gw := begin(t, time.Hour, 2*time.Hour)
		follow(gw, lifetimes(0, 0))
		w.run(5*time.Hour, nil)
		require.Equal(t, none, rekeys(gw))
		require.False(t, gw.s.Closed())
		follow(gw, lifetimes(time.Hour, 2*time.Hour))
		w.run(61*time.Minute, nil)
		require.Equal(t, once, rekeys(gw))
	})
	t.Run("the end alone", func(t *testing.T) {
		w, gw := begin(t, 0, 5*time.Hour)
		w.run(4*time.Hour, nil)
		follow(gw, lifetimes(0, time.Hour))
		w.run(59*time.Minute, nil)
		require.False(t, gw.s.Closed(), "the UE has the time to rekey")
		w.run(2*time.Minute, nil)
		require.True(t, gw.s.Closed())
	})
	t.Run("while a rekey is under way", func(t *testing.T) {
		w, gw := begin(t, time.Hour, 2*time.Hour)
		blocked := true
		w.translate = func(_ bool, p Path) (Path, bool) { return p, !blocked }
		w.run(61*time.Minute, nil)
		follow(gw, lifetimes(3*time.Hour, 4*time.Hour))
		blocked = false
		w.run(5*time.Minute, nil)
		require.Equal(t, once, rekeys(gw))
		w.run(2*time.Hour, nil)
		require.Equal(t, once, rekeys(gw))
	})
}
