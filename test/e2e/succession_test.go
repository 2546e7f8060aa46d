// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// succession is the socket over which N3IWFs of a world hand everything on.
func (w *world) succession() string { return filepath.Join(filepath.Dir(w.file), "succession") }

// offer lets another N3IWF take over from w.nf.
func (w *world) offer() {
	w.t.Helper()
	require.NoError(w.t, w.nf.OfferSuccession(w.succession()))
}

// takeOver starts an N3IWF in the place of w.nf, and waits until that has ended.
func (w *world) takeOver(o n3iwf.Takeover, change func(*config.Config)) {
	w.t.Helper()
	old, ended := w.nf, w.stopped
	cfg, err := config.Parse(w.file, []byte(w.yaml))
	require.NoError(w.t, err)
	if change != nil {
		change(cfg)
	}
	w.cfg = cfg
	o.Path = w.succession()
	nf, err := n3iwf.TakeOver(w.ctx, cfg, w.log.With("who", "n3iwf"), o)
	require.NoError(w.t, err)
	w.serve(nf)
	select {
	case <-nf.Alone():
	case <-w.ctx.Done():
		require.Fail(w.t, "the old one does not end")
	}
	err = <-ended
	ended <- err // for the end of the test
	require.NoError(w.t, err)
	require.NotZero(w.t, old.Successor())
	require.NoError(w.t, nf.OfferSuccession(w.succession()))
}

// tunnelled waits until the core has the downlink tunnels of that many PDU sessions.
func (w *world) tunnelled(n int) {
	w.t.Helper()
	w.until("downlink tunnels", func() bool {
		have := 0
		for _, u := range w.core.State().UEs {
			for _, s := range u.Sessions {
				if s.DownlinkTEID != 0 {
					have++
				}
			}
		}
		return have == n
	})
}

// An N3IWF goes on in the place of another one, twice, while user data flows: no packet is lost; the UE keeps its SAs and inner address, the AMF its ids
// and the UPF its tunnels; and everything works afterwards.
func TestTakeOver(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	w.offer()
	u, pr := w.online(0)
	v, prV := w.online(1)
	_, err := sessionTwo(w, u)
	require.NoError(t, err)
	w.tunnelled(3)
	before, core := u.State(), w.core.State()
	finish, finishV := w.traffic(pr, 200), w.traffic(prV, 100)
	w.answered(pr, 20)
	for range 2 {
		w.takeOver(n3iwf.Takeover{Program: "test"}, nil)
		w.answered(pr, 20)
		w.answered(prV, 10)
		require.Equal(t, 2, w.nf.Status().UEs)
		require.Equal(t, 3, w.nf.Status().PDUSessions)
		now := w.core.State()
		require.Len(t, now.UEs, len(core.UEs))
		for i := range core.UEs {
			require.Equal(t, core.UEs[i].RANID, now.UEs[i].RANID)
			require.Equal(t, core.UEs[i].AMFID, now.UEs[i].AMFID)
			require.Equal(t, core.UEs[i].Sessions, now.UEs[i].Sessions, "the tunnels")
		}
		require.Equal(t, before.IKE, u.State().IKE)
		require.Equal(t, before.Children, u.State().Children)
		require.Equal(t, before.Inner, u.State().Inner)
		w.until("NAS connections", func() bool { return w.nf.Status().NAS.Connections == 2 })
		require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 2) }))
		_, err := sessionTwo(w, u)
		require.NoError(t, err)
		w.tunnelled(3)
		before, core = u.State(), w.core.State()
	}
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30), w.addr(hostN3IWF)) }))
	w.answered(pr, 10)
	require.Equal(t, 2, w.nf.Rekey(true, true))
	w.until("rekeys", func() bool {
		return u.State().IKE != before.IKE && allDiffer(before, u.State()) && w.nf.Counters().ChildRekeys.Load() >= 5
	})
	w.answered(pr, 10)
	for name, end := range map[string]func() (int, int){"u": finish, "v": finishV} {
		sent, lost := end()
		require.Zero(t, lost, "%s: of %d", name, sent)
	}
	require.NoError(t, w.core.ReleaseSession(imsi(1), 1))
	w.until("the release of a session by the core", func() bool { return len(v.State().Sessions) == 0 })
	require.NoError(t, w.within(v.Deregister))
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	x, _ := w.online(2)
	require.NoError(t, w.within(x.Deregister))
	w.empty()
}

// A successor that fails, at whatever point, changes nothing; one that does not fit is told why.
func TestTakeOverFails(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	w.offer()
	u, pr := w.online(0)
	finish := w.traffic(pr, 200)
	w.answered(pr, 20)
	try := func(change func(*config.Config)) error {
		t.Helper()
		cfg, err := config.Parse(w.file, []byte(w.yaml))
		require.NoError(t, err)
		change(cfg)
		nf, err := n3iwf.TakeOver(w.ctx, cfg, w.log.With("who", "failing"), n3iwf.Takeover{Path: w.succession(), Patience: time.Second})
		require.Nil(t, nf)
		return err
	}
	require.ErrorContains(t, try(func(c *config.Config) { c.NWu.NAS.Port++ }), "nwu.nas")
	require.ErrorContains(t, try(func(c *config.Config) { c.DataPlane.Workers = 1 }), "dataPlane.workers")
	why := fmt.Sprintf("UE %d: no NG connection", w.core.State().UEs[0].RANID)
	require.ErrorContains(t, try(func(c *config.Config) { c.N2.AMFs[0].Addresses[0] = w.addr(77) }), why)
	w.logged("n3iwf", "another process was to take over; this one goes on", why)
	_, err := pr.Ping(w.ctx, 2)
	require.NoError(t, err)
	w.answered(pr, 20)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30), w.addr(hostN3IWF)) }))
	require.NoError(t, w.within(func(ctx context.Context) error {
		_, err := u.EstablishSession(ctx, 2, "internet", &nas.SNSSAI{SST: 1})
		return err
	}))
	w.takeOver(n3iwf.Takeover{}, nil)
	w.answered(pr, 20)
	sent, lost := finish()
	require.Zero(t, lost, "of %d", sent)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}
