// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

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

func TestCookie2Mismatch(t *testing.T) {
	for _, wrong := range []bool{true, false} {
		w := newWorld(t, 59)
		ue, gw, log := moved(w, RoutabilityBefore, nil)
		// A UE whose answers to the check are not what they should be.
		update := func() {
			ue.s.begin(w.now)
			ue.s.setPath(uePath(ueAddr2, 4500))
			ue.s.enqueueUpdate(time.Time{})
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
