// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Nodes never choose the same TEID, and a session goes on at another node under the TEID that the UPF knows.
func TestTEIDsOfNodes(t *testing.T) {
	a := newRig(t, func(o *Options) { o.NodeBits = 2 })
	b := newRig(t, func(o *Options) { o.Node, o.NodeBits = 3, 2 })
	b.upf.n3 = b.LocalAddr()[0]
	s := a.add(t, twoChildren(a.upf.addr))
	own := b.add(t, twoChildren(b.upf.addr))
	require.NotEqual(t, s.TEID(), own.TEID())
	c := twoChildren(b.upf.addr)
	c.TEID = s.TEID()
	moved, err := b.Add(c)
	require.NoError(t, err)
	require.Equal(t, s.TEID(), moved.TEID())
	b.upf.send(downlinkPDU(s.TEID(), 1, false, []byte("under the old TEID")))
	b.dp.next(t)
	require.EqualValues(t, 1, moved.Stats().Downlink.Packets)
	_, err = b.Add(c)
	require.ErrorIs(t, err, ErrNoTEID, "twice")
	moved.Remove()
	again, err := b.Add(c)
	require.NoError(t, err, "its place is free at once: it was never one of this node's")
	require.Equal(t, s.TEID(), again.TEID())
	c.TEID = own.TEID() ^ 1<<randomBits
	_, err = b.Add(c)
	require.ErrorIs(t, err, ErrInvalid, "this node chooses by itself")
	_, err = New(Options{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Node: 1})
	require.Error(t, err)
}

// What still comes for a session that goes on at another node is sent on to its new tunnel, as it is.
func TestRedirect(t *testing.T) {
	a := newRig(t, func(o *Options) { o.NodeBits = 1 })
	b := newRig(t, func(o *Options) { o.Node, o.NodeBits = 1, 1 })
	s := a.add(t, twoChildren(a.upf.addr))
	moved := b.add(t, twoChildren(b.upf.addr))
	require.ErrorIs(t, s.Redirect(netip.AddrPort{}, moved.TEID()), ErrInvalid)
	require.ErrorIs(t, s.Redirect(b.LocalAddr()[0], 0), ErrInvalid)
	require.ErrorIs(t, s.Redirect(netip.MustParseAddrPort("[::1]:2152"), 1), ErrInvalid)
	s.Hold()
	a.upf.send(downlinkPDU(s.TEID(), 2, false, []byte("held")))
	require.Eventually(t, func() bool { v := s.view.Load().held; v.mu.Lock(); defer v.mu.Unlock(); return len(v.packets) == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, s.Redirect(b.LocalAddr()[0], moved.TEID()))
	_, packet := b.dp.next(t)
	require.Equal(t, "held", string(packet[len(packet)-4:]))
	pdu := []byte("on its way when the session moved")
	a.upf.send(downlinkPDU(s.TEID(), 2, true, pdu))
	id, packet := b.dp.next(t)
	require.EqualValues(t, 12, id, "the flow is kept")
	require.Equal(t, pdu, packet[len(packet)-len(pdu):])
	require.EqualValues(t, 2, a.Stats().Redirected)
	s.Remove()
	require.ErrorIs(t, s.Redirect(b.LocalAddr()[0], 1), ErrRemoved)
	a.upf.send(downlinkPDU(s.TEID(), 2, true, pdu))
	require.Eventually(t, func() bool { return a.Stats().Drops[UnknownTEID] == 1 }, 10*time.Second, time.Millisecond)
}
