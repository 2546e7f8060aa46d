// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// collision is one row of what can meet: we want something, and before the peer hears of it, it wants something, too.
type collision struct {
	clause string
	we     string // the wish; empty: nothing
	peer   string
	// before prepares the two ends.
	before func(we, peer *end)
	// order names the parcels that happen first, by how their names begin (we and peer for the names of the two ends);
	// the rest follows in the order of sending.
	order []string
	// answer is how we answer the peer's request.
	answer string
	// after checks more than that both agree.
	after func(t *testing.T, we, peer *end)
}

// cross2 is the order in which both requests are on their way before either arrives.
var cross2 = []string{"we wants", "peer wants", "peer asks", "we asks"}

func noEvents[E Event](t *testing.T, ends ...*end) {
	t.Helper()
	for _, e := range ends {
		require.Empty(t, got2[E](e), e.name)
	}
}

// asked counts the requests of e whose content is what.
func (e *end) asked(what string) (n int) {
	for _, l := range e.x.log {
		if strings.HasPrefix(l, e.name+" asks ") && strings.HasSuffix(l, ": "+what) {
			n++
		}
	}
	return n
}

const (
	accepted    = "CREATE_CHILD_SA: SA TS"
	acceptedIKE = "CREATE_CHILD_SA: SA KE"
	busyAnswer  = "CREATE_CHILD_SA: TEMPORARY_FAILURE"
	deleted     = "INFORMATIONAL: D(ESP)"
	empty       = "INFORMATIONAL:"
)

// forgetChild makes e lose its Child SA without a word.
func forgetChild(e *end) {
	for _, c := range e.s.children {
		delete(e.up, c.sa.InboundSPI)
		e.gone[c.sa.InboundSPI] = e.x.now
	}
	e.s.children = nil
	clear(e.sending)
}

// collisions are the rows of the table, RFC 7296 2.25.1 and 2.25.2, and what else can meet.
var collisions = map[string]collision{
	"rekeying X, peer rekeys X": {
		clause: "2.8.1", we: "rekey child", peer: "rekey child", order: cross2, answer: accepted,
		after: func(t *testing.T, we, peer *end) {
			for _, e := range []*end{we, peer} {
				require.Equal(t, 1, e.asked("D(ESP)"), "the loser deletes its own new pair, the winner the old one")
				require.Len(t, got2[ChildUp](e), 2)
				require.Len(t, got2[ChildSwitched](e), 1)
				require.Len(t, got2[ChildDown](e), 2)
			}
			noEvents[RekeyFailed](t, we, peer)
		},
	},
	"deleting X, peer rekeys X": {
		clause: "2.25.1", we: "delete child", peer: "rekey child", order: cross2, answer: busyAnswer,
		after: func(t *testing.T, we, peer *end) {
			require.Empty(t, we.s.Children())
			noEvents[RekeyFailed](t, we, peer)
			noEvents[ChildUp](t, we, peer)
		},
	},
	"X unknown, peer rekeys X": {
		clause: "2.25.1", peer: "rekey child", before: func(we, _ *end) { forgetChild(we) },
		answer: "CREATE_CHILD_SA: CHILD_SA_NOT_FOUND",
		after: func(t *testing.T, _, peer *end) {
			down := got2[ChildDown](peer)
			require.Len(t, down, 1)
			require.Equal(t, ChildDown{Child: down[0].Child, ByPeer: true, Lost: true}, down[0])
			require.Empty(t, peer.s.Children())
			require.Equal(t, 0, peer.asked("D(ESP)"), "dropped silently")
			// The owner can make it anew.
			peer.x.wish("create child", peer, wishes["create child"])
			peer.x.rest()
			require.Len(t, peer.s.Children(), 1)
		},
	},
	"rekeying X, peer deletes X": {
		clause: "2.25.1", we: "rekey child", peer: "delete child", order: cross2, answer: deleted,
		after: func(t *testing.T, we, peer *end) {
			require.Equal(t, []string{busyAnswer}, peer.told)
			require.Empty(t, we.s.Children())
			noEvents[RekeyFailed](t, we, peer)
		},
	},
	"rekeying X, peer deletes X, our rekey gets CHILD_SA_NOT_FOUND": {
		clause: "2.25.1", we: "rekey child", peer: "delete child", answer: deleted,
		order: []string{"we wants", "peer wants", "peer asks", "we answers", "we asks"},
		after: func(t *testing.T, we, peer *end) {
			require.Equal(t, []string{"CREATE_CHILD_SA: CHILD_SA_NOT_FOUND"}, peer.told)
			require.Len(t, got2[ChildDown](we), 1)
			require.False(t, got2[ChildDown](we)[0].Lost, "it was deleted, so there is nothing to make anew")
			noEvents[RekeyFailed](t, we, peer)
		},
	},
	"deleting X, peer deletes X": {
		clause: "1.4.1", we: "delete child", peer: "delete child", order: cross2, answer: empty,
		after: func(t *testing.T, we, peer *end) {
			require.Equal(t, []string{empty}, peer.told)
			require.Len(t, got2[ChildDown](we), 1)
			require.Len(t, got2[ChildDown](peer), 1)
		},
	},
	"X unknown, peer deletes X": {
		clause: "1.4.1", peer: "delete child", before: func(we, _ *end) { forgetChild(we) }, answer: empty,
		after: func(t *testing.T, _, peer *end) { require.Empty(t, peer.s.Children()) },
	},
	"creating a child, peer rekeys IKE":  {clause: "2.25.2", we: "create child", peer: "rekey IKE", order: cross2, answer: busyAnswer, after: rekeyedLater},
	"rekeying a child, peer rekeys IKE":  {clause: "2.25.2", we: "rekey child", peer: "rekey IKE", order: cross2, answer: busyAnswer, after: rekeyedLater},
	"deleting a child, peer rekeys IKE":  {clause: "2.25.2", we: "delete child", peer: "rekey IKE", order: cross2, answer: busyAnswer, after: rekeyedLater},
	"rekeying IKE, peer creates a child": {clause: "2.25.2", we: "rekey IKE", peer: "create child", order: cross2, answer: busyAnswer, after: rekeyedLater},
	"rekeying IKE, peer rekeys a child":  {clause: "2.25.2", we: "rekey IKE", peer: "rekey child", order: cross2, answer: busyAnswer, after: rekeyedLater},
	"rekeying IKE, peer deletes a child": {
		clause: "2.25.2", we: "rekey IKE", peer: "delete child", order: cross2, answer: deleted,
		after: func(t *testing.T, we, peer *end) {
			rekeyedLater(t, we, peer)
			require.Empty(t, we.s.Children())
		},
	},
	"rekeying IKE, peer rekeys IKE": {
		clause: "2.8.1", we: "rekey IKE", peer: "rekey IKE", order: cross2, answer: acceptedIKE,
		after: func(t *testing.T, we, peer *end) {
			require.Equal(t, []string{acceptedIKE, empty}, peer.told)
			require.Len(t, got2[SPIChanged](we), 1)
			require.Equal(t, 1, we.asked("D(IKE)"), "the loser deletes its own new IKE SA, the winner the old one")
			require.Equal(t, 1, peer.asked("D(IKE)"))
			require.Len(t, we.s.Children(), 1, "the survivor has the Child SAs")
			noEvents[ChildDown](t, we, peer)
			noEvents[RekeyFailed](t, we, peer)
		},
	},
	"deleting IKE, peer rekeys IKE": {
		clause: "2.25.2", we: "delete IKE", peer: "rekey IKE", order: cross2, answer: busyAnswer,
		after: func(t *testing.T, we, peer *end) { noEvents[SPIChanged](t, we, peer) },
	},
	"IKE is rekeyed and waits for its Delete, peer rekeys it": {
		clause: "2.25.2", we: "rekey IKE", peer: "rekey IKE", answer: busyAnswer,
		order: []string{"we wants", "peer wants", "we asks", "peer answers", "peer asks"},
		after: func(t *testing.T, we, peer *end) {
			require.Len(t, got2[SPIChanged](we), 1)
			require.Len(t, got2[SPIChanged](peer), 1)
			noEvents[RekeyFailed](t, we, peer)
		},
	},
	"rekeying IKE, peer deletes IKE": {
		clause: "2.25.2", we: "rekey IKE", peer: "delete IKE", order: cross2, answer: empty,
		after: func(t *testing.T, we, peer *end) {
			require.Equal(t, Closed{Reason: ErrDeleted, ByPeer: true}, got2[Closed](we)[0])
			noEvents[RekeyFailed](t, we, peer)
			noEvents[SPIChanged](t, we, peer)
		},
	},
	"deleting IKE, peer deletes IKE": {
		clause: "2.25.2", we: "delete IKE", peer: "delete IKE", order: cross2, answer: empty,
		after: func(t *testing.T, we, peer *end) {
			require.Len(t, got2[Closed](we), 1)
			require.Len(t, got2[Closed](peer), 1)
		},
	},
}

// rekeyedLater: whoever got TEMPORARY_FAILURE tried again after 5 to 15 s, and in the end all that was wanted is there.
func rekeyedLater(t *testing.T, we, peer *end) {
	for _, e := range []*end{we, peer} {
		require.Len(t, got2[SPIChanged](e), 1, e.name)
		noEvents[RekeyFailed](t, e)
		noEvents[ChildFailed](t, e)
	}
}

// Every row of the table, with us as the N3IWF and as the UE, and with either side's nonces lower where they decide.
func TestCollision(t *testing.T) {
	for name, row := range collisions {
		for _, role := range []string{"as the N3IWF", "as the UE"} {
			t.Run(name+"/"+role, func(t *testing.T) {
				winners := map[bool]bool{}
				for seed := int64(1); seed <= 6; seed++ {
					x := cross(t, seed, nil)
					we, peer := x.gw, x.ue
					if role == "as the UE" {
						we, peer = x.ue, x.gw
					}
					if row.before != nil {
						row.before(we, peer)
					}
					for _, w := range []struct {
						e    *end
						wish string
					}{{we, row.we}, {peer, row.peer}} {
						if w.wish != "" {
							x.wish(w.wish, w.e, wishes[w.wish])
						}
					}
					rename := strings.NewReplacer("we ", we.name+" ", "peer ", peer.name+" ")
					for _, o := range row.order {
						x.deliver(rename.Replace(o))
					}
					x.rest()
					require.NotEmpty(t, we.told)
					require.Equal(t, row.answer, we.told[0], "RFC 7296 %s", row.clause)
					if row.after != nil {
						row.after(t, we, peer)
					}
					x.agree()
					if row.we == "rekey child" && row.peer == row.we {
						winners[we.s.children[0].sa.Initiator] = true
					} else {
						winners[we.s.sa.initiator] = true
					}
				}
				if row.we == row.peer && strings.HasPrefix(row.we, "rekey") && row.answer != busyAnswer {
					require.Len(t, winners, 2, "all seeds made the same side win")
				}
			})
		}
	}
}

var wishNames = []string{"rekey child", "delete child", "create child", "rekey IKE", "delete IKE"}

// Both want to rekey the same thing, and the messages come in a telling order. a and b are the two ends, "-" before a
// step loses that message.
func TestCollisionOrders(t *testing.T) {
	start := []string{"a wants", "b wants"}
	for name, row := range map[string]struct {
		wish  string
		steps []string
		// told are the answers to a's and to b's rekeys, in the order of a's and b's requests.
		aTold, bTold string
		noticed      bool
	}{
		"child, both notice": {
			wish: "rekey child", steps: []string{"b asks", "a asks", "b answers", "a answers"}, aTold: accepted, bTold: accepted, noticed: true,
		},
		"child, both notice, answers first to the other": {
			wish: "rekey child", steps: []string{"b asks", "a asks", "a answers", "b answers"}, aTold: accepted, bTold: accepted, noticed: true,
		},
		"child, both notice, deletes cross": {
			wish: "rekey child", steps: []string{"b asks", "a asks", "b answers", "a answers", "a asks INFORMATIONAL", "b asks INFORMATIONAL"},
			aTold: accepted, bTold: accepted, noticed: true,
		},
		"child, one notices, the other is done": {
			wish: "rekey child", steps: []string{"b asks", "a answers", "a asks"}, aTold: accepted, bTold: busyAnswer,
		},
		"child, one notices, its request comes after the Delete": {
			wish: "rekey child", steps: []string{"b asks", "a answers", "b asks INFORMATIONAL", "a answers", "a asks"},
			aTold: accepted, bTold: "CREATE_CHILD_SA: CHILD_SA_NOT_FOUND",
		},
		"child, the first request is lost": {
			wish: "rekey child", steps: []string{"-a asks", "b asks", "a answers", "b asks INFORMATIONAL", "a answers"},
			aTold: accepted, bTold: "CREATE_CHILD_SA: CHILD_SA_NOT_FOUND",
		},
		"child, an answer is lost": {
			wish: "rekey child", steps: []string{"b asks", "a asks", "-b answers", "a answers"}, aTold: accepted, bTold: accepted, noticed: true,
		},
		"IKE, both notice": {
			wish: "rekey IKE", steps: []string{"b asks", "a asks", "b answers", "a answers"}, aTold: acceptedIKE, bTold: acceptedIKE, noticed: true,
		},
		"IKE, both notice, answers first to the other": {
			wish: "rekey IKE", steps: []string{"b asks", "a asks", "a answers", "b answers"}, aTold: acceptedIKE, bTold: acceptedIKE, noticed: true,
		},
		"IKE, both notice, deletes cross": {
			wish: "rekey IKE", steps: []string{"b asks", "a asks", "b answers", "a answers", "b asks INFORMATIONAL", "a asks INFORMATIONAL"},
			aTold: acceptedIKE, bTold: acceptedIKE, noticed: true,
		},
		"IKE, both notice, one delete before the other answer": {
			wish: "rekey IKE", steps: []string{"b asks", "a asks", "b answers", "a asks INFORMATIONAL"}, aTold: acceptedIKE, bTold: acceptedIKE, noticed: true,
		},
		"IKE, one notices, the other is done": {
			wish: "rekey IKE", steps: []string{"b asks", "a answers", "a asks"}, aTold: acceptedIKE, bTold: busyAnswer,
		},
		"IKE, the first request is lost": {
			wish: "rekey IKE", steps: []string{"-a asks", "b asks", "a answers", "b asks INFORMATIONAL", "a answers"}, aTold: acceptedIKE,
		},
		"IKE, an answer is lost": {
			wish: "rekey IKE", steps: []string{"b asks", "a asks", "-b answers", "a answers"}, aTold: acceptedIKE, bTold: acceptedIKE, noticed: true,
		},
	} {
		roles := map[string]bool{"the UE notices first": true, "the N3IWF notices first": false}
		for role, ueFirst := range roles {
			t.Run(name+"/"+role, func(t *testing.T) {
				for seed := int64(1); seed <= 6; seed++ {
					x := cross(t, seed, nil)
					a, b := x.gw, x.ue
					if ueFirst {
						a, b = x.ue, x.gw
					}
					x.wish(row.wish, a, wishes[row.wish])
					x.wish(row.wish, b, wishes[row.wish])
					rename := strings.NewReplacer("a ", a.name+" ", "b ", b.name+" ")
					for _, step := range append(start, row.steps...) {
						if lost, ok := strings.CutPrefix(step, "-"); ok {
							x.lose(rename.Replace(lost))
						} else if i := x.index(rename.Replace(step)); i >= 0 || !strings.Contains(step, "INFORMATIONAL") {
							x.deliver(rename.Replace(step)) // a Delete can still wait for the other answer
						}
					}
					x.rest()
					require.Equal(t, row.aTold, a.told[0])
					if row.bTold != "" {
						require.Equal(t, row.bTold, b.told[0])
					}
					x.agree()
					require.False(t, a.s.Closed())
					require.Len(t, a.s.Children(), 1)
					for _, e := range []*end{a, b} {
						noEvents[RekeyFailed](t, e)
						deletes := e.asked("D(ESP)") + e.asked("D(IKE)")
						if row.noticed {
							require.Equal(t, 1, deletes, "%s: the loser deletes its own, the winner the old", e.name)
						} else {
							require.Equal(t, e == b, deletes == 1, "only whose rekey counts deletes the old")
						}
					}
				}
			})
		}
	}
}

// Whatever two owners want at once or one after the other, in whatever order the messages come, and with any one of
// them lost: both sides agree in the end, and no packet is lost meanwhile.
func TestAllOrders(t *testing.T) {
	for _, a := range wishNames {
		for _, b := range wishNames {
			t.Run(fmt.Sprintf("UE: %s, N3IWF: %s", a, b), func(t *testing.T) {
				t.Parallel()
				losses := 1
				if a > b || testing.Short() {
					losses = 0 // the other way round is enough; without losses there is little for the race detector to miss
				}
				n := orders(t, losses, func() *crossing {
					x := cross(t, 1, nil)
					x.wish(a, x.ue, wishes[a])
					x.wish(b, x.gw, wishes[b])
					return x
				}, func(x *crossing) {
					x.agree()
					if a == "delete child" || b == "delete child" {
						require.NotContains(t, x.ue.sending, "first", "who wants it no more gets rid of it")
					}
				})
				require.Greater(t, n, 10)
				t.Log(n, "orders")
			})
		}
	}
}

// The same when public-key work takes time, so that messages come while it is done, and with a key exchange for each
// Child SA.
func TestAllOrdersWithSlowWork(t *testing.T) {
	for _, a := range wishNames {
		for _, b := range wishNames {
			if testing.Short() && a != b {
				continue
			}
			t.Run(fmt.Sprintf("UE: %s, N3IWF: %s", a, b), func(t *testing.T) {
				t.Parallel()
				n := orders(t, 0, func() *crossing {
					x := cross(t, 1, func(o *Options) { o.ESP = suite.WithGroups(o.ESP, suite.CURVE25519) })
					x.asynchronous = true
					x.wish(a, x.ue, wishes[a])
					x.wish(b, x.gw, wishes[b])
					return x
				}, func(x *crossing) { x.agree() })
				t.Log(n, "orders")
			})
		}
	}
}
