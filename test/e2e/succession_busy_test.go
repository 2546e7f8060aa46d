// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// In the middle of everything: UEs that register and leave, whose PDU sessions come and go, that move, and a core that releases. All of it goes on in the
// next N3IWF, and the next; no procedure fails, no packet is lost. (A UE that asks for a rekey meanwhile is told to try later, as it does in its time.)
func TestTakeOverWhileBusy(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	often := func(c *config.Config) { c.NWu.MOBIKE.MovesPerMinute = 10_000_000 }
	w := newWorld(t, often)
	w.offer()
	busy, _ := w.online(0)
	_, pr := w.online(1)
	moving, prMoving := w.online(2)
	released, _ := w.online(3)
	finish, finishMoving := w.traffic(pr, 100), w.traffic(prMoving, 100)
	ctx, stop := context.WithCancel(w.ctx)
	defer stop()
	var running sync.WaitGroup
	again := func(what string, f func(round int) error) *atomic.Int32 {
		rounds := new(atomic.Int32)
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := f(i); err != nil {
					t.Errorf("%s, round %d: %v", what, i, err)
					return
				}
				rounds.Add(1)
			}
		})
		return rounds
	}
	all := []*atomic.Int32{
		again("PDU sessions", func(int) error {
			if _, err := sessionTwo(w, busy); err != nil {
				return err
			}
			return w.within(func(ctx context.Context) error { return busy.ReleaseSession(ctx, 2) })
		}),
		again("moves", func(i int) error {
			return w.within(func(ctx context.Context) error { return moving.Move(ctx, w.addr(30+i%3), w.addr(hostN3IWF)) })
		}),
		again("sessions that the core releases", func(int) error {
			if _, err := sessionTwo(w, released); err != nil {
				return err
			}
			w.until("the session at the core", func() bool { return w.core.ReleaseSession(imsi(3), 2) == nil })
			w.until("the release", func() bool { return released.Session(2) == nil })
			return nil
		}),
	}
	for i := range 2 {
		o := w.options(10 + i)
		all = append(all, again("registrations", func(int) error {
			u, err := ue.New(o)
			if err != nil {
				return err
			}
			if err = w.within(u.Register); err == nil {
				err = w.within(u.Deregister)
			}
			return errors.Join(err, u.Close())
		}))
	}
	for range 2 {
		for _, n := range all {
			have := n.Load()
			w.until("another round of everything", func() bool { return t.Failed() || n.Load() >= have+2 })
		}
		w.takeOver(n3iwf.Takeover{Patience: deadline}, often)
	}
	for _, n := range all {
		have := n.Load()
		w.until("another round of everything", func() bool { return t.Failed() || n.Load() >= have+2 })
	}
	stop()
	running.Wait()
	for name, end := range map[string]func() (int, int){"resting": finish, "moving": finishMoving} {
		sent, lost := end()
		require.Zero(t, lost, "%s: of %d", name, sent)
	}
}
