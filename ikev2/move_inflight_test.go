// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// A third address before the proof of the second: the answer to the first check, sent to two addresses, proves none.
func TestThirdAddressStartsOver(t *testing.T) {
	w := newWorld(t, 53)
	ue, gw, log := moved(w, RoutabilityBefore, nil)
	second, third := uePath(ueAddr2, 4500), uePath(ueAddr6, 4500)
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		return p, fromUE || p.Remote.Addr() != ueAddr2 || len(*log) < 3 // the check does not reach the second
	}
	ue.take(ue.s.Move(w.now, second))
	w.run(time.Second, nil)
	require.True(t, gw.s.rr.wanted)
	*log = nil
	w.translate = nil
	ue.take(ue.s.Move(w.now, third))
	w.run(5*time.Second, nil)
	var checks []sent
	for _, m := range *log {
		if !m.fromUE && !m.h.Response() && m.has(message.COOKIE2) {
			checks = append(checks, m)
		}
	}
	require.Len(t, checks, 2)
	require.Equal(t, reverse(third), checks[0].path, "what is outstanding goes to the new address")
	require.NotEqual(t, checks[0].h.MessageID, checks[1].h.MessageID)
	require.NotEqual(t, message.GetNotify(checks[0].in, message.COOKIE2).Data, message.GetNotify(checks[1].in, message.COOKIE2).Data)
	require.Equal(t, []RoutabilityProven{{Path: reverse(third)}}, got[RoutabilityProven](gw))
	require.Equal(t, reverse(third), gw.s.ChildPath())
	for _, m := range got[ChildrenMoved](gw) {
		require.NotEqual(t, reverse(second), m.Path)
	}
}

// A request of ours is outstanding when the UE moves: it goes to the new address and is answered there; only then is
// there room for the check (facts of RFC 4555 3.7 with a window of 1). The child comes up on the path that is proven.
func inFlightOwnRequest(t *testing.T) {
	w := newWorld(t, 54)
	ue, gw, log := moved(w, RoutabilityBefore, nil)
	first, to := gw.s.Path(), uePath(ueAddr2, 4500)
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, false }
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.translate = nil
	*log = nil
	ue.take(ue.s.Move(w.now, to))
	w.run(time.Second, nil)
	var order []string
	for _, m := range *log {
		if !m.fromUE {
			require.Equal(t, reverse(to), m.path)
			kind := m.h.Exchange.String()
			if m.h.Response() {
				kind += " response"
			}
			order = append(order, kind)
		}
	}
	require.Equal(t, []string{"INFORMATIONAL response", "CREATE_CHILD_SA", "INFORMATIONAL"}, order)
	up := got[ChildUp](gw)
	require.Equal(t, first, up[len(up)-1].Child.Path, "not proven yet when it came up")
	require.Equal(t, []ChildrenMoved{{Old: first, Path: reverse(to)}}, got[ChildrenMoved](gw), "then all moved")
	sameKeys(t, ue.s, gw.s)
}

// The UE's request was processed, the response is lost, and it asks again from its new address.
func inFlightResponseLost(t *testing.T) {
	w := newWorld(t, 55)
	ue, gw, log := moved(w, RoutabilityBefore, func(_, g *Options) {
		g.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
	})
	first, to := gw.s.Path(), uePath(ueAddr2, 4500)
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
	ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(100*time.Millisecond, nil)
	require.Len(t, gw.s.Children(), 2)
	require.Equal(t, first, gw.s.Children()[1].Path)
	w.translate = nil
	*log = nil
	// The retransmission comes before the update, which has to wait for it.
	ue.take(ue.s.Move(w.now, to))
	require.Len(t, *log, 1)
	require.Equal(t, message.CREATE_CHILD_SA, (*log)[0].h.Exchange)
	w.run(15*time.Millisecond, nil)
	require.Equal(t, first, gw.s.Path(), "only an update moves")
	require.Equal(t, reverse(to), (*log)[1].path, "the answer goes where the question came from")
	w.run(time.Second, nil)
	require.Equal(t, reverse(to), gw.s.ChildPath())
	sameKeys(t, ue.s, gw.s)
}

// A fresh request from another address, without an update: it is answered there, and what it makes is made for the
// IKE SA's own path.
func inFlightRequestBeforeUpdate(t *testing.T) {
	w := newWorld(t, 56)
	ue, gw, log := moved(w, RoutabilityBefore, func(_, g *Options) {
		g.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
	})
	first := gw.s.Path()
	elsewhere := ap(ueAddr2, 4500)
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			p.Local = elsewhere
		} else {
			p.Remote = ap(ueAddr, 4500)
		}
		return p, true
	}
	ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(time.Second, nil)
	require.Equal(t, elsewhere, (*log)[1].path.Remote)
	require.Equal(t, first, gw.s.Path())
	require.Equal(t, first, gw.s.Children()[1].Path)
	require.Empty(t, got[PathChanged](gw))
	// Several copies of one probe over several paths, as some UEs test them: each is answered to its source, and
	// nothing changes (8.4 61).
	var probe Datagram
	w.sniff = func(fromUE bool, d Datagram) {
		if fromUE {
			probe = d
		}
	}
	ue.take(ue.s.Probe(w.now))
	for i := range 4 {
		p := Path{Local: ap(gwAddr, 4500), Remote: ap(ueAddr2, uint16(7000+i)), NATT: true}
		out := gw.s.Receive(w.now, p, probe.Data)
		require.Len(t, out.Datagrams, 1)
		require.Equal(t, p, out.Datagrams[0].Path)
		require.Equal(t, first, gw.s.Path())
	}
}

// A rekeyed pair and its successor move together.
func inFlightChildRekey(t *testing.T) {
	w := newWorld(t, 57)
	ue, gw, _ := moved(w, RoutabilityOff, nil)
	rekeyChild(w, ue, gw, ue.s.Children()[0])
	require.Len(t, gw.s.Children(), 2)
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(time.Second, nil)
	require.Len(t, got[ChildrenMoved](gw), 1, "one event is for all")
	require.Equal(t, reverse(uePath(ueAddr2, 4500)), gw.s.ChildPath())
}

// The peer rekeys a child after its update, before the update is answered: a stack that cannot move SAs does so.
func TestPeerRekeysWhileUpdateIsOutstanding(t *testing.T) {
	w := newWorld(t, 58)
	ue, gw, _ := moved(w, RoutabilityOff, nil)
	to := uePath(ueAddr2, 4500)
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, false }
	ue.take(ue.s.Move(w.now, to))
	w.translate = nil
	// The roles are swapped here: the gateway's end asks.
	old := ue.s.Children()[0]
	in := ask(w, gw, message.CREATE_CHILD_SA,
		&message.Notify{Protocol: message.ProtocolESP, SPI: spiBytes(old.OutboundSPI), Type: message.REKEY_SA},
		&message.SecurityAssociation{Proposals: suite.Offer(gw.s.opt.ESP, spiBytes(99999))},
		&message.Nonce{Data: gw.s.nonce()},
		&message.TSi{TrafficSelectors: anyTS()}, &message.TSr{TrafficSelectors: anyTS()})
	require.Nil(t, message.ErrorNotify(in))
	up := got[ChildUp](ue)
	require.Equal(t, old.InboundSPI, up[1].Replaces)
	require.Equal(t, to, up[1].Child.Path)
	w.run(5*time.Second, nil)
	require.Len(t, got[MoveDone](ue), 1)
}

// Several moves in a row: the answers to the earlier updates mean nothing, the last one counts.
func TestMovesInARow(t *testing.T) {
	w := newWorld(t, 69)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	last := uePath(ueAddr, 4500)
	for i := range 10 {
		last = uePath([]netip.Addr{ueAddr, ueAddr2, ueAddr6}[i%3], uint16(4500+i))
		ue.take(ue.s.Move(w.now, last))
		w.run(time.Duration(w.rng.Intn(30))*time.Millisecond, nil)
	}
	w.run(10*time.Second, nil)
	require.Equal(t, reverse(last), gw.s.Path())
	require.Equal(t, reverse(last), gw.s.ChildPath())
	done := got[MoveDone](ue)
	require.Equal(t, last, done[len(done)-1].Path)
	// The same place again changes nothing.
	events := len(gw.events)
	ue.take(ue.s.Move(w.now, last))
	w.run(time.Second, nil)
	require.Len(t, gw.events, events+1)
	require.IsType(t, RoutabilityAnswered{}, gw.events[events])
}
