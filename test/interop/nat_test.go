// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// behindNAT puts the UE's first network behind a NAT before anything starts.
func behindNAT(n *network) { n.nat(20000, "192.168.1.0/24") }

// mapped tells whether an address is the NAT's, with a port of the range that begins with from.
func mapped(a netip.AddrPort, from uint16) bool {
	return a.Addr() == addr(natAddr) && a.Port() >= from && a.Port() < from+1000
}

// charonSees tells whether charon's IKE SA goes to the NAT, with a port of the range that begins with from.
func (w *world) charonSees(from uint16) bool {
	host, port, _ := strings.Cut(strings.TrimSuffix(w.c.sa().remote, "]"), "[")
	a, err := netip.ParseAddrPort(host + ":" + port)
	return err == nil && mapped(a, from)
}

func TestNAT(t *testing.T) {
	bothRoles(t, "UE behind a NAT, with keepalives", func(t *testing.T, r role) {
		w := connect(t, r, setup{silent: true, network: behindNAT, ours: func(o *ikev2.Options) { o.Keepalive = 200 * time.Millisecond }})
		nat := wait[ikev2.Established](w.e, "IKE SA", nil).NAT
		if r == charonInitiates {
			require.True(t, nat.PeerBehindNAT)
			require.True(t, mapped(w.e.session().Path().Remote, 20000), "the NAT's address, not the private one")
			w.c.logs("local host is behind NAT, sending keep alives")
		} else {
			require.True(t, nat.BehindNAT)
			require.True(t, w.charonSees(20000))
		}
		eventually(t, "keepalives pass the NAT", func() bool { return w.n.keepalives() >= 2 })
		w.traffic()
		w.lost(0)
	})
	// strongSwan's scenario mobike-nat-mappings. As there, one DPD exchange comes first, to compare with.
	for _, policy := range []ikev2.Rebinding{ikev2.RebindOff, ikev2.RebindPort} {
		name := "mobike-nat-mappings: the NAT gives new ports, the UE's DPD notices"
		if policy == ikev2.RebindPort {
			name = "mobike-nat-mappings: the NAT gives new ports, ESP from the new port is followed at once"
		}
		t.Run("charon initiates/"+name, func(t *testing.T) {
			w := connect(t, charonInitiates, setup{
				silent: true, network: behindNAT,
				charon: func(c *connection) { c.lines = "dpd_delay = 1s" },
				ours:   func(o *ikev2.Options) { o.Rebind = policy },
			})
			eventually(t, "a DPD exchange", func() bool { return w.e.came(func(a arrival) bool { return a.header.MessageID == 2 }) > 0 })
			w.traffic()
			before := w.e.session().Path()
			w.n.nat(30000, "192.168.1.0/24")
			eventually(t, "the new mapping is in use", func() bool { return mapped(w.e.stats().Path.Remote, 30000) })
			if policy == ikev2.RebindOff {
				w.c.logs("detected changes in NAT mappings, initiating MOBIKE update")
			}
			require.True(t, mapped(before.Remote, 20000))
			w.flows("through the new mapping")
			w.agree()
			limit := 2 * int(slow(4*time.Second)/pingInterval) // both directions while charon, which hears nothing, waits for its DPD
			if policy == ikev2.RebindPort {
				limit = 2 * int(slow(time.Second)/pingInterval)
			}
			w.lost(limit)
		})
	}
	t.Run("we initiate/mobike-nat-mappings: the NAT gives new ports, our DPD notices", func(t *testing.T) {
		w := connect(t, weInitiate, setup{network: behindNAT})
		w.alive() // to compare with
		w.n.nat(30000, "192.168.1.0/24")
		w.alive()
		wait[ikev2.MoveDone](w.e, "our update", nil)
		require.True(t, w.charonSees(30000))
		w.flows("through the new mapping")
		w.agree()
		w.lost(2 * int(slow(2*time.Second)/pingInterval))
	})
	t.Run("charon initiates/without MOBIKE, the NAT gives new ports, we follow its next IKE message", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{
			silent: true, network: behindNAT,
			charon: func(c *connection) { c.lines = "dpd_delay = 1s" },
			ours:   func(o *ikev2.Options) { o.NoMOBIKE = true },
		})
		require.False(t, wait[ikev2.Established](w.e, "IKE SA", nil).MOBIKE)
		w.n.nat(30000, "192.168.1.0/24")
		eventually(t, "the new mapping is in use", func() bool { return mapped(w.e.stats().Path.Remote, 30000) })
		w.traffic()
		w.agree()
		w.lost(0)
	})
	t.Run("we initiate/without MOBIKE, the NAT gives new ports, charon follows our next IKE message", func(t *testing.T) {
		w := connect(t, weInitiate, setup{silent: true, network: behindNAT, ours: func(o *ikev2.Options) { o.NoMOBIKE = true }})
		require.False(t, wait[ikev2.Established](w.e, "IKE SA", nil).MOBIKE)
		w.n.nat(30000, "192.168.1.0/24")
		w.alive()
		eventually(t, "charon goes to the new mapping", func() bool { return w.charonSees(30000) })
		w.traffic()
		w.agree()
		w.lost(0)
	})
}
