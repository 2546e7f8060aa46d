// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// sent is a message seen on the wire, opened by an onlooker with the keys.
type sent struct {
	fromUE bool
	path   Path
	h      message.Header
	in     []message.Payload
}

func (s sent) has(t message.NotifyType) bool { return message.GetNotify(s.in, t) != nil }

// watch opens every message from now on with the present keys.
func watch(w *world, s *Session) *[]sent {
	log := new([]sent)
	sa := s.sa
	ueOut, gwOut, err := sa.keys.Protectors(sa.suite, sa.initiator, s.opt.Rand)
	require.NoError(w.t, err)
	w.sniff = func(fromUE bool, d Datagram) {
		p := gwOut
		if fromUE == sa.initiator == s.origInitiator {
			p = ueOut
		}
		m, err := message.Open(d.Data, p)
		if err != nil {
			return // of another IKE SA
		}
		*log = append(*log, sent{fromUE, d.Path, m.Header, m.Payloads})
	}
	return log
}

func moved(w *world, r Routability, change func(ue, gw *Options)) (ue, gw *node, log *[]sent) {
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	g.Routability = r
	o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
	if change != nil {
		change(&o, &g)
	}
	ue, gw = w.up(o, g)
	return ue, gw, watch(w, ue.s)
}

// The whole of a move under each policy, message by message.
func TestMove(t *testing.T) {
	for _, policy := range []Routability{RoutabilityBefore, RoutabilityAfter, RoutabilityOff} {
		for name, to := range map[string]Path{
			"address": uePath(ueAddr2, 4500), "port": uePath(ueAddr, 40000), "IPv6": uePath(ueAddr6, 4500),
		} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t, 50)
				ue, gw, log := moved(w, policy, nil)
				old := gw.s.Path()
				children := gw.s.Children()
				ue.take(ue.s.Move(w.now, to))
				require.Equal(t, to, ue.s.ChildPath(), "the UE itself sends from the new address at once")
				w.run(time.Second, nil)

				update := (*log)[0]
				require.True(t, update.fromUE)
				require.Equal(t, to, update.path)
				for _, n := range []message.NotifyType{message.UPDATE_SA_ADDRESSES, message.NAT_DETECTION_SOURCE_IP, message.NAT_DETECTION_DESTINATION_IP, message.COOKIE2} {
					require.True(t, update.has(n), "%v", n)
				}
				answer := (*log)[1]
				require.False(t, answer.fromUE)
				require.True(t, answer.h.Response())
				require.Equal(t, reverse(to), answer.path)
				require.Equal(t, message.GetNotify(update.in, message.COOKIE2).Data, message.GetNotify(answer.in, message.COOKIE2).Data)
				require.True(t, answer.has(message.NAT_DETECTION_DESTINATION_IP))
				require.Equal(t, suite.NATDetectionHash(answer.h.InitiatorSPI, answer.h.ResponderSPI, to.Local),
					message.GetNotify(answer.in, message.NAT_DETECTION_DESTINATION_IP).Data)

				events := slices.DeleteFunc(gw.events, func(e Event) bool { _, ok := e.(RoutabilityAnswered); return ok })
				gwEvents := events[len(events)-1]
				move := ChildrenMoved{Old: old, Path: reverse(to)}
				proven := RoutabilityProven{Path: reverse(to)}
				change := PathChanged{Old: old, New: reverse(to), NAT: gw.s.NAT()}
				tail := events[len(events)-3:]
				switch policy {
				case RoutabilityBefore:
					require.Equal(t, []Event{change, proven, move}, tail)
				case RoutabilityAfter:
					move.Unproven = true
					require.Equal(t, []Event{change, move, proven}, tail)
				case RoutabilityOff:
					require.Equal(t, move, gwEvents)
					require.Len(t, *log, 2)
				}
				if policy != RoutabilityOff {
					require.Len(t, *log, 4)
					rr := (*log)[2]
					require.False(t, rr.fromUE || rr.h.Response())
					require.Equal(t, reverse(to), rr.path)
					require.True(t, rr.has(message.COOKIE2))
					require.Len(t, message.GetNotify(rr.in, message.COOKIE2).Data, 16)
					require.Equal(t, message.GetNotify(rr.in, message.COOKIE2).Data, message.GetNotify((*log)[3].in, message.COOKIE2).Data)
				}
				require.Equal(t, reverse(to), gw.s.ChildPath())
				require.Equal(t, []MoveDone{{Path: to}}, got[MoveDone](ue))
				require.Equal(t, children, gw.s.Children(), "SPIs and keys stay")
				sameKeys(t, ue.s, gw.s)
			})
		}
	}
}

func TestProvenAddressesAreRemembered(t *testing.T) {
	w := newWorld(t, 51)
	ue, gw, log := moved(w, RoutabilityBefore, func(_, g *Options) {
		g.RoutabilityExempt = []netip.Prefix{netip.MustParsePrefix("2001:db8:1::/48")}
	})
	messages := func(to Path, after time.Duration) int {
		w.run(after, nil)
		*log = nil
		ue.take(ue.s.Move(w.now, to))
		w.run(time.Second, nil)
		require.Equal(t, reverse(to), gw.s.ChildPath())
		return len(*log)
	}
	there, back := uePath(ueAddr2, 4500), uePath(ueAddr, 4500)
	require.Equal(t, 4, messages(there, 0))
	require.Equal(t, 2, messages(back, 0), "the first path is proven")
	require.Equal(t, 2, messages(there, 5*time.Minute))
	require.Equal(t, 4, messages(uePath(ueAddr2, 4501), 0), "another port is another place behind a NAT")
	require.Equal(t, 4, messages(back, 11*time.Minute), "a proof is good for ten minutes")
	require.Equal(t, 2, messages(uePath(ueAddr6, 4500), 0), "exempt")
	for i := range 20 {
		messages(uePath(ueAddr2, uint16(5000+i)), 0)
	}
	require.Len(t, gw.s.proven, maxProven)
}

// Until the path is proven nothing moves but the IKE SA, and when the proof does not come, nothing does at all.
func TestRoutabilityFails(t *testing.T) {
	for _, policy := range []Routability{RoutabilityBefore, RoutabilityAfter} {
		w := newWorld(t, 52)
		ue, gw, log := moved(w, policy, nil)
		first := gw.s.Path()
		// The update arrives, then nothing reaches the UE there any more.
		w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
		ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
		w.run(9*time.Second, nil)
		require.Equal(t, reverse(uePath(ueAddr2, 4500)), gw.s.Path(), "requests go to the new address")
		require.Empty(t, got[RoutabilityFailed](gw))
		w.run(2*time.Second, nil)
		require.Equal(t, []RoutabilityFailed{{Path: gw.s.Path()}}, got[RoutabilityFailed](gw))
		if policy == RoutabilityBefore {
			require.Equal(t, first, gw.s.ChildPath())
		}
		// The session lives on for minutes (issue 71); a UE that comes back with a new update goes on as before.
		w.run(3*time.Minute, nil)
		require.True(t, gw.s.Established())
		require.Len(t, got[RoutabilityFailed](gw), 1)
		w.translate = nil
		*log = nil
		ue.take(ue.s.Move(w.now, uePath(ueAddr, 4500)))
		w.run(time.Minute, nil)
		require.Equal(t, first, gw.s.Path())
		require.Equal(t, first, gw.s.ChildPath())
		require.Equal(t, reverse(first), ue.s.ChildPath())
		sameKeys(t, ue.s, gw.s)
	}
}

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
func TestMoveWhileOwnRequestIsOutstanding(t *testing.T) {
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
func TestResponseLostAndMoved(t *testing.T) {
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
func TestRequestBeforeUpdate(t *testing.T) {
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
func TestMoveDuringChildRekey(t *testing.T) {
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

func TestCookie2Mismatch(t *testing.T) {
	for _, wrong := range []bool{true, false} {
		w := newWorld(t, 59)
		ue, gw, log := moved(w, RoutabilityBefore, nil)
		// A UE whose answers to the check are not what they should be.
		update := func() {
			ue.s.begin(w.now)
			ue.s.setPath(uePath(ueAddr2, 4500))
			ue.s.enqueueUpdate()
			ue.take(ue.s.finish())
		}
		w.ue.on = nil
		w.translate = func(fromUE bool, p Path) (Path, bool) {
			// The check reaches the UE, but not its answer: that is made by hand below.
			return p, len(*log) <= 3
		}
		update()
		w.run(100*time.Millisecond, nil)
		require.True(t, gw.s.rr.wanted)
		check := (*log)[2]
		var out []message.Payload
		if wrong {
			out = []message.Payload{notify(message.COOKIE2, make([]byte, 16))}
		}
		reply := ue.s.seal(ue.s.sa, message.INFORMATIONAL, true, check.h.MessageID, out)
		w.translate = nil
		gw.take(gw.s.Receive(w.now, check.path, reply[0]))
		require.Equal(t, []Closed{{Reason: ErrCookie2}}, got[Closed](gw))
		w.run(time.Second, nil)
		require.True(t, got[Closed](ue)[0].ByPeer, "the peer is told")
		require.Empty(t, got[ChildrenMoved](gw))
	}
}

func TestReplayedUpdateFromElsewhere(t *testing.T) {
	w := newWorld(t, 60)
	ue, gw, _ := moved(w, RoutabilityOff, nil)
	var update Datagram
	w.sniff = func(fromUE bool, d Datagram) {
		if fromUE {
			update = d
		}
	}
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(time.Second, nil)
	path := gw.s.Path()
	thief := Path{Local: ap(gwAddr, 4500), Remote: ap(netip.MustParseAddr("203.0.113.66"), 4500), NATT: true}
	out := gw.s.Receive(w.now, thief, update.Data)
	require.Empty(t, out.Events)
	require.Len(t, out.Datagrams, 1)
	require.Equal(t, path, gw.s.Path())
	// An older update, after a newer one: nothing, whoever sends it.
	old := update
	ue.take(ue.s.Move(w.now, uePath(ueAddr, 4500)))
	w.run(time.Second, nil)
	path = gw.s.Path()
	require.Empty(t, gw.s.Receive(w.now, reverse(old.Path), old.Data).Datagrams)
	require.Equal(t, path, gw.s.Path())
}

func TestUnacceptableAddresses(t *testing.T) {
	policy := errors.New("another country")
	for name, row := range map[string]struct {
		from   netip.AddrPort
		policy error
	}{
		"policy":      {from: ap(ueAddr2, 4500), policy: policy},
		"multicast":   {from: ap(netip.MustParseAddr("224.0.0.1"), 4500)},
		"broadcast":   {from: ap(netip.MustParseAddr("255.255.255.255"), 4500)},
		"loopback":    {from: ap(netip.MustParseAddr("127.0.0.1"), 4500)},
		"link-local":  {from: ap(netip.MustParseAddr("169.254.3.4"), 4500)},
		"unspecified": {from: ap(netip.IPv4Unspecified(), 4500)},
		"port 0":      {from: ap(ueAddr2, 0)},
		"ourselves":   {from: ap(gwAddr, 4500)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 61)
			ue, gw, log := moved(w, RoutabilityBefore, func(_, g *Options) {
				g.AcceptPath = func(s *Session, p Path) error { return row.policy }
			})
			before := gw.s.Path()
			w.translate = func(fromUE bool, p Path) (Path, bool) {
				if fromUE {
					p.Local = row.from
				} else {
					p.Remote = ap(ueAddr2, 4500)
				}
				return p, true
			}
			to := uePath(ueAddr2, 4500)
			ue.take(ue.s.Move(w.now, to))
			w.run(time.Second, nil)
			require.Len(t, *log, 2)
			require.True(t, (*log)[1].has(message.UNACCEPTABLE_ADDRESSES))
			require.True(t, (*log)[1].has(message.COOKIE2))
			require.Equal(t, row.from, (*log)[1].path.Remote)
			require.Equal(t, []MoveRefused{{Path: to, Err: &NotifyError{Type: message.UNACCEPTABLE_ADDRESSES}}}, got[MoveRefused](ue))
			require.Equal(t, before, gw.s.Path())
			require.Equal(t, before, gw.s.ChildPath())
			require.Len(t, got[MoveRejected](gw), 1)
			require.Empty(t, got[PathChanged](gw))
		})
	}
}

func TestNoNATsAllowed(t *testing.T) {
	data := func(src, dst netip.AddrPort) []byte {
		d := append(src.Addr().AsSlice(), dst.Addr().AsSlice()...)
		d = binary.BigEndian.AppendUint16(d, src.Port())
		return binary.BigEndian.AppendUint16(d, dst.Port())
	}
	for name, row := range map[string]struct {
		data []byte
		path Path
		ok   bool
	}{
		"IPv4":           {data: data(ap(ueAddr2, 4500), ap(gwAddr, 4500)), path: uePath(ueAddr2, 4500), ok: true},
		"IPv6":           {data: data(ap(ueAddr6, 4500), ap(gwAddr6, 4500)), path: uePath(ueAddr6, 4500), ok: true},
		"another source": {data: data(ap(ueAddr, 4500), ap(gwAddr, 4500)), path: uePath(ueAddr2, 4500)},
		"another port":   {data: data(ap(ueAddr2, 4501), ap(gwAddr, 4500)), path: uePath(ueAddr2, 4500)},
		"IPv6 in IPv4":   {data: data(ap(ueAddr6, 4500), ap(gwAddr6, 4500)), path: uePath(ueAddr2, 4500)},
		"short":          {data: []byte{1}, path: uePath(ueAddr2, 4500)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 62)
			ue, gw, log := moved(w, RoutabilityOff, nil)
			before := gw.s.Path()
			ue.s.path = row.path
			in := ask(w, ue, message.INFORMATIONAL, notify(message.UPDATE_SA_ADDRESSES, nil), notify(message.NO_NATS_ALLOWED, row.data), notify(message.COOKIE2, []byte("12345678")))
			require.NotNil(t, message.GetNotify(in, message.COOKIE2))
			require.Equal(t, !row.ok, message.GetNotify(in, message.UNEXPECTED_NAT_DETECTED) != nil)
			require.Equal(t, reverse(row.path), (*log)[1].path, "to the source of the packet, whatever the notify says")
			if row.ok {
				require.Equal(t, reverse(row.path), gw.s.Path())
			} else {
				require.Equal(t, before, gw.s.Path())
			}
		})
	}
}

func TestMalformedMOBIKENotifies(t *testing.T) {
	w := newWorld(t, 63)
	ue, gw, _ := moved(w, RoutabilityOff, nil)
	for _, n := range []int{0, 7, 65} {
		in := ask(w, ue, message.INFORMATIONAL, notify(message.COOKIE2, make([]byte, n)))
		require.Empty(t, in, "COOKIE2 of %d octets", n)
	}
	for _, n := range []int{8, 64} {
		require.Len(t, ask(w, ue, message.INFORMATIONAL, notify(message.COOKIE2, make([]byte, n))), 1)
	}
	ask(w, ue, message.INFORMATIONAL, notify(message.ADDITIONAL_IP4_ADDRESS, make([]byte, 5)), notify(message.ADDITIONAL_IP6_ADDRESS, make([]byte, 4)))
	require.Equal(t, []netip.Addr{ueAddr}, gw.s.PeerAddresses())
	require.True(t, gw.s.Established())
}

func TestAddressLists(t *testing.T) {
	w := newWorld(t, 64)
	ue, gw, _ := moved(w, RoutabilityOff, func(o, g *Options) {
		o.AdditionalAddresses = []netip.Addr{ueAddr2, ueAddr6}
		g.AdditionalAddresses = []netip.Addr{gwAddr6}
	})
	require.Equal(t, []netip.Addr{ueAddr, ueAddr2, ueAddr6}, gw.s.PeerAddresses())
	require.Equal(t, []netip.Addr{gwAddr, gwAddr6}, ue.s.PeerAddresses())
	// Each list replaces the whole one before.
	ask(w, ue, message.INFORMATIONAL, notify(message.ADDITIONAL_IP6_ADDRESS, ueAddr6.AsSlice()))
	require.Equal(t, []netip.Addr{ueAddr, ueAddr6}, gw.s.PeerAddresses())
	ask(w, ue, message.INFORMATIONAL, notify(message.NO_ADDITIONAL_ADDRESSES, nil))
	require.Equal(t, []netip.Addr{ueAddr}, gw.s.PeerAddresses())
	many := make([]message.Payload, 100)
	for i := range many {
		many[i] = notify(message.ADDITIONAL_IP4_ADDRESS, []byte{10, 0, 0, byte(i)})
	}
	ask(w, ue, message.INFORMATIONAL, many...)
	require.Len(t, gw.s.PeerAddresses(), maxAddresses)
	require.Len(t, got[PeerAddresses](gw), 3)
}

// NAT detection decides about NAT, never the look of an address; and a NAT in front of the UE can come and go.
func TestNATComesAndGoes(t *testing.T) {
	w := newWorld(t, 65)
	ue, gw, _ := moved(w, RoutabilityBefore, func(o, g *Options) { o.HonestNAT, g.HonestNAT = true, true })
	private := netip.MustParseAddr("10.1.2.3")
	require.Equal(t, NATStatus{Supported: true}, gw.s.NAT())

	w.translate = nat(private, ueAddr2, 20000)
	ue.take(ue.s.Move(w.now, uePath(private, 4500)))
	w.run(time.Second, nil)
	require.Equal(t, ap(ueAddr2, 20500), gw.s.ChildPath().Remote)
	require.Equal(t, NATStatus{Supported: true, PeerBehindNAT: true}, gw.s.NAT())
	require.Equal(t, NATStatus{Supported: true, BehindNAT: true}, ue.s.NAT())
	require.Len(t, got[NATChanged](gw), 1)

	w.translate = nil
	ue.take(ue.s.Move(w.now, uePath(ueAddr6, 4500)))
	w.run(time.Second, nil)
	require.Equal(t, NATStatus{Supported: true}, gw.s.NAT())
	require.Equal(t, NATStatus{Supported: true}, ue.s.NAT())

	// A private address without a NAT is no NAT.
	ue.take(ue.s.Move(w.now, uePath(private, 4500)))
	w.run(time.Second, nil)
	require.Equal(t, ap(private, 4500), gw.s.ChildPath().Remote)
	require.Equal(t, NATStatus{Supported: true}, gw.s.NAT())
}

// A NAT changes the mapping; the UE finds out by comparing two answers and updates.
func TestNATRebindingIsNoticed(t *testing.T) {
	w := newWorld(t, 66)
	ue, gw, log := moved(w, RoutabilityBefore, nil)
	w.translate = nat(ueAddr, ueAddr2, 20000)
	ue.take(ue.s.Move(w.now, uePath(ueAddr, 4500)))
	w.run(time.Second, nil)
	require.Equal(t, ap(ueAddr2, 20500), gw.s.ChildPath().Remote)
	*log = nil
	ue.take(ue.s.Probe(w.now))
	w.run(time.Second, nil)
	require.Len(t, *log, 2, "nothing has changed")
	require.Len(t, got[Alive](ue), 1)

	w.translate = nat(ueAddr, ueAddr2, 30000)
	*log = nil
	ue.take(ue.s.Probe(w.now))
	w.run(time.Second, nil)
	require.False(t, (*log)[0].has(message.UPDATE_SA_ADDRESSES))
	require.True(t, (*log)[2].has(message.UPDATE_SA_ADDRESSES))
	require.Equal(t, ap(ueAddr2, 30500), gw.s.ChildPath().Remote)
	require.Len(t, got[MoveDone](ue), 2)

	// The data plane can say it sooner, when ESP comes from another port.
	p := gw.s.ChildPath()
	p.Remote = ap(ueAddr2, 31000)
	gw.take(gw.s.Rebind(w.now, p))
	require.Equal(t, p, gw.s.ChildPath())
	require.Equal(t, p, gw.s.Path())
	// But never to another address.
	p.Remote = ap(ueAddr6, 31000)
	require.Empty(t, gw.s.Rebind(w.now, p).Events)
}

// Without MOBIKE the gateway follows the latest authentic message of a peer behind a NAT (RFC 7296 2.23), and an
// update means nothing.
func TestWithoutMOBIKE(t *testing.T) {
	w := newWorld(t, 67)
	ue, gw, _ := moved(w, RoutabilityBefore, func(_, g *Options) { g.NoMOBIKE = true })
	require.False(t, ue.s.MOBIKE() || gw.s.MOBIKE())
	require.False(t, got[AuthRequest](gw)[0].MOBIKE)
	before := gw.s.Path()
	w.translate = nat(ueAddr, ueAddr2, 20000)
	var request Datagram
	w.sniff = func(fromUE bool, d Datagram) {
		if fromUE {
			request = d
		}
	}
	in := ask(w, ue, message.INFORMATIONAL, notify(message.UPDATE_SA_ADDRESSES, nil))
	require.Empty(t, in)
	after := gw.s.Path()
	require.NotEqual(t, before, after)
	require.Equal(t, ap(ueAddr2, 20500), after.Remote)
	require.Equal(t, after, gw.s.ChildPath())
	require.Len(t, got[ChildrenMoved](gw), 1)
	gw.s.Receive(w.now, before, request.Data)
	require.Equal(t, after, gw.s.Path(), "a replay is not fresh")
}

// Only the original initiator moves; an update from the other side is answered and ignored.
func TestUpdateByResponder(t *testing.T) {
	w := newWorld(t, 68)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	before := ue.s.Path()
	ask(w, gw, message.INFORMATIONAL, notify(message.UPDATE_SA_ADDRESSES, nil))
	require.Equal(t, before, ue.s.Path())
	require.Empty(t, gw.s.Move(w.now, Path{}).Events)
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

// rekeyIKE plays the UE's side of a rekey of the IKE SA and deletes the old one.
func rekeyIKE(w *world, ue, gw *node) {
	w.t.Helper()
	old := ue.s.sa
	key, err := suite.GenerateKey(suite.CURVE25519, ue.s.opt.Rand)
	require.NoError(w.t, err)
	next := &ikeSA{initiator: true, spiI: ue.s.newSPI(), window: 1}
	ni := ue.s.nonce()
	offer := suite.Offer(ue.s.opt.IKE, next.spiI.Bytes())
	in := ask(w, ue, message.CREATE_CHILD_SA, &message.SecurityAssociation{Proposals: offer}, &message.Nonce{Data: ni},
		&message.KeyExchange{Group: uint16(suite.CURVE25519), Data: key.Public()})
	require.Nil(w.t, message.ErrorNotify(in))
	answer, _ := message.Get[*message.SecurityAssociation](in)
	nr, _ := message.Get[*message.Nonce](in)
	ke, _ := message.Get[*message.KeyExchange](in)
	choice, err := suite.AcceptIKE(offer, answer.Proposals, 8)
	require.NoError(w.t, err)
	secret, err := key.Shared(ke.Data)
	require.NoError(w.t, err)
	next.suite = choice.IKE
	next.spiR = message.SPI(binary.BigEndian.Uint64(choice.Peer.SPI))
	require.NoError(w.t, ue.s.useKeys(next, suite.RekeyIKE(old.suite.PRF, old.keys.D, next.suite, secret, ni, nr.Data, next.spiI, next.spiR)))
	// Delete the old one in the old one, then go over.
	ask(w, ue, message.INFORMATIONAL, deleteIKE())
	ue.s.sa = next
}

func TestIKERekeyByPeer(t *testing.T) {
	w := newWorld(t, 70)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	old := gw.s.SPI()
	rekeyIKE(w, ue, gw)
	require.Equal(t, []SPIChanged{{Old: old, New: gw.s.SPI()}}, got[SPIChanged](gw))
	require.Equal(t, []SPIForgotten{{SPI: old}}, got[SPIForgotten](gw))
	require.NotEqual(t, old, gw.s.SPI())
	require.False(t, gw.s.Closed())

	// Children, roles and mobility go on in the new one, with message IDs from 0.
	log := watch(w, ue.s)
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(time.Second, nil)
	require.EqualValues(t, 0, (*log)[0].h.MessageID)
	require.Equal(t, reverse(uePath(ueAddr2, 4500)), gw.s.ChildPath())
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(time.Second, nil)
	require.Len(t, gw.s.Children(), 2)
	sameKeys(t, ue.s, gw.s)

	// Not while a request of ours is under way.
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.translate = nil
	in := ask(w, ue, message.CREATE_CHILD_SA,
		&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.IKE, message.SPI(5).Bytes())}, &message.Nonce{Data: ue.s.nonce()},
		&message.KeyExchange{Group: uint16(suite.CURVE25519), Data: make([]byte, 32)})
	require.Equal(t, message.TEMPORARY_FAILURE, message.ErrorNotify(in).Type)
}

func TestAddressesComeFromIKEAuth(t *testing.T) {
	w := newWorld(t, 71)
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE && p.NATT {
			p.Local = ap(ueAddr2, 4500) // IKE_SA_INIT came from ueAddr
		} else if !fromUE {
			p.Remote = ap(ueAddr, p.Remote.Port())
		}
		return p, true
	}
	_, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	require.Equal(t, ap(ueAddr2, 4500), gw.s.Path().Remote)
}

func TestStartOnNATTPort(t *testing.T) {
	w := newWorld(t, 72)
	w.path = Path{Local: ap(ueAddr, 33333), Remote: ap(gwAddr, 4500), NATT: true}
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	require.Equal(t, w.path, ue.s.Path())
	require.Equal(t, reverse(w.path), gw.s.Path())
	// It can compare with IKE_SA_INIT then.
	require.NotNil(t, ue.s.natReference)
}

func TestMOBIKEDataIsIgnored(t *testing.T) {
	for _, n := range []int{0, 1, 64} {
		w := newWorld(t, 73)
		o := pskOptions(w.rng, "ue")
		o.MOBIKEData = make([]byte, n)
		ue, gw := w.up(o, pskOptions(w.rng, "gw"))
		require.True(t, ue.s.MOBIKE() && gw.s.MOBIKE())
		require.Len(t, got[AuthRequest](gw)[0].MOBIKEData, n)
	}
}
