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
		if fromUE == s.origInitiator {
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
				require.Equal(t, onPath(children, reverse(to)), gw.s.Children(), "SPIs and keys stay")
				sameKeys(t, ue.s, gw.s)
			})
		}
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

// Only the original initiator moves; an update from the other side is answered and ignored.
func TestUpdateByResponder(t *testing.T) {
	w := newWorld(t, 68)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	before := ue.s.Path()
	updateByResponder(w, ue, gw)
	require.Equal(t, before, ue.s.Path())
	require.Equal(t, before, ue.s.ChildPath())
	require.Empty(t, gw.s.Move(w.now, Path{}).Events)
}

// updateByResponder makes the gateway send an update from another of its addresses to another one of the UE's.
func updateByResponder(w *world, ue, gw *node) {
	w.t.Helper()
	elsewhere := fromTo(ueAddr2, gwAddr2)
	answers := 0
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			require.Equal(w.t, elsewhere, p, "answered where it came from")
			answers++
			return ue.s.Path(), true
		}
		return reverse(elsewhere), true
	}
	in := ask(w, gw, message.INFORMATIONAL, notify(message.UPDATE_SA_ADDRESSES, nil))
	w.translate = nil
	require.Nil(w.t, message.ErrorNotify(in))
	require.Equal(w.t, 1, answers)
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
