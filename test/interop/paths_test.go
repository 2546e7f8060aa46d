// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// bothGatewayAddresses gives the gateway its second address on its second link, and a route to the UE's networks there.
func bothGatewayAddresses(n *network) {
	n.in(n.gw, "ip addr add "+gwAddr2+"/24 dev b1; ip route add 192.168.0.0/16 via 10.101.0.254 dev b1 metric 50")
}

// blocked makes the router drop what a rule of nftables matches.
func (n *network) blocked(match string) {
	n.nft("flush ruleset\ntable ip block { chain passing { type filter hook forward priority 0; " + match + " drop; }; }\n")
}

// Addresses of both sides, paths between them (RFC 4555 3.4, 3.6, 3.10).
func TestPaths(t *testing.T) {
	t.Run("charon initiates/it tests all pairs when its new network reaches only our other address", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{
			network: bothGatewayAddresses,
			ours:    func(o *ikev2.Options) { o.AdditionalAddresses = []netip.Addr{addr(gwAddr2)} },
		})
		before := w.c.sa()
		w.n.blocked("ip saddr 192.168.2.0/24 ip daddr " + gwAddr)
		w.n.second()
		w.n.loseFirst()
		w.arrived(ueAddr2, gwAddr2)
		w.survived(before)
		w.lost(8 * lostPerMove) // charon waits 2.5 s for the first pair
	})
	t.Run("we initiate/we test all pairs when our new network reaches only charon's other address", func(t *testing.T) {
		w := connect(t, weInitiate, setup{
			network: bothGatewayAddresses, charon: func(c *connection) { c.lines = "local_addrs = " + gwAddr + "," + gwAddr2 },
		})
		before := w.c.sa()
		require.Contains(t, w.e.session().PeerAddresses(), addr(gwAddr2))
		w.n.blocked("ip saddr 192.168.2.0/24 ip daddr " + gwAddr)
		w.n.second()
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output {
			return s.SetAddresses(now, []netip.Addr{addr(ueAddr2)})
		})
		w.n.loseFirst()
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.LocalAddressGone(now, addr(ueAddr1)) })
		w.arrived(ueAddr2, gwAddr2)
		require.Equal(t, natt(ueAddr2, gwAddr2), wait[ikev2.PathTested](w.e, "the test", nil).Path)
		w.survived(before)
		w.lost(lostPerMove)
	})
	t.Run("we initiate/a path test changes nothing", func(t *testing.T) {
		w := connect(t, weInitiate, setup{network: bothGatewayAddresses, charon: func(c *connection) {
			c.lines = "local_addrs = " + gwAddr + "," + gwAddr2
		}})
		before := w.c.sa()
		w.n.second()
		pairs := []ikev2.Path{natt(ueAddr1, gwAddr), natt(ueAddr1, gwAddr2), natt(ueAddr2, gwAddr), natt(ueAddr2, gwAddr2)}
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.TestPaths(now, pairs) })
		require.Len(t, wait[ikev2.PathTested](w.e, "the test", nil).Tested, 4)
		after := w.c.sa()
		require.Equal(t, [2]string{before.local, before.remote}, [2]string{after.local, after.remote})
		w.agree()
		w.lost(0)
	})
	t.Run("charon initiates/our further address is announced and withdrawn", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{network: bothGatewayAddresses})
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output {
			return s.SetAddresses(now, []netip.Addr{addr(gwAddr2)})
		})
		w.c.logs("parsed INFORMATIONAL request 0 [ N(ADD_4_ADDR) N(ADD_4_ADDR) ]", "got additional MOBIKE peer address: "+gwAddr2)
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.SetAddresses(now, nil) })
		w.c.logs("parsed INFORMATIONAL request 1 [ N(NO_ADD_ADDR) ]")
		w.lost(0)
	})
	t.Run("charon initiates/our address vanishes, charon moves to our other one", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{
			network: bothGatewayAddresses, charon: func(c *connection) { c.lines = "dpd_delay = 1s" },
			ours: func(o *ikev2.Options) { o.AdditionalAddresses = []netip.Addr{addr(gwAddr2)} },
		})
		before := w.c.sa()
		w.n.in(w.n.gw, "ip addr del "+gwAddr+"/24 dev b0")
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.LocalAddressGone(now, addr(gwAddr)) })
		w.arrived(ueAddr1, gwAddr2)
		w.survived(before)
		w.lost(20 * lostPerMove)
	})
	t.Run("charon initiates/without any address for two seconds", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{charon: func(c *connection) { c.daemon = "retransmit_tries = 10" }})
		before := w.c.sa()
		w.n.loseFirst()
		eventually(t, "two seconds of silence", func() bool { return time.Since(w.e.stats().LastInbound) > 2*time.Second })
		w.n.second()
		w.arrived(ueAddr2, gwAddr)
		w.survived(before)
		w.lost(12 * lostPerMove)
	})
	t.Run("we initiate/without any address for two seconds", func(t *testing.T) {
		w := connect(t, weInitiate, setup{})
		before := w.c.sa()
		w.n.loseFirst()
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.LocalAddressGone(now, addr(ueAddr1)) })
		eventually(t, "two seconds of silence", func() bool { return time.Since(w.e.stats().LastInbound) > 2*time.Second })
		w.n.second()
		w.move(ueAddr2, gwAddr)
		w.arrived(ueAddr2, gwAddr)
		w.survived(before)
		w.lost(6 * lostPerMove)
	})
	bothRoles(t, "everything on port 4500 from the first message, port 500 is blocked", func(t *testing.T, r role) {
		w := connect(t, r, setup{
			network: func(n *network) { n.blocked("udp dport 500") },
			charon: func(c *connection) {
				if r == charonInitiates {
					c.lines = "local_port = 4500; remote_port = 4500"
				}
			},
			start: natt(ueAddr1, gwAddr),
		})
		require.Zero(t, w.e.came(func(a arrival) bool { return !a.path.NATT }))
		w.agree()
		w.lost(0)
	})
}
