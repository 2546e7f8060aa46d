// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"errors"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/open-n3iwf/n3iwf/gre/relay"
)

// Flows of a session with several are counted one by one; what a session with one flow has counted is that flow's. A flow that is taken out, or that is
// alone from some time on, keeps what it had.

// Directions of userplane.bpf.c.
const (
	uplink   = 0
	downlink = 1
)

// flowCounts are what is known of a session's flows beside the map.
type flowCounts struct {
	qfis []uint8
	past map[uint8]*relay.FlowTraffic
	base relay.Traffic // of the session, when it came to have one flow
}

func qfisOf(flows []relay.Flow) (list []uint8) {
	for _, f := range flows {
		list = append(list, f.QFI)
	}
	slices.Sort(list)
	return list
}

// several tells whether the programs count the flows.
func (f *flowCounts) several() bool { return len(f.qfis) > 1 }

func (f *flowCounts) before(qfi uint8) *relay.FlowTraffic {
	if f.past[qfi] == nil {
		f.past[qfi] = &relay.FlowTraffic{QFI: qfi}
	}
	return f.past[qfi]
}

// beginFlows makes room for the flows of r, whose session was old before, and notes what old's were counted. A flow without room is forwarded all the same,
// and counted with its session only. The caller holds u.mu.
func (u *UserPlane) beginFlows(teid uint32, r, old *record, flows []relay.Flow) {
	r.flows = flowCounts{qfis: qfisOf(flows), past: map[uint8]*relay.FlowTraffic{}}
	if old != nil {
		r.flows.past, r.flows.base = old.flows.past, old.flows.base
		if !old.flows.several() && !slices.Equal(old.flows.qfis, r.flows.qfis) {
			for _, qfi := range old.flows.qfis {
				now, before := u.sessionTraffic(teid, old), r.flows.before(qfi)
				before.Uplink.Add(now.Uplink)
				before.Uplink.Subtract(old.flows.base.Uplink)
				before.Downlink.Add(now.Downlink)
				before.Downlink.Subtract(old.flows.base.Downlink)
			}
		}
	}
	if !r.flows.several() {
		return
	}
	n, err := ebpf.PossibleCPU()
	for _, qfi := range r.flows.qfis {
		for _, direction := range []uint8{uplink, downlink} {
			if err != nil {
				break
			}
			key := userplaneFlow{Teid: teid, Qfi: qfi, Direction: direction}
			if err = u.objects.Flows.Update(key, make([]userplaneFlowCounts, n), ebpf.UpdateNoExist); errors.Is(err, ebpf.ErrKeyExist) {
				err = nil
			}
		}
	}
	if err != nil {
		u.logged("count the QoS flows of a session one by one", full(err))
	}
}

// endFlows takes away what r does not need of old, once the programs work by r. The caller holds u.mu.
func (u *UserPlane) endFlows(teid uint32, r, old *record) {
	if old == nil {
		return
	}
	if old.flows.several() {
		for _, qfi := range old.flows.qfis {
			if !r.flows.several() || !slices.Contains(r.flows.qfis, qfi) {
				u.takeFlow(teid, qfi, r.flows.before(qfi))
			}
		}
	}
	if !r.flows.several() && !slices.Equal(old.flows.qfis, r.flows.qfis) {
		r.flows.base = u.sessionTraffic(teid, r)
	}
}

// takeFlow takes a flow's counts out of the map.
func (u *UserPlane) takeFlow(teid uint32, qfi uint8, into *relay.FlowTraffic) {
	into.Uplink.Add(u.flow(teid, qfi, uplink))
	into.Downlink.Add(u.flow(teid, qfi, downlink))
	for _, direction := range []uint8{uplink, downlink} {
		u.logged("remove a QoS flow", remove(u.objects.Flows, userplaneFlow{Teid: teid, Qfi: qfi, Direction: direction}))
	}
}

func (u *UserPlane) flow(teid uint32, qfi, direction uint8) (c relay.Counter) {
	var per []userplaneFlowCounts
	if u.objects.Flows.Lookup(userplaneFlow{Teid: teid, Qfi: qfi, Direction: direction}, &per) != nil {
		return c
	}
	for _, one := range per {
		c.Add(relay.Counter{Packets: one.Packets, Bytes: one.Octets})
	}
	return c
}

// Flows implements relay.Offload.
func (u *UserPlane) Flows(teid uint32) (list []relay.FlowTraffic) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.sessions[teid]
	if r == nil || u.closed {
		return nil
	}
	for _, qfi := range r.flows.qfis {
		t := relay.FlowTraffic{QFI: qfi}
		if past := r.flows.past[qfi]; past != nil {
			t = *past
		}
		if r.flows.several() {
			t.Uplink.Add(u.flow(teid, qfi, uplink))
			t.Downlink.Add(u.flow(teid, qfi, downlink))
		} else {
			now := u.sessionTraffic(teid, r)
			now.Subtract(r.flows.base)
			t.Uplink.Add(now.Uplink)
			t.Downlink.Add(now.Downlink)
		}
		list = append(list, t)
	}
	return list
}

// sweepFlows removes the counts of flows whose session is not there.
func (u *UserPlane) sweepFlows() error {
	var gone []userplaneFlow
	var key userplaneFlow
	var per []userplaneFlowCounts
	it := u.objects.Flows.Iterate()
	for it.Next(&key, &per) {
		if u.sessions[key.Teid] == nil {
			gone = append(gone, key)
		}
	}
	errs := []error{it.Err()}
	for _, key := range gone {
		errs = append(errs, remove(u.objects.Flows, key))
	}
	return errors.Join(errs...)
}
