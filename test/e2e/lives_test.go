// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// life lets a UE register, have a PDU session and go. It may fail anywhere, and ends with ctx; came tells how far it came. After each step UE, N3IWF and
// core must agree on what the UE has, PDU sessions apart that nobody but a forged message knows. The UE is left as it is, for the caller to close.
func (w *world) life(ctx context.Context, i int, what string, forged ...int) (u *ue.UE, came string) {
	w.t.Helper()
	u, err := ue.New(w.options(i))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = u.Close() })
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	steps := []struct {
		name string
		run  func() error
	}{
		{"registered", func() error { return u.Register(ctx) }},
		{"session", func() error {
			_, err := u.EstablishSession(ctx, 1, "internet", nil)
			return err
		}},
		{"released", func() error { return u.ReleaseSession(ctx, 1) }},
		{"deregistered", func() error { return u.Deregister(ctx) }},
	}
	came = "nothing"
	for _, s := range steps {
		if err := s.run(); err != nil {
			w.log.Info("life ended early", "after", came, "error", err)
			return u, came
		}
		came = s.name
		w.settled(u, came+", with "+what, forged...)
	}
	return u, came
}

// settled waits until UE, N3IWF and core agree: that there is no UE, or on all that it has.
func (w *world) settled(u *ue.UE, what string, forged ...int) {
	w.t.Helper()
	last := ""
	w.until("agreement of UE, N3IWF and core: "+what, func() bool {
		var us []*ue.UE
		if len(u.State().Children) > 0 {
			us = append(us, u)
		}
		disagreement := w.compare(tellers(us), forged...)
		if disagreement != last {
			w.log.Debug("not yet: " + disagreement)
			last = disagreement
		}
		return disagreement == ""
	})
}

// forgotten waits until nobody has anything of any UE that would need the other side.
func (w *world) forgotten(what string) {
	w.t.Helper()
	w.until("the end of "+what, func() bool {
		s := w.nf.Status()
		return s.UEs == 0 && s.ChildSAs == 0 && s.PDUSessions == 0 && s.InnerAddresses == 0 && s.N3.Sessions == 0 && s.NAS.Connections == 0 && w.connected() == 0
	})
}

// releaseAll releases all UEs on the operator's order, as far as they still are there.
func (w *world) releaseAll() {
	for _, s := range w.nf.UEs(w.ctx, n3iwf.UEQuery{Limit: 100}).UEs {
		w.nf.ReleaseUE(w.ctx, s.ID)
	}
}

// waitFor waits until something is so or ctx ends.
func (w *world) waitFor(ctx context.Context, is func() bool) {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
