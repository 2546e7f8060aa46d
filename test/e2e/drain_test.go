// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestDrain empties node A, with traffic running: UEs that follow SWITCH_TO_IP_ADDRESS and UEs that know the list of addresses only are on B then, with
// their PDU sessions, and of their pings none is lost; the UE that can only be redirected has registered at B; and each is told how it went.
func TestDrain(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w, b := newCluster(t, func(c *config.Config) { c.NWu.MOBIKE.Switch.Enabled = true })
	follows := func(o *ue.Options) { o.Switch, o.TestPathsAfter = ikev2.DefaultSwitch(), 3 }
	listOnly := func(o *ue.Options) { o.TestPathsAfter = 3 }
	var finish []func() (int, int)
	var probes []*probe.Probe
	var before []ue.State
	var ues []*ue.UE
	for i := range 6 {
		change := follows
		if i >= 3 {
			change = listOnly
		}
		u, p := w.online(i, change)
		ues, probes, before = append(ues, u), append(probes, p), append(before, u.State())
		finish = append(finish, w.traffic(p, 100))
	}
	elsewhere := w.ue(6, func(o *ue.Options) { o.NoMOBIKE, o.Redirectable = true, true })
	w.register(elsewhere)
	w.session(elsewhere)
	oldSPI := elsewhere.State().IKE
	for _, p := range probes {
		w.answered(p, 5)
	}
	job := w.nf.MoveAll(w.ctx, n3iwf.ToNode(1), n3iwf.MoveOptions{PerSecond: 50})
	select {
	case <-job.Done():
	case <-time.After(deadline):
		require.Fail(t, "the move does not end", "%+v", job.Progress())
	}
	require.Equal(t, n3iwf.MoveProgress{Total: 7, Moved: 7, Done: true, ByRung: map[n3iwf.Rung]int{n3iwf.RungSwitch: 3, n3iwf.RungAddresses: 3, n3iwf.RungRedirect: 1}}, job.Progress(), "%+v", job.Outcomes())
	w.until("all UEs on B", func() bool { return w.nf.Status().UEs == 0 && b.nf.Status().UEs == 7 })
	for i, p := range probes {
		w.answered(p, 20)
		sent, lost := finish[i]()
		require.Zero(t, lost, "UE %d: of %d packets", i, sent)
		after := ues[i].State()
		require.Equal(t, before[i].IKE, after.IKE)
		require.Equal(t, before[i].Children, after.Children)
		require.Equal(t, before[i].Sessions, after.Sessions)
	}
	w.until("the redirected UE's PDU session", func() bool { return elsewhere.Returned() == 1 && len(elsewhere.State().Sessions) == 1 })
	require.NotEqual(t, oldSPI, elsewhere.State().IKE, "a new SA")
	w.until("seven contexts at the core", func() bool { return w.connected() == 7 })
	require.EqualValues(t, 6, b.nf.Counters().TakenOver.Load())

	// New UEs do not stay on a node that is being emptied, and the node ends without anybody noticing.
	require.NoError(t, w.nf.Drain(w.ctx, 1, n3iwf.MoveOptions{}))
	late := w.ue(7, func(o *ue.Options) { o.Redirectable = true })
	_ = w.within(late.Register) // refused by A, and then by itself at B
	w.until("the late UE on B", func() bool { return b.nf.Status().UEs == 8 })
	require.Zero(t, w.nf.Status().UEs)
	w.stop()
	require.NoError(t, <-w.stopped)
	w.stopped <- nil
	for i, u := range ues {
		_, err := probe.New(u, u.Session(1), dn).Ping(w.ctx, 2)
		require.NoError(t, err, "UE %d", i)
	}
	require.NoError(t, w.within(func(ctx context.Context) error { return ues[0].ReleaseSession(ctx, 1) }), "NAS over B")
	require.NoError(t, w.within(ues[1].Deregister))
}

// TestMoveToOwnAddress moves UEs to another address of the same node, by each rung, and one at a time.
func TestMoveToOwnAddress(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	var second netip.Addr
	w := prepareWorld(t, nil)
	second = w.addr(hostOtherNWu)
	w.cfg.NWu.Addresses = []netip.Addr{w.addr(hostN3IWF), second}
	w.cfg.NWu.MOBIKE.AdditionalAddresses = w.cfg.NWu.Addresses
	w.cfg.NWu.MOBIKE.Switch.Enabled = true
	w.startCore()
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	for i, change := range []func(*ue.Options){
		func(o *ue.Options) { o.Switch, o.TestPathsAfter = ikev2.DefaultSwitch(), 3 },
		func(o *ue.Options) { o.TestPathsAfter = 3 },
	} {
		u, p := w.online(i, change)
		finish := w.traffic(p, 200)
		w.answered(p, 5)
		id := w.core.State().UEs[i].RANID
		for _, to := range []netip.Addr{second, w.addr(hostN3IWF), second} {
			out, err := w.nf.MoveUE(w.ctx, id, n3iwf.ToAddress(to), n3iwf.MoveOptions{Patience: 5 * time.Second})
			require.NoError(t, err, "%+v", out)
			require.True(t, out.Moved)
			require.Equal(t, []n3iwf.Rung{n3iwf.RungSwitch, n3iwf.RungAddresses}[i], out.Rung)
			require.Eventually(t, func() bool { return u.Path().Remote.Addr() == to }, deadline, time.Millisecond)
			w.answered(p, 20)
		}
		sent, lost := finish()
		require.Zero(t, lost, "of %d packets", sent)
	}
	out, err := w.nf.MoveUE(w.ctx, 12345, n3iwf.ToAddress(second), n3iwf.MoveOptions{})
	require.ErrorIs(t, err, n3iwf.ErrNoUE, "%+v", out)
	_, err = w.nf.MoveUE(w.ctx, w.core.State().UEs[0].RANID, n3iwf.ToNode(1), n3iwf.MoveOptions{})
	require.ErrorIs(t, err, n3iwf.ErrNoDestination)

	stuck := w.ue(2, func(o *ue.Options) { o.NoMOBIKE = true })
	w.register(stuck)
	id := w.core.State().UEs[2].RANID
	_, err = w.nf.MoveUE(w.ctx, id, n3iwf.ToAddress(second), n3iwf.MoveOptions{})
	require.ErrorIs(t, err, n3iwf.ErrStayed, "it knows no rung")
	require.Equal(t, 3, w.nf.Status().UEs, "and so it stays")
	out, err = w.nf.MoveUE(w.ctx, id, n3iwf.ToAddress(second), n3iwf.MoveOptions{Delete: true})
	require.NoError(t, err)
	require.Equal(t, n3iwf.RungDelete, out.Rung)
	require.False(t, out.Moved)
	w.until("two UEs", func() bool { return w.nf.Status().UEs == 2 })

	// A job that is cancelled asks nobody any more.
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	job := w.nf.MoveAll(ctx, n3iwf.ToAddress(w.addr(hostN3IWF)), n3iwf.MoveOptions{})
	<-job.Done()
	require.Zero(t, job.Progress().Moved)
}
