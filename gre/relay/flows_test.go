// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Packets count for their flow and for the session; the session keeps what was counted when flows come and go.
func TestFlowCounts(t *testing.T) {
	r := newRig(t, nil)
	c := twoChildren(r.upf.addr)
	s := r.add(t, c)
	up, down := r.NewUplink(), &downlink{r: r.Relay, control: r.controls[0], writer: r.dp}
	pass := func(qfi uint8, uplinks, downlinks int) {
		for range uplinks {
			up.Inbound([]ipsec.Inbound{{ID: 11, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, qfi, make([]byte, 100))}})
		}
		for range downlinks {
			down.handle([]udpbatch.Datagram{{Data: downlinkPDU(s.TEID(), qfi, false, make([]byte, 200)), Remote: r.upf.addr, Local: r.upf.n3}})
		}
	}
	pass(1, 3, 2)
	pass(2, 1, 0)
	pass(63, 1, 4) // no flow has it: uplink is dropped, downlink goes through the default child SA
	require.Equal(t, []FlowTraffic{
		{1, Counter{3, 300}, Counter{2, 400}}, {2, Counter{1, 100}, Counter{}}, {3, Counter{}, Counter{}},
	}, s.Flows())
	total := s.Stats()
	require.Equal(t, Counter{4, 400}, total.Uplink)
	require.Equal(t, Counter{6, 1200}, total.Downlink)
	require.EqualValues(t, 1, total.Drops[UnknownQFI])

	fewer := c
	fewer.Flows = c.Flows[1:]
	require.NoError(t, s.Update(fewer))
	pass(2, 1, 1)
	require.Equal(t, []FlowTraffic{{2, Counter{2, 200}, Counter{1, 200}}, {3, Counter{}, Counter{}}}, s.Flows())
	require.Equal(t, Counter{5, 500}, s.Stats().Uplink, "with the flow that is gone")
	require.NoError(t, s.Update(c))
	pass(1, 1, 0)
	require.Equal(t, FlowTraffic{1, Counter{4, 400}, Counter{2, 400}}, s.Flows()[0], "it goes on")
	s.Remove()
	require.Equal(t, Counter{6, 600}, s.Stats().Uplink, "also after the end")
}
