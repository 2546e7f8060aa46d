// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// roles runs a test with the UE and with the gateway as the one that starts.
func roles(t *testing.T, test func(t *testing.T, pick func(ue, gw *node) (we, peer *node))) {
	t.Run("as the original initiator", func(t *testing.T) {
		test(t, func(ue, gw *node) (*node, *node) { return ue, gw })
	})
	t.Run("as the original responder", func(t *testing.T) {
		test(t, func(ue, gw *node) (*node, *node) { return gw, ue })
	})
}

// sentOn are the inbound SPIs of the pairs that n's owner sends on, as its events say.
func sentOn(n *node) map[uint32]bool {
	tag := map[any]uint32{}
	for _, e := range n.events {
		switch e := e.(type) {
		case ChildUp:
			if e.Replaces == 0 {
				tag[e.Child.Tag] = e.Child.InboundSPI
			}
		case ChildSwitched:
			tag[e.Child.Tag] = e.Child.InboundSPI
		case ChildDown:
			if tag[e.Child.Tag] == e.Child.InboundSPI {
				delete(tag, e.Child.Tag)
			}
		}
	}
	on := map[uint32]bool{}
	for _, spi := range tag {
		on[spi] = true
	}
	return on
}

// Each rekey of a Child SA installs the new pair, switches to it and removes the old one, in this order at either side:
// whoever sends on a pair sends to one that can receive.
func TestRekeyChild(t *testing.T) {
	for name, groups := range map[string][]suite.GroupID{"no PFS": nil, "PFS": {suite.CURVE25519}, "other group": {suite.CURVE25519, suite.ECP_256}} {
		t.Run(name, func(t *testing.T) {
			roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
				w := newWorld(t, 80)
				o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
				if groups != nil {
					// Each side's first group is not the other's, so that the first try needs another (INVALID_KE_PAYLOAD).
					o.ESP, g.ESP = suite.WithGroups(o.ESP, groups...), suite.WithGroups(g.ESP, groups[len(groups)-1])
				}
				ue, gw := w.up(o, g)
				we, peer := pick(ue, gw)
				for range 3 {
					ours, theirs := we.s.Children()[0], peer.s.Children()[0]
					we.events, peer.events = nil, nil
					we.take(we.s.RekeyChild(w.now, ours.InboundSPI))
					we.take(we.s.RekeyChild(w.now, ours.InboundSPI)) // one is enough
					w.run(10*time.Second, nil)
					require.Len(t, we.s.Children(), 1)
					sameKeys(t, ue.s, gw.s)
					fresh, other := we.s.Children()[0], peer.s.Children()[0]
					require.NotEqual(t, ours.InboundSPI, fresh.InboundSPI)
					require.NotEqual(t, ours.InboundKeys, fresh.InboundKeys)
					require.Equal(t, []Event{
						ChildUp{Child: fresh, Replaces: ours.InboundSPI, Notifies: got[ChildUp](we)[0].Notifies}, ChildSwitched{Child: fresh},
						ChildDown{Child: ours, Superseded: true},
					}, we.events)
					require.Equal(t, []Event{
						ChildUp{Child: other, Replaces: theirs.InboundSPI, Notifies: got[ChildUp](peer)[0].Notifies}, ChildSwitched{Child: other},
						ChildDown{Child: theirs, ByPeer: true, Superseded: true},
					}, peer.events)
					require.Equal(t, ours.Tag, fresh.Tag)
					require.Equal(t, theirs.Tag, other.Tag)
					require.Equal(t, ours.LocalTS, fresh.LocalTS)
					require.Equal(t, ours.Suite.Encr, fresh.Suite.Encr)
					if groups != nil {
						require.Equal(t, groups[len(groups)-1], fresh.Suite.Group)
					}
					require.Empty(t, we.s.reserved)
					require.Empty(t, peer.s.reserved)
				}
			})
		})
	}
}

// A rekey of the IKE SA keeps everything but SPIs, keys, message IDs and the window; it does not make the original
// responder an original initiator.
func TestRekeyIKE(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		w := newWorld(t, 81)
		ue, gw, _ := moved(w, RoutabilityBefore, func(o, g *Options) {
			o.AdditionalAddresses = append(o.AdditionalAddresses, ueAddr6)
		})
		we, peer := pick(ue, gw)
		ue.s.sa.window, gw.s.sa.window = 4, 4
		child, addresses, path, nat := gw.s.Children()[0], gw.s.PeerAddresses(), gw.s.Path(), gw.s.NAT()
		require.Len(t, addresses, 2)
		for range 3 {
			oldWe, oldPeer := we.s.SPI(), peer.s.SPI()
			we.events, peer.events = nil, nil
			we.take(we.s.RekeyIKE(w.now))
			we.take(we.s.RekeyIKE(w.now)) // one is enough
			w.run(time.Minute, nil)
			require.Equal(t, []Event{SPIChanged{Old: oldWe, New: we.s.SPI()}, SPIForgotten{SPI: oldWe}}, we.events)
			require.Equal(t, []Event{SPIChanged{Old: oldPeer, New: peer.s.SPI()}, SPIForgotten{SPI: oldPeer}}, peer.events)
			i, r := we.s.SPIs()
			require.Equal(t, we.s.SPI(), i, "who rekeys is the initiator of the new one")
			require.Equal(t, peer.s.SPI(), r)
			require.Equal(t, we.s.sa.keys, peer.s.sa.keys)
			require.Equal(t, 1, we.s.sa.window)
			require.Equal(t, 1, peer.s.sa.window)
			require.True(t, ue.s.OriginalInitiator())
			require.False(t, gw.s.OriginalInitiator())
			require.True(t, gw.s.MOBIKE())
			require.Equal(t, addresses, gw.s.PeerAddresses())
			require.Equal(t, path, gw.s.Path())
			require.Equal(t, nat, gw.s.NAT())
			require.Equal(t, []*ChildSA{child}, gw.s.Children())
		}
		// The UE still moves, and only the UE.
		log := watch(w, ue.s)
		gw.take(gw.s.Move(w.now, reverse(uePath(ueAddr2, 4500))))
		w.run(time.Second, nil)
		require.Empty(t, *log)
		ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
		w.run(time.Second, nil)
		require.EqualValues(t, 0, (*log)[0].h.MessageID)
		require.Equal(t, reverse(uePath(ueAddr2, 4500)), gw.s.ChildPath())
		// Child SAs get their keys from the new one.
		gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
		ue.take(ue.s.RekeyChild(w.now, ue.s.Children()[0].InboundSPI))
		w.run(time.Second, nil)
		require.Len(t, gw.s.Children(), 2)
		sameKeys(t, ue.s, gw.s)
	})
}

// The old group is not what policy wants any more: another one is asked for and taken.
func TestRekeyIKEWithAnotherGroup(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		w := newWorld(t, 82)
		ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
		we, peer := pick(ue, gw)
		only := suite.IKE{Encr: we.s.sa.suite.Encr, PRF: we.s.sa.suite.PRF, Integ: we.s.sa.suite.Integ, Group: suite.ECP_384}
		peer.s.opt.IKE = append(peer.s.opt.IKE[:0:0], only.Proposal(1, nil))
		require.NotEqual(t, suite.ECP_384, we.s.sa.suite.Group)
		we.take(we.s.RekeyIKE(w.now))
		w.run(time.Second, nil)
		require.Len(t, got[SPIChanged](we), 1, fmt.Sprint(we.events))
		require.Equal(t, suite.ECP_384, we.s.sa.suite.Group)
		require.Equal(t, we.s.sa.keys, peer.s.sa.keys)
	})
}

// What waits for room goes on in the new IKE SA, and so does what the peer had no time for.
func TestQueueSurvivesRekey(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		w := newWorld(t, 83)
		ue, gw, _ := moved(w, RoutabilityBefore, nil)
		we, peer := pick(ue, gw)
		we.take(we.s.RekeyIKE(w.now))
		for i := range 3 {
			gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: i}))
		}
		w.run(time.Minute, nil)
		require.Empty(t, got[ChildFailed](gw))
		require.Len(t, gw.s.Children(), 4)
		sameKeys(t, ue.s, gw.s)
		require.Len(t, got[SPIChanged](we), 1)
		require.Len(t, got[SPIChanged](peer), 1)
		tags := []any{}
		for _, e := range got[ChildUp](gw)[1:] {
			tags = append(tags, e.Child.Tag)
		}
		require.ElementsMatch(t, []any{0, 1, 2}, tags)
	})
}
