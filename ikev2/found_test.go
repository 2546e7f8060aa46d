// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// What long runs of test/sim have found, each in as few messages as it takes.

// The IKE SA is deleted while the peer's last additional key exchange for a rekey of it is being worked on: the rekey
// comes to nothing, else the Delete would only end the IKE SA that it leaves behind.
func TestDeleteWhilePeerRekeysWithFollowUps(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		w := newWorld(t, 11)
		ue, gw := followed(w, suite.ML_KEM_768)
		we, peer := pick(ue, gw)
		w.workDelay = 50 * time.Millisecond
		peer.take(peer.s.RekeyIKE(w.now))
		w.run(time.Second, func() bool { return len(we.s.followUps) == 1 && we.s.followUps[0].busy })
		require.Len(t, we.s.followUps, 1)
		w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE != (we == ue) }
		we.take(we.s.Delete(w.now)) // lost at first
		w.translate = nil
		w.run(20*time.Second, nil)
		require.Equal(t, []Closed{{Reason: ErrDeleted}}, got[Closed](we))
		require.Equal(t, []Closed{{Reason: ErrDeleted, ByPeer: true}}, got[Closed](peer))
		require.Empty(t, got[SPIChanged](we))
	})
}

// A rekey waits after TEMPORARY_FAILURE, and meanwhile the peer rekeys the pair: the SPI is given back with the pair,
// not when the wait is over.
func TestWaitingRekeyGivesItsSPIBack(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		w := newWorld(t, 12)
		ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
		we, peer := pick(ue, gw)
		peer.take(peer.s.Quiesce(w.now))
		we.take(we.s.RekeyChild(w.now, we.s.Children()[0].InboundSPI))
		w.run(time.Second, nil)
		require.Len(t, we.s.reserved, 1)
		peer.take(peer.s.Resume(w.now))
		peer.take(peer.s.RekeyChild(w.now, peer.s.Children()[0].InboundSPI))
		w.run(time.Second, nil)
		require.Empty(t, we.s.reserved)
		w.run(time.Minute, nil)
		sameKeys(t, ue.s, gw.s)
		require.Len(t, we.s.Children(), 1)
		require.Empty(t, got[RekeyFailed](we))
	})
}

// A peer with room for several requests rekeys a pair, and what came of it again, before it deletes the first one. When
// that Delete comes we send on the second pair: our answer that makes the third can be lost.
func TestDeleteOfOldestShowsOnlyItsSuccessor(t *testing.T) {
	x := cross(t, 13, nil)
	x.gw.s.sa.window, x.ue.s.sa.width = 2, 2
	x.wish("rekey child", x.gw, wishes["rekey child"])
	x.deliver("gw wants")
	x.deliver("gw asks CREATE_CHILD_SA")
	x.deliver("ue answers CREATE_CHILD_SA")
	x.wish("rekey child", x.gw, wishes["rekey child"])
	x.deliver("gw wants")
	x.deliver("gw asks CREATE_CHILD_SA") // overtakes the Delete
	require.Len(t, x.ue.s.Children(), 3)
	x.deliver("gw asks INFORMATIONAL")
	require.Equal(t, x.ue.s.Children()[0], x.ue.sending["first"])
	x.lose("ue answers CREATE_CHILD_SA")
	x.noPacketIsLost()
	x.rest()
	x.agree()
	require.Len(t, x.ue.s.Children(), 1)
}

// A pair gets too old that the peer has rekeyed, and has not deleted. From the Delete on we send on what replaces it:
// the peer, which drops it at once, may have to repeat its answer for long.
func TestExpiredPairIsNotSentOn(t *testing.T) {
	x := cross(t, 14, nil)
	x.wish("rekey child", x.gw, wishes["rekey child"])
	x.deliver("gw wants")
	x.deliver("gw asks CREATE_CHILD_SA")
	x.deliver("ue answers CREATE_CHILD_SA")
	x.lose("gw asks INFORMATIONAL")
	old := x.ue.sending["first"]
	x.wish("expire", x.ue, func(e *end) Output { return e.s.Expire(x.now, old.InboundSPI, true) })
	x.deliver("ue wants")
	require.Equal(t, x.ue.s.Children()[1], x.ue.sending["first"])
	x.deliver("ue asks")
	x.lose("gw answers")
	x.now = x.now.Add(2 * grace)
	x.noPacketIsLost()
	x.rest()
	x.agree()
	require.Len(t, x.ue.s.Children(), 1)
	for _, e := range []*end{x.ue, x.gw} {
		down := got2[ChildDown](e)
		require.Len(t, down, 1)
		require.True(t, down[0].Superseded)
	}
}

// A test of many paths whose probe is a request in many fragments: each round costs a bounded number of datagrams, and
// all pairs have their turn.
func TestPathTestWithLongRequestIsBounded(t *testing.T) {
	w := newWorld(t, 15)
	ue, gw, _ := multihomed(w, func(ue, _ *Options) {
		ue.FragmentSize = 300
		for i := range byte(6) {
			ue.AdditionalAddresses = append(ue.AdditionalAddresses, netip.AddrFrom4([4]byte{203, 0, 113, 20 + i}))
		}
	})
	works := ue.s.pairs()[maxPairs-1]
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, !fromUE || p == works }
	sent := map[time.Time]int{}
	w.sniff = func(fromUE bool, _ Datagram) {
		if fromUE {
			sent[w.now]++
		}
	}
	ue.take(ue.s.Notify(w.now, "long", &message.Notify{Type: 40960, Data: make([]byte, 4000)}))
	ue.take(ue.s.TestPaths(w.now, nil))
	w.run(testRounds*testInterval, nil)
	require.Equal(t, []PathTested{{Path: works, Tested: ue.s.pairs()}}, got[PathTested](ue))
	require.Len(t, got[InfoReceived](gw), 1)
	for at, n := range sent {
		require.LessOrEqual(t, n, 2*testDatagrams, "%v", at) // the first time it goes out twice
	}
}

// The owner deletes a pair while our rekey of it is under way, so that the pair which the peer makes for that is deleted
// as well. Our SPI of it is given back when the peer has answered this Delete, and not before: another pair that gets
// the SPI while the Delete waits would be deleted in its place.
func TestSPIOfUnwantedPairIsKeptUntilItIsDeleted(t *testing.T) {
	w := newWorld(t, 16)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	var released []uint32
	ue.s.opt.ReleaseChildSPI = func(spi uint32) { released = append(released, spi) }
	old := ue.s.Children()[0].InboundSPI
	ue.take(ue.s.RekeyChild(w.now, old))
	ue.take(ue.s.DeleteChild(w.now, old))
	w.run(time.Second, func() bool { return len(gw.s.Children()) == 2 })
	unwanted := gw.s.Children()[1].OutboundSPI
	w.run(time.Second, func() bool { return len(gw.s.Children()) == 0 })
	require.Empty(t, released)
	require.Equal(t, []uint32{unwanted}, ue.s.ReservedSPIs())
	w.run(time.Second, nil)
	require.Equal(t, []uint32{unwanted}, released)
	require.Empty(t, ue.s.ReservedSPIs())
}

// Two updates are under way, and the NAT's mapping changes before the first one, which was lost, is repeated: the
// responder, which has answered the second, says where the first comes from and stays where it is. The initiator sees
// in that answer that the NAT has changed, and updates again.
func TestNATChangesBetweenOvertakenUpdates(t *testing.T) {
	w := newWorld(t, 17)
	offset := uint16(10000)
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			p.Local = ap(ueAddr2, p.Local.Port()+offset)
			return p, true
		}
		open := p.Remote.Addr() == ueAddr2 && p.Remote.Port() > offset
		p.Remote = ap(ueAddr, p.Remote.Port()-offset)
		return p, open
	}
	ue, gw, _ := moved(w, RoutabilityBefore, func(o, g *Options) { o.Window, g.Window = 2, 2 })
	first, losing := ue.s.sa.nextSend, true
	w.rewrite = func(fromUE bool, data []byte) []byte {
		if h, err := message.DecodeHeader(data); err != nil || fromUE && losing && h.MessageID == first {
			return nil
		}
		return data
	}
	path := ue.s.Path()
	ue.take(ue.s.Move(w.now, path))
	ue.take(ue.s.Move(w.now, path))
	w.run(200*time.Millisecond, nil)
	require.Len(t, got[MoveDone](ue), 1)
	require.Equal(t, first, ue.s.sa.outstanding[0].mid)
	offset, losing = 20000, false
	w.run(10*time.Second, nil)
	require.Equal(t, ap(ueAddr2, 4500+offset), gw.s.Path().Remote)
	require.Equal(t, gw.s.Path(), gw.s.ChildPath())
}

// A session shall become quiet while its rekey of the IKE SA is on its way and an earlier one still waits, which the peer
// has made unnecessary: it is the waiting one that ends, and both come to the same IKE SA.
func TestQuiesceDuringRekeyAfterAnotherThatWaited(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		for _, both := range []bool{false, true} {
			w := newWorld(t, 18)
			ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
			we, peer := pick(ue, gw)
			peer.take(peer.s.Quiesce(w.now))
			we.take(we.s.RekeyIKE(w.now))
			w.run(time.Second, nil)
			require.True(t, we.s.sa.queued(requestRekeyIKE), "it waits after TEMPORARY_FAILURE")
			peer.take(peer.s.Resume(w.now))
			peer.take(peer.s.RekeyIKE(w.now))
			w.run(time.Second, nil)
			require.Len(t, got[SPIChanged](we), 1)
			we.take(we.s.RekeyIKE(w.now))
			if both {
				peer.take(peer.s.RekeyIKE(w.now))
			}
			w.run(5*time.Millisecond, nil)
			require.True(t, we.s.ikeRekey.underway())
			we.take(we.s.Quiesce(w.now))
			w.run(time.Second, nil)
			require.Empty(t, got[RekeyFailed](we))
			require.Len(t, got[SPIChanged](we), 2)
			require.Len(t, got[Quiescent](we), 1)
			require.Equal(t, we.s.sa.keys, peer.s.sa.keys)
			spis := we.s.LocalSPIs()
			slices.Sort(spis)
			require.Len(t, slices.Compact(spis), len(we.s.LocalSPIs()))
			sameKeys(t, ue.s, gw.s)
		}
	})
}
