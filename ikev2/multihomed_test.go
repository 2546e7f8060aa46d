// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The responder loses the address in use, gets it back, and then loses the other one, soon or late after that: the
// initiator follows to what is left.
func TestLocalAddressComesAndGoes(t *testing.T) {
	for _, wait := range []time.Duration{0, 8 * time.Millisecond, time.Second} {
		w := newWorld(t, 520)
		both := []netip.Addr{gwAddr, gwAddr2}
		ue, gw, _ := moved(w, RoutabilityBefore, func(o, g *Options) { g.AdditionalAddresses, o.TestPathsAfter = both, 3 })
		gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
		w.run(time.Second, nil)
		require.Equal(t, gwAddr2, ue.s.ChildPath().Remote.Addr())
		gw.take(gw.s.SetAddresses(w.now, both))
		w.run(wait, nil)
		gw.take(gw.s.LocalAddressGone(w.now, gwAddr2))
		w.run(time.Second, nil)
		require.Equal(t, gwAddr, ue.s.ChildPath().Remote.Addr(), wait)
		require.Equal(t, gwAddr, gw.s.ChildPath().Local.Addr(), wait)
	}
}

// The responder's address is away for a while, and a NAT that lets only known peers in keeps what it sends from its
// other address from the initiator, which notices nothing: it goes on sending to the address that it chose (RFC 4555
// 3.5). So the responder goes back there when it can. Where the initiator has followed meanwhile, it does not.
func TestResponderGoesBackToTheInitiatorsChoice(t *testing.T) {
	for _, hears := range []bool{false, true} {
		w := newWorld(t, 521)
		both := []netip.Addr{gwAddr, gwAddr2}
		ue, gw, _ := moved(w, RoutabilityBefore, func(o, g *Options) { g.AdditionalAddresses, o.TestPathsAfter = both, 3 })
		chosen := gw.s.Path()
		w.translate = func(fromUE bool, p Path) (Path, bool) { return p, hears || fromUE || p.Local.Addr() == gwAddr }
		gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
		require.Equal(t, gwAddr2, gw.s.ChildPath().Local.Addr())
		w.run(2*time.Second, nil)
		gw.take(gw.s.SetAddresses(w.now, both))
		w.run(5*time.Second, nil)
		if hears {
			chosen.Local = ap(gwAddr2, 4500)
		}
		require.Equal(t, chosen, gw.s.Path())
		require.Equal(t, chosen, gw.s.ChildPath())
		require.Equal(t, reverse(chosen), ue.s.ChildPath())
		require.Empty(t, gw.s.sa.outstanding)
		require.Equal(t, Path{}, gw.s.left)
		require.ElementsMatch(t, both, ue.s.PeerAddresses())
	}
}
