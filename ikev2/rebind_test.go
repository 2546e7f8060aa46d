// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// What ESP from another port and from another address does under each policy, with and without MOBIKE: nothing, the
// Child SAs follow at once, or they follow when the UE has answered there.
func TestRebindPolicy(t *testing.T) {
	port, address := ap(ueAddr, 40000), ap(ueAddr2, 40000)
	const (
		stays  = "stays"
		atOnce = "at once"
		proven = "when proven"
	)
	for _, row := range []struct {
		policy        Rebinding
		port, address string
	}{
		{RebindOff, stays, stays},
		{RebindPort, atOnce, stays},
		{RebindRoutability, proven, proven},
		{RebindPortRoutability, atOnce, proven},
	} {
		for _, mobike := range []bool{true, false} {
			for to, want := range map[netip.AddrPort]string{port: row.port, address: row.address} {
				w := newWorld(t, 450)
				ue, gw, log := moved(w, RoutabilityBefore, func(_, g *Options) { g.Rebind, g.NoMOBIKE = row.policy, !mobike })
				first := gw.s.ChildPath()
				// The NAT's mapping is another one now.
				w.translate = func(fromUE bool, p Path) (Path, bool) {
					if fromUE {
						p.Local = to
						return p, true
					}
					p.Remote = ap(ueAddr, 4500)
					return p, true
				}
				path := first
				path.Remote = to
				gw.take(gw.s.Rebind(w.now, path))
				if want == atOnce {
					require.Equal(t, path, gw.s.ChildPath())
					require.Equal(t, path, gw.s.Path())
					require.Empty(t, *log)
					continue
				}
				require.Equal(t, first, gw.s.ChildPath())
				require.Equal(t, first, gw.s.Path())
				w.run(time.Second, nil)
				if want == stays {
					require.Equal(t, first, gw.s.ChildPath())
					require.Empty(t, *log)
					continue
				}
				require.Equal(t, path, gw.s.ChildPath())
				require.Equal(t, path, gw.s.Path())
				require.Equal(t, path, (*log)[0].path, "to the new path alone")
				require.Equal(t, mobike, (*log)[0].has(message.COOKIE2))
				require.Len(t, *log, 2)
				require.Len(t, got[RoutabilityProven](gw), 1)
				sameKeys(t, ue.s, gw.s)
			}
		}
	}
}

// A port that was followed without proof is proven with the UE's next update, although it is in use by then.
func TestFollowedPortIsProvenLater(t *testing.T) {
	w := newWorld(t, 455)
	ue, gw, log := moved(w, RoutabilityBefore, nil)
	path := gw.s.ChildPath()
	path.Remote = ap(ueAddr, 40000)
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			p.Local = path.Remote
		} else {
			p.Remote = ap(ueAddr, 4500)
		}
		return p, true
	}
	gw.take(gw.s.Rebind(w.now, path))
	require.Equal(t, path, gw.s.ChildPath())
	for _, want := range []int{4, 2} { // the second time it is proven
		*log = nil
		ue.take(ue.s.Move(w.now, ue.s.Path()))
		w.run(time.Second, nil)
		require.Len(t, *log, want)
	}
	require.Equal(t, []RoutabilityProven{{Path: path}}, got[RoutabilityProven](gw))
}

// Somebody forwards the UE's packets from elsewhere: the check goes there and no answer comes. Nothing moves, the window
// is free again through the true path, and the next check waits.
func TestRebindByAnAttacker(t *testing.T) {
	for _, mobike := range []bool{true, false} {
		w := newWorld(t, 451)
		_, gw, log := moved(w, RoutabilityBefore, func(_, g *Options) { g.Rebind, g.NoMOBIKE = RebindRoutability, !mobike })
		first := gw.s.ChildPath()
		thief := first
		thief.Remote = ap(ueAddr2, 4500)
		w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE || p.Remote.Addr() != ueAddr2 }
		sent := 0
		for range 60 { // a minute of forwarded packets
			gw.take(gw.s.Rebind(w.now, thief))
			w.run(time.Second, nil)
		}
		for _, m := range *log {
			if m.path == thief {
				sent++
			}
		}
		require.Equal(t, first, gw.s.ChildPath())
		require.Equal(t, first, gw.s.Path())
		require.Empty(t, got[ChildrenMoved](gw))
		require.NotEmpty(t, got[RoutabilityFailed](gw))
		require.LessOrEqual(t, sent, 8)
		require.Positive(t, sent)
		w.run(time.Minute, nil)
		require.Empty(t, gw.s.sa.outstanding, "answered on the true path at last")
		require.True(t, gw.s.Established())
		// The attacker answers for the UE, but has no keys: nothing happens; and what the UE answers to the copy that came on
		// the true path proves nothing about the other.
		require.Empty(t, got[RoutabilityProven](gw))
	}
}

// The UE's own update comes while the check is under way: it counts.
func TestRebindAndUpdate(t *testing.T) {
	w := newWorld(t, 452)
	ue, gw, _ := moved(w, RoutabilityBefore, func(_, g *Options) { g.Rebind = RebindRoutability })
	path := gw.s.ChildPath()
	path.Remote = ap(ueAddr2, 9999)
	gw.take(gw.s.Rebind(w.now, path))
	ue.take(ue.s.Move(w.now, uePath(ueAddr6, 4500)))
	w.run(5*time.Second, nil)
	require.Equal(t, reverse(uePath(ueAddr6, 4500)), gw.s.ChildPath())
	require.Equal(t, gw.s.ChildPath(), gw.s.Path())
	for _, m := range got[ChildrenMoved](gw) {
		require.NotEqual(t, path, m.Path)
	}
}

// Addresses that count as verified need no check; those that policy refuses get none.
func TestRebindPolicyHooks(t *testing.T) {
	w := newWorld(t, 453)
	_, gw, log := moved(w, RoutabilityBefore, func(_, g *Options) {
		g.Rebind = RebindRoutability
		g.RoutabilityExempt = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/28")}
		g.AcceptPath = func(_ *Session, p Path) error {
			if p.Remote.Addr() == netip.MustParseAddr("203.0.113.99") {
				return errors.New("not from there")
			}
			return nil
		}
	})
	path := gw.s.ChildPath()
	path.Remote = ap(netip.MustParseAddr("203.0.113.99"), 4500)
	gw.take(gw.s.Rebind(w.now, path))
	require.Len(t, got[MoveRejected](gw), 1)
	require.Empty(t, *log)
	path.Remote = ap(ueAddr2, 4500)
	gw.take(gw.s.Rebind(w.now, path))
	require.Equal(t, path, gw.s.ChildPath())
	require.Empty(t, *log)
}

// A UE that moves to and fro all the time is slowed down; an emergency call is not.
func TestMoveRateLimit(t *testing.T) {
	for _, emergency := range []bool{false, true} {
		w := newWorld(t, 454)
		ue, gw, _ := moved(w, RoutabilityOff, func(_, g *Options) { g.MovesPerMinute = 5 })
		if emergency {
			gw.s.LimitMoves(-1)
		}
		for i := range 8 {
			ue.take(ue.s.Move(w.now, uePath(ueAddr, uint16(5000+i))))
			w.run(time.Second, nil)
			ue.take(ue.s.Move(w.now, ue.s.Path())) // the same again is no move
			w.run(time.Second, nil)
		}
		if emergency {
			require.Empty(t, got[MoveRejected](gw))
			continue
		}
		require.Len(t, got[MoveDone](ue), 10)
		require.Equal(t, ErrMoveRate, got[MoveRejected](gw)[0].Err)
		require.EqualValues(t, 5004, gw.s.ChildPath().Remote.Port())
		w.run(time.Minute, nil)
		ue.take(ue.s.Move(w.now, uePath(ueAddr, 6000)))
		w.run(time.Second, nil)
		require.EqualValues(t, 6000, gw.s.ChildPath().Remote.Port())
	}
}

// A new port of a path that was not proven is not proven either: what may be sent there stays capped until it is.
func TestRebindOfAnUnprovenPath(t *testing.T) {
	w := newWorld(t, 453)
	g := pskOptions(w.rng, "gw")
	g.Routability = RoutabilityAfter
	ue, gw := w.up(pskOptions(w.rng, "ue"), g)
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(time.Second, nil)
	from, to := reverse(uePath(ueAddr2, 4500)), reverse(uePath(ueAddr2, 4600))
	require.Equal(t, from, gw.s.ChildPath())
	gw.take(gw.s.Rebind(w.now, to))
	moves := got[ChildrenMoved](gw)
	require.Equal(t, ChildrenMoved{Old: from, Path: to, Unproven: true}, moves[len(moves)-1])
	require.Empty(t, got[RoutabilityProven](gw))

	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			p.Local = ap(ueAddr2, 4600)
		} else {
			p.Remote = ap(ueAddr2, 4500)
		}
		return p, true
	}
	w.run(time.Minute, nil)
	require.Equal(t, []RoutabilityProven{{Path: to}}, got[RoutabilityProven](gw))
	require.Equal(t, to, gw.s.ChildPath())
}
