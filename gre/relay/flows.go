// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
)

// Packets of a session are counted by flow; the session's own counts have the drops, and packets of QFIs that no flow has.

// FlowTraffic is what a Relay has forwarded of one QoS flow.
type FlowTraffic struct {
	QFI              uint8
	Uplink, Downlink Counter
}

// flowCount is written by two goroutines: uplink and downlink lie in different cache lines.
type flowCount struct {
	qfi                uint8
	ulPackets, ulBytes atomic.Uint64
	_                  [64]byte
	dlPackets, dlBytes atomic.Uint64
}

func (c *flowCount) read() FlowTraffic {
	return FlowTraffic{c.qfi, Counter{c.ulPackets.Load(), c.ulBytes.Load()}, Counter{c.dlPackets.Load(), c.dlBytes.Load()}}
}

// flowCounts find the counts of a flow by its QFI. It is never changed.
type flowCounts struct {
	all []*flowCount           // of every flow that the session has or had: 64 at most
	of  [gtpu.MaxQFI + 1]uint8 // index into all, or none
}

// countFlows gives v the counts of its flows; those that were there before v go on. The caller holds r.mu.
func (s *Session) countFlows(v *view) {
	former := s.flows.Load()
	next := flowCounts{}
	if former != nil {
		next.all = former.all[:len(former.all):len(former.all)]
	}
	for i := range next.of {
		next.of[i] = none
	}
	for qfi := range uint8(len(next.of)) {
		if v.exists&(1<<qfi) == 0 {
			continue
		}
		for i, c := range next.all {
			if c.qfi == qfi {
				next.of[qfi] = uint8(i)
			}
		}
		if next.of[qfi] == none {
			next.of[qfi] = uint8(len(next.all))
			next.all = append(next.all, &flowCount{qfi: qfi})
		}
	}
	s.flows.Store(&next)
	v.counts = &next
}

// uplink counts a packet of a flow that exists.
func (f *flowCounts) uplink(qfi uint8, bytes uint64) {
	c := f.all[f.of[qfi]]
	c.ulPackets.Add(1)
	c.ulBytes.Add(bytes)
}

// downlink counts a packet, in other when no flow has the QFI.
func (f *flowCounts) downlink(qfi uint8, bytes uint64, other *counters) {
	i := f.of[qfi]
	if i == none {
		other.downlink(1, bytes)
		return
	}
	c := f.all[i]
	c.dlPackets.Add(1)
	c.dlBytes.Add(bytes)
}

// Flows gives the counts of the session's flows, with what an Offload has forwarded of them.
func (s *Session) Flows() (list []FlowTraffic) {
	var elsewhere []FlowTraffic
	if o := s.relay.offload; o != nil {
		elsewhere = o.Flows(s.teid)
	}
	f := s.flows.Load()
	for qfi := range f.of {
		i := f.of[qfi]
		if i == none {
			continue
		}
		t := f.all[i].read()
		for _, e := range elsewhere {
			if e.QFI == t.QFI {
				t.Uplink.Add(e.Uplink)
				t.Downlink.Add(e.Downlink)
			}
		}
		list = append(list, t)
	}
	return list
}
