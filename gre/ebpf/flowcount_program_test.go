// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre"
)

// The programs count packets by flow and direction where the session has several flows, and only what they forward.
func TestFlowsAreCounted(t *testing.T) {
	b := newBox(t)
	n, err := ebpf.PossibleCPU()
	require.NoError(t, err)
	key := func(qfi, direction uint8) userplaneFlow {
		return userplaneFlow{Teid: testTEID, Qfi: qfi, Direction: direction}
	}
	for _, qfi := range []uint8{1, 9} {
		for _, direction := range []uint8{uplink, downlink} {
			require.NoError(t, b.Flows.Put(key(qfi, direction), make([]userplaneFlowCounts, n)))
		}
	}
	pass := func() {
		for qfi, times := range map[uint8]int{1: 2, 9: 3, 20: 1} { // no flow has the last one: uplink is dropped, downlink is nobody's
			for range times {
				b.run(b.N3iwfUplink, carrier(ue, up, gre.Header{QFI: qfi}, ipPDU(100)), skb{mark: testMark})
				b.run(b.N3iwfDownlink, n3Frame(downlinkGPDU(testTEID, qfi, false, ipPDU(200))), skb{})
			}
		}
		b.run(b.N3iwfUplink, carrier(elsewher, up, gre.Header{QFI: 9}, ipPDU(100)), skb{mark: testMark})
	}
	counted := func(qfi, direction uint8) [2]uint64 {
		var per []userplaneFlowCounts
		require.NoError(t, b.Flows.Lookup(key(qfi, direction), &per))
		var sum [2]uint64
		for _, c := range per {
			sum[0], sum[1] = sum[0]+c.Packets, sum[1]+c.Octets
		}
		return sum
	}
	pass()
	require.Equal(t, [2]uint64{}, counted(9, uplink), "the child SA is of another session")
	b.setChild(func(c *userplaneChild) { c.Teid = testTEID })
	pass()
	require.Equal(t, [2]uint64{2, 200}, counted(1, uplink))
	require.Equal(t, [2]uint64{2, 400}, counted(1, downlink))
	require.Equal(t, [2]uint64{3, 300}, counted(9, uplink))
	require.Equal(t, [2]uint64{3, 600}, counted(9, downlink))
	b.setChild(func(c *userplaneChild) { c.Teid, c.Flows = testTEID, 1<<9 })
	pass()
	require.Equal(t, [2]uint64{3, 300}, counted(9, uplink), "the session's counts are the flow's when it has one")
}
