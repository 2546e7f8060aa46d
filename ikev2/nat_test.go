// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

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

// strongSwan without MOBIKE deletes the IKE SA from port 500 of its new address: that is answered there, and followed by
// neither IKE nor ESP.
func TestWithoutMOBIKEPort500IsNotFollowed(t *testing.T) {
	w := newWorld(t, 73)
	ue, gw, _ := moved(w, RoutabilityBefore, func(_, g *Options) { g.NoMOBIKE = true })
	before := gw.s.Path()
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			return Path{Local: ap(ueAddr2, 500), Remote: ap(p.Remote.Addr(), 500)}, true
		}
		require.Equal(t, Path{Local: ap(gwAddr, 500), Remote: ap(ueAddr2, 500)}, p)
		return reverse(uePath(ueAddr, 4500)), true
	}
	require.Empty(t, ask(w, ue, message.INFORMATIONAL))
	require.Equal(t, before, gw.s.Path())
	require.Equal(t, before, gw.s.ChildPath())
	require.Empty(t, got[ChildrenMoved](gw))
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
}

// Someone on the path gives the IKE_AUTH request another source. The gateway cannot know better, but the UE's first probe
// finds out, although the answer to IKE_SA_INIT showed the right address.
func TestAuthWithRewrittenSource(t *testing.T) {
	w := newWorld(t, 73)
	w.path = uePath(ueAddr, 4500)
	rewritten := 0
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE && len(w.gw.nodes) > 0 && !w.gw.last().s.Established() {
			rewritten++
			p.Local = ap(ueAddr2, 666)
		}
		return p, true
	}
	ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
	require.Equal(t, 1, rewritten)
	require.Equal(t, ap(ueAddr2, 666), gw.s.Path().Remote)
	ue.take(ue.s.Probe(w.now))
	w.run(time.Second, nil)
	require.Equal(t, reverse(ue.s.Path()), gw.s.Path())
	require.Equal(t, reverse(ue.s.Path()), gw.s.ChildPath())
}

// A NAT that changes after a rekey of the IKE SA and before the next probe is noticed although the hashes of before
// mean nothing any more: the SPIs are in them.
func TestNATChangesUnseenAfterRekey(t *testing.T) {
	for name, rekey := range map[string]bool{"after the handshake": false, "after a rekey": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 37)
			port := uint16(7001)
			outside := ueAddr2
			w.translate = func(fromUE bool, p Path) (Path, bool) {
				if fromUE {
					p.Local = ap(outside, port)
				} else {
					p.Remote = ap(ueAddr, 4500)
				}
				return p, true
			}
			w.path = uePath(ueAddr, 500)
			w.path.Remote, w.path.NATT = ap(gwAddr, 500), false
			ue, gw := w.up(pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw"))
			if rekey {
				ue.take(ue.s.Probe(w.now))
				w.run(time.Second, nil)
				ue.take(ue.s.RekeyIKE(w.now))
				w.run(time.Second, nil)
				require.Len(t, got[SPIChanged](ue), 1)
			}
			port = 7002
			ue.take(ue.s.Probe(w.now))
			w.run(time.Second, nil)
			require.Equal(t, ap(outside, 7002), gw.s.Path().Remote)
			require.Equal(t, ap(outside, 7002), gw.s.ChildPath().Remote)
		})
	}
}
