// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every pattern of loss of the first eight datagrams of a move: the update, its answer, the check, the answer to that,
// and their repetitions. It always ends on the new path, by no more messages than the losses ask for, and nothing goes
// there before the proof.
func TestMoveUnderEveryLoss(t *testing.T) {
	const watched = 8
	for _, policy := range []Routability{RoutabilityBefore, RoutabilityAfter, RoutabilityOff} {
		for pattern := range 1 << watched {
			w := newWorld(t, 480)
			ue, gw, log := moved(w, policy, nil)
			first, to := gw.s.Path(), uePath(ueAddr2, 4500)
			n, lost := 0, 0
			w.translate = func(_ bool, p Path) (Path, bool) {
				n++
				drop := n <= watched && pattern>>(n-1)&1 == 1
				if drop {
					lost++
				}
				return p, !drop
			}
			ue.take(ue.s.Move(w.now, to))
			for gw.s.ChildPath() == first {
				require.Less(t, w.now.Sub(epoch), 5*time.Minute, "pattern %08b", pattern)
				if policy == RoutabilityBefore {
					require.Empty(t, got[ChildrenMoved](gw))
				}
				w.run(10*time.Millisecond, nil)
			}
			w.run(5*time.Minute, func() bool {
				return len(ue.s.sa.outstanding) == 0 && len(gw.s.sa.outstanding) == 0 && len(got[MoveDone](ue)) > 0
			})
			name := fmt.Sprintf("policy %d pattern %08b", policy, pattern)
			require.Equal(t, reverse(to), gw.s.Path(), name)
			require.Equal(t, reverse(to), gw.s.ChildPath(), name)
			require.Len(t, got[MoveDone](ue), 1, name)
			require.Len(t, got[PathChanged](gw), 1, name)
			require.LessOrEqual(t, len(*log), 4+2*lost, name)
			if policy != RoutabilityOff {
				require.Len(t, got[RoutabilityProven](gw), 1, name)
			}
			sameKeys(t, ue.s, gw.s)
		}
	}
}

// Two moves in quick succession, and every order in which their datagrams can arrive: the session ends where the UE is.
func TestTwoMovesInEveryOrder(t *testing.T) {
	for seed := int64(1); seed <= 200; seed++ {
		w := newWorld(t, 5000+seed)
		window := 1 + w.rng.Intn(4)
		ue, gw, _ := moved(w, Routability(seed%3), windows(window, window))
		w.delay = func() time.Duration { return time.Duration(1+w.rng.Intn(3000)) * time.Millisecond }
		w.dup = 0.3
		ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
		w.run(time.Duration(w.rng.Intn(50))*time.Millisecond, nil)
		last := []Path{uePath(ueAddr6, 4500), uePath(ueAddr, 4500), uePath(ueAddr2, 4501)}[w.rng.Intn(3)]
		ue.take(ue.s.Move(w.now, last))
		w.run(3*time.Minute, nil)
		require.Equal(t, reverse(last), gw.s.Path(), "seed %d", seed)
		require.Equal(t, reverse(last), gw.s.ChildPath(), "seed %d", seed)
		done := got[MoveDone](ue)
		require.Equal(t, last, done[len(done)-1].Path, "seed %d", seed)
		require.Empty(t, ue.s.sa.outstanding, "seed %d", seed)
	}
}

// Moves, lists, path tests, rebindings, rekeys and moves that the gateway asks for, all at once on a bad network.
func TestMobilityOnABadNetwork(t *testing.T) {
	for seed := int64(1); seed <= 40; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t, 6000+seed)
			ue, gw, _ := moved(w, Routability(seed%3), func(o, g *Options) {
				bothSwitch(o, g)
				windows(1+int(seed%4), 1+int(seed%3))(o, g)
				o.TestPathsAfter = int(seed % 4)
				o.AdditionalAddresses = []netip.Addr{ueAddr, ueAddr2, ueAddr6}
				g.Rebind = Rebinding(seed % 4)
				g.AcceptChild = o.AcceptChild
			})
			w.loss, w.dup = 0.2, 0.2
			w.delay = func() time.Duration { return time.Duration(5+w.rng.Intn(400)) * time.Millisecond }
			w.workDelay = 2 * time.Millisecond
			locals := []netip.Addr{ueAddr, ueAddr2}
			remotes := []netip.Addr{gwAddr, gwAddr2}
			for range 40 {
				switch w.rng.Intn(9) {
				case 0, 1:
					ue.take(ue.s.Move(w.now, fromTo(locals[w.rng.Intn(2)], remotes[w.rng.Intn(2)])))
				case 2:
					ue.take(ue.s.Move(w.now, fromTo(ueAddr6, gwAddr6)))
				case 3:
					ue.take(ue.s.TestPaths(w.now, nil))
				case 4:
					gw.take(gw.s.SetAddresses(w.now, []netip.Addr{gwAddr, gwAddr2, gwAddr6}))
				case 5:
					ue.take(ue.s.SetAddresses(w.now, []netip.Addr{ueAddr, ueAddr2, ueAddr6}))
				case 6:
					gw.take(gw.s.SwitchTo(w.now, ap(remotes[w.rng.Intn(2)], 4500)))
				case 7:
					n := []*node{ue, gw}[w.rng.Intn(2)]
					n.take(n.s.RekeyIKE(w.now))
				case 8:
					n := []*node{ue, gw}[w.rng.Intn(2)]
					n.take(n.s.RekeyChild(w.now, n.s.Children()[0].InboundSPI))
				}
				w.run(time.Duration(w.rng.Intn(3000))*time.Millisecond, nil)
				require.False(t, ue.s.Closed() || gw.s.Closed(), "%v %v", got[Closed](ue), got[Closed](gw))
			}
			w.loss = 0
			w.run(6*time.Minute, nil)
			require.False(t, ue.s.Closed() || gw.s.Closed())
			sameKeys(t, ue.s, gw.s)
			require.Equal(t, ue.s.sa.keys, gw.s.sa.keys)
			require.Equal(t, ue.s.Path(), reverse(gw.s.Path()))
			require.Equal(t, ue.s.ChildPath(), reverse(gw.s.ChildPath()))
			require.Empty(t, ue.s.sa.outstanding)
			require.Empty(t, gw.s.sa.outstanding)
			require.Nil(t, ue.s.test)
			require.Equal(t, switchIdle, gw.s.switching.phase)
			switches := got[SwitchDone](gw)
			for i := range switches {
				require.NotEqual(t, SwitchUnsupported, switches[i].Outcome, "%v", switches)
			}
		})
	}
}
