// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestN3IWUETolerances: what free5GC's UE simulator cannot do, and the N3IWF does not ask of it, beside what TestN3IWUE shows.
func TestN3IWUETolerances(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	legacy := func(t *testing.T, change func(*config.Config)) *world {
		return newWorld(t, func(c *config.Config) {
			c.NWu.IKE.Profile = "legacy-lab"
			if change != nil {
				change(c)
			}
		})
	}
	t.Run("a NAT moves it to the other port", func(t *testing.T) {
		s := legacy(t, nil).n3iwue(0, nil)
		s.online(1)
		require.True(t, s.NAT())
	})
	t.Run("without NAT: IKE on its port, and ESP without UDP", func(t *testing.T) {
		testenv.NeedRoot(t)
		w := legacy(t, func(c *config.Config) { c.NWu.UDPEncapsulation = "auto" })
		s := w.n3iwue(0, nil)
		s.online(1)
		s.online(3)
		require.False(t, s.NAT())
		s.Deregister()
		s.exits("Delete")
		w.left()
	})
	t.Run("AUTS, and then the challenge again", func(t *testing.T) {
		w := legacy(t, nil)
		s := w.n3iwue(0, func(o *ue.N3IWUEOptions) { o.Subscriber.SQN = 1 << 20 })
		s.online(1)
		w.logged("core", "synchronis")
	})
	t.Run("it answers when it is asked whether it is there", func(t *testing.T) {
		w := legacy(t, func(c *config.Config) { c.NWu.IKE.Liveness.Period = 200 * time.Millisecond })
		s := w.n3iwue(0, nil)
		s.online(1)
		w.until("three probes", func() bool { return s.Probes() >= 3 })
		s.online(1)
		require.Equal(t, 1, w.nf.Status().UEs)
	})
	t.Run("requests that come again are the same to the bit", func(t *testing.T) {
		w := legacy(t, nil)
		s := w.n3iwue(0, func(o *ue.N3IWUEOptions) { o.AnswersLost = 2 }) // to CREATE_CHILD_SA
		s.online(1)
	})
	t.Run("no cookies below the threshold", func(t *testing.T) {
		w := legacy(t, nil)
		s := w.n3iwue(0, func(o *ue.N3IWUEOptions) { o.DeafFor = 9 }) // each of which is half-open
		s.online(1)
		w = legacy(t, func(c *config.Config) { c.NWu.IKE.HalfOpen.CookieThreshold = 1 })
		s = w.n3iwue(0, func(o *ue.N3IWUEOptions) { o.DeafFor = 3 })
		s.exits("no key or nonce")
	})
	t.Run("a rekey ends it, and the profile's lifetimes have none", func(t *testing.T) {
		w := legacy(t, func(c *config.Config) { c.NWu.ESP.Lifetime.Soft = time.Second })
		s := w.n3iwue(0, nil)
		s.exits("rekey")
		cfg, err := config.Parse(w.file, []byte(strings.Replace(w.yaml, "ike: {", "ike: {profile: legacy-lab, ", 1)))
		require.NoError(t, err)
		require.Zero(t, cfg.NWu.ESP.Lifetime.Soft+cfg.NWu.IKE.Lifetime.Soft)
	})
	t.Run("any Delete is answered and ends it", func(t *testing.T) {
		w := legacy(t, nil)
		s := w.n3iwue(0, nil)
		s.online(1)
		require.NoError(t, w.core.ReleaseContext(imsi(0)))
		s.exits("Delete")
		w.until("an N3IWF without UEs", func() bool { return w.nf.Status().UEs == 0 && w.nf.Status().ChildSAs == 0 })
	})
	t.Run("with free5GC's AMF", func(t *testing.T) {
		w := prepareWorld(t, func(c *config.Config) { c.NWu.IKE.Profile = "legacy-lab" })
		w.newCoreWorld(func(c *core.Config) { c.Variant = "free5gc" })
		s := w.n3iwue(0, nil)
		s.online(1)
		s.online(2)
		s.Deregister()
		s.exits("Delete")
		w.left()
	})
}
