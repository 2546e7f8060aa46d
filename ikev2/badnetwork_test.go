// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// Two sessions on a network that loses, doubles and reorders, each doing all it can: at the end both agree on
// everything.
func TestBadNetwork(t *testing.T) {
	for seed := int64(1); seed <= 40; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t, seed)
			w.loss, w.dup = 0.25, 0.2
			w.delay = func() time.Duration { return time.Duration(5+w.rng.Intn(400)) * time.Millisecond }
			w.workDelay = 2 * time.Millisecond
			g := pskOptions(w.rng, "gw")
			g.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{Tag: "ue's"}, nil }
			g.Routability = Routability(seed % 3)
			o := pskOptions(w.rng, "ue")
			o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{Tag: "gw's"}, nil }
			if seed%2 == 0 {
				o.ESP = suite.WithGroups(o.ESP, suite.CURVE25519)
				g.ESP = suite.WithGroups(g.ESP, suite.CURVE25519, suite.GroupNone)
			}
			// A lost response can leave half-open sessions behind at the gateway, so several can exist.
			w.serve(g, authorizeAll)
			ue := w.dial(o, wantChild(), nil)
			var gw *node
			w.run(2*time.Minute, func() bool {
				for _, n := range w.gw.nodes {
					if n.s.Established() && ue.s.Established() {
						gw = n
						return true
					}
				}
				return false
			})
			require.NotNil(t, gw, "seed %d: %v", seed, ue.events)
			paths := []Path{uePath(ueAddr, 4500), uePath(ueAddr2, 4500), uePath(ueAddr2, 6000), uePath(ueAddr6, 4500)}
			made := 0
			for i := range 40 {
				switch w.rng.Intn(6) {
				case 0:
					gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: i}))
					made++
				case 1:
					ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: i}))
					made++
				case 2:
					ue.take(ue.s.Move(w.now, paths[w.rng.Intn(len(paths))]))
				case 3:
					ue.take(ue.s.Probe(w.now))
				case 4:
					gw.take(gw.s.Probe(w.now))
				case 5:
					if c := gw.s.Children(); len(c) > 1 {
						n := []*node{ue, gw}[w.rng.Intn(2)]
						c := n.s.Children()
						if len(c) > 0 {
							n.take(n.s.DeleteChild(w.now, c[0].InboundSPI))
						}
					}
				}
				w.run(time.Duration(w.rng.Intn(3000))*time.Millisecond, nil)
				require.False(t, ue.s.Closed() || gw.s.Closed(), "seed %d: %v %v", seed, got[Closed](ue), got[Closed](gw))
			}
			w.loss = 0
			w.run(6*time.Minute, nil)
			require.False(t, ue.s.Closed() || gw.s.Closed())
			sameKeys(t, ue.s, gw.s)
			require.Equal(t, ue.s.Path(), reverse(gw.s.Path()), "seed %d", seed)
			require.Equal(t, ue.s.ChildPath(), reverse(gw.s.ChildPath()), "seed %d", seed)
			require.Equal(t, made, len(got[ChildUp](ue))-1, "seed %d: %v %v", seed, got[ChildFailed](ue), got[ChildFailed](gw))
			require.Empty(t, ue.s.reserved)
			require.Empty(t, gw.s.reserved)
			gw.take(gw.s.Delete(w.now))
			w.run(time.Minute, nil)
			require.True(t, ue.s.Closed() && gw.s.Closed())
		})
	}
}
