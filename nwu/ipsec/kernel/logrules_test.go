// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// withoutMarks makes packet sockets as they are on kernels that do not tell marks.
func withoutMarks(t *testing.T) {
	receiveMark = 0xffff
	t.Cleanup(func() { receiveMark = unix.SO_RCVMARK })
}

func (n *namespace) nft(t *testing.T, line string) string {
	t.Helper()
	return run(t, "ip", "netns", "exec", n.name, "nft", line)
}

// With the packet log in place of marks on packet sockets: child SAs are told apart at all sizes and in both families, several workers share them, and what
// is not ours is left alone: the tables of others, the groups of others, the log of another N3IWF on the host. With Close our table goes, and no other.
func TestKernelPacketLog(t *testing.T) {
	withoutMarks(t)
	n := newNetwork(t)
	n.gw.nft(t, "add table netdev n3iwf_other")
	var taken *packetConn
	n.gw.do(func() {
		var group uint16
		var err error
		taken, group, err = openLog(0, 1, firstGroup+1)
		require.NoError(t, err)
		require.EqualValues(t, firstGroup+1, group)
	})
	defer taken.close() //nolint:errcheck // of a test
	gw, ue := kernelEnd(t, n.gw, true, func(o *Options) { o.Workers = 3 }), userEnd(t, n.peer, false)
	neighbour := kernelEnd(t, n.gw, true, func(o *Options) {
		o.InterfaceID, o.Routes, o.Workers = 77, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}, 1
		for i := range o.Sockets {
			if o.Sockets[i].Kind != ipsec.ESP {
				o.Sockets[i].Local = netip.AddrPortFrom(o.Sockets[i].Local.Addr(), o.Sockets[i].Local.Port()+1)
			}
		}
	})
	d := gw.DataPlane.(*DataPlane)
	require.Equal(t, logGroups{firstGroup, firstGroup + 2}, d.logRules.groups, "two of three workers read, in groups that nobody has")
	require.Equal(t, logGroups{firstGroup + 3}, neighbour.DataPlane.(*DataPlane).logRules.groups)
	rules := n.gw.nft(t, "list table netdev n3iwf_nwu42")
	require.Equal(t, 2, strings.Count(rules, "log group"), rules)
	require.Contains(t, rules, `device "nwu42"`)
	for id := ipsec.ChildID(1); id <= 4; id++ {
		connect(t, gw, ue, id, gcm128, nil)
		pass(t, ue, gw, id)
		pass(t, gw, ue, id)
	}
	connect(t, neighbour, ue, 9, gcm128, func(sa *ipsec.ChildSA) {
		sa.Target.Path.Local = netip.AddrPortFrom(sa.Target.Path.Local.Addr(), testNATTPort+1)
	})
	pass(t, ue, neighbour, 9)
	gw.inner, ue.inner = addr("fd00::1"), addr("fd00::2")
	connect(t, gw, ue, 5, gcm128, nil)
	h, err := ue.Handle(5)
	require.NoError(t, err)
	w := ue.NewWriter()
	p := append([]byte{0x60, 0, 0, 0, 0, 8, 47, 64}, make([]byte, 40)...)
	copy(p[8:], addr("fd00::2").AsSlice())
	copy(p[24:], addr("fd00::1").AsSlice())
	require.NoError(t, w.Write(h, p, nil))
	require.NoError(t, w.Flush())
	var got []ipsec.Inbound
	eventually(t, "IPv6", func() bool { got = append(got, gw.take()...); return len(got) > 0 })
	require.Equal(t, p, got[0].Packet)

	// A rule that logs a foreign packet into our group, with a mark of ours.
	n.gw.nft(t, "add chain netdev n3iwf_other c { type filter hook ingress device v0 priority 0; }")
	n.gw.nft(t, fmt.Sprintf("add rule netdev n3iwf_other c meta mark set 0x10 log group %d", firstGroup))
	gw.inner, ue.inner = addr(innerGW), addr(innerUE)
	pass(t, ue, gw, 1)
	require.Zero(t, d.Totals().Drops)

	require.NoError(t, gw.Close())
	tables := n.gw.nft(t, "list tables")
	require.NotContains(t, tables, "nwu42")
	require.Contains(t, tables, "n3iwf_nwu77")
	require.Contains(t, tables, "n3iwf_other")
	pass(t, ue, neighbour, 9)
}

// Who loads a firewall anew clears all tables first, ours with them: they come back at once.
func TestKernelPacketLogOutlivesAFlush(t *testing.T) {
	withoutMarks(t)
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	connect(t, gw, ue, 1, gcm128, nil)
	pass(t, ue, gw, 1)
	for _, command := range []string{"flush ruleset", "delete table netdev n3iwf_nwu42", "flush chain netdev n3iwf_nwu42 inner"} {
		n.gw.nft(t, command)
		eventually(t, command, func() bool {
			return strings.Contains(run(t, "ip", "netns", "exec", "gw", "nft", "list ruleset"), fmt.Sprintf("log group %d", firstGroup))
		})
		pass(t, ue, gw, 1)
	}
}

// What finds no room in a worker's queue is counted, and ends nothing.
func TestKernelPacketLogOverrun(t *testing.T) {
	withoutMarks(t)
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	connect(t, gw, ue, 1, gcm128, nil)
	pass(t, ue, gw, 1)
	d := gw.DataPlane.(*DataPlane)
	require.NoError(t, d.inner.in[0].control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10) }))
	require.NoError(t, d.Pause(t.Context()))
	h, err := ue.Handle(1)
	require.NoError(t, err)
	w := ue.NewWriter()
	const sent = 100
	for i := range sent {
		require.NoError(t, w.Write(h, packet(ue.inner, gw.inner, uint32(i), 1000), nil))
	}
	require.NoError(t, w.Flush())
	eventually(t, "all have come", func() bool {
		st, err := gw.Stats(1)
		require.NoError(t, err)
		return st.Generations[0].Inbound.Packets == sent+4
	})
	d.Resume()
	come := 0
	eventually(t, "each has come or is counted", func() bool { come += len(gw.take()); return uint64(come)+d.Totals().Overruns == sent })
	lost := d.Totals().Overruns
	require.NotZero(t, lost)
	require.NotZero(t, come)
	pass(t, ue, gw, 1)
	require.Equal(t, lost, d.Totals().Overruns)
	require.Zero(t, d.Totals().ReceiveErrors)
}

// A successor goes on with the predecessor's sockets and groups: what came in between is read, and the rules are kept from then on by it. What a crash has
// left is replaced.
func TestKernelPacketLogSuccession(t *testing.T) {
	withoutMarks(t)
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	sa, _ := connect(t, gw, ue, 1, gcm128, nil)
	pass(t, ue, gw, 1)
	old := gw.DataPlane.(*DataPlane)
	require.NoError(t, old.Pause(t.Context()))
	estate, err := old.Bequeath()
	require.NoError(t, err)
	o := testOptions(t, gw.collector)
	o.Workers, o.Estate = 1, estate
	var w will
	require.NoError(t, json.Unmarshal(estate.State, &w))
	w.Groups[1] = 7
	wrong := *estate
	wrong.State, err = json.Marshal(&w)
	require.NoError(t, err)
	n.gw.do(func() {
		o := o
		o.Estate = &wrong
		_, err = New(o)
		require.ErrorContains(t, err, "from 2 groups")
	})
	heir := &end{collector: gw.collector, addresses: gw.addresses, inner: gw.inner}
	var d *DataPlane
	n.gw.do(func() { d, err = New(o) })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	heir.DataPlane = d
	list, err := old.Bequest(1)
	require.NoError(t, err)
	sa.Kept = list[0].Kept
	require.NoError(t, d.Install(sa))
	h, err := ue.Handle(1)
	require.NoError(t, err)
	writer := ue.NewWriter()
	between := packet(ue.inner, heir.inner, 99, 500)
	require.NoError(t, writer.Write(h, between, nil))
	require.NoError(t, writer.Flush())
	require.NoError(t, old.Leave())
	n.gw.nft(t, "flush ruleset") // at this moment nobody keeps the rules
	d.Resume()
	var got []ipsec.Inbound
	eventually(t, "what came in between", func() bool { got = append(got, heir.take()...); return len(got) > 0 })
	require.Equal(t, between, got[0].Packet)
	pass(t, ue, heir, 1)
	pass(t, heir, ue, 1)

	require.NoError(t, estate.Close()) // the claim in it is of the process that dies
	crash(t, d)
	require.Contains(t, n.gw.nft(t, "list tables"), "n3iwf_nwu42")
	again := kernelEnd(t, n.gw, true, nil)
	require.NoError(t, ue.Delete(1, 0))
	connect(t, again, ue, 1, gcm128, nil)
	pass(t, ue, again, 1)
}
