// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestUEsBeforeTheAMF: UEs that come before the first NG connection of an N3IWF that has just started wait for it, and are refused only when it does not
// come about, or once there was one.
func TestUEsBeforeTheAMF(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	t.Run("the AMF comes", func(t *testing.T) {
		w := prepareWorld(t, nil)
		w.startN3IWF()
		outcome := make(chan error, 3)
		for i := range cap(outcome) {
			u := w.ue(i)
			go func() { outcome <- w.within(u.Register) }()
		}
		w.until("UEs that wait", func() bool { return w.text.count("UE waits for an AMF") == cap(outcome) })
		w.startCore()
		for range cap(outcome) {
			require.NoError(t, <-outcome)
		}
		require.Zero(t, w.nf.Counters().Refused.Load())
		w.session(w.ues[0])
		w.pinged(w.ues[0], 1)
		w.sameStory(w.ues...)

		// Later a lost AMF is no matter of the start.
		require.NoError(t, w.core.Close())
		w.until("no AMF", func() bool { return w.nf.Status().AMFs == 0 })
		var away *ue.BackoffError
		require.ErrorAs(t, w.within(w.ue(9).Register), &away)
	})
	t.Run("a UE goes before", func(t *testing.T) {
		w := prepareWorld(t, nil)
		w.startN3IWF()
		u := w.ue(0)
		go func() { _ = w.within(u.Register) }() // it is closed
		w.until("a UE that waits", func() bool { return w.text.count("UE waits for an AMF") == 1 })
		require.NoError(t, w.within(u.Vanish))
		w.startCore()
		w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
		require.NoError(t, u.Close())
		w.register(w.ue(1))
	})
	t.Run("it does not come", func(t *testing.T) {
		w := prepareWorld(t, func(c *config.Config) { c.Timers.AMFAnswer = 700 * time.Millisecond })
		w.startN3IWF()
		var away *ue.BackoffError
		require.ErrorAs(t, w.within(w.ue(0).Register), &away)
		require.GreaterOrEqual(t, away.Wait, w.cfg.Timers.UEBackOffMin)
		require.Equal(t, 1, w.text.count("UE waits for an AMF"))
		require.ErrorAs(t, w.within(w.ue(1).Register), &away)
		require.Equal(t, 1, w.text.count("UE waits for an AMF"), "nobody waits any more")
	})
}
