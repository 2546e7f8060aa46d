// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

var third = netip.MustParseAddr("203.0.113.66")

// Somebody on the path rewrites the source of the update to a third party's. Before the proof the third party gets the
// answer and the check, and nothing else: no ESP at all, and of what else is outstanding a bounded amount. When the UE
// compares addresses it finds out and moves the session back.
func TestRewrittenSource(t *testing.T) {
	w := newWorld(t, 500)
	ue, gw, log := moved(w, RoutabilityBefore, nil)
	first := gw.s.Path()
	victim := uePath(ueAddr2, 4500)
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE && len(*log) == 1 {
			p.Local = ap(third, 4500)
		}
		return p, p.Remote.Addr() != third
	}
	ue.take(ue.s.Move(w.now, victim))
	w.run(100*time.Millisecond, nil)
	require.Equal(t, third, gw.s.Path().Remote.Addr())
	require.Equal(t, first, gw.s.ChildPath())
	w.run(time.Minute, nil)
	require.Equal(t, first, gw.s.ChildPath(), "no ESP to the third party")
	require.Empty(t, got[RoutabilityProven](gw))
	require.Len(t, got[RoutabilityFailed](gw), 1)
	// The UE's repetition of the update was answered where it came from, but the hash in the answer is of the first copy.
	// The UE compares with its next probe.
	ue.take(ue.s.Probe(w.now))
	w.run(30*time.Second, nil)
	ue.take(ue.s.Probe(w.now))
	w.run(30*time.Second, nil)
	require.Equal(t, reverse(victim), gw.s.ChildPath())
	require.Equal(t, reverse(victim), gw.s.Path())
	// What the third party got, in five minutes at most, is the check alone.
	octets := 0
	for _, m := range *log {
		if !m.fromUE && m.path.Remote.Addr() == third {
			require.True(t, m.h.Response() || m.has(message.COOKIE2))
			octets++
		}
	}
	require.LessOrEqual(t, octets, 20)
}

// With much outstanding, what goes to an unproven address is bounded, until it is proven.
func TestUnprovenAddressIsSpared(t *testing.T) {
	for _, policy := range []Routability{RoutabilityBefore, RoutabilityAfter} {
		w := newWorld(t, 501)
		ue, gw, _ := moved(w, policy, windows(8, 1))
		require.Equal(t, 8, gw.s.sa.window)
		big := notify(60000, make([]byte, 3000))
		octets := 0
		w.sniff = func(fromUE bool, d Datagram) {
			if !fromUE && d.Path.Remote.Addr() == ueAddr2 {
				octets += len(d.Data)
			}
		}
		w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
		for range 8 {
			gw.take(gw.s.Notify(w.now, nil, big))
		}
		ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
		w.run(4*time.Minute, nil)
		require.Greater(t, octets, 8*3000)
		require.Less(t, octets, maxUnprovenOctets+8*3000)
		// It was the UE after all: everything goes on.
		w.translate = nil
		ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4501)))
		w.run(2*time.Minute, nil)
		require.Equal(t, reverse(uePath(ueAddr2, 4501)), gw.s.ChildPath())
		require.Empty(t, gw.s.sa.outstanding)
		require.Len(t, got[InfoReceived](ue), 8)
	}
}

// The original responder never sends an update, and one from it means nothing, also when it is the initiator of the
// present IKE SA.
func TestOnlyTheOriginalInitiatorUpdates(t *testing.T) {
	w := newWorld(t, 502)
	ue, gw, _ := moved(w, RoutabilityBefore, bothSwitch)
	gw.take(gw.s.RekeyIKE(w.now))
	w.run(time.Second, nil)
	require.True(t, gw.s.sa.initiator)
	require.False(t, gw.s.OriginalInitiator())
	log := watch(w, ue.s)
	before := ue.s.Path()
	gw.take(gw.s.Move(w.now, reverse(uePath(ueAddr2, 4500))))
	gw.take(gw.s.SetAddresses(w.now, []netip.Addr{gwAddr, gwAddr2, gwAddr6}))
	gw.take(gw.s.Probe(w.now))
	gw.take(gw.s.TestPaths(w.now, nil))
	w.run(time.Second, nil)
	require.NotEmpty(t, *log)
	for _, m := range *log {
		require.False(t, m.has(message.UPDATE_SA_ADDRESSES))
	}
	updateByResponder(w, ue, gw)
	require.Equal(t, before, ue.s.Path())
	require.Equal(t, before, ue.s.ChildPath())
	require.Empty(t, got[PathChanged](ue))
	// The original initiator moves as before.
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(time.Second, nil)
	require.Equal(t, reverse(uePath(ueAddr2, 4500)), gw.s.ChildPath())
}

// A rekey of the IKE SA changes the hashes over its SPIs: an update that a UE sends for that reason changes nothing.
func TestUpdateAfterIKERekeyIsNoMove(t *testing.T) {
	w := newWorld(t, 503)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	ue.take(ue.s.Probe(w.now))
	w.run(time.Second, nil)
	gw.take(gw.s.RekeyIKE(w.now))
	w.run(11*time.Minute, nil) // longer than a proof counts
	events := len(gw.events)
	ue.take(ue.s.Move(w.now, ue.s.Path()))
	w.run(time.Second, nil)
	require.Equal(t, []Event{RoutabilityAnswered{Path: gw.s.Path()}}, gw.events[events:])
}

// Every answer leaves from the address and the port that the question was sent to, to those that it came from.
func TestAnswersGoBack(t *testing.T) {
	w := newWorld(t, 504)
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	before := gw.s.Path()
	for _, p := range []Path{
		fromTo(ueAddr, gwAddr), fromTo(ueAddr, gwAddr2), fromTo(ueAddr6, gwAddr6),
		{Local: ap(ueAddr, 500), Remote: ap(gwAddr, 500)}, {Local: ap(ueAddr2, 1234), Remote: ap(gwAddr2, 500)}, {Local: ap(ueAddr6, 65535), Remote: ap(gwAddr6, 500)},
	} {
		d := ue.s.seal(ue.s.sa, message.INFORMATIONAL, false, ue.s.sa.nextSend, nil)
		ue.s.sa.nextSend++
		for range 2 {
			out := gw.s.Receive(w.now, reverse(p), d[0])
			require.Len(t, out.Datagrams, 1)
			require.Equal(t, reverse(p), out.Datagrams[0].Path)
		}
	}
	require.Equal(t, before, gw.s.Path())
}

func TestRoutabilityBeforeIsDefault(t *testing.T) {
	require.Equal(t, RoutabilityBefore, Options{}.withDefaults().Routability)
	require.Equal(t, RebindPort, Options{}.withDefaults().Rebind)
}

// Only port 4500 passes after IKE_SA_INIT, with and without NAT; and it is used from the first IKE_AUTH on.
func TestPort500Blocked(t *testing.T) {
	for _, honest := range []bool{true, false} {
		w := newWorld(t, 505)
		seen := 0
		w.translate = func(fromUE bool, p Path) (Path, bool) {
			if !p.NATT {
				seen++
			}
			return p, p.NATT || seen <= 2
		}
		o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
		o.HonestNAT, g.HonestNAT = honest, honest
		ue, gw := w.up(o, g)
		require.Equal(t, fromTo(ueAddr, gwAddr), ue.s.Path())
		require.Equal(t, reverse(ue.s.Path()), gw.s.Path())
		require.Equal(t, 2, seen)
		require.Equal(t, NATStatus{Supported: true, PeerBehindNAT: !honest}, gw.s.NAT())
	}
}

// The pair that waits for the proof is used up meanwhile: its rekey and its end go on, and the proof comes all the same.
func TestExpiryDuringCheck(t *testing.T) {
	for _, hard := range []bool{false, true} {
		w := newWorld(t, 506)
		ue, gw, log := moved(w, RoutabilityBefore, nil)
		spi := gw.s.Children()[0].InboundSPI
		w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE || len(*log) < 3 }
		ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
		w.run(time.Second, nil)
		require.True(t, gw.s.rr.wanted)
		gw.take(gw.s.Expire(w.now, spi, hard))
		w.run(5*time.Second, nil)
		w.translate = nil
		w.run(time.Minute, nil)
		require.Equal(t, reverse(uePath(ueAddr2, 4500)), gw.s.ChildPath())
		require.Nil(t, gw.s.childByInbound(spi))
		if !hard {
			require.Len(t, gw.s.Children(), 1)
		}
		sameKeys(t, ue.s, gw.s)
	}
}

// Unprotected errors and garbage from anybody change nothing.
func TestUnreliableHints(t *testing.T) {
	w := newWorld(t, 507)
	_, gw, _ := moved(w, RoutabilityBefore, nil)
	before := gw.s.Path()
	spiI, spiR := gw.s.SPIs()
	for _, n := range []message.NotifyType{message.INVALID_IKE_SPI, message.AUTHENTICATION_FAILED, message.UPDATE_SA_ADDRESSES, message.UNACCEPTABLE_ADDRESSES} {
		for _, response := range []bool{true, false} {
			m := message.Message{
				Header:   message.Header{InitiatorSPI: spiI, ResponderSPI: spiR, Exchange: message.INFORMATIONAL, MessageID: gw.s.sa.nextSend, Flags: message.FlagInitiator},
				Payloads: []message.Payload{notify(n, nil)},
			}
			if response {
				m.Flags |= message.FlagResponse
			}
			data, err := m.Append(nil)
			require.NoError(t, err)
			gw.take(gw.s.Receive(w.now, reverse(uePath(ueAddr2, 4500)), data))
		}
	}
	require.Empty(t, got[PathChanged](gw))
	require.Equal(t, before, gw.s.Path())
	require.True(t, gw.s.Established())
	// The owner may look whether the peer is still there, as often as it likes: one probe is on its way at a time.
	for range 100 {
		gw.take(gw.s.Probe(w.now))
	}
	require.Len(t, gw.s.sa.outstanding, 1)
	require.Empty(t, gw.s.sa.queue)
	w.run(time.Second, nil)
	require.Len(t, got[Alive](gw), 1)
}

// Transport mode is asked for: the answer is tunnel mode, and it moves like any other.
func TestTransportModeIsNotAnswered(t *testing.T) {
	w := newWorld(t, 508)
	ue, gw, log := moved(w, RoutabilityBefore, func(_, g *Options) {
		g.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
	})
	ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Notifies: []*message.Notify{notify(message.USE_TRANSPORT_MODE, nil)}}))
	w.run(time.Second, nil)
	require.Len(t, gw.s.Children(), 2)
	require.True(t, (*log)[0].has(message.USE_TRANSPORT_MODE))
	require.False(t, (*log)[1].has(message.USE_TRANSPORT_MODE))
}

// A gateway behind a NAT of its own (one to one, as in a cloud): the UE moves twice, and both sides know of the NAT.
func TestGatewayBehindNAT(t *testing.T) {
	w := newWorld(t, 509)
	private := netip.MustParseAddr("10.9.8.7")
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			p.Remote = netip.AddrPortFrom(private, p.Remote.Port())
		} else {
			require.Equal(t, private, p.Local.Addr())
			p.Local = netip.AddrPortFrom(gwAddr, p.Local.Port())
		}
		return p, true
	}
	ue, gw, _ := moved(w, RoutabilityBefore, func(o, g *Options) { o.HonestNAT, g.HonestNAT = true, true })
	require.True(t, gw.s.NAT().BehindNAT)
	for _, to := range []Path{fromTo(ueAddr2, gwAddr), fromTo(ueAddr, gwAddr)} {
		ue.take(ue.s.Move(w.now, to))
		w.run(time.Second, nil)
		require.Equal(t, Path{Local: ap(private, 4500), Remote: to.Local, NATT: true}, gw.s.ChildPath())
		require.Equal(t, NATStatus{Supported: true, BehindNAT: true}, gw.s.NAT())
		require.Equal(t, NATStatus{Supported: true, PeerBehindNAT: true}, ue.s.NAT())
	}
}

// A network behind the UE, and several children, move with one event.
func TestSubnetBehindTheUEMoves(t *testing.T) {
	w := newWorld(t, 510)
	subnet := message.AnyIPv4
	subnet.Start, subnet.End = netip.MustParseAddr("10.20.0.16"), netip.MustParseAddr("10.20.0.31")
	ue, gw, _ := moved(w, RoutabilityBefore, nil)
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: []message.TrafficSelector{subnet}}))
	w.run(time.Second, nil)
	children := gw.s.Children()
	require.Len(t, children, 2)
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	w.run(time.Second, nil)
	require.Len(t, got[ChildrenMoved](gw), 1)
	require.Equal(t, onPath(children, gw.s.ChildPath()), gw.s.Children())
	require.Equal(t, []message.TrafficSelector{subnet}, gw.s.Children()[1].RemoteTS)
}

// Two UEs behind one NAT address with equal Child SPIs: the sessions are told apart by IKE SPI, and each keeps its own.
func TestEqualSPIsBehindOneNAT(t *testing.T) {
	w := newWorld(t, 511)
	nat := ap(ueAddr2, 0)
	same := func(o *Options) { o.NewChildSPI = func() (uint32, error) { return 0x1000, nil } }
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	same(&o)
	var ues, gws []*node
	for i := range 2 {
		w.translate = func(fromUE bool, p Path) (Path, bool) {
			if fromUE {
				p.Local = netip.AddrPortFrom(nat.Addr(), 20000+uint16(i)*1000+p.Local.Port()%500)
			} else {
				p.Remote = ap(ueAddr, map[bool]uint16{true: 4500, false: 500}[p.NATT])
			}
			return p, true
		}
		w.workDelay = 0
		if w.gw == nil {
			w.serve(g, authorizeAll)
		}
		before := len(w.gw.nodes)
		ue := w.dial(o, wantChild(), nil)
		w.run(5*time.Second, nil)
		require.True(t, ue.s.Established())
		require.Len(t, w.gw.nodes, before+1)
		ues, gws = append(ues, ue), append(gws, w.gw.last())
	}
	require.Equal(t, gws[0].s.Children()[0].OutboundSPI, gws[1].s.Children()[0].OutboundSPI)
	require.Equal(t, gws[0].s.Path().Remote.Addr(), gws[1].s.Path().Remote.Addr())
	require.NotEqual(t, gws[0].s.Children()[0].InboundSPI, gws[1].s.Children()[0].InboundSPI)
	// The second moves: the first does not.
	first := gws[0].s.ChildPath()
	w.translate = nil
	w.ue = ues[1]
	ues[1].take(ues[1].s.Move(w.now, uePath(ueAddr6, 4500)))
	w.run(time.Second, nil)
	require.Equal(t, ueAddr6, gws[1].s.ChildPath().Remote.Addr())
	require.Equal(t, first, gws[0].s.ChildPath())
	sameKeys(t, ues[0].s, gws[0].s)
	sameKeys(t, ues[1].s, gws[1].s)
}
