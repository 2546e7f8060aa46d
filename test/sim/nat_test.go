// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNAT(t *testing.T) {
	inner := netip.MustParseAddrPort("10.0.0.1:4500")
	peer := netip.MustParseAddrPort("192.0.2.1:4500")
	samePort := netip.MustParseAddrPort("192.0.2.1:500")
	other := netip.MustParseAddrPort("192.0.2.2:4500")
	for kind, want := range map[natKind]struct{ peer, samePort, other, oneMapping bool }{
		fullCone:       {true, true, true, true},
		restrictedCone: {true, true, false, true},
		portRestricted: {true, false, false, true},
		symmetric:      {true, false, false, false},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			w := &world{seed: 1}
			n := newNAT(w, kind, netip.MustParseAddr("203.0.113.1"), time.Minute, false, w.random("nat"))
			outside := n.outbound(inner, peer)
			require.Equal(t, n.public, outside.Addr())
			for from, pass := range map[netip.AddrPort]bool{peer: want.peer, samePort: want.samePort, other: want.other} {
				to, ok := n.inboundTo(from, outside)
				require.Equal(t, pass, ok, from)
				if ok {
					require.Equal(t, inner, to)
				}
			}
			require.Equal(t, want.oneMapping, n.outbound(inner, other) == outside)
			require.NotEqual(t, outside, n.outbound(netip.MustParseAddrPort("10.0.0.2:4500"), peer))

			w.now = time.Minute // without packets the mapping is gone
			_, ok := n.inboundTo(peer, outside)
			require.False(t, ok)
			require.NotEqual(t, outside, n.outbound(inner, peer))
		})
	}
}
