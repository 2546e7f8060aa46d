// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// A UE that goes to and fro between addresses that it does not prove gains nothing: what went to each of them counts on.
// A proof opens a new account.
func TestFlappingBetweenUnprovenAddresses(t *testing.T) {
	for _, policy := range []Routability{RoutabilityBefore, RoutabilityAfter} {
		w := newWorld(t, 503)
		ue, gw, _ := moved(w, policy, windows(8, 1))
		octets := map[netip.Addr]int{}
		w.sniff = func(fromUE bool, d Datagram) {
			if h, err := message.DecodeHeader(d.Data); !fromUE && err == nil && !h.Response() {
				octets[d.Path.Remote.Addr()] += len(d.Data)
			}
		}
		w.rewrite = func(fromUE bool, data []byte) []byte {
			if h, err := message.DecodeHeader(data); !fromUE && err == nil && !h.Response() {
				return nil // the UE learns what it has asked for, and answers nothing
			}
			return data
		}
		for range 8 {
			gw.take(gw.s.Notify(w.now, nil, notify(60000, make([]byte, 3000))))
		}
		moves := 0
		gw.on = func(_ *node, e Event) {
			if _, ok := e.(PathChanged); ok {
				moves++
			}
		}
		there := []Path{uePath(ueAddr2, 4500), uePath(ueAddr6, 4500)}
		for i := range 24 {
			ue.take(ue.s.Move(w.now, there[i%2]))
			w.run(5*time.Second, nil)
		}
		require.Greater(t, moves, 15)
		for _, a := range []netip.Addr{ueAddr2, ueAddr6} {
			require.Greater(t, octets[a], 24_000)
			require.Less(t, octets[a], maxUnprovenOctets+moves/2*4000, "what exceeds it are the checks, and one request each")
		}
		require.Len(t, gw.s.unproven, 2)
		// It was the UE after all.
		w.rewrite = nil
		ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4501)))
		w.run(time.Minute, nil)
		require.Equal(t, reverse(uePath(ueAddr2, 4501)), gw.s.ChildPath())
		require.Len(t, gw.s.unproven, 1)
		require.Equal(t, ueAddr6, gw.s.unproven[0].addr)
		require.Empty(t, gw.s.sa.outstanding)
	}
}

// The accounts are bounded: what there is no room for shares one.
func TestUnprovenAccountsAreBounded(t *testing.T) {
	m := &mobility{}
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }
	for i := range 100 {
		m.account(at(i)).octets += 10
	}
	require.Len(t, m.unproven, maxUnproven+1)
	require.Equal(t, 10, m.account(at(3)).octets)
	require.Equal(t, 10*(100-maxUnproven), m.account(at(200)).octets)
}
