// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package ebpf

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/relay"
)

// Flows are counted one by one in the kernel, whether the session has several or one at the time, over a restart of the process, and together with what
// this process forwards of them.
func TestKernelFlowCounts(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	flow := func(qfi uint8, up, down relay.Counter) relay.FlowTraffic {
		return relay.FlowTraffic{QFI: qfi, Uplink: up, Downlink: down}
	}
	config := func(qfis ...uint8) (c relay.Config) {
		c = relay.Config{
			Name: "test", PDUType: gre.PDUIPv4, UPF: netip.AddrPortFrom(addr(upfN3), 0), UplinkTEID: uplinkTEID,
			Children: []relay.Child{{ID: 7, UE: ue, UP: up}}, Default: 7,
		}
		for _, q := range qfis {
			c.Flows = append(c.Flows, relay.Flow{QFI: q})
		}
		return c
	}
	pass := func(qfi uint8, ups, downs int) {
		t.Helper()
		for range ups {
			w.send(greFrom(ue, qfi, numbered(1, 100)))
			w.gpdu()
		}
		for range downs {
			w.fromUPF(downlinkGPDU(w.session.TEID(), qfi, false, numbered(1, 200)))
			w.atUE()
		}
	}
	entries := func() (n int) {
		var key userplaneFlow
		var per []userplaneFlowCounts
		it := w.plane.objects.Flows.Iterate()
		for it.Next(&key, &per) {
			n++
		}
		require.NoError(t, it.Err())
		return n
	}
	c := func(packets, octets uint64) relay.Counter { return relay.Counter{Packets: packets, Bytes: octets} }
	require.Equal(t, []relay.FlowTraffic{flow(1, c(0, 0), c(0, 0)), flow(9, c(0, 0), c(0, 0))}, w.session.Flows())
	pass(1, 3, 1)
	pass(9, 1, 2)
	pass(20, 0, 1) // no flow has it
	require.Equal(t, []relay.FlowTraffic{flow(1, c(3, 300), c(1, 200)), flow(9, c(1, 100), c(2, 400))}, w.session.Flows())
	require.Equal(t, c(4, 800), w.inKernel().Downlink)
	require.Equal(t, 4, entries())

	require.NoError(t, w.session.Update(config(9)))
	require.Zero(t, entries(), "one flow needs no counts of its own")
	pass(9, 2, 1)
	require.Equal(t, []relay.FlowTraffic{flow(9, c(3, 300), c(3, 600))}, w.session.Flows())
	require.NoError(t, w.session.Update(config(1, 9)))
	pass(1, 1, 0)
	pass(9, 0, 1)
	require.Equal(t, []relay.FlowTraffic{flow(1, c(4, 400), c(1, 200)), flow(9, c(3, 300), c(4, 800))}, w.session.Flows())

	w.plane.Hold(w.session.TEID()) // downlink packets come to this process
	pass(9, 0, 1)
	w.eventually("counted in the relay", func() bool { return w.inRelay().Downlink == c(1, 200) })
	require.Equal(t, flow(9, c(3, 300), c(5, 1000)), w.session.Flows()[1])

	// The next process goes on with the counts of flows that are in the maps.
	require.NoError(t, w.plane.Leave())
	w.plane = w.open()
	require.NoError(t, w.session.Update(config(1, 9)))
	require.Equal(t, flow(1, c(1, 100), c(0, 0)), w.session.Flows()[0])
	require.NoError(t, w.plane.Sweep())
	pass(1, 1, 0)
	require.Equal(t, flow(1, c(2, 200), c(0, 0)), w.session.Flows()[0])

	require.NoError(t, w.plane.Leave())
	w.plane = w.open()
	require.NoError(t, w.plane.Sweep())
	require.Zero(t, entries())
	require.NoError(t, w.session.Update(config(1, 9)))
	require.Equal(t, 4, entries())
	w.session.Remove()
	require.Zero(t, entries())
}

// A session whose flows find no room to be counted in is forwarded in the kernel all the same, and counted as a whole.
func TestKernelFlowsWithoutRoom(t *testing.T) {
	w := newWorldOf(t, setting{room: 2})
	w.connect(nil)
	for _, qfi := range []uint8{1, 9} {
		w.send(greFrom(ue, qfi, numbered(1, 100)))
		w.gpdu()
		w.fromUPF(downlinkGPDU(w.session.TEID(), qfi, false, numbered(1, 200)))
		w.atUE()
	}
	forwarded := relay.Traffic{Uplink: relay.Counter{Packets: 2, Bytes: 200}, Downlink: relay.Counter{Packets: 2, Bytes: 400}}
	require.Equal(t, forwarded, w.inKernel())
	require.Equal(t, forwarded, w.session.Stats())
	w.session.Remove()
}
