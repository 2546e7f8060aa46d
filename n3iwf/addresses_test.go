// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddressPoolGivesEachAddressOnce(t *testing.T) {
	p := newAddressPool([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/29"), netip.MustParsePrefix("10.1.0.0/31")}, 0, 0,
		netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"))
	seen := map[netip.Addr]bool{}
	for range 6 {
		a, err := p.allocate()
		require.NoError(t, err)
		require.False(t, seen[a], "%s twice", a)
		seen[a] = true
	}
	for _, never := range []string{"10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.7"} {
		require.False(t, seen[netip.MustParseAddr(never)], never)
	}
	_, err := p.allocate()
	require.ErrorIs(t, err, errNoAddress)

	p.release(netip.MustParseAddr("10.0.0.4"))
	a, err := p.allocate()
	require.NoError(t, err)
	require.Equal(t, netip.MustParseAddr("10.0.0.4"), a)
}

func TestAddressPoolLetsAddressesRest(t *testing.T) {
	p := newAddressPool([]netip.Prefix{netip.MustParsePrefix("fd00::/64")}, 0, 0, netip.MustParseAddr("fd00::1"))
	first, err := p.allocate()
	require.NoError(t, err)
	require.Equal(t, netip.MustParseAddr("fd00::2"), first)
	p.release(first)
	second, err := p.allocate()
	require.NoError(t, err)
	require.NotEqual(t, first, second)
}
