// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/relay"
)

// sum adds up the counts of all processors.
func sum(per []userplaneCounts) (total userplaneCounts) {
	for i := range per {
		add(&total, per[i])
	}
	return total
}

func add(total *userplaneCounts, c userplaneCounts) {
	total.Packets += c.Packets
	total.Octets += c.Octets
	if c.Last > total.Last {
		total.Last, total.LastMark = c.Last, c.LastMark
	}
	for r, n := range c.Drops {
		total.Drops[r] += n
	}
}

// read gives the counts of a key, zero for one that is not there.
func (u *UserPlane) read(m *ebpf.Map, key uint32) userplaneCounts {
	var per []userplaneCounts
	if m.Lookup(key, &per) != nil {
		return userplaneCounts{}
	}
	return sum(per)
}

// reasons are the program's, in the words of the relay.
var reasons = [dropCount]relay.Reason{
	dropSource:      relay.GRE(gre.DropSource),
	dropDestination: relay.GRE(gre.DropDestination),
	dropFlags:       relay.GRE(gre.DropFlags),
	dropQFI:         relay.UnknownQFI,
	dropEmpty:       relay.EmptyPDU,
	dropRate:        relay.RateLimit,
	dropFailed:      relay.NotSent,
}

func traffic(uplink, downlink userplaneCounts) (t relay.Traffic) {
	t.Uplink = relay.Counter{Packets: uplink.Packets, Bytes: uplink.Octets}
	t.Downlink = relay.Counter{Packets: downlink.Packets, Bytes: downlink.Octets}
	for i, r := range reasons {
		t.Drops[r] += uplink.Drops[i] + downlink.Drops[i]
	}
	return t
}

// Traffic implements relay.Offload.
func (u *UserPlane) Traffic(teid uint32) relay.Traffic {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.sessions[teid]
	if r == nil || u.closed {
		return relay.Traffic{}
	}
	return u.sessionTraffic(teid, r)
}

// sessionTraffic is that of a session by its record. The caller holds u.mu.
func (u *UserPlane) sessionTraffic(teid uint32, r *record) relay.Traffic {
	up := r.past
	for _, mark := range r.marks {
		add(&up, u.read(u.objects.UplinkCounts, mark))
	}
	return traffic(up, u.read(u.objects.DownlinkCounts, teid))
}

// Totals implements relay.Offload.
func (u *UserPlane) Totals() relay.Traffic {
	if t := u.final.Load(); t != nil {
		return *t
	}
	t := traffic(u.read(u.objects.Totals, 0), u.read(u.objects.Totals, 1))
	t.Subtract(u.base)
	return t
}

// Heard tells how many packets came through a child SA here, when the last one did, and with which mark: the data plane has not seen them.
func (u *UserPlane) Heard(mark uint32) (packets uint64, last time.Time, lastMark uint32) {
	c := u.read(u.objects.UplinkCounts, mark)
	if c.Last == 0 {
		return 0, time.Time{}, 0
	}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0, time.Time{}, 0
	}
	return c.Packets, time.Now().Add(-time.Duration(now.Nano() - int64(c.Last))), c.LastMark
}

var upText = [upCount]string{
	upOther: "unknown tunnel or child SA", upForm: "not a plain user packet", upFragment: "fragment", upGSO: "joined by GSO", upOversize: "too long",
	upMessage: "GTP-U message", upExtension: "extension header", upHeld: "held",
}

// Status is what the user plane in the kernel does.
type Status struct {
	Links    []string // served N3 links
	Repairs  []string // of them, those where missing UDP checksums are filled in
	Pinned   bool
	Sessions int
	Adopted  int // sessions of an earlier process
	// HandedUp are packets that were left to user space, by direction and reason. Of links, not of sessions: signalling is among them.
	HandedUp map[string]map[string]uint64
}

// Status gives the picture.
func (u *UserPlane) Status() Status {
	s := Status{HandedUp: map[string]map[string]uint64{}}
	for i, direction := range []string{"uplink", "downlink"} {
		counts := map[string]uint64{}
		for reason, text := range upText {
			var per []uint64
			if u.objects.HandedUp.Lookup(uint32(i*upCount+reason), &per) == nil {
				for _, n := range per {
					counts[text] += n
				}
			}
		}
		s.HandedUp[direction] = counts
	}
	for _, l := range u.links {
		s.Links = append(s.Links, l.name)
		if l.repair {
			s.Repairs = append(s.Repairs, l.name)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	s.Pinned = u.objects.pinned
	s.Sessions, s.Adopted = len(u.sessions), len(u.adopted)
	return s
}
