// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

func TestLocalAddressList(t *testing.T) {
	a, b, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.9")
	l := localAddresses{configured: []netip.Addr{a, b}}
	for i, row := range []struct {
		addr    netip.Addr
		present bool
		list    []netip.Addr
		changed bool
	}{
		{a, true, []netip.Addr{a, b}, false}, // it was there
		{other, false, []netip.Addr{a, b}, false},
		{a, false, []netip.Addr{b}, true},
		{a, false, []netip.Addr{b}, false},
		{b, false, []netip.Addr{}, true},
		{a, true, []netip.Addr{a}, true},
		{b, true, []netip.Addr{a, b}, true},
	} {
		list, changed := l.change(row.addr, row.present)
		require.Equal(t, row.list, list, "row %d", i)
		require.Equal(t, row.changed, changed, "row %d", i)
		_, some := l.missing()
		require.Equal(t, len(row.list) < 2, some, "row %d", i)
	}
}

// What went while nobody listened is found by looking again: of the addresses that this machine has had, and not of those that it never has.
func TestLookAtLocalAddresses(t *testing.T) {
	a, b, behindNAT := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("203.0.113.1")
	l := localAddresses{configured: []netip.Addr{a, behindNAT}, bound: []netip.Addr{a, b}}
	both := map[netip.Addr]bool{a: true, b: true}
	require.Empty(t, l.look(both))
	require.Equal(t, []netip.Addr{b}, l.look(map[netip.Addr]bool{a: true}))
	l.change(b, false)
	require.Empty(t, l.look(map[netip.Addr]bool{a: true}), "that is known")
	l.forget()
	l.hear()
	require.Equal(t, []netip.Addr{a, b}, l.look(nil), "still gone, and another one")
	require.Empty(t, l.look(both))

	heard := localAddresses{bound: []netip.Addr{a}} // and never looked at
	heard.change(a, false)
	require.Empty(t, heard.look(nil))
	heard.forget()
	require.Equal(t, []netip.Addr{a}, heard.look(nil))
}

// An address that is taken from an interface, and given back, is noticed.
func TestWatchAddresses(t *testing.T) {
	testenv.NeedRoot(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := netns.Get()
	require.NoError(t, err)
	defer func() { require.NoError(t, before.Close()) }()
	own, err := netns.New()
	require.NoError(t, err)
	defer func() { require.NoError(t, own.Close()) }()
	defer func() { require.NoError(t, netns.Set(before)) }()
	lo, err := netlink.LinkByName("lo")
	require.NoError(t, err)
	addr, err := netlink.ParseAddr("192.0.2.1/32")
	require.NoError(t, err)
	require.NoError(t, netlink.AddrAdd(lo, addr))

	a := netip.MustParseAddr("192.0.2.1")
	nf := &N3IWF{log: slog.New(slog.DiscardHandler), local: localAddresses{configured: []netip.Addr{a}}}
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(t, nf.watchAddresses(ctx))
	sees := func(want ...netip.Addr) {
		t.Helper()
		require.Eventually(t, func() bool {
			nf.local.mu.Lock()
			defer nf.local.mu.Unlock()
			return slices.Equal(want, nf.local.present())
		}, 5*time.Second, time.Millisecond)
	}
	require.NoError(t, netlink.AddrDel(lo, addr))
	sees()
	require.NoError(t, netlink.AddrAdd(lo, addr))
	sees(a)
	cancel()
	nf.running.Wait()
}

// The address of an interface that goes down, or loses its carrier, is of no use although it is still there.
func TestWatchLinks(t *testing.T) {
	testenv.NeedRoot(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := netns.Get()
	require.NoError(t, err)
	defer func() { require.NoError(t, before.Close()) }()
	own, err := netns.New()
	require.NoError(t, err)
	defer func() { require.NoError(t, own.Close()) }()
	defer func() { require.NoError(t, netns.Set(before)) }()
	require.NoError(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "r1"}, PeerName: "peer"}))
	r1, err := netlink.LinkByName("r1")
	require.NoError(t, err)
	peer, err := netlink.LinkByName("peer")
	require.NoError(t, err)
	addr, err := netlink.ParseAddr("192.0.2.1/24")
	require.NoError(t, err)
	require.NoError(t, netlink.AddrAdd(r1, addr))
	require.NoError(t, netlink.LinkSetUp(peer))
	require.NoError(t, netlink.LinkSetUp(r1))

	a := netip.MustParseAddr("192.0.2.1")
	nf := &N3IWF{log: slog.New(slog.DiscardHandler), local: localAddresses{configured: []netip.Addr{a}}}
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(t, nf.watchLinks(ctx))
	sees := func(want ...netip.Addr) {
		t.Helper()
		require.Eventually(t, func() bool {
			nf.local.mu.Lock()
			defer nf.local.mu.Unlock()
			return slices.Equal(want, nf.local.present())
		}, time.Second, time.Millisecond)
	}
	sees(a)
	require.NoError(t, netlink.LinkSetDown(peer)) // the cable
	sees()
	require.NoError(t, netlink.LinkSetUp(peer))
	sees(a)
	require.NoError(t, netlink.LinkSetDown(r1))
	sees()
	require.NoError(t, netlink.LinkSetUp(r1))
	sees(a)
	cancel()
	nf.running.Wait()
}
