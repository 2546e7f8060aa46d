// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

func bothSwitch(o, g *Options) {
	o.Switch, g.Switch = DefaultSwitch(), DefaultSwitch()
	g.AdditionalAddresses = []netip.Addr{gwAddr, gwAddr2, gwAddr6}
	o.AdditionalAddresses = []netip.Addr{ueAddr, ueAddr6}
}

// restrictedNAT is the UE's NAT: it lets in only those whom the UE has written to.
func restrictedNAT() func(fromUE bool, p Path) (Path, bool) {
	open := map[netip.Addr]bool{}
	return func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			open[p.Remote.Addr()] = true
			return p, true
		}
		return p, open[p.Local.Addr()]
	}
}

// The whole of a move that the responder asks for, behind a NAT that lets in only known peers: the request leaves from
// the old address, the answer comes to the new one, an ordinary update follows, and only that moves ESP.
func TestSwitchTo(t *testing.T) {
	for _, newAddr := range []netip.Addr{gwAddr2, gwAddr6} {
		w := newWorld(t, 460)
		w.translate = restrictedNAT()
		ue, gw, log := moved(w, RoutabilityBefore, bothSwitch)
		first, to := gw.s.Path(), ap(newAddr, 4500)
		require.True(t, gw.s.CanSwitch())
		gw.take(gw.s.SwitchTo(w.now, to))
		w.run(15*time.Millisecond, nil)
		require.Equal(t, first, gw.s.ChildPath())
		w.run(time.Second, nil)

		request, answer, update := (*log)[0], (*log)[1], (*log)[2]
		n := message.GetNotify(request.in, 60200)
		require.Equal(t, append(newAddr.AsSlice(), 0x11, 0x94), n.Data)
		require.Equal(t, first, request.path)
		require.True(t, answer.h.Response())
		require.Equal(t, to, answer.path.Remote)
		require.Equal(t, message.GetNotify(request.in, message.COOKIE2).Data, message.GetNotify(answer.in, message.COOKIE2).Data)
		require.True(t, update.has(message.UPDATE_SA_ADDRESSES))
		require.Equal(t, to, update.path.Remote)
		if newAddr.Is4() {
			require.Len(t, *log, 4, "the answer has proven the UE's address")
		} else {
			require.Len(t, *log, 6, "another address of the UE's, which must be proven")
		}
		require.Equal(t, []SwitchDone{{To: to, Outcome: Switched}}, got[SwitchDone](gw))
		require.Equal(t, to, gw.s.ChildPath().Local)
		require.Equal(t, reverse(gw.s.ChildPath()), ue.s.ChildPath())
		require.Len(t, got[SwitchFollowed](ue), 1)
		require.Len(t, got[MoveDone](ue), 1)
		require.Len(t, got[ChildrenMoved](gw), 1)
		sameKeys(t, ue.s, gw.s)
		// There already.
		gw.take(gw.s.SwitchTo(w.now, to))
		require.Len(t, got[SwitchDone](gw), 2)
	}
}

// Every message of it is lost once, twice, or the whole answer; the request is repeated from the old address.
func TestSwitchLosses(t *testing.T) {
	for lost := range 16 {
		w := newWorld(t, 461)
		nat := restrictedNAT()
		w.translate = nat
		ue, gw, _ := moved(w, RoutabilityBefore, bothSwitch)
		n := 0
		w.translate = func(fromUE bool, p Path) (Path, bool) {
			n++
			p, ok := nat(fromUE, p)
			return p, ok && (n > 4 || lost>>(n-1)&1 == 0)
		}
		to := ap(gwAddr2, 4500)
		gw.take(gw.s.SwitchTo(w.now, to))
		w.run(30*time.Second, nil)
		require.Equal(t, []SwitchDone{{To: to, Outcome: Switched}}, got[SwitchDone](gw), "pattern %04b", lost)
		require.Equal(t, to, gw.s.ChildPath().Local)
		require.Equal(t, reverse(gw.s.ChildPath()), ue.s.ChildPath())
		require.Empty(t, gw.s.sa.outstanding)
	}
}

// Who does not know it, by vendor ID, capability or number, is not asked; and a UE that does not know the responder's
// vendor ID is not moved by it.
func TestSwitchUnsupported(t *testing.T) {
	for name, change := range map[string]func(o, g *Options){
		"the UE does not":         func(o, g *Options) { o.Switch = nil },
		"we do not":               func(o, g *Options) { g.Switch = nil },
		"another vendor ID":       func(o, g *Options) { o.Switch.VendorID = []byte("another") },
		"another capability":      func(o, g *Options) { o.Switch.Capability = []byte{2} },
		"MOBIKE data of its own":  func(o, g *Options) { o.MOBIKEData = []byte{1, 2} },
		"capability alone":        func(o, g *Options) { o.Switch, o.MOBIKEData = nil, []byte{1} },
		"MOBIKE off at the UE":    func(o, g *Options) { o.NoMOBIKE = true },
		"MOBIKE off at our place": func(o, g *Options) { g.NoMOBIKE = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 462)
			ue, gw, log := moved(w, RoutabilityBefore, func(o, g *Options) {
				bothSwitch(o, g)
				change(o, g)
			})
			require.False(t, gw.s.CanSwitch())
			gw.take(gw.s.SwitchTo(w.now, ap(gwAddr2, 4500)))
			require.Equal(t, SwitchUnsupported, got[SwitchDone](gw)[0].Outcome)
			require.Empty(t, *log)
			require.True(t, ue.s.Established())
		})
	}
	// A UE that has never agreed to it ignores the notify.
	w := newWorld(t, 463)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	before := ue.s.Path()
	ask(w, gw, message.INFORMATIONAL, notify(60200, gwAddr2.AsSlice()))
	require.Equal(t, before, ue.s.Path())
	require.Len(t, got[InfoReceived](ue), 1)
	// It is the responder's to ask.
	require.Equal(t, SwitchUnsupported, ue.s.SwitchTo(w.now, ap(ueAddr2, 4500)).Events[0].(SwitchDone).Outcome)
}

// Lengths that mean nothing are ignored; an address that the UE cannot or will not reach is refused: down the ladder.
func TestSwitchRefused(t *testing.T) {
	w := newWorld(t, 464)
	ue, gw, _ := moved(w, RoutabilityBefore, func(o, g *Options) {
		bothSwitch(o, g)
		o.AdditionalAddresses = nil
	})
	before := ue.s.Path()
	for _, n := range []int{0, 1, 3, 5, 7, 12, 17, 19} {
		require.Empty(t, ask(w, gw, message.INFORMATIONAL, notify(60200, make([]byte, n))), "%d octets", n)
	}
	for _, to := range []netip.AddrPort{ap(gwAddr6, 4500), ap(netip.MustParseAddr("224.0.0.1"), 4500), ap(gwAddr2, 0)} {
		gw.take(gw.s.SwitchTo(w.now, to))
		w.run(time.Second, nil)
		done := got[SwitchDone](gw)
		require.Equal(t, SwitchDone{To: to, Outcome: SwitchUnsupported}, done[len(done)-1])
	}
	require.Equal(t, before, ue.s.Path())
	require.Equal(t, reverse(before), gw.s.Path())
	// The next rung: the list. The UE moves when the old address stops answering.
	ue.s.opt.TestPathsAfter = 3
	gw.take(gw.s.SetAddresses(w.now, []netip.Addr{gwAddr2}))
	w.run(time.Second, nil)
	dead(w, fromTo(ueAddr, gwAddr))
	ue.take(ue.s.Probe(w.now))
	w.run(time.Minute, nil)
	require.Equal(t, reverse(fromTo(ueAddr, gwAddr2)), gw.s.ChildPath())
}

// The answer comes to the old address: a middlebox, or a stack that does not do it. Nothing moved.
func TestSwitchAnsweredAtTheOldAddress(t *testing.T) {
	w := newWorld(t, 465)
	_, gw, _ := moved(w, RoutabilityBefore, bothSwitch)
	first := gw.s.Path()
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			p.Remote = ap(gwAddr, 4500)
		}
		return p, true
	}
	gw.take(gw.s.SwitchTo(w.now, ap(gwAddr2, 4500)))
	w.run(time.Second, nil)
	require.Equal(t, []SwitchDone{{To: ap(gwAddr2, 4500), Outcome: SwitchUnsupported}}, got[SwitchDone](gw))
	require.Equal(t, first.Local, gw.s.ChildPath().Local)
}

// Answered, but no update: asked once more, and then down the ladder.
func TestSwitchWithoutUpdate(t *testing.T) {
	w := newWorld(t, 466)
	ue, gw, log := moved(w, RoutabilityBefore, bothSwitch)
	first := gw.s.Path()
	ue.on = func(n *node, e Event) {
		if _, ok := e.(SwitchFollowed); ok {
			n.s.sa.queue = nil // it forgets to
			n.s.sa.outstanding = nil
		}
	}
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		last := (*log)[len(*log)-1]
		return p, !last.has(message.UPDATE_SA_ADDRESSES)
	}
	gw.take(gw.s.SwitchTo(w.now, ap(gwAddr2, 4500)))
	w.run(time.Minute, nil)
	require.Equal(t, []SwitchDone{{To: ap(gwAddr2, 4500), Outcome: SwitchUnsupported}}, got[SwitchDone](gw))
	require.Equal(t, first, gw.s.ChildPath())
	ids := map[uint32]bool{}
	for _, m := range *log {
		if m.has(60200) {
			ids[m.h.MessageID] = true
		}
	}
	require.Len(t, ids, 2)
}

// No answer at all: the owner learns it after 30 s, the session lives.
func TestSwitchUnanswered(t *testing.T) {
	w := newWorld(t, 467)
	_, gw, log := moved(w, RoutabilityBefore, bothSwitch)
	first := gw.s.Path()
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, false }
	gw.take(gw.s.SwitchTo(w.now, ap(gwAddr2, 4500)))
	w.run(29*time.Second, nil)
	require.Empty(t, got[SwitchDone](gw))
	w.run(2*time.Second, nil)
	require.Equal(t, []SwitchDone{{To: ap(gwAddr2, 4500), Outcome: SwitchUnanswered}}, got[SwitchDone](gw))
	for _, m := range *log {
		require.Equal(t, first, m.path, "always from the old address")
	}
	require.True(t, gw.s.Established())
}

// The UE moves by itself meanwhile: its update is processed as ever, and the request goes on to where the UE is now.
func TestSwitchAndOwnMove(t *testing.T) {
	w := newWorld(t, 468)
	ue, gw, _ := moved(w, RoutabilityBefore, bothSwitch)
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
	gw.take(gw.s.SwitchTo(w.now, ap(gwAddr2, 4500)))
	w.run(100*time.Millisecond, nil)
	w.translate = nil
	ue.take(ue.s.Move(w.now, fromTo(ueAddr2, gwAddr)))
	w.run(5*time.Second, nil)
	require.Equal(t, reverse(fromTo(ueAddr2, gwAddr2)), gw.s.ChildPath())
	require.Equal(t, fromTo(ueAddr2, gwAddr2), ue.s.ChildPath())
	require.Equal(t, []SwitchDone{{To: ap(gwAddr2, 4500), Outcome: Switched}}, got[SwitchDone](gw))
}

// The address in use goes, and the UE is behind a NAT that lets in no other: the UE is asked to come, from the address
// that has gone, and does so in two round trips, long before it misses anything.
func TestAddressGoneBehindRestrictedNAT(t *testing.T) {
	for lost := range 4 {
		for _, outstanding := range []bool{false, true} {
			w := newWorld(t, 466)
			ue, gw, _ := multihomed(w, func(o, g *Options) {
				o.Switch, g.Switch = DefaultSwitch(), DefaultSwitch()
				o.AdditionalAddresses, g.AdditionalAddresses = nil, []netip.Addr{gwAddr, gwAddr2}
			})
			open, dropped := map[netip.Addr]bool{gwAddr: true}, 0
			gone := false
			w.translate = func(fromUE bool, p Path) (Path, bool) {
				if fromUE {
					open[p.Remote.Addr()] = true
					return p, !gone || p.Remote.Addr() != gwAddr // but what leaves from there is still on its way
				}
				if !open[p.Local.Addr()] {
					return p, false
				}
				if gone && dropped < lost {
					dropped++
					return p, false
				}
				return p, true
			}
			if outstanding {
				ue.take(ue.s.Probe(w.now)) // its answer gets lost
			}
			gone = true
			start := w.now
			gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
			w.run(30*time.Second, func() bool { return len(got[SwitchDone](gw)) > 0 })
			require.Equal(t, []SwitchDone{{To: ap(gwAddr2, 4500), Outcome: Switched}}, got[SwitchDone](gw))
			if lost == 0 {
				require.Less(t, w.now.Sub(start), 100*time.Millisecond)
			}
			w.run(time.Minute, nil)
			require.Equal(t, gwAddr2, ue.s.ChildPath().Remote.Addr())
			require.Equal(t, reverse(ue.s.ChildPath()), gw.s.ChildPath())
			require.Equal(t, []netip.Addr{gwAddr2}, ue.s.PeerAddresses(), "the list comes when the way is open")
			require.Empty(t, gw.s.sa.outstanding)
			require.Empty(t, ue.s.sa.outstanding)
			require.Len(t, got[SwitchDone](gw), 1)
			sameKeys(t, ue.s, gw.s)
		}
	}
}

// The UE does not hear it: the list comes after a while, as it does without the extension; and when the UE leaves the
// address that has gone by itself, that is all that was wanted.
func TestAddressGoneUnheard(t *testing.T) {
	for _, moves := range []bool{false, true} {
		w := newWorld(t, 467)
		ue, gw, _ := multihomed(w, func(o, g *Options) {
			o.Switch, g.Switch = DefaultSwitch(), DefaultSwitch()
			g.AdditionalAddresses = []netip.Addr{gwAddr, gwAddr2, gwAddr6}
		})
		w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
		gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
		w.run(time.Second, nil)
		w.translate = nil
		if moves {
			ue.take(ue.s.Move(w.now, fromTo(ueAddr6, gwAddr6)))
			w.run(time.Second, nil)
			require.Equal(t, []SwitchDone{{To: ap(gwAddr6, 4500), Outcome: Switched}}, got[SwitchDone](gw))
		} else {
			ue.s.canSwitch = false
			w.run(40*time.Second, nil)
			require.Equal(t, SwitchUnsupported, got[SwitchDone](gw)[0].Outcome)
			require.NotContains(t, ue.s.PeerAddresses(), gwAddr)
		}
		require.Contains(t, ue.s.PeerAddresses(), gwAddr2)
	}
}

// Two addresses go one after the other: the NAT still knows the first one only.
func TestTwoAddressesGoneBehindRestrictedNAT(t *testing.T) {
	w := newWorld(t, 468)
	ue, gw, _ := multihomed(w, func(o, g *Options) {
		o.Switch, g.Switch = DefaultSwitch(), DefaultSwitch()
		g.AdditionalAddresses = []netip.Addr{gwAddr, gwAddr2, gwAddr6}
	})
	nat := restrictedNAT()
	nat(true, ue.s.Path())
	w.translate = nat
	gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
	gw.take(gw.s.LocalAddressGone(w.now, gwAddr2))
	w.run(10*time.Second, nil)
	require.Equal(t, gwAddr6, ue.s.ChildPath().Remote.Addr())
	require.Equal(t, reverse(ue.s.ChildPath()), gw.s.ChildPath())
}

// The address that has gone is back before the peer has heard of it: it is used again, and the peer is not asked to leave
// it once more.
func TestAddressGoneAndBackBehindNAT(t *testing.T) {
	w := newWorld(t, 469)
	all := []netip.Addr{gwAddr, gwAddr2}
	ue, gw, log := multihomed(w, func(o, g *Options) {
		o.Switch, g.Switch = DefaultSwitch(), DefaultSwitch()
		g.AdditionalAddresses = all
	})
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
	gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
	w.run(100*time.Millisecond, nil)
	*log = nil
	gw.take(gw.s.SetAddresses(w.now, all))
	require.Equal(t, gwAddr, gw.s.ChildPath().Local.Addr())
	w.translate = nil
	w.run(time.Minute, nil)
	require.Equal(t, reverse(ue.s.ChildPath()), gw.s.ChildPath())
	require.Empty(t, gw.s.sa.outstanding)
	require.Empty(t, ue.s.sa.outstanding)
	requests := map[uint32]bool{}
	for _, m := range *log {
		if !m.fromUE && !m.h.Response() && m.has(60200) {
			requests[m.h.MessageID] = true
		}
	}
	require.Len(t, requests, 1, "the one that was on its way")
}
