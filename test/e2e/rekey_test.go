// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestRekeys lets the N3IWF and the UE rekey child SAs and the IKE SA many times in a row, alone and both at once, at rest and while the UE
// moves, with user data in every QoS flow and NAS procedures all the time: not one packet is lost, all SPIs and keys change, and nothing else does.
func TestRekeys(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, func(c *config.Config) {
		c.NWu.UserPlane.ChildSAs = "perFlow"
		c.NWu.IKE.Retransmission.Initial = 50 * time.Millisecond
	})
	u, pr := w.online(0)
	finish := w.traffic(pr, 400)
	before := u.State()
	tunnel := w.core.State().UEs[0].Sessions[0]
	places := []netip.Addr{w.addr(10), w.addr(30), w.addr(31)}
	counters := w.nf.Counters()

	seen := map[uint32]bool{}
	former := before
	const rounds = 24
	for i := range rounds {
		var running sync.WaitGroup
		do := func(what string, f func(ctx context.Context) error) {
			running.Go(func() { require.NoError(t, w.within(f), "round %d: %s", i, what) })
		}
		children, ike := i%3 != 1, i%3 != 0
		byUE, byN3IWF := i%2 == 0 || i%5 == 0, i%2 == 1 || i%5 == 0
		if byN3IWF {
			require.Equal(t, 1, w.nf.Rekey(children, ike))
		}
		if byUE && children {
			do("child rekey", u.RekeyChildren)
		}
		if byUE && ike {
			do("IKE rekey", u.RekeyIKE)
		}
		if i%4 == 3 {
			to := places[random.IntN(len(places))]
			do("move", func(ctx context.Context) error { return u.Move(ctx, to, w.addr(hostN3IWF)) })
		}
		running.Wait()
		w.until("the end of the rekeys", func() bool {
			now := u.State()
			return (!ike || now.IKE != former.IKE) && (!children || allDiffer(former, now))
		})
		now := u.State()
		require.Len(t, now.Children, len(before.Children))
		for j, c := range now.Children {
			if children {
				require.False(t, seen[c.Inbound], "an SPI came back")
				seen[c.Inbound] = true
			}
			require.Equal(t, before.Children[j].ID, c.ID)
			require.Equal(t, before.Children[j].QFIs, c.QFIs, "the QFIs stay bound")
		}
		require.Equal(t, before.Sessions, now.Sessions)
		require.Equal(t, before.Inner, now.Inner)
		w.answered(pr, 10)
		if i%6 == 5 { // NAS goes through the new signalling SA
			_, err := sessionTwo(w, u)
			require.NoError(t, err)
			require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 2) }))
			w.until("the end of session 2", func() bool { return len(u.State().Children) == len(before.Children) })
		}
		former = u.State()
	}
	require.Equal(t, tunnel, w.core.State().UEs[0].Sessions[0])
	require.GreaterOrEqual(t, counters.ChildRekeys.Load(), uint64(rounds/2*len(before.Children)))
	require.GreaterOrEqual(t, counters.IKERekeys.Load(), uint64(rounds/2))
	require.Zero(t, counters.RekeysFailed.Load())
	require.Zero(t, counters.SessionsFailed.Load())
	for _, qfi := range []uint8{1, 2, 3} {
		require.Contains(t, before.Sessions[0].QFIs, qfi)
	}
	sent, lost := finish()
	require.Zero(t, lost, "of %d packets", sent)
	t.Logf("%d packets, %d child rekeys, %d IKE rekeys, %d moves", sent, counters.ChildRekeys.Load(), counters.IKERekeys.Load(), counters.Moves.Load())
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

func allDiffer(a, b ue.State) bool {
	if len(a.Children) != len(b.Children) {
		return false
	}
	for i, c := range a.Children {
		if d := b.Children[i]; c.Inbound == d.Inbound || c.Outbound == d.Outbound || c.Keys == d.Keys {
			return false
		}
	}
	return true
}

func sessionTwo(w *world, u *ue.UE) (s *ue.Session, err error) {
	err = w.within(func(ctx context.Context) (err error) {
		s, err = u.EstablishSession(ctx, 2, "internet", &nas.SNSSAI{SST: 1})
		return err
	})
	return s, err
}

// TestSessionDuringRekeys: PDU sessions are set up while the UE rekeys its IKE SA, which is what NWu makes collide all the time. None fails.
func TestSessionDuringRekeys(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	u, _ := w.online(0)
	for range 8 {
		done := make(chan error, 1)
		go func() { done <- w.within(u.RekeyIKE) }()
		s, err := sessionTwo(w, u)
		require.NoError(t, err)
		require.NoError(t, <-done)
		_, err = probe.New(u, s, dn).Ping(w.ctx, 1)
		require.NoError(t, err)
		require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 2) }))
		w.until("the end of session 2", func() bool { return len(u.State().Children) == 2 })
	}
	require.EqualValues(t, 8, w.nf.Counters().IKERekeys.Load())
	require.Zero(t, w.nf.Counters().SessionsFailed.Load())
	_, err := probe.New(u, u.Session(1), dn).Ping(w.ctx, 1)
	require.NoError(t, err)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestVolumeRekeys: a child SA that has carried its soft limit of packets is rekeyed, over and over, and traffic does not notice.
func TestVolumeRekeys(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.NWu.ESP.Volume = config.Volume{SoftPackets: 100, HardPackets: 1000} })
	u, pr := w.online(0)
	before := u.State()
	finish := w.traffic(pr, 400)
	w.until("rekeys", func() bool { return w.nf.Counters().ChildRekeys.Load() >= 5 })
	sent, lost := finish()
	require.Zero(t, lost, "of %d packets", sent)
	require.GreaterOrEqual(t, sent, 400)
	require.Equal(t, before.Children[0], u.State().Children[0], "the signalling SA carried little")
	require.NotEqual(t, before.Children[1].Inbound, u.State().Children[1].Inbound)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestLifetimeRekeys: SAs are rekeyed by their age, by either side.
func TestLifetimeRekeys(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) {
		c.NWu.IKE.Lifetime = config.Lifetime{Soft: 300 * time.Millisecond, Hard: time.Minute, Jitter: 0.2}
		c.NWu.ESP.Lifetime = config.Lifetime{Soft: 200 * time.Millisecond, Hard: time.Minute, Jitter: 0.2}
	})
	v, _ := w.online(1) // which has no lifetimes of its own
	w.until("rekeys of the N3IWF", func() bool { return w.nf.Counters().ChildRekeys.Load() >= 4 && w.nf.Counters().IKERekeys.Load() >= 2 })
	require.NoError(t, w.within(v.Deregister))
	u, pr := w.online(0, func(o *ue.Options) {
		o.Lifetime.IKE.Soft, o.Lifetime.Child.Soft = 310*time.Millisecond, 210*time.Millisecond
	})
	finish := w.traffic(pr, 400)
	w.until("rekeys", func() bool { return w.nf.Counters().ChildRekeys.Load() >= 20 && w.nf.Counters().IKERekeys.Load() >= 5 })
	sent, lost := finish()
	require.Zero(t, lost, "of %d packets", sent)
	require.Len(t, u.State().Children, 2)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestBusyUE: a UE that answers TEMPORARY_FAILURE for some seconds gets its PDU session, and its rekey, as soon as it is ready.
func TestBusyUE(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	u, _ := w.online(0)
	before := u.State()
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Busy(ctx, true) }))
	require.Equal(t, 1, w.nf.Rekey(true, false))
	done := make(chan error, 1)
	go func() {
		_, err := sessionTwo(w, u)
		done <- err
	}()
	w.until("the request for the session", func() bool { return len(w.core.State().UEs[0].Sessions) == 2 })
	select {
	case err := <-done:
		require.Fail(t, "the session is there although the UE was busy", "%v", err)
	case <-time.After(time.Second):
	}
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Busy(ctx, false) }))
	require.NoError(t, <-done)
	w.until("the rekeys", func() bool {
		now := u.State()
		now.Children = now.Children[:len(before.Children)]
		return allDiffer(before, now)
	})
	require.Zero(t, w.nf.Counters().SessionsFailed.Load())
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestHardVolume: where no rekey comes about, a child SA ends at its hard limit, and the AMF hears that the PDU session is lost.
func TestHardVolume(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.NWu.ESP.Volume = config.Volume{SoftPackets: 100, HardPackets: 200} })
	u, pr := w.online(0)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Busy(ctx, true) }))
	finish := w.traffic(pr, 400)
	w.until("the end of the session", func() bool { return len(w.core.State().UEs[0].Sessions) == 0 })
	sent, lost := finish()
	require.Greater(t, sent-lost, 150)
	require.Less(t, sent-lost, 210)
	w.logged("child SA has used up its volume")
	require.Len(t, u.State().Children, 1, "the signalling SA stays")
	require.Zero(t, w.nf.Counters().ChildRekeys.Load())
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Busy(ctx, false) }))
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}
