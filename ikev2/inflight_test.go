// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// An update while something else is in flight, row by row of CONFORMANCE.md.
func TestInFlight(t *testing.T) {
	for _, row := range []struct {
		name string
		test func(t *testing.T)
	}{
		{"F1 response lost", inFlightResponseLost},
		{"F2 own request outstanding", inFlightOwnRequest},
		{"F3 request before the update", inFlightRequestBeforeUpdate},
		{"F4 child rekeyed", inFlightChildRekey},
		{"F4 child rekey outstanding", inFlightOwnChildRekey},
		{"F5 IKE SA rekeyed", inFlightIKERekeyed},
		{"F6 IKE rekey outstanding", inFlightOwnIKERekey},
		{"F6 peer rekeys the IKE SA", inFlightPeersIKERekey},
		{"F7 EAP not finished", inFlightEAP},
		{"F8 Delete from another address", inFlightDelete},
		{"F9 two updates out of order", inFlightTwoUpdates},
	} {
		t.Run(row.name, row.test)
	}
}

// Our rekey of a child is outstanding when the UE moves: all pairs that there are then, old and new, move.
func inFlightOwnChildRekey(t *testing.T) {
	for _, policy := range []Routability{RoutabilityBefore, RoutabilityAfter, RoutabilityOff} {
		w := newWorld(t, 470)
		ue, gw, _ := moved(w, policy, nil)
		to := uePath(ueAddr2, 4500)
		w.translate = func(fromUE bool, p Path) (Path, bool) { return p, false }
		gw.take(gw.s.RekeyChild(w.now, gw.s.Children()[0].InboundSPI))
		w.run(0, nil)
		w.translate = nil
		ue.take(ue.s.Move(w.now, to))
		w.run(time.Minute, nil)
		require.Equal(t, reverse(to), gw.s.ChildPath())
		require.Len(t, gw.s.Children(), 1)
		require.Len(t, got[ChildUp](gw), 2)
		sameKeys(t, ue.s, gw.s)
	}
}

// The IKE SA was rekeyed, and the Delete of the old one is on its way: an update counts in the new one; in the old one
// it is answered and means nothing.
func inFlightIKERekeyed(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		w := newWorld(t, 471)
		ue, gw, _ := moved(w, RoutabilityBefore, nil)
		we, _ := pick(ue, gw)
		first := gw.s.Path()
		old := ue.s.sa
		lost := false
		w.translate = func(_ bool, p Path) (Path, bool) { return p, !lost }
		we.on = func(_ *node, e Event) {
			if _, ok := e.(SPIChanged); ok {
				lost = true
			}
		}
		we.take(we.s.RekeyIKE(w.now))
		w.run(time.Second, func() bool { return lost })
		we.on = nil
		w.run(100*time.Millisecond, nil)
		lost = false
		require.NotSame(t, old, ue.s.sa)
		require.Contains(t, ue.s.others, old)
		// A UE that asks in the old one.
		elsewhere := uePath(ueAddr2, 7000)
		d := ue.s.seal(old, message.INFORMATIONAL, false, old.nextSend, []message.Payload{notify(message.UPDATE_SA_ADDRESSES, nil), notify(message.COOKIE2, []byte("12345678"))})
		old.nextSend++
		require.True(t, gw.s.others[0].fits(old.nextSend-1))
		out := gw.s.Receive(w.now, reverse(elsewhere), d[0])
		require.Len(t, out.Datagrams, 1)
		require.Equal(t, reverse(elsewhere), out.Datagrams[0].Path)
		require.Empty(t, got[PathChanged](gw))
		require.Equal(t, first, gw.s.Path())
		// And one in the new one.
		to := uePath(ueAddr2, 4500)
		ue.take(ue.s.Move(w.now, to))
		w.run(10*time.Second, nil)
		require.Equal(t, reverse(to), gw.s.ChildPath())
		require.Len(t, got[MoveDone](ue), 1)
	})
}

// Our rekey of the IKE SA is outstanding when the UE moves: it goes to the new address; the check comes in the new IKE
// SA, which starts on the current path.
func inFlightOwnIKERekey(t *testing.T) {
	w := newWorld(t, 472)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	first, to := gw.s.Path(), uePath(ueAddr2, 4500)
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
	gw.take(gw.s.RekeyIKE(w.now))
	w.run(100*time.Millisecond, nil)
	old := gw.s.SPI()
	w.translate = nil
	ue.take(ue.s.Move(w.now, to))
	w.run(12*time.Millisecond, nil)
	require.Equal(t, reverse(to), gw.s.Path(), "the update is processed")
	require.Equal(t, first, gw.s.ChildPath())
	w.run(5*time.Second, nil)
	require.NotEqual(t, old, gw.s.SPI())
	require.Equal(t, reverse(to), gw.s.ChildPath())
	require.Equal(t, to, ue.s.ChildPath())
	require.Len(t, got[RoutabilityProven](gw), 1)
	require.NotEmpty(t, got[MoveDone](ue))
	sameKeys(t, ue.s, gw.s)
}

// The UE rekeys the IKE SA and moves before the answer.
func inFlightPeersIKERekey(t *testing.T) {
	w := newWorld(t, 473)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	to := uePath(ueAddr2, 4500)
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
	ue.take(ue.s.RekeyIKE(w.now))
	w.run(100*time.Millisecond, nil)
	ue.take(ue.s.Move(w.now, to))
	w.run(100*time.Millisecond, nil)
	require.NotEqual(t, reverse(to), gw.s.Path(), "the answer to the rekey is missing, so the update waits")
	w.translate = nil
	w.run(20*time.Second, nil)
	require.Equal(t, reverse(to), gw.s.ChildPath())
	require.Equal(t, ue.s.sa.keys, gw.s.sa.keys)
	require.Len(t, got[MoveDone](ue), 1)
}

// EAP is not over: a message from another source is answered there, and the addresses of the session stay those of the
// first IKE_AUTH request.
func inFlightEAP(t *testing.T) {
	w := newWorld(t, 474)
	msk := []byte("the key that EAP made")
	g := pskOptions(w.rng, "gw")
	g.EAP, g.Verify, g.Prove = true, nil, nil
	w.serve(g, eapOwner(6, msk, true))
	o := pskOptions(w.rng, "ue")
	o.EAP, o.Prove, o.Verify = true, nil, nil
	rounds, answered := 0, 0
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE && p.NATT {
			if rounds++; rounds > 2 && rounds < 6 {
				p.Local = ap(ueAddr2, 9999)
			}
		}
		if p.Remote == ap(ueAddr2, 9999) {
			answered++
			p.Remote = ap(ueAddr, 4500)
		}
		return p, true
	}
	ue := w.dial(o, wantChild(), eapPeer(msk))
	w.run(5*time.Second, nil)
	gw := w.gw.last()
	require.True(t, ue.s.Established() && gw.s.Established(), "%v", ue.events)
	require.Equal(t, 3, answered)
	require.Equal(t, ap(ueAddr, 4500), gw.s.Path().Remote)
	require.Equal(t, gw.s.Path(), gw.s.ChildPath())
	require.Empty(t, got[PathChanged](gw))
}

// A Delete of the IKE SA from another address is a Delete.
func inFlightDelete(t *testing.T) {
	w := newWorld(t, 475)
	ue, gw, log := moved(w, RoutabilityBefore, nil)
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			p.Local = ap(ueAddr2, 9999)
		} else {
			p.Remote = ap(ueAddr, 4500)
		}
		return p, true
	}
	ue.take(ue.s.Delete(w.now))
	w.run(time.Second, nil)
	require.Equal(t, []Closed{{Reason: ErrDeleted, ByPeer: true}}, got[Closed](gw))
	require.Equal(t, []Closed{{Reason: ErrDeleted}}, got[Closed](ue))
	require.Equal(t, ap(ueAddr2, 9999), (*log)[1].path.Remote)
}

// Two updates within a window of two, the later one first: it acts, the other one is only answered, with what it asked
// to be answered; and the same for lists of addresses.
func inFlightTwoUpdates(t *testing.T) {
	for _, width := range []int{2, 4} {
		w := newWorld(t, 476)
		ue, gw, _ := moved(w, RoutabilityBefore, windows(1, width))
		second, third := uePath(ueAddr2, 4500), uePath(ueAddr6, 4500)
		updates := hold(w, true, func() {
			ue.take(ue.s.Move(w.now, second))
			ue.s.sa.outstanding = ue.s.sa.outstanding[:0:0] // so that the first is not repeated from the third address
			ue.take(ue.s.Move(w.now, third))
		})
		require.Len(t, updates, 2)
		gw.take(gw.s.Receive(w.now, reverse(third), updates[1].Data))
		require.Equal(t, reverse(third), gw.s.Path())
		out := gw.s.Receive(w.now, reverse(second), updates[0].Data)
		require.Equal(t, reverse(third), gw.s.Path())
		require.Len(t, out.Datagrams, 1)
		require.Equal(t, reverse(second), out.Datagrams[0].Path)
		answer, err := message.Open(out.Datagrams[0].Data, ue.s.sa.in)
		require.NoError(t, err)
		require.NotNil(t, message.GetNotify(answer.Payloads, message.COOKIE2))
		require.Equal(t, suite.NATDetectionHash(answer.InitiatorSPI, answer.ResponderSPI, second.Local),
			message.GetNotify(answer.Payloads, message.NAT_DETECTION_DESTINATION_IP).Data, "the hash is of the packet that it answers")
		require.Nil(t, message.ErrorNotify(answer.Payloads))
		w.run(time.Second, nil)
		require.Equal(t, reverse(third), gw.s.ChildPath())
	}
	w := newWorld(t, 477)
	ue, gw, _ := moved(w, RoutabilityBefore, windows(1, 2))
	lists := hold(w, true, func() {
		ask := func(out ...message.Payload) {
			ue.s.begin(w.now)
			ue.s.enqueue(&request{exchange: message.INFORMATIONAL, build: func(*request) []message.Payload { return out }, done: func(*request, []message.Payload) {}}, false)
			ue.take(ue.s.finish())
		}
		ask(notify(message.ADDITIONAL_IP4_ADDRESS, ueAddr2.AsSlice()))
		ask(notify(message.NO_ADDITIONAL_ADDRESSES, nil))
	})
	require.Len(t, lists, 2)
	for _, i := range []int{1, 0} {
		require.Len(t, gw.s.Receive(w.now, gw.s.Path(), lists[i].Data).Datagrams, 1)
		require.Len(t, gw.s.PeerAddresses(), 1, "the later list")
	}
}
