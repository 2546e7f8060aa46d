// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// What the responder asks for at once can arrive before its last IKE_AUTH response, or without it. It waits for the
// IKE SA instead of ending it.
func TestRequestOvertakesAuthResponse(t *testing.T) {
	for name, ask := range map[string]func(gw *node) Output{
		"CREATE_CHILD_SA": func(gw *node) Output {
			return gw.s.CreateChild(gw.w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: "early"})
		},
		"INFORMATIONAL": func(gw *node) Output {
			return gw.s.Notify(gw.w.now, "early", &message.Notify{Type: 40960, Data: []byte{1}})
		},
		"Delete of a child": func(gw *node) Output {
			return gw.s.DeleteChild(gw.w.now, gw.s.Children()[0].InboundSPI)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 7)
			lost := 0
			w.translate = func(fromUE bool, p Path) (Path, bool) {
				if !fromUE && len(w.gw.nodes) > 0 && w.gw.last().s.Established() && lost == 0 {
					lost++ // the IKE_AUTH response
					return p, false
				}
				return p, true
			}
			g, o := pskOptions(w.rng, "gw"), pskOptions(w.rng, "ue")
			o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
			w.serve(g, func(n *node, e Event) {
				authorizeAll(n, e)
				if _, ok := e.(Established); ok {
					w.wire = append(w.wire, flight{at: w.now, worker: n, call: func() { n.take(ask(n)) }})
				}
			})
			ue := w.dial(o, wantChild(), nil)
			w.run(30*time.Second, nil)
			require.Equal(t, 1, lost)
			require.True(t, ue.s.Established(), "%v", ue.events)
			gw := w.gw.last()
			require.True(t, gw.s.Established(), "%v", gw.events)
			sameKeys(t, ue.s, gw.s)
			switch name {
			case "CREATE_CHILD_SA":
				require.Len(t, ue.s.Children(), 2)
			case "INFORMATIONAL":
				require.Len(t, got[InfoReceived](ue), 1)
				require.NoError(t, got[InfoDone](gw)[0].Err)
			default:
				require.Empty(t, ue.s.Children())
			}
		})
	}
}

// A Delete of the IKE SA that comes before the last IKE_AUTH response ends it all the same.
func TestDeleteOvertakesAuthResponse(t *testing.T) {
	w := newWorld(t, 8)
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		return p, fromUE || len(w.gw.nodes) == 0 || !w.gw.last().s.Established()
	}
	w.serve(pskOptions(w.rng, "gw"), func(n *node, e Event) {
		authorizeAll(n, e)
		if _, ok := e.(Established); ok {
			w.wire = append(w.wire, flight{at: w.now, worker: n, call: func() { n.take(n.s.Delete(w.now)) }})
		}
	})
	ue := w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(5*time.Second, nil)
	require.ErrorIs(t, got[Closed](ue)[0].Reason, ErrDeleted)
	require.ErrorIs(t, got[Closed](w.gw.last())[0].Reason, ErrDeleted)
}

// The peer deletes a Child SA that we asked for before we have its answer: it is never up at our side.
func TestChildDeletedBeforeItsAnswerArrives(t *testing.T) {
	for name, groups := range map[string][]suite.GroupID{"": nil, "with a key exchange": {suite.CURVE25519}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 9)
			g, o := pskOptions(w.rng, "gw"), pskOptions(w.rng, "ue")
			o.ESP, g.ESP = suite.WithGroups(o.ESP, groups...), suite.WithGroups(g.ESP, groups...)
			o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{Tag: "gw's"}, nil }
			ue, gw := w.up(o, g)
			lost := 0
			w.translate = func(fromUE bool, p Path) (Path, bool) {
				if fromUE && lost == 0 {
					lost++ // the answer to CREATE_CHILD_SA
					return p, false
				}
				return p, true
			}
			gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: "short-lived"}))
			w.run(time.Second, func() bool { return len(ue.s.Children()) == 2 && lost == 1 })
			require.Len(t, ue.s.Children(), 2)
			ue.take(ue.s.DeleteChild(w.now, ue.s.Children()[1].InboundSPI))
			w.run(time.Minute, nil)
			sameKeys(t, ue.s, gw.s)
			require.Len(t, gw.s.Children(), 1)
			require.Equal(t, []ChildFailed{{Tag: "short-lived", Err: ErrDeleted}}, got[ChildFailed](gw))
			require.Empty(t, gw.s.reserved)
			require.Empty(t, ue.s.reserved)
		})
	}
}

// The peer rekeys a pair whose creation we have no answer to yet: it is not unknown, it is not known yet.
func TestRekeyOvertakesAnswer(t *testing.T) {
	w := newWorld(t, 10)
	g, o := pskOptions(w.rng, "gw"), pskOptions(w.rng, "ue")
	ue, gw := w.up(o, g)
	answers := 0
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE && answers == 0 {
			answers++
			return p, false
		}
		return p, true
	}
	gw.take(gw.s.RekeyChild(w.now, gw.s.Children()[0].InboundSPI))
	w.run(time.Second, func() bool { return answers == 1 })
	require.Len(t, ue.s.Children(), 2)
	ue.take(ue.s.RekeyChild(w.now, ue.s.Children()[1].InboundSPI))
	w.run(time.Minute, nil)
	sameKeys(t, ue.s, gw.s)
	require.Len(t, ue.s.Children(), 1)
	require.Len(t, got[ChildUp](ue), 3)
	require.Empty(t, got[RekeyFailed](ue))
}
