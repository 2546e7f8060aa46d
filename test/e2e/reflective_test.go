// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
)

// TestReflectiveQoS: the UPF marks downlink packets with RQI; on a flow with the reflective QoS attribute the UE learns from them to answer on the same
// flow, on others it does not, and it forgets when the RQ timer has run out.
func TestReflectiveQoS(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil)
	w.startCoreWith(func(c *core.Config) { c.DNNs[0].Flows[1].Reflective = true }) // QFI 2
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	u := w.ue(0)
	w.register(u)
	s := w.session(u)
	var came [64]atomic.Int64 // downlink packets by QFI
	u.OnReceive(func(_, qfi uint8, _ []byte) { came[qfi].Add(1) })
	packet := func(port uint16) []byte {
		return udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(s.Address(), port), Destination: netip.AddrPortFrom(dn, 7), Payload: []byte("x")}, 1)
	}
	sender := s.NewSender()
	send := func(qfi uint8, pdu []byte) { // an echo comes back on the flow that it has gone on
		t.Helper()
		before := came[qfi].Load()
		w.until("an echo on the flow", func() bool {
			require.NoError(t, sender.Write(qfi, pdu))
			require.NoError(t, sender.Flush())
			return came[qfi].Load() > before
		})
	}
	require.EqualValues(t, 1, s.Classify(packet(4000)), "the default rule")
	send(3, packet(4001))
	require.EqualValues(t, 1, s.Classify(packet(4001)), "the flow has not got the attribute: the N3IWF takes the mark away")
	send(2, packet(4000))
	require.EqualValues(t, 2, s.Classify(packet(4000)))
	require.EqualValues(t, 1, s.Classify(packet(4001)), "another conversation")
	send(s.Classify(packet(4000)), packet(4000))
	w.until("the end of the rule", func() bool { return s.Classify(packet(4000)) == 1 })
	w.sameStory(u)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}
