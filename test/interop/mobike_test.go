// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// lostPerMove bounds what a move may cost. charon waits 100 ms before it looks at its changed addresses. And charon 5.9.8
// drops a response that has the message ID of a request which it is working on ("ignoring request with ID n, already
// processing"), or the other way round: our answer to the rekey that it sends before it has answered our update, or our
// COOKIE2 beside its update. The repetition comes after 250 or 300 ms.
const lostPerMove = 150

// natt is a path on the NAT-traversal ports.
func natt(local, remote string) ikev2.Path {
	return ikev2.Path{Local: netip.AddrPortFrom(addr(local), 4500), Remote: netip.AddrPortFrom(addr(remote), 4500), NATT: true}
}

// arrived waits until the UE is at an address, by our view and by charon's, and pings flow through there.
func (w *world) arrived(ue, gw string) {
	w.t.Helper()
	at := natt(ue, gw)
	if w.role == charonInitiates {
		at = natt(gw, ue)
	}
	eventually(w.t, "our child SAs are at "+at.String(), func() bool {
		return ikev2.Path(w.e.stats().Path) == at
	})
	local, remote := gw+"[4500]", ue+"[4500]"
	if w.role == charonInitiates {
		local, remote = remote, local
	}
	eventually(w.t, "charon's IKE SA is at "+at.String(), func() bool {
		sa := w.c.sa()
		return sa.local == local && sa.remote == remote
	})
	w.agree()
	w.flows("at " + at.String())
}

// move moves our initiator.
func (w *world) move(ue, gw string) {
	w.t.Helper()
	to := natt(ue, gw)
	before := len(got[ikev2.MoveDone](w.e))
	w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.Move(now, to) })
	eventually(w.t, "charon accepts the update", func() bool {
		done := got[ikev2.MoveDone](w.e)
		return len(done) > before && done[len(done)-1].Path == to
	})
}

// survived checks that the move cost neither the IKE SA nor an authentication; nor, with the kernel's ESP of charon, a rekey of
// the child.
func (w *world) survived(before charonSA) {
	w.t.Helper()
	if *charonESP == inKernel {
		now := w.c.sa()
		require.Equal(w.t, len(before.children), len(now.children))
		for i, c := range now.children {
			require.Equal(w.t, [2]string{before.children[i].in, before.children[i].out}, [2]string{c.in, c.out}, "the child moved as it was")
		}
	}
	require.Equal(w.t, before.initiatorSPI, w.c.sa().initiatorSPI, "the same IKE SA")
	require.Len(w.t, got[ikev2.Established](w.e), 1)
	require.Empty(w.t, got[ikev2.Closed](w.e))
	require.Equal(w.t, 1, strings.Count(w.c.log(), "IKE_SA n3[1] state change: CONNECTING => ESTABLISHED"))
}

func TestMOBIKE(t *testing.T) {
	bothRoles(t, "an address is added, the first is removed", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		before, first := w.c.sa(), w.children()[0]
		w.n.second()
		w.n.loseFirst()
		if r == weInitiate {
			w.move(ueAddr2, gwAddr)
		}
		w.arrived(ueAddr2, gwAddr)
		w.survived(before)
		if *charonESP == inUser {
			// charon's user-space ESP cannot move an SA, so charon rekeys the child after each update; as responder even
			// before it answers the update.
			require.NotEqual(t, first.InboundSPI, w.children()[0].InboundSPI)
		}
		if r == charonInitiates {
			wait[ikev2.RoutabilityProven](w.e, "charon answered our COOKIE2", nil)
			wait[ikev2.RoutabilityAnswered](w.e, "we answered charon's COOKIE2", nil)
		}
		w.lost(lostPerMove)
	})
	bothRoles(t, "mobike-virtual-ip: the interface goes down", func(t *testing.T, r role) {
		w := connect(t, r, setup{network: func(n *network) { n.second() }})
		before := w.c.sa()
		w.n.in(w.n.ue, "ip link set a0 down")
		if r == weInitiate {
			w.move(ueAddr2, gwAddr)
		}
		w.arrived(ueAddr2, gwAddr)
		w.survived(before)
		w.lost(lostPerMove)
	})
	bothRoles(t, "mobike-virtual-ip-nat: behind a NAT and back", func(t *testing.T, r role) {
		w := connect(t, r, setup{network: func(n *network) { n.nat(20000, "192.168.2.0/24") }})
		before := w.c.sa()
		w.n.second()
		w.n.loseFirst()
		if r == weInitiate {
			w.move(ueAddr2, gwAddr)
			require.True(t, w.e.session().NAT().BehindNAT)
			require.True(t, w.charonSees(20000))
		} else {
			eventually(t, "charon is behind the NAT", func() bool { return mapped(w.e.stats().Path.Remote, 20000) })
			wait[ikev2.RoutabilityProven](w.e, "charon answered our COOKIE2", nil)
			require.True(t, w.e.session().NAT().PeerBehindNAT)
		}
		w.agree()
		w.flows("behind the NAT")
		w.n.first()
		w.n.loseSecond()
		if r == weInitiate {
			w.move(ueAddr1, gwAddr)
		}
		w.arrived(ueAddr1, gwAddr)
		w.survived(before)
		w.lost(2 * lostPerMove)
	})
	bothRoles(t, "IPv4 to IPv6 and back", func(t *testing.T, r role) {
		needESPInUDPOverIPv6(t)
		w := connect(t, r, setup{ours: func(o *ikev2.Options) {
			if r == charonInitiates {
				o.AdditionalAddresses = []netip.Addr{addr(gwAddr6)}
			}
		}})
		before := w.c.sa()
		if r == weInitiate {
			require.Contains(t, w.e.session().PeerAddresses(), addr(gwAddr6), "charon announces its IPv6 address")
		}
		w.n.second6()
		w.n.loseFirst()
		if r == weInitiate {
			w.move(ueAddr6, gwAddr6)
		}
		w.arrived(ueAddr6, gwAddr6)
		w.n.first()
		w.n.in(w.n.ue, "ip addr del "+ueAddr6+"/64 dev a1")
		if r == weInitiate {
			w.move(ueAddr1, gwAddr)
		}
		w.arrived(ueAddr1, gwAddr)
		w.survived(before)
		w.lost(2 * lostPerMove)
	})
	bothRoles(t, "ten moves to and fro", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		before := w.c.sa()
		for range 5 {
			w.n.second()
			w.n.loseFirst()
			if r == weInitiate {
				w.move(ueAddr2, gwAddr)
			}
			w.arrived(ueAddr2, gwAddr)
			w.n.first()
			w.n.loseSecond()
			if r == weInitiate {
				w.move(ueAddr1, gwAddr)
			}
			w.arrived(ueAddr1, gwAddr)
		}
		w.survived(before)
		w.lost(10 * lostPerMove)
	})
	bothRoles(t, "after a rekey of the IKE SA by charon", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		w.c.must("--rekey", "--ike", "n3")
		wait[ikev2.SPIForgotten](w.e, "the rekey", nil)
		before := w.agree()
		w.n.second()
		w.n.loseFirst()
		if r == weInitiate {
			w.move(ueAddr2, gwAddr)
		}
		w.arrived(ueAddr2, gwAddr)
		require.Equal(t, before.initiatorSPI, w.c.sa().initiatorSPI)
		w.lost(lostPerMove)
	})
	t.Run("charon initiates/routability after the move, with a cap until the proof", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{ours: func(o *ikev2.Options) { o.Routability = ikev2.RoutabilityAfter }})
		w.n.second()
		w.n.loseFirst()
		require.True(t, wait[ikev2.ChildrenMoved](w.e, "the move", nil).Unproven)
		w.arrived(ueAddr2, gwAddr)
		w.lost(lostPerMove)
	})
	t.Run("charon initiates/a further address is announced and withdrawn", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{})
		w.n.second()
		wait(w.e, "two addresses", func(p ikev2.PeerAddresses) bool {
			return len(p.Addresses) == 2 && p.Addresses[0] == addr(ueAddr1) && p.Addresses[1] == addr(ueAddr2)
		})
		w.n.loseSecond()
		wait(w.e, "one address", func(p ikev2.PeerAddresses) bool { return len(p.Addresses) == 1 })
		w.lost(0)
	})
	t.Run("charon initiates/we refuse the new network, the UE stays reachable where it was", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{ours: func(o *ikev2.Options) {
			o.AcceptPath = func(_ *ikev2.Session, p ikev2.Path) error {
				if netip.MustParsePrefix("192.168.2.0/24").Contains(p.Remote.Addr()) {
					return &ikev2.NotifyError{Type: message.UNACCEPTABLE_ADDRESSES}
				}
				return nil
			}
		}})
		w.n.second()
		w.n.loseFirst()
		wait[ikev2.MoveRejected](w.e, "the refusal", nil)
		require.Equal(t, ueAddr1, w.e.stats().Path.Remote.Addr().String())
		w.n.first()
		w.n.loseSecond()
		w.arrived(ueAddr1, gwAddr)
		w.lost(10 * lostPerMove)
	})
	t.Run("charon initiates/without MOBIKE, the UE connects anew", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{
			charon: func(c *connection) { c.lines, c.child = "dpd_delay = 1s", "dpd_action = restart; close_action = start" },
			ours:   func(o *ikev2.Options) { o.NoMOBIKE = true },
		})
		first := w.e.session()
		w.n.second()
		w.n.loseFirst()
		eventually(t, "a new session", func() bool { return w.e.session() != first && len(got[ikev2.ChildUp](w.e)) == 2 })
		w.arrivedAnew(ueAddr2)
		w.lost(10 * lostPerMove)
	})
	t.Run("we initiate/charon announces a further address and withdraws it", func(t *testing.T) {
		w := connect(t, weInitiate, setup{})
		w.n.in(w.n.gw, "ip addr add "+gwAddr2+"/24 dev b1")
		wait(w.e, "its new list", func(p ikev2.PeerAddresses) bool { return contains(p.Addresses, gwAddr2) })
		w.n.in(w.n.gw, "ip addr del "+gwAddr2+"/24 dev b1")
		eventually(t, "its old list again", func() bool {
			all := got[ikev2.PeerAddresses](w.e)
			return len(all) >= 2 && !contains(all[len(all)-1].Addresses, gwAddr2)
		})
		w.lost(0)
	})
	t.Run("we initiate/charon's address moves to another of its links", func(t *testing.T) {
		w := connect(t, weInitiate, setup{})
		before := w.c.sa()
		w.n.in(w.n.gw, "ip addr add "+gwAddr2+"/24 dev b1; ip route add 192.168.0.0/16 via 10.101.0.254 dev b1")
		wait(w.e, "its new list", func(p ikev2.PeerAddresses) bool { return contains(p.Addresses, gwAddr2) })
		w.n.in(w.n.gw, "ip addr del "+gwAddr+"/24 dev b0")
		w.move(ueAddr1, gwAddr2)
		w.arrived(ueAddr1, gwAddr2)
		w.survived(before)
		w.lost(2 * lostPerMove)
	})
}

func contains(list []netip.Addr, a string) bool {
	for _, other := range list {
		if other == addr(a) {
			return true
		}
	}
	return false
}

// arrivedAnew is arrived for a UE that has a new IKE SA.
func (w *world) arrivedAnew(ue string) {
	w.t.Helper()
	eventually(w.t, "charon's IKE SA", func() bool {
		for _, sa := range w.c.sas() {
			if sa.local == ue+"[4500]" && sa.state == "ESTABLISHED" {
				return true
			}
		}
		return false
	})
	w.flows("through the new session")
}

// strongSwan's scenario mobike has no virtual IP: the selector of the Child SA is the UE's outer address, and charon gives
// it the new address when it moves. RFC 4555 leaves selectors as they are. charon's user-space ESP rekeys the child after
// each move anyway, to the new selector, which our policy allows. With the kernel's ESP it says nothing: whoever wants such
// peers to go on has to take each for the host that it is.
func TestMOBIKEHostSelector(t *testing.T) {
	t.Run("charon initiates/mobike: the selector is the UE's address, the interface goes down", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{
			silent: true, network: func(n *network) { n.second() }, hosts: *charonESP == inKernel,
			charon: func(c *connection) { c.inner = "" },
			ours: func(o *ikev2.Options) {
				o.AcceptSelectors = func(s *ikev2.Session, _ *ikev2.ChildSA, offer *ikev2.ChildOffer) (ikev2.ChildAnswer, error) {
					if !slices.Equal(offer.RemoteTS, []message.TrafficSelector{message.AddrSelector(0, s.Path().Remote.Addr())}) {
						return ikev2.ChildAnswer{}, &ikev2.NotifyError{Type: message.TS_UNACCEPTABLE}
					}
					return ikev2.ChildAnswer{LocalTS: []message.TrafficSelector{behind}}, nil
				}
			},
			on: func(e *edge, s *ikev2.Session, ev ikev2.Event) bool {
				if _, ok := ev.(ikev2.AuthRequest); ok {
					e.take(s, s.AuthorizeChild(time.Now(), ikev2.Authorization{LocalTS: []message.TrafficSelector{behind}, Tag: &tunnel{}}))
					return true
				}
				return false
			},
		})
		before, first := w.c.sa(), w.children()[0]
		w.pings(addr(behindGW), addr(ueAddr1))
		w.n.in(w.n.ue, "ip link set a0 down")
		eventually(t, "charon moves", func() bool { return w.e.stats().Path.Remote.Addr() == addr(ueAddr2) })
		w.end()
		if *charonESP == inKernel {
			require.Equal(t, first.InboundSPI, w.children()[0].InboundSPI, "no rekey")
		} else {
			eventually(t, "the new selector", func() bool { return w.children()[0].RemoteTS[0].Start == addr(ueAddr2) })
		}
		w.agree()
		w.pings(addr(behindGW), addr(ueAddr2))
		w.survived(before)
		w.lost(lostPerMove)
	})
}
