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
