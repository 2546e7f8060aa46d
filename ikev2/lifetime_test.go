// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Over a day of idle sessions, each SA is rekeyed when its soft lifetime with its jitter is over, by whoever has the
// shorter one, and none gets older than its hard one.
func TestLifetimes(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		w := newWorld(t, 84)
		o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
		short := Lifetimes{IKE: Lifetime{Soft: 4 * time.Hour, Hard: 5 * time.Hour}, Child: Lifetime{Soft: time.Hour, Hard: 80 * time.Minute}}
		long := Lifetimes{IKE: Lifetime{Soft: 8 * time.Hour, Hard: 9 * time.Hour}, Child: Lifetime{Soft: 2 * time.Hour, Hard: 3 * time.Hour, Jitter: 0.3}}
		ours, _ := pick(&node{name: "ue"}, &node{name: "gw"})
		o.Lifetime, g.Lifetime = short, long
		if ours.name == "gw" {
			o.Lifetime, g.Lifetime = long, short
		}
		ue, gw := w.up(o, g)
		we, peer := pick(ue, gw)
		var at []time.Duration
		last := w.now
		we.on = func(_ *node, e Event) {
			if _, ok := e.(ChildSwitched); ok {
				at = append(at, w.now.Sub(last))
				last = w.now
			}
		}
		w.run(24*time.Hour, nil)
		require.False(t, ue.s.Closed() || gw.s.Closed())
		sameKeys(t, ue.s, gw.s)
		require.InDelta(t, 24, len(at), 3)
		different := map[time.Duration]bool{}
		for _, d := range at {
			require.InDelta(t, time.Hour.Minutes(), d.Minutes(), 6.1)
			different[d] = true
		}
		require.Greater(t, len(different), 10, "jitter")
		require.InDelta(t, 6, len(got[SPIChanged](we)), 1)
		require.Len(t, got[SPIChanged](peer), len(got[SPIChanged](we)))
		for _, up := range got[ChildUp](we)[1:] {
			require.True(t, up.Child.Initiator, "who has the shorter lifetime rekeys")
		}
	})
}

// A peer that does not rekey, and refuses ours: the Child SA is tried again and ends with its hard lifetime, the IKE SA
// with its own; the peer is told.
func TestHardLifetime(t *testing.T) {
	w := newWorld(t, 85)
	g := pskOptions(w.rng, "gw")
	g.Lifetime = Lifetimes{IKE: Lifetime{Soft: 3 * time.Hour, Hard: 4 * time.Hour}, Child: Lifetime{Soft: time.Hour, Hard: 2 * time.Hour}}
	ue, gw := w.up(pskOptions(w.rng, "ue"), g)
	ue.s.opt.IKE, ue.s.opt.ESP = nil, nil
	ue.s.children[0].policy = nil
	start := w.now
	child := gw.s.Children()[0]
	w.run(2*time.Hour+time.Minute, nil)
	require.Equal(t, []ChildDown{{Child: child}}, got[ChildDown](gw))
	require.Equal(t, start.Add(2*time.Hour).Truncate(time.Second), gw.s.lastHeard.Truncate(time.Second), "at the hard lifetime")
	require.Empty(t, ue.s.Children())
	failed := got[RekeyFailed](gw)
	require.GreaterOrEqual(t, len(failed), 4)
	require.Equal(t, RekeyFailed{Child: child, Err: &NotifyError{Type: message.NO_PROPOSAL_CHOSEN}}, failed[0])
	w.run(3*time.Hour, nil)
	require.Equal(t, Closed{Reason: ErrLifetime}, got[Closed](gw)[0])
	require.Equal(t, Closed{Reason: ErrDeleted, ByPeer: true}, got[Closed](ue)[0])
	failed = got[RekeyFailed](gw)
	require.Equal(t, RekeyFailed{Err: &NotifyError{Type: message.NO_PROPOSAL_CHOSEN}}, failed[len(failed)-1])
}

// What a data plane counts: soft rekeys, hard ends one pair; a rekey that is on its way decides what becomes of it.
func TestExpire(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		w := newWorld(t, 86)
		ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
		we, _ := pick(ue, gw)
		first := we.s.Children()[0]
		we.take(we.s.Expire(w.now, first.InboundSPI, false))
		we.take(we.s.Expire(w.now, first.InboundSPI, true)) // it was used up before the answer came
		w.run(time.Second, nil)
		require.Len(t, we.s.Children(), 1)
		second := we.s.Children()[0]
		require.NotEqual(t, first.InboundSPI, second.InboundSPI)
		require.Equal(t, []ChildDown{{Child: first, Superseded: true}}, got[ChildDown](we))
		we.take(we.s.Expire(w.now, first.InboundSPI, true)) // late
		we.take(we.s.Expire(w.now, second.InboundSPI, true))
		w.run(time.Second, nil)
		require.Empty(t, ue.s.Children())
		require.Empty(t, gw.s.Children())
		require.Equal(t, ChildDown{Child: second}, got[ChildDown](we)[1])
	})
}

// The pair that the peer rekeys is sent on as soon as something comes on it, without waiting for the Delete.
func TestChildTrafficSwitches(t *testing.T) {
	x := cross(t, 1, nil)
	x.wish("rekey child", x.ue, wishes["rekey child"])
	x.deliver("ue wants")
	x.deliver("ue asks")
	fresh := x.gw.s.Children()[1]
	require.NotEqual(t, fresh, x.gw.sending["first"])
	x.gw.take(x.gw.s.ChildTraffic(x.now, fresh.OutboundSPI)) // not one of ours
	require.NotEqual(t, fresh, x.gw.sending["first"])
	x.deliver("gw answers") // now the UE has it, and can use it
	x.gw.take(x.gw.s.ChildTraffic(x.now, fresh.InboundSPI))
	require.Equal(t, fresh, x.gw.sending["first"])
	x.noPacketIsLost()
	x.rest()
	x.agree()
	require.Len(t, got2[ChildSwitched](x.gw), 1)
}

// Long before the message IDs are used up there is a new IKE SA.
func TestMessageIDsLast(t *testing.T) {
	w := newWorld(t, 87)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	gw.s.sa.nextSend, ue.s.sa.nextRecv = rekeyAtMessageID-1, rekeyAtMessageID-1
	gw.take(gw.s.Probe(w.now))
	w.run(time.Second, nil)
	require.Len(t, got[SPIChanged](ue), 1)
	require.Len(t, got[SPIChanged](gw), 1)
	require.Less(t, gw.s.sa.nextSend, uint32(10))
}

// TEMPORARY_FAILURE for a rekey: the next tries come 5 to 15 s later, at different times, and after minutes of it the
// session ends.
func TestRekeyBackOff(t *testing.T) {
	for name, rekey := range map[string]func(n *node) Output{
		"child": func(n *node) Output { return n.s.RekeyChild(n.w.now, n.s.Children()[0].InboundSPI) },
		"IKE":   func(n *node) Output { return n.s.RekeyIKE(n.w.now) },
	} {
		t.Run(name, func(t *testing.T) {
			roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
				w := newWorld(t, 88)
				ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
				we, peer := pick(ue, gw)
				peer.take(peer.s.Quiesce(w.now)) // it answers TEMPORARY_FAILURE
				var tries []time.Time
				w.sniff = func(fromUE bool, d Datagram) {
					h, err := message.DecodeHeader(d.Data)
					require.NoError(t, err)
					if h.Exchange == message.CREATE_CHILD_SA && !h.Response() {
						tries = append(tries, w.now)
					}
				}
				we.take(rekey(we))
				w.run(30*time.Second, nil)
				require.GreaterOrEqual(t, len(tries), 3)
				for i := range tries[1:] {
					d := tries[i+1].Sub(tries[i])
					require.GreaterOrEqual(t, d, 5*time.Second)
					require.LessOrEqual(t, d, 15*time.Second+50*time.Millisecond)
				}
				require.NotEqual(t, tries[1].Sub(tries[0]), tries[2].Sub(tries[1]), "jitter")
				require.False(t, we.s.Closed())
				require.Len(t, we.s.Children(), 1, "the old one is still there")
				w.run(10*time.Minute, nil)
				require.Equal(t, ErrBusy, got[Closed](we)[0].Reason)
				require.True(t, peer.s.Closed())
			})
		})
	}
}
