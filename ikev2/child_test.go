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

func TestChildFromEitherSide(t *testing.T) {
	w := newWorld(t, 20)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))

	// The gateway's own requests start with message ID 0, and carry its notifies.
	w.sniff = func(fromUE bool, d Datagram) {
		h, err := message.DecodeHeader(d.Data)
		require.NoError(t, err)
		require.Equal(t, message.CREATE_CHILD_SA, h.Exchange)
		require.EqualValues(t, 0, h.MessageID)
		require.Equal(t, fromUE, h.FromInitiator(), "the I flag is that of the IKE SA's initiator")
	}
	ue.s.opt.AcceptChild = func(_ *Session, offer *ChildOffer) (ChildAnswer, error) {
		require.EqualValues(t, 55501, offer.Notifies[0].Type)
		narrow := message.AddrSelector(47, netip.MustParseAddr("10.0.0.2"))
		return ChildAnswer{LocalTS: []message.TrafficSelector{narrow}, Tag: "user plane"}, nil
	}
	gw.take(gw.s.CreateChild(w.now, ChildRequest{
		LocalTS: anyTS(), RemoteTS: anyTS(), Notifies: []*message.Notify{notify(55501, []byte{3, 1, 0, 2})}, Tag: 5,
	}))
	w.run(time.Second, nil)
	sameKeys(t, ue.s, gw.s)
	require.Equal(t, "10.0.0.2", gw.s.Children()[1].RemoteTS[0].Start.String())
	require.Equal(t, 5, gw.s.Children()[1].Tag)
	require.Equal(t, "user plane", ue.s.Children()[1].Tag)

	// A gateway refuses children that the UE asks for.
	w.sniff = nil
	ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: 6}))
	w.run(time.Second, nil)
	require.Equal(t, ChildFailed{Tag: 6, Err: &NotifyError{Type: message.NO_ADDITIONAL_SAS}}, got[ChildFailed](ue)[0])
	require.Empty(t, ue.s.reserved)
}

func TestPFS(t *testing.T) {
	for name, row := range map[string]struct {
		mine, theirs []suite.GroupID
		want         suite.GroupID
		fails        message.NotifyType
	}{
		"same":           {mine: []suite.GroupID{suite.CURVE25519}, theirs: []suite.GroupID{suite.CURVE25519}, want: suite.CURVE25519},
		"another first":  {mine: []suite.GroupID{suite.ECP_256, suite.ECP_384}, theirs: []suite.GroupID{suite.ECP_384}, want: suite.ECP_384},
		"accepted":       {mine: []suite.GroupID{suite.MODP_2048}, want: suite.MODP_2048},
		"not wanted":     {},
		"wanted by them": {theirs: []suite.GroupID{suite.ECP_256}, fails: message.NO_PROPOSAL_CHOSEN},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 21)
			o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
			o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
			o.ESP = suite.WithGroups(o.ESP, row.theirs...)
			g.ESP = suite.WithGroups(g.ESP, row.mine...)
			ue, gw := w.up(o, g)
			require.Equal(t, suite.GroupNone, ue.s.Children()[0].Suite.Group, "none in IKE_AUTH")
			gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
			w.run(time.Second, nil)
			sameKeys(t, ue.s, gw.s)
			if row.fails != 0 {
				require.Equal(t, row.fails, got[ChildFailed](gw)[0].Err.(*NotifyError).Type)
				return
			}
			require.Len(t, gw.s.Children(), 2)
			require.Equal(t, row.want, gw.s.Children()[1].Suite.Group)
		})
	}
}

// rekeyChild plays the initiator of a rekey of the pair that c is the UE's end of, and returns the gateway's new pair.
func rekeyChild(w *world, ue, gw *node, c *ChildSA) *ChildSA {
	w.t.Helper()
	spi := uint32(0x5e5e0000) + uint32(w.rng.Intn(1000))
	ni := ue.s.nonce()
	in := ask(w, ue, message.CREATE_CHILD_SA,
		&message.Notify{Protocol: message.ProtocolESP, SPI: spiBytes(c.InboundSPI), Type: message.REKEY_SA},
		&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.ESP, spiBytes(spi))},
		&message.Nonce{Data: ni},
		&message.TSi{TrafficSelectors: c.LocalTS}, &message.TSr{TrafficSelectors: c.RemoteTS})
	require.Nil(w.t, message.ErrorNotify(in))
	mine, err := ue.s.childAnswer(in, suite.Offer(ue.s.opt.ESP, spiBytes(spi)), c.LocalTS, c.RemoteTS, false)
	require.NoError(w.t, err)
	nr, _ := message.Get[*message.Nonce](in)
	mine.InboundSPI = spi
	ue.s.childKeys(ue.s.sa, mine, nil, ni, nr.Data)
	ue.s.addChild(mine, ue.s.opt.ESP, nil)
	up := got[ChildUp](gw)
	return up[len(up)-1].Child
}

func TestChildRekeyByPeer(t *testing.T) {
	w := newWorld(t, 22)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	old := gw.s.Children()[0]
	fresh := rekeyChild(w, ue, gw, ue.s.Children()[0])
	up := got[ChildUp](gw)[1]
	require.Equal(t, old.InboundSPI, up.Replaces)
	require.Equal(t, old.Tag, fresh.Tag, "what belongs to the pair stays with it")
	require.Equal(t, old.Suite, fresh.Suite)
	sameKeys(t, ue.s, gw.s)

	// The initiator deletes the old pair; the answer names ours of it.
	in := ask(w, ue, message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{old.OutboundSPI}})
	d, ok := message.Get[*message.Delete](in)
	require.True(t, ok)
	require.Equal(t, []uint32{old.InboundSPI}, d.SPIs)
	require.Equal(t, []ChildSwitched{{Child: fresh}}, got[ChildSwitched](gw))
	require.Equal(t, []ChildDown{{Child: old, ByPeer: true, Superseded: true}}, got[ChildDown](gw))
	require.Equal(t, []*ChildSA{fresh}, gw.s.Children())
}

// strongSwan with PFS refuses a rekey without a key exchange: a pair that it made with one is rekeyed with one.
func TestRekeyKeepsThePeersGroup(t *testing.T) {
	w := newWorld(t, 28)
	o := pskOptions(w.rng, "ue")
	o.ESP = suite.WithGroups(o.ESP, suite.ECP_384)
	ue, gw := w.up(o, pskOptions(w.rng, "gw"))
	for i, n := range []*node{ue, gw} {
		n.take(n.s.RekeyChild(w.now, n.s.Children()[0].InboundSPI))
		w.run(time.Second, func() bool { return len(got[ChildDown](ue)) == i+1 && len(got[ChildDown](gw)) == i+1 })
		require.Len(t, gw.s.Children(), 1)
		require.Equal(t, suite.ECP_384, gw.s.Children()[0].Suite.Group)
		sameKeys(t, ue.s, gw.s)
	}
	require.Empty(t, got[RekeyFailed](gw))
}

func TestRekeyRefusals(t *testing.T) {
	w := newWorld(t, 23)
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	c := ue.s.Children()[0]
	rekey := func(spi uint32, ts []message.TrafficSelector) []message.Payload {
		return ask(w, ue, message.CREATE_CHILD_SA,
			&message.Notify{Protocol: message.ProtocolESP, SPI: spiBytes(spi), Type: message.REKEY_SA},
			&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.ESP, spiBytes(7777))},
			&message.Nonce{Data: ue.s.nonce()},
			&message.TSi{TrafficSelectors: ts}, &message.TSr{TrafficSelectors: c.RemoteTS})
	}
	n := message.ErrorNotify(rekey(0x12345678, c.LocalTS))
	require.Equal(t, &message.Notify{Protocol: message.ProtocolESP, SPI: spiBytes(0x12345678), Type: message.CHILD_SA_NOT_FOUND, Data: []byte{}}, n)
	n = message.ErrorNotify(rekey(c.InboundSPI, []message.TrafficSelector{message.AnyIPv6}))
	require.Equal(t, message.TS_UNACCEPTABLE, n.Type)

	// A pair that the gateway is deleting cannot be rekeyed (RFC 7296 2.25.1).
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE }
	gw.take(gw.s.DeleteChild(w.now, gw.s.Children()[0].InboundSPI))
	w.translate = nil
	n = message.ErrorNotify(rekey(c.InboundSPI, c.LocalTS))
	require.Equal(t, message.TEMPORARY_FAILURE, n.Type)
	// Deleting it as well is answered with nothing.
	in := ask(w, ue, message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{c.InboundSPI}})
	require.Empty(t, in)
	w.run(10*time.Second, nil)
	require.Len(t, got[ChildDown](gw), 1)
	require.Empty(t, gw.s.Children())
}

// A peer whose selector is its outer address rekeys with its new one after a move; the owner decides.
func TestRekeyToOtherSelectors(t *testing.T) {
	w := newWorld(t, 29)
	host := func(a netip.Addr) []message.TrafficSelector {
		return []message.TrafficSelector{message.AddrSelector(0, a)}
	}
	g := pskOptions(w.rng, "gw")
	g.AcceptSelectors = func(s *Session, old *ChildSA, offer *ChildOffer) (ChildAnswer, error) {
		if offer.RemoteTS[0].Start != s.Path().Remote.Addr() {
			return ChildAnswer{}, &NotifyError{Type: message.SINGLE_PAIR_REQUIRED}
		}
		return ChildAnswer{LocalTS: old.LocalTS}, nil
	}
	ue, gw := w.up(pskOptions(w.rng, "ue"), g)
	old := gw.s.Children()[0]
	old.RemoteTS = host(ueAddr2)
	rekey := func(ts []message.TrafficSelector) []message.Payload {
		return ask(w, ue, message.CREATE_CHILD_SA,
			&message.Notify{Protocol: message.ProtocolESP, SPI: spiBytes(old.OutboundSPI), Type: message.REKEY_SA},
			&message.SecurityAssociation{Proposals: suite.Offer(ue.s.opt.ESP, spiBytes(7777))},
			&message.Nonce{Data: ue.s.nonce()},
			&message.TSi{TrafficSelectors: ts}, &message.TSr{TrafficSelectors: anyTS()})
	}
	require.Equal(t, message.SINGLE_PAIR_REQUIRED, message.ErrorNotify(rekey(host(ueAddr6))).Type)
	require.Nil(t, message.ErrorNotify(rekey(host(ueAddr))))
	up := got[ChildUp](gw)[1]
	require.Equal(t, old.InboundSPI, up.Replaces)
	require.Equal(t, host(ueAddr), up.Child.RemoteTS)
	require.Equal(t, old.LocalTS, up.Child.LocalTS)
}

func TestTemporaryFailureIsRetried(t *testing.T) {
	w := newWorld(t, 24)
	o := pskOptions(w.rng, "ue")
	busy := true
	o.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) {
		if busy {
			return ChildAnswer{}, &NotifyError{Type: message.TEMPORARY_FAILURE}
		}
		return ChildAnswer{}, nil
	}
	ue, gw := w.up(o, pskOptions(w.rng, "gw"))
	start := w.now
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(20*time.Second, nil)
	require.Empty(t, got[ChildFailed](gw))
	busy = false
	w.run(20*time.Second, func() bool { return len(gw.s.Children()) == 2 })
	require.Len(t, gw.s.Children(), 2)
	require.Greater(t, w.now.Sub(start), 5*time.Second)
	sameKeys(t, ue.s, gw.s)

	// A peer that never gets ready loses the session.
	busy = true
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(7*time.Minute, nil)
	require.Equal(t, ErrBusy, got[Closed](gw)[0].Reason)
	require.True(t, got[Closed](ue)[0].ByPeer)
}
