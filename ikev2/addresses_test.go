// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Both sides tell their whole list anew, and it replaces the one before: A, B, then B alone, then none.
func TestSetAddresses(t *testing.T) {
	w := newWorld(t, 430)
	ue, gw, log := moved(w, RoutabilityBefore, nil)
	for _, row := range []struct {
		from, to *node
		first    netip.Addr
		list     []netip.Addr
		notifies int
	}{
		{gw, ue, gwAddr, []netip.Addr{gwAddr2, gwAddr6}, 3},
		{gw, ue, gwAddr, []netip.Addr{gwAddr6}, 2},
		{gw, ue, gwAddr, nil, 1},
		{ue, gw, ueAddr, []netip.Addr{ueAddr2, ueAddr6}, 2},
		{ue, gw, ueAddr, []netip.Addr{ueAddr6}, 1},
		{ue, gw, ueAddr, nil, 1},
	} {
		*log = nil
		row.from.take(row.from.s.SetAddresses(w.now, append([]netip.Addr{row.first}, row.list...)))
		w.run(time.Second, nil)
		require.Equal(t, append([]netip.Addr{row.first}, row.list...), row.to.s.PeerAddresses())
		require.Len(t, *log, 2)
		require.Len(t, (*log)[0].in, row.notifies, "a responder's list has the source too, which may be another one when it is repeated")
		require.Equal(t, len(row.list) == 0, (*log)[0].has(message.NO_ADDITIONAL_ADDRESSES))
		require.False(t, (*log)[0].has(message.UPDATE_SA_ADDRESSES))
	}
	require.Len(t, got[PeerAddresses](ue), 3)
	require.Empty(t, got[PathChanged](gw))
	// Many changes while the window is full are told once.
	*log = nil
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	for i := range 10 {
		gw.take(gw.s.SetAddresses(w.now, []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}))
	}
	w.translate = nil
	w.run(10*time.Second, nil)
	require.Equal(t, []netip.Addr{gwAddr, netip.AddrFrom4([4]byte{10, 0, 0, 9})}, ue.s.PeerAddresses())
	require.Len(t, gw.s.sa.queue, 0)
	// A UE's list goes with its next update, too.
	ue.take(ue.s.SetAddresses(w.now, []netip.Addr{ueAddr2}))
	w.run(time.Second, nil)
	ue.take(ue.s.Move(w.now, fromTo(ueAddr2, gwAddr)))
	w.run(time.Second, nil)
	require.Equal(t, []netip.Addr{ueAddr2}, gw.s.PeerAddresses())
}

// An interface of the gateway goes down: within a second the UE has the list from the other address, the Child SAs send
// from there, and the UE moves by itself.
func TestLocalAddressGone(t *testing.T) {
	w := newWorld(t, 431)
	ue, gw, log := multihomed(w, func(o, _ *Options) { o.TestPathsAfter = 3 })
	dead(w, fromTo(ueAddr, gwAddr), fromTo(ueAddr2, gwAddr))
	children := gw.s.Children()
	gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
	second := reverse(fromTo(ueAddr, gwAddr2))
	require.Equal(t, second, gw.s.Path())
	require.Equal(t, second, gw.s.ChildPath(), "the peer's address has not changed and is proven")
	w.run(time.Second, nil)
	require.Equal(t, second, (*log)[0].path)
	require.Equal(t, []netip.Addr{gwAddr2, gwAddr6}, ue.s.PeerAddresses())
	require.Equal(t, gwAddr2, ue.s.ChildPath().Remote.Addr())
	require.Len(t, got[MoveDone](ue), 1)
	require.Equal(t, reverse(ue.s.ChildPath()), gw.s.ChildPath())
	require.Equal(t, onPath(children, gw.s.ChildPath()), gw.s.Children())

	// The last IPv4 address: over to IPv6, where the UE's address must be proven first.
	before := gw.s.ChildPath()
	dead(w, allPairs[:4]...)
	gw.take(gw.s.LocalAddressGone(w.now, gwAddr2))
	require.Equal(t, reverse(fromTo(ueAddr6, gwAddr6)), gw.s.Path())
	require.Equal(t, before, gw.s.ChildPath())
	w.run(time.Second, nil)
	require.Equal(t, reverse(fromTo(ueAddr6, gwAddr6)), gw.s.ChildPath())
	require.Equal(t, fromTo(ueAddr6, gwAddr6), ue.s.ChildPath())
	// The very last one: it stays, and waits for better times.
	gw.take(gw.s.LocalAddressGone(w.now, gwAddr6))
	require.Equal(t, reverse(fromTo(ueAddr6, gwAddr6)), gw.s.Path())
	require.True(t, gw.s.Established())
	// It is back. One that is not in use is only struck from the list.
	gw.take(gw.s.SetAddresses(w.now, []netip.Addr{gwAddr, gwAddr2, gwAddr6}))
	gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
	w.run(time.Second, nil)
	require.Equal(t, []netip.Addr{gwAddr6, gwAddr2}, ue.s.PeerAddresses())
}

// A UE loses the address that it uses: it finds another one.
func TestInitiatorsAddressGone(t *testing.T) {
	w := newWorld(t, 432)
	ue, gw, _ := multihomed(w, nil)
	dead(w, allPairs[0], allPairs[1])
	ue.take(ue.s.LocalAddressGone(w.now, ueAddr))
	w.run(time.Second, nil)
	require.NotEqual(t, ueAddr, ue.s.ChildPath().Local.Addr())
	require.Equal(t, reverse(ue.s.ChildPath()), gw.s.ChildPath())
	require.NotContains(t, got[PathTested](ue)[0].Tested, allPairs[0])
	require.NotContains(t, gw.s.PeerAddresses(), ueAddr)
}

// The list is outstanding when it must leave from another source: the same request goes on, and a new one with a new
// message ID follows, because the address of the former source has gone.
func TestAddressListFromAnotherSource(t *testing.T) {
	w := newWorld(t, 433)
	ue, gw, log := multihomed(w, func(o, g *Options) { g.AdditionalAddresses = []netip.Addr{gwAddr2} })
	dead(w, fromTo(ueAddr, gwAddr))
	gw.take(gw.s.SetAddresses(w.now, []netip.Addr{gwAddr2, netip.MustParseAddr("192.0.2.77")}))
	w.run(500*time.Millisecond, nil)
	*log = nil
	gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
	w.run(time.Second, nil)
	var ids []uint32
	for _, m := range *log {
		if !m.fromUE && !m.h.Response() {
			require.Equal(t, gwAddr2, m.path.Local.Addr())
			ids = append(ids, m.h.MessageID)
		}
	}
	require.Len(t, ids, 2)
	require.Equal(t, ids[0]+1, ids[1])
	require.Equal(t, []netip.Addr{gwAddr2, netip.MustParseAddr("192.0.2.77")}, ue.s.PeerAddresses())
}

// The UE does not answer at its present address: the news go to its other ones as well, and nothing else does.
func TestAddressListTriesThePeersOtherAddresses(t *testing.T) {
	w := newWorld(t, 434)
	ue, gw, log := multihomed(w, nil)
	dead(w, fromTo(ueAddr, gwAddr))
	*log = nil
	gw.take(gw.s.SetAddresses(w.now, []netip.Addr{gwAddr2}))
	w.run(time.Minute, nil)
	require.Equal(t, []netip.Addr{gwAddr, gwAddr2}, ue.s.PeerAddresses())
	require.Equal(t, ueAddr, gw.s.Path().Remote.Addr(), "nothing moves but by the UE's word")
	require.Empty(t, got[PathChanged](gw))
	tried := map[netip.Addr]bool{}
	for _, m := range *log {
		if !m.fromUE {
			require.False(t, m.path.Remote.Addr().Is6())
			tried[m.path.Remote.Addr()] = true
		}
	}
	require.Equal(t, map[netip.Addr]bool{ueAddr: true, ueAddr2: true}, tried)
	// Other requests stay where they are.
	*log = nil
	gw.take(gw.s.Probe(w.now))
	w.run(time.Minute, nil)
	for _, m := range *log {
		require.Equal(t, ueAddr, m.path.Remote.Addr())
	}
}

// A NAT that lets only known peers in keeps the gateway's new address out: the SA is kept for 5 minutes and more, and
// recovers when the UE probes the new address itself.
func TestGatewaysNewAddressBehindRestrictedNAT(t *testing.T) {
	w := newWorld(t, 435)
	ue, gw, _ := multihomed(w, func(o, g *Options) {
		o.TestPathsAfter, o.Liveness = 3, 4*time.Minute
		o.AdditionalAddresses, g.AdditionalAddresses = nil, []netip.Addr{gwAddr2}
	})
	gone, open := false, map[netip.Addr]bool{gwAddr: true}
	w.translate = func(fromUE bool, p Path) (Path, bool) {
		if fromUE {
			open[p.Remote.Addr()] = true
			return p, !gone || p.Remote.Addr() != gwAddr
		}
		return p, open[p.Local.Addr()] && (!gone || p.Local.Addr() != gwAddr)
	}
	gone = true
	gw.take(gw.s.LocalAddressGone(w.now, gwAddr))
	w.run(3*time.Minute, nil)
	require.Equal(t, gwAddr, ue.s.Path().Remote.Addr(), "it has heard nothing")
	require.True(t, gw.s.Established() && ue.s.Established())
	w.run(2*time.Minute, nil)
	require.Equal(t, gwAddr2, ue.s.ChildPath().Remote.Addr())
	require.Equal(t, reverse(ue.s.ChildPath()), gw.s.ChildPath())
	require.Empty(t, gw.s.sa.outstanding)
	sameKeys(t, ue.s, gw.s)
}

// A UE that is offline for a minute, and the gateway has news for it all the while.
func TestOfflineForAMinute(t *testing.T) {
	w := newWorld(t, 436)
	ue, gw, _ := multihomed(w, func(_, g *Options) { g.Liveness = 10 * time.Second })
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	gw.take(gw.s.SetAddresses(w.now, nil))
	w.run(time.Minute, nil)
	require.True(t, gw.s.Established())
	w.translate = nil
	ue.take(ue.s.Move(w.now, fromTo(ueAddr2, gwAddr)))
	w.run(5*time.Second, nil)
	require.Equal(t, reverse(fromTo(ueAddr2, gwAddr)), gw.s.ChildPath())
	require.Equal(t, []netip.Addr{gwAddr}, ue.s.PeerAddresses())
}
