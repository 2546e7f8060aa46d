// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/report"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// Numbers of the run.
const (
	trafficRate    = 500 // packets a second while the UE moves, unless told otherwise
	trafficSize    = 200
	bulkSize       = 1400
	relayedSize    = 1000 // what a relay adds fits the path then
	bulkTime       = 2 * time.Second
	bulkDownFactor = 500 // of the traffic's rate: more than one core forwards, so that what arrives is measured
	settle         = 300 * time.Millisecond
	runPatience    = 4 * time.Minute
	drainPatience  = 30 * time.Second
	quickPing      = echoPatience / 2
	beforeMove     = 300 * time.Millisecond
	afterMove      = 1500 * time.Millisecond
	echoPatience   = 500 * time.Millisecond // within it most echoes come
	latePatience   = 10 * time.Second       // an echo that takes longer is lost
	plotInterval   = 20 * time.Millisecond
	callPatience   = 20 * time.Second
	movePatience   = 10 * time.Second
	pollEvery      = time.Millisecond
	portMoveChance = 5 * time.Second
)

// script is the demo. It stops at the first step that fails.
func (d *demo) script(ctx context.Context) error {
	call := func(cmd string, args, result any) error {
		limited, cancel := context.WithTimeout(ctx, callPatience)
		defer cancel()
		return d.ue.call(limited, cmd, args, result)
	}
	steps := []step{{"start core and N3IWF", func() (string, error) { return "NG Setup done", d.startAll(ctx) }}}
	moves := d.moveSteps(ctx)
	if d.Relay {
		steps = append(steps, step{"start relay UEs", func() (string, error) { return d.startRelays(ctx) }})
		moves = d.relaySteps(ctx)
	}
	steps = append(steps, d.openingSteps(ctx, call)...)
	steps = append(steps, moves...)
	steps = append(steps,
		step{"stop traffic", func() (string, error) { return "", d.collect(call) }},
		step{"release PDU session", func() (string, error) { return "", call("release", nil, nil) }},
		step{"deregister", func() (string, error) { return "", call("deregister", nil, nil) }})
	if d.Relay {
		steps = append(steps, step{"relays deregister", func() (string, error) { return d.relaysLeave(ctx) }})
	}
	steps = append(steps, step{"nothing left at the core", func() (string, error) { return "", d.coreEmpty(ctx) }})
	for _, s := range steps {
		if err := d.step(s.name, s.do); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// step is one thing to do, which tells what it found.
type step struct {
	name string
	do   func() (string, error)
}

// openingSteps bring the UE to where its traffic runs.
func (d *demo) openingSteps(ctx context.Context, call func(cmd string, args, result any) error) []step {
	return []step{
		{"register", func() (string, error) {
			return "IKE_SA_INIT, EAP-5G, security mode, registered", call("register", nil, nil)
		}},
		{"PDU session", func() (string, error) {
			var r struct{ Address string }
			err := call("session", nil, &r)
			return "UE address " + r.Address, err
		}},
		{"ping", func() (string, error) {
			var rtts []time.Duration
			err := call("ping", nil, &rtts)
			return fmt.Sprintf("round trips %v", rtts), err
		}},
		{"throughput uplink", func() (string, error) {
			var r probe.Rate
			err := call("throughput", map[string]any{"ms": d.bulk().Milliseconds(), "size": d.bulkSize()}, &r)
			d.report.Throughput.ULMbps = r.Mbps
			return fmt.Sprintf("%.0f Mbit/s, %.0f packets/s of %d octets received", r.Mbps, r.PacketsSecond, d.bulkSize()), nonZero(err, r.Packets)
		}},
		{"throughput downlink", func() (string, error) {
			var r probe.Rate
			err := call("throughput", map[string]any{"downlink": true, "ms": d.bulk().Milliseconds(), "size": d.bulkSize(), "per_second": d.Rate * bulkDownFactor}, &r)
			d.report.Throughput.DLMbps = r.Mbps
			return fmt.Sprintf("%.0f Mbit/s, %.0f packets/s of %d octets received", r.Mbps, r.PacketsSecond, d.bulkSize()), nonZero(err, r.Packets)
		}},
		{"start traffic", func() (string, error) {
			// What the bulk transfers left in queues must not be mistaken for what a move costs.
			if err := d.drained(ctx, call); err != nil {
				return "", err
			}
			err := call("traffic", map[string]any{"per_second": d.Rate, "size": trafficSize}, &d.traffic)
			return fmt.Sprintf("%d echo requests a second", d.Rate), err
		}},
	}
}

// moveSteps are the moves of a UE on WLANs.
func (d *demo) moveSteps(ctx context.Context) []step {
	at := func(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, d.plan.natt) }
	n3iwf := d.plan.n3iwf
	return []step{
		{"move: other address", func() (string, error) { return d.move(ctx, report.MoveAddress, d.plan.second, at(n3iwf[0])) }},
		{"move: behind a NAT", func() (string, error) { return d.move(ctx, report.MoveNAT, d.plan.behindNAT, at(d.plan.natN3IWF)) }},
		{"move: other NAT port", func() (string, error) { return d.move(ctx, report.MovePort, netip.Addr{}, netip.AddrPort{}) }},
		{"move: IPv4 to IPv6", func() (string, error) { return d.move(ctx, report.MoveIPv6, d.plan.ipv6, at(n3iwf[1])) }},
		{"move: IPv6 to IPv4", func() (string, error) { return d.move(ctx, report.MoveIPv4, d.plan.first, at(n3iwf[0])) }},
	}
}

// bulk is how long each bulk transfer takes; a recording shall stay small.
func (d *demo) bulk() time.Duration {
	if d.Capture {
		return d.Bulk / 40
	}
	return d.Bulk
}

func (d *demo) bulkSize() int {
	if d.Relay {
		return relayedSize
	}
	return bulkSize
}

// drained waits until nothing comes of the bulk transfers any more and pings are quick again. On a slow machine queues hold seconds of them, and
// pings that find a place in those may be quick all the same.
func (d *demo) drained(ctx context.Context, call func(cmd string, args, result any) error) error {
	var before uint64
	for deadline := time.Now().Add(drainPatience); ; {
		if err := pause(ctx, settle); err != nil {
			return err
		}
		var bulk uint64
		if err := call("bulk", nil, &bulk); err != nil {
			return err
		}
		still := bulk == before
		before = bulk
		var rtts []time.Duration
		err := call("ping", nil, &rtts)
		if still && err == nil && slices.Max(rtts) < quickPing {
			d.rtt = slices.Max(rtts)
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%s after the bulk transfers pings are still slow (%v), or the rest of those still comes (%d packets so far)",
				drainPatience, rtts, bulk), err)
		}
	}
}

func nonZero(err error, packets uint64) error {
	if err == nil && packets == 0 {
		return fmt.Errorf("nothing was received")
	}
	return err
}

// picture is what must stay the same.
type picture struct {
	ue   ue.State
	core core.State
}

func (d *demo) picture(ctx context.Context) (p picture, err error) {
	limited, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	if err := d.ue.call(limited, "state", nil, &p.ue); err != nil {
		return p, err
	}
	return p, d.core.call(limited, "state", nil, &p.core)
}

// kept compares two pictures.
func kept(before, after picture) report.Kept {
	type spis struct{ in, out uint32 }
	var k report.Kept
	collect := func(s ue.State) (list []spis, keys []string) {
		for _, c := range s.Children {
			list, keys = append(list, spis{c.Inbound, c.Outbound}), append(keys, c.Keys)
		}
		return list, keys
	}
	beforeSPIs, beforeKeys := collect(before.ue)
	afterSPIs, afterKeys := collect(after.ue)
	k.SPI = before.ue.IKE == after.ue.IKE && slices.Equal(beforeSPIs, afterSPIs) && len(afterSPIs) > 1
	k.Keys = slices.Equal(beforeKeys, afterKeys) && len(afterKeys) > 1
	k.InnerAddress = slices.Equal(before.ue.Inner, after.ue.Inner) && len(after.ue.Inner) > 0
	if len(before.ue.Sessions) == 1 && len(after.ue.Sessions) == 1 {
		b, a := before.ue.Sessions[0], after.ue.Sessions[0]
		k.PDUSession = b.ID == a.ID && b.Address == a.Address && slices.Equal(b.QFIs, a.QFIs)
	}
	if b, a := remote(before.core), remote(after.core); len(b.Sessions) == 1 && len(a.Sessions) == 1 {
		k.TEID = slices.Equal(b.Sessions, a.Sessions) && b.AMFID == a.AMFID && b.RANID == a.RANID
	}
	return k
}

// remote is the UE that moves; relays are others.
func remote(s core.State) core.UEState {
	for _, u := range s.UEs {
		if u.IMSI == imsi {
			return u
		}
	}
	return core.UEState{}
}

// changePort gives the UE's NAT mapping another port: the network's, or that of the relay where the UE is. Up to that time the old one is good.
func (d *demo) changePort(ctx context.Context) (begin time.Time, err error) {
	if d.Relay {
		return time.Now(), d.relays[0].call(ctx, "rebind", nil, nil)
	}
	return d.net.changePort()
}

// move moves the UE while traffic runs, and measures.
func (d *demo) move(ctx context.Context, kind string, local netip.Addr, n3iwf netip.AddrPort) (string, error) {
	before, err := d.picture(ctx)
	if err != nil {
		return "", err
	}
	if err := pause(ctx, beforeMove); err != nil {
		return "", err
	}
	m := report.Move{Kind: kind, At: time.Since(d.start), From: before.ue.Path}
	begin := time.Now()
	limited, cancel := context.WithTimeout(ctx, movePatience)
	defer cancel()
	if kind == report.MovePort {
		begin, err = d.changePort(limited)
	} else {
		err = d.ue.call(limited, "move", map[string]any{"local": local, "n3iwf": n3iwf.Addr(), "port": n3iwf.Port()}, nil)
	}
	if err == nil {
		m.Gap, err = d.flowing(limited, kind, begin)
	}
	if err != nil {
		return "", err
	}
	if kind == report.MovePort {
		// The UE's own liveness check finds the change too, as it would at its next turn; its update gets the new port proven.
		if err := d.ue.call(limited, "probe", nil, nil); err != nil {
			return "", err
		}
	}
	if err := pause(ctx, afterMove); err != nil {
		return "", err
	}
	end := time.Now()
	if err := pause(ctx, echoPatience); err != nil {
		return "", err
	}
	after, err := d.picture(ctx)
	if err != nil {
		return "", err
	}
	m.To = after.ue.Path
	m.Kept = kept(before, after)
	m.ReturnRoutability = after.ue.RoutabilityChecks > before.ue.RoutabilityChecks
	allowed := 0
	if kind == report.MovePort {
		allowed = d.inFlight(m.Gap)
	}
	if m.Sent, m.Lost, err = d.lost(ctx, begin.Add(-beforeMove), end, allowed); err != nil {
		return "", err
	}
	d.report.Moves = append(d.report.Moves, m)
	detail := fmt.Sprintf("%s; traffic after %.1f ms; %d of %d lost", m.To, float64(m.Gap)/1e6, m.Lost, m.Sent)
	switch {
	case !m.Kept.All():
		return detail, fmt.Errorf("something changed that must not: %+v", m.Kept)
	case kind != report.MovePort && m.Lost > 0:
		return detail, fmt.Errorf("%d packets lost on a make-before-break move", m.Lost)
	case kind == report.MovePort && m.Lost > allowed:
		return detail, fmt.Errorf("%d packets lost, more than were in flight", m.Lost)
	case d.Routability != "off" && !m.ReturnRoutability:
		return detail, fmt.Errorf("the new path was not proven")
	}
	return detail, nil
}

// inFlight bounds what a broken path may cost: what was sent until traffic flowed again, what was on its way both times, and a little for the clock.
func (d *demo) inFlight(gap time.Duration) int {
	return int(float64(gap+2*d.rtt+10*time.Millisecond)/float64(time.Second)*float64(d.Rate)) + 1
}

// flowing waits until downlink traffic comes on the new path and gives the time since begin. After a change of the NAT's port the UE's own
// path is as before; there the first echo of a packet tells that was sent when the change was certainly done.
func (d *demo) flowing(ctx context.Context, kind string, begin time.Time) (time.Duration, error) {
	if kind != report.MovePort {
		var since struct {
			Arrived time.Time `json:"arrived"`
		}
		err := d.ue.call(ctx, "arrived", nil, &since)
		return since.Arrived.Sub(begin), err
	}
	changed := time.Since(d.traffic)
	limited, cancel := context.WithTimeout(ctx, portMoveChance)
	defer cancel()
	for {
		packets, err := d.packets(limited)
		if err != nil {
			return 0, err
		}
		for _, p := range packets {
			if p.Sent >= changed && p.Back > 0 {
				return p.Back - begin.Sub(d.traffic), nil
			}
		}
		if err := pause(limited, 20*pollEvery); err != nil {
			return 0, fmt.Errorf("no traffic after the NAT changed its port: %w", err)
		}
	}
}

func (d *demo) packets(ctx context.Context) ([]probe.Packet, error) {
	limited, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	var list []probe.Packet
	return list, d.ue.call(limited, "packets", nil, &list)
}

// lost counts the packets sent in a span, and those that have not come back. As long as more are missing than may be they may just be late, on a slow
// machine.
func (d *demo) lost(ctx context.Context, from, to time.Time, allowed int) (sent, lost int, err error) {
	for deadline := time.Now().Add(latePatience); ; {
		packets, err := d.packets(ctx)
		if err != nil {
			return 0, 0, err
		}
		sent, lost = count(packets, from.Sub(d.traffic), to.Sub(d.traffic))
		if lost <= allowed || time.Now().After(deadline) {
			return sent, lost, nil
		}
		if err := pause(ctx, settle); err != nil {
			return 0, 0, err
		}
	}
}

// count counts the packets sent in a span, and those of them that never came back.
func count(packets []probe.Packet, from, to time.Duration) (sent, lost int) {
	for _, p := range packets {
		if p.Sent < from || p.Sent > to {
			continue
		}
		sent++
		if p.Back == 0 {
			lost++
		}
	}
	return sent, lost
}

// collect stops the traffic and puts it into the report.
func (d *demo) collect(call func(cmd string, args, result any) error) error {
	if err := call("stop", nil, nil); err != nil {
		return err
	}
	var packets []probe.Packet
	if err := call("packets", nil, &packets); err != nil {
		return err
	}
	if len(packets) == 0 {
		return fmt.Errorf("no packet was sent")
	}
	t := report.Traffic{Start: d.traffic.Sub(d.start), Interval: plotInterval}
	for _, p := range packets {
		if p.Back == 0 {
			continue
		}
		i := int(p.Back / plotInterval)
		for len(t.Received) <= i {
			t.Received = append(t.Received, 0)
		}
		t.Received[i]++
	}
	d.report.Traffic = t
	return nil
}

// coreEmpty waits until the core has forgotten the UE.
func (d *demo) coreEmpty(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, movePatience)
	defer cancel()
	for {
		var s core.State
		if err := d.core.call(limited, "state", nil, &s); err != nil {
			return err
		}
		if len(s.UEs) == 0 {
			return nil
		}
		if err := pause(limited, 20*pollEvery); err != nil {
			return fmt.Errorf("the core still has %d UEs: %w", len(s.UEs), err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
