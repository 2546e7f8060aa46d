// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

func withoutNATT(o, g *Options) { o.NoNATTraversal, g.NoNATTraversal = true, true }

// NAT traversal is off: the session stays on port 500, says so in IKE_AUTH, and every update and list carries the
// addresses that it was sent with, in either layout.
func TestNoNATsAllowedIsSent(t *testing.T) {
	for _, to := range []Path{{Local: ap(ueAddr2, 500), Remote: ap(gwAddr, 500)}, {Local: ap(ueAddr6, 500), Remote: ap(gwAddr6, 500)}} {
		w := newWorld(t, 440)
		ue, gw, log := moved(w, RoutabilityBefore, withoutNATT)
		require.Equal(t, w.path, ue.s.Path())
		require.False(t, ue.s.NAT().Supported || gw.s.NAT().Supported)
		require.True(t, hasNotify(got[AuthRequest](gw)[0].Notifies, message.NO_NATS_ALLOWED))
		ue.take(ue.s.Move(w.now, to))
		w.run(time.Second, nil)
		require.Equal(t, reverse(to), gw.s.ChildPath())
		require.Len(t, got[MoveDone](ue), 1)
		n := message.GetNotify((*log)[0].in, message.NO_NATS_ALLOWED)
		require.Len(t, n.Data, 2*len(to.Local.Addr().AsSlice())+4)
		require.Equal(t, addressData(to.Local, to.Remote), n.Data)
		for _, m := range *log {
			require.False(t, m.has(message.NAT_DETECTION_SOURCE_IP))
		}
		*log = nil
		gw.take(gw.s.SetAddresses(w.now, []netip.Addr{gwAddr2}))
		ue.take(ue.s.SetAddresses(w.now, []netip.Addr{ueAddr2}))
		w.run(time.Second, nil)
		require.Len(t, *log, 4)
		for _, m := range *log {
			require.Equal(t, !m.h.Response(), m.has(message.NO_NATS_ALLOWED))
		}
	}
}

// One altered packet does not keep the UE from moving: it asks again in new messages, and gives up after three.
func TestUnexpectedNATIsRetried(t *testing.T) {
	for _, altered := range []int{1, 3, 4} {
		w := newWorld(t, 441)
		ue, gw, log := moved(w, RoutabilityBefore, withoutNATT)
		first := gw.s.Path()
		to := Path{Local: ap(ueAddr2, 500), Remote: ap(gwAddr, 500)}
		sent := 0
		w.translate = func(fromUE bool, p Path) (Path, bool) {
			if fromUE {
				if sent++; sent <= altered {
					p.Local = ap(ueAddr6, 500)
				}
			} else {
				p.Remote = to.Local
			}
			return p, true
		}
		ue.take(ue.s.Move(w.now, to))
		w.run(20*time.Second, nil)
		ids := map[uint32]bool{}
		for _, m := range *log {
			if m.fromUE && !m.h.Response() {
				ids[m.h.MessageID] = true
			}
		}
		require.Len(t, ids, min(altered, maxNATRetries)+1)
		if altered <= maxNATRetries {
			require.Equal(t, reverse(to), gw.s.ChildPath())
			require.Len(t, got[MoveDone](ue), 1)
			require.Len(t, got[MoveRejected](gw), altered)
			continue
		}
		require.Equal(t, first, gw.s.Path())
		require.Equal(t, []MoveRefused{{Path: to, Err: &NotifyError{Type: message.UNEXPECTED_NAT_DETECTED}}}, got[MoveRefused](ue))
		require.True(t, ue.s.Established() && gw.s.Established())
	}
}

// A NAT on the way ends IKE_AUTH; the answer goes to the source of the packet.
func TestNATWhileNoneIsAllowed(t *testing.T) {
	w := newWorld(t, 442)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	withoutNATT(&o, &g)
	w.serve(g, authorizeAll)
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			p.Local = ap(ueAddr2, 3500)
		} else {
			require.Equal(t, ap(ueAddr2, 3500), p.Remote)
			p.Remote = ap(ueAddr, 500)
		}
		return p, true
	}
	ue := w.dial(o, wantChild(), nil)
	w.run(time.Minute, nil)
	require.Equal(t, &NotifyError{Type: message.UNEXPECTED_NAT_DETECTED}, got[Closed](ue)[0].Reason)
	require.False(t, w.gw.last().s.Established())
}

// A list that a NAT has touched is refused and told again.
func TestAddressListRetriedAfterNAT(t *testing.T) {
	w := newWorld(t, 443)
	ue, gw, _ := moved(w, RoutabilityBefore, withoutNATT)
	altered := 0
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if !fromUE && altered == 0 {
			p.Local, altered = ap(gwAddr2, 500), 1
		}
		return p, true
	}
	gw.take(gw.s.SetAddresses(w.now, []netip.Addr{gwAddr6}))
	w.run(500*time.Millisecond, nil)
	require.Empty(t, ue.s.PeerAddresses())
	w.run(5*time.Second, nil)
	require.Equal(t, []netip.Addr{gwAddr, gwAddr6}, ue.s.PeerAddresses())
}
