// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// TestReloadAMFs takes an AMF out of the configuration and puts another one in, while a UE is registered with the first: the UE stays, the next
// one goes to the other, and the first AMF's connection ends with its last UE.
func TestReloadAMFs(t *testing.T) {
	w := prepareWorld(t, nil)
	w.startCoreWith(func(c *core.Config) { c.AMFs = []core.AMF{secondAMF(w)} })
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	u, p := w.online(0)
	finish := w.traffic(p, 200)

	next := *w.cfg
	second := w.cfg.N2.AMFs[0]
	second.Addresses = []netip.Addr{w.addr(hostOtherAMF)}
	next.N2.AMFs = []config.AMF{second}
	next.Limits.MaxUEs = 7
	next.NWu.IKEPort++
	changed, later, err := w.nf.Reload(&next)
	require.NoError(t, err)
	require.True(t, slices.Contains(changed, "limits.maxUEs") && slices.Contains(changed, "n2.amfs[0].addresses"), "%v", changed)
	require.Equal(t, []string{"nwu.ikePort"}, later)
	w.until("the second AMF", func() bool { return w.nf.Status().AMFs == 2 })
	v, _ := w.online(1)
	names := map[string]int{}
	for _, a := range w.nf.AMFs(w.ctx) {
		names[a.Name] += a.UEs
	}
	require.Equal(t, map[string]int{"lab-amf": 1, "lab-amf-2": 1}, names)
	_, lost := finish()
	require.Zero(t, lost)

	require.NoError(t, w.within(func(ctx context.Context) error { return u.Deregister(ctx) }))
	w.until("the first AMF to leave", func() bool { list := w.nf.AMFs(w.ctx); return len(list) == 1 && list[0].Name == "lab-amf-2" })
	require.NoError(t, w.within(func(ctx context.Context) error { return v.Deregister(ctx) }))
}
