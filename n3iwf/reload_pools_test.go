// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"net/netip"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf/succession"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
)

// routedPlane is a data plane that needs routes, and notes them.
type routedPlane struct {
	*user.DataPlane
	has map[netip.Prefix]bool
}

func (p routedPlane) AddRoute(to netip.Prefix) error    { p.has[to] = true; return nil }
func (p routedPlane) RemoveRoute(to netip.Prefix) error { delete(p.has, to); return nil }

// A UE that comes while a reload of the pools is prepared gets an address of the former pools, with its prefix and its route, and keeps them: whether another
// part refuses, or all are ready.
func TestReloadPoolsWhileUEsCome(t *testing.T) {
	four, other, six := netip.MustParsePrefix("10.60.0.0/16"), netip.MustParsePrefix("10.61.0.0/16"), netip.MustParsePrefix("fd00:61::/64")
	for what, refusal := range map[string]error{"another part refuses": errors.New("not so"), "all are ready": nil} {
		t.Run(what, func(t *testing.T) {
			r := newReloadCase(t)
			routed := routedPlane{r.nf.dataPlane.(*user.DataPlane), map[netip.Prefix]bool{four: true}}
			r.nf.dataPlane = routed
			before, next := r.base(), r.base()
			next.NWu.UEPools.IPv4 = []netip.Prefix{other}
			next.NWu.UEPools.IPv6 = append(next.NWu.UEPools.IPv6, six)
			var came, came6 netip.Addr
			comes := part(func(_, _ *config.Config) (Change, error) {
				var err error
				came, err = r.nf.pool4.allocate()
				require.NoError(t, err)
				came6, err = r.nf.pool6.allocate()
				require.NoError(t, err)
				require.Equal(t, four, r.nf.pool4.prefixOf(came))
				require.True(t, routed.has[other], "ready")
				return Change{}, refusal
			})
			_, _, err := r.nf.Reload(next, comes)
			if refusal != nil {
				require.ErrorIs(t, err, refusal)
			} else {
				require.ErrorContains(t, err, "nwu.uePools.ipv4: 1 UEs have addresses outside of these pools; keep the former pools")
				require.NotContains(t, err.Error(), "ipv6")
			}
			require.Empty(t, config.Diff(before, r.nf.Config()))
			require.Equal(t, four, r.nf.pool4.prefixOf(came))
			require.Equal(t, before.NWu.UEPools.IPv6[0], r.nf.pool6.prefixOf(came6))
			require.Equal(t, before.NWu.UEPools.IPv6, r.nf.pool6.prefixes, "one family by itself does not change")
			require.Equal(t, map[netip.Prefix]bool{four: true}, routed.has)

			r.nf.pool4.release(came)
			_, _, err = r.nf.Reload(next)
			require.NoError(t, err)
			require.Equal(t, map[netip.Prefix]bool{other: true, six: true}, routed.has)
			came, err = r.nf.pool4.allocate()
			require.NoError(t, err)
			require.Equal(t, other, r.nf.pool4.prefixOf(came))
		})
	}
}

// While another process may take over nothing is reloaded, and the error tells that from a configuration that cannot be used.
func TestReloadWhileAnotherProcessMayTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nf := &N3IWF{cfg: config.Default()}
		nf.old.turn = make(chan struct{}, 1)
		nf.old.turn <- struct{}{}
		_, _, err := nf.Reload(config.Default())
		require.ErrorIs(t, err, ErrTakingOver)
	})
}

// Before Serve nobody takes what is offered to successors. A reload that moves the socket then does not wait for it, and leaves the latest one.
func TestOfferSuccessionBeforeServe(t *testing.T) {
	nf := &N3IWF{quit: make(chan struct{})}
	nf.old.offered = make(chan *succession.Listener, 1)
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	require.NoError(t, nf.OfferSuccession(one))
	require.FileExists(t, one)
	require.NoError(t, nf.OfferSuccession(two))
	require.NoFileExists(t, one)
	require.FileExists(t, two)
	nf.WithdrawSuccession()
	require.NoFileExists(t, two)
	require.Nil(t, <-nf.old.offered)
	require.NoError(t, nf.OfferSuccession(one))
	close(nf.quit)
	require.NoError(t, (<-nf.old.offered).Close())
}
