// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// Pools of inner addresses come and go while the data plane runs: packets for them go to the interface, and nowhere in clear.
func TestKernelRoutes(t *testing.T) {
	n := newNetwork(t)
	gw := kernelEnd(t, n.gw, true, nil)
	d := gw.DataPlane.(*DataPlane)
	four, six := netip.MustParsePrefix("10.9.0.0/24"), netip.MustParsePrefix("fd09::/64")
	routes := func() string { return n.gw.ip(t, "-4 route show") + n.gw.ip(t, "-6 route show") }
	before := routes()
	for range 2 { // also repeated
		n.gw.do(func() {
			require.NoError(t, d.AddRoute(four))
			require.NoError(t, d.AddRoute(six))
		})
		for _, p := range []string{"10.9.0.0/24", "fd09::/64"} {
			require.Contains(t, routes(), "\n"+p+" dev nwu42")
			require.Contains(t, routes(), "blackhole "+p)
		}
	}
	require.NoError(t, d.RemoveRoute(six))
	require.NoError(t, d.RemoveRoute(six))
	require.NotContains(t, routes(), "fd09")
	require.NoError(t, d.RemoveRoute(four))
	require.Equal(t, before, routes())

	// What came at run time goes with the data plane.
	require.NoError(t, d.AddRoute(four))
	require.NoError(t, d.Close())
	require.NotContains(t, routes(), "10.9.")
	require.ErrorContains(t, d.AddRoute(four), "closed")
	require.ErrorContains(t, d.RemoveRoute(four), "closed")
}
