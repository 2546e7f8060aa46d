// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

var gwAddr2 = netip.MustParseAddr("192.0.2.200")

func fromTo(local, remote netip.Addr) Path {
	return Path{Local: ap(local, 4500), Remote: ap(remote, 4500), NATT: true}
}

// dead drops what passes between an UE address and a gateway address of the given pairs, as the UE sees them.
func dead(w *world, pairs ...Path) {
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if !fromUE {
			return p, !slices.Contains(pairs, reverse(p))
		}
		return p, !slices.Contains(pairs, p)
	}
}

// multihomed brings up a UE and a gateway with two addresses of IPv4 and one of IPv6 each.
func multihomed(w *world, change func(ue, gw *Options)) (ue, gw *node, log *[]sent) {
	return moved(w, RoutabilityBefore, func(o, g *Options) {
		o.AdditionalAddresses = []netip.Addr{ueAddr, ueAddr2, ueAddr6}
		g.AdditionalAddresses = []netip.Addr{gwAddr, gwAddr2, gwAddr6}
		if change != nil {
			change(o, g)
		}
	})
}

var allPairs = []Path{
	fromTo(ueAddr, gwAddr), fromTo(ueAddr, gwAddr2), fromTo(ueAddr2, gwAddr), fromTo(ueAddr2, gwAddr2), fromTo(ueAddr6, gwAddr6),
}

// Every pair of addresses in turn is the only one that works: one request with one message ID finds it; nothing moves
// before the owner says so.
func TestPathTest(t *testing.T) {
	for i, works := range allPairs {
		w := newWorld(t, 410+int64(i))
		ue, gw, log := multihomed(w, nil)
		first := gw.s.Path()
		dead(w, slices.DeleteFunc(slices.Clone(allPairs), func(p Path) bool { return p == works })...)
		ue.take(ue.s.TestPaths(w.now, nil))
		w.run(time.Second, nil)
		require.Equal(t, []PathTested{{Path: works, Tested: allPairs}}, got[PathTested](ue))
		var answers []Path
		for _, m := range *log {
			require.Equal(t, (*log)[0].h.MessageID, m.h.MessageID, "one request, a window of 1")
			if !m.fromUE {
				answers = append(answers, m.path)
			}
		}
		require.Len(t, *log, len(allPairs)+1)
		require.Equal(t, []Path{reverse(works)}, answers)
		require.Equal(t, first, gw.s.Path(), "a probe moves nothing")
		require.Equal(t, allPairs[0], ue.s.Path())
		ue.take(ue.s.Move(w.now, works))
		w.run(time.Second, nil)
		require.Equal(t, reverse(works), gw.s.ChildPath())
	}
}

// All pairs work: each copy is answered to its own source from the address that it was sent to, and the first counts.
func TestPathTestIsAnsweredEverywhere(t *testing.T) {
	w := newWorld(t, 416)
	ue, gw, log := multihomed(w, nil)
	ue.take(ue.s.TestPaths(w.now, nil))
	w.run(time.Second, nil)
	require.Len(t, got[PathTested](ue), 1)
	var asked, answered []Path
	for _, m := range *log {
		if m.fromUE {
			asked = append(asked, m.path)
		} else {
			answered = append(answered, reverse(m.path))
		}
	}
	require.ElementsMatch(t, allPairs, asked)
	require.Equal(t, asked, answered)
	require.Empty(t, got[PathChanged](gw))
}

// None works: the effort is bounded, and the session lives on.
func TestPathTestInVain(t *testing.T) {
	w := newWorld(t, 417)
	ue, _, log := multihomed(w, nil)
	many := make([]Path, 100)
	for i := range many {
		many[i] = Path{Local: ap(ueAddr, uint16(5000+i)), Remote: ap(gwAddr, 4500), NATT: true}
	}
	dead(w, many...)
	ue.take(ue.s.TestPaths(w.now, many))
	w.run(30*time.Second, func() bool { return len(got[PathTested](ue)) > 0 })
	require.Equal(t, []PathTested{{Tested: many[:maxPairs]}}, got[PathTested](ue))
	require.LessOrEqual(t, len(*log), maxPairs*(testRounds+1))
	require.True(t, ue.s.Established())
	w.run(time.Minute, nil)
	require.Empty(t, ue.s.sa.outstanding, "answered on the present path at last")
}

// The window of 1 is taken by another request: that is the probe, and it is answered once.
func TestPathTestWithRequestOutstanding(t *testing.T) {
	w := newWorld(t, 418)
	ue, gw, log := multihomed(w, func(_, g *Options) {
		g.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
	})
	dead(w, fromTo(ueAddr, gwAddr))
	ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(time.Second, nil)
	ue.take(ue.s.TestPaths(w.now, nil))
	w.run(time.Second, nil)
	require.Len(t, got[PathTested](ue), 1)
	require.NotEqual(t, fromTo(ueAddr, gwAddr), got[PathTested](ue)[0].Path)
	require.Len(t, gw.s.Children(), 2)
	for _, m := range *log {
		require.Equal(t, message.CREATE_CHILD_SA, m.h.Exchange)
	}
}

// An update is outstanding while paths are tested: its copies come from several sources, so the gateway may take any of
// them; in the end both sides agree.
func TestPathTestWithUpdateOutstanding(t *testing.T) {
	for _, works := range allPairs[1:] {
		w := newWorld(t, 419)
		ue, gw, _ := multihomed(w, func(o, _ *Options) { o.TestPathsAfter = 2 })
		dead(w, slices.DeleteFunc(slices.Clone(allPairs), func(p Path) bool { return p == works })...)
		ue.take(ue.s.Move(w.now, fromTo(ueAddr2, gwAddr)))
		w.run(time.Minute, nil)
		require.Equal(t, works, ue.s.Path())
		require.Equal(t, reverse(works), gw.s.Path())
		require.Equal(t, reverse(works), gw.s.ChildPath())
		require.Equal(t, works, got[MoveDone](ue)[0].Path)
	}
}

// The present path dies: an initiator that may do so finds another one and moves by itself, whatever was in flight.
func TestMovesByItself(t *testing.T) {
	for _, works := range allPairs[1:] {
		w := newWorld(t, 420)
		ue, gw, _ := multihomed(w, func(o, g *Options) {
			o.TestPathsAfter, o.Liveness = 3, 20*time.Second
			g.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
		})
		dead(w, slices.DeleteFunc(slices.Clone(allPairs), func(p Path) bool { return p == works })...)
		w.run(time.Minute, func() bool { return gw.s.ChildPath() == reverse(works) })
		require.Equal(t, reverse(works), gw.s.ChildPath())
		require.Equal(t, works, ue.s.ChildPath())
		w.run(10*time.Second, nil)
		sameKeys(t, ue.s, gw.s)
	}
	// Without leave, or without another pair, it goes on where it is.
	for _, change := range []func(o, g *Options){
		func(o, _ *Options) { o.Liveness = 20 * time.Second },
		func(o, g *Options) {
			o.Liveness, o.TestPathsAfter, o.AdditionalAddresses, g.AdditionalAddresses = 20*time.Second, 3, nil, nil
		},
	} {
		w := newWorld(t, 421)
		ue, _, _ := multihomed(w, change)
		dead(w, allPairs[0])
		w.run(2*time.Minute, nil)
		require.Equal(t, allPairs[0], ue.s.Path())
		require.Empty(t, got[PathTested](ue))
	}
}

// Both ends move in the same second: the UE's first address and the gateway's are gone. They meet on a pair of the
// others, because the UE knows the gateway's.
func TestBothEndsMove(t *testing.T) {
	for _, gwSaysSo := range []bool{true, false} {
		w := newWorld(t, 422)
		ue, gw, _ := multihomed(w, func(o, g *Options) {
			o.TestPathsAfter = 3
			o.AdditionalAddresses, g.AdditionalAddresses = nil, []netip.Addr{gwAddr2}
		})
		w.translate = func(_ bool, p Path) (Path, bool) {
			for _, a := range []netip.Addr{ueAddr, gwAddr} {
				if p.Local.Addr() == a || p.Remote.Addr() == a {
					return p, false
				}
			}
			return p, true
		}
		if gwSaysSo {
			gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
		}
		ue.take(ue.s.Move(w.now, fromTo(ueAddr2, gwAddr)))
		w.run(time.Minute, nil)
		want := fromTo(ueAddr2, gwAddr2)
		require.Equal(t, want, ue.s.ChildPath())
		require.Equal(t, reverse(want), gw.s.Path())
		require.Equal(t, reverse(want), gw.s.ChildPath())
		sameKeys(t, ue.s, gw.s)
	}
}

// The end of a session in the middle of a path test: the update that goes out on several paths, and so proves none, is
// not sent again and again in front of the Delete.
func TestDeleteDuringPathTest(t *testing.T) {
	w := newWorld(t, 415)
	g := pskOptions(w.rng, "gw")
	g.AdditionalAddresses = []netip.Addr{gwAddr, gwAddr2}
	ue, gw := w.up(pskOptions(w.rng, "ue"), g)
	sent := 0
	w.sniff = func(fromUE bool, _ Datagram) {
		if fromUE {
			sent++
		}
	}
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	ue.take(ue.s.TestPaths(w.now, nil))
	ue.take(ue.s.Delete(w.now))
	w.run(5*time.Second, nil)
	require.True(t, ue.s.Closed())
	require.True(t, gw.s.Closed())
	require.Less(t, sent, 10)
}
