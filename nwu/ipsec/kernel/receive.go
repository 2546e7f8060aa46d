// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"os"
	"runtime/debug"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/inner"
)

// receiver is one receiving goroutine of inner packets.
type receiver struct {
	d      *DataPlane
	rx     *packetReceiver
	sink   ipsec.Receiver
	header inner.Header
	batch  []ipsec.Inbound
	now    int64
}

func newReceiver(d *DataPlane, c *packetConn) *receiver {
	return &receiver{d: d, rx: c.newReceiver(), batch: make([]ipsec.Inbound, 0, c.batch)}
}

func (r *receiver) run() {
	r.sink = r.d.opts.Sink.NewReceiver()
	pause := time.Duration(0)
	for {
		packets, err := r.rx.receive()
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil:
			// Passing errors (of memory, say) must neither end the worker nor spin it.
			r.d.totals.receiveErrors.Add(1)
			pause = min(pause+time.Millisecond, 100*time.Millisecond)
			r.d.opts.Log.Warn("receive failed; trying again", "interface", r.d.opts.Interface, "error", err, "pause", pause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		// What the kernel has to tell of these packets it has told by now.
		r.d.reports.drain()
		r.handle(packets)
	}
}

// handle takes a batch. A panic in the Sink costs the batch.
func (r *receiver) handle(packets []marked) {
	defer func() {
		if v := recover(); v != nil {
			r.d.totals.panics.Add(1)
			r.d.opts.Log.Error("packet handling failed; the packets are lost", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	r.now = r.d.opts.Now().UnixNano()
	r.batch = r.batch[:0]
	for _, p := range packets {
		r.packet(p)
	}
	if len(r.batch) > 0 {
		r.sink.Inbound(r.batch)
	}
}

func (r *receiver) packet(m marked) {
	slot := int(m.mark >> lowBits)
	if slot >= len(r.d.slots) {
		return
	}
	c := r.d.slots[slot].Load()
	if c == nil {
		return
	}
	g := c.gens[generationOf(m.mark)].Load()
	if g == nil {
		return
	}
	if m.mark&1 != g.legBit.Load() && !r.d.acceptSpare(g, r.now) {
		g.refusedBytes.Add(uint64(len(m.data)))
		return
	}
	c.heard(g, m.mark&1, r.now, r.d.opts.PathReports < 0)
	next := byte(inner.ProtocolIPv4)
	if len(m.data) > 0 && m.data[0]>>4 == 6 {
		next = inner.ProtocolIPv6
	}
	packet, ok := inner.Parse(m.data, next, &r.header)
	switch {
	case !ok:
		r.d.totals.malformed.Add(1)
		g.malformed.Add(1)
	case !inner.Matches(g.remote, r.header.Src, &r.header, r.header.SrcPort) || !inner.Matches(g.local, r.header.Dst, &r.header, r.header.DstPort):
		r.d.totals.selector.Add(1)
		g.selector.Add(1)
	case r.d.opts.TCP && r.header.Protocol == inner.ProtocolTCP:
		return // the kernel has it
	default:
		r.batch = append(r.batch, ipsec.Inbound{ID: c.id, Context: g.context, SPI: g.spi, Packet: packet})
		return
	}
	g.refusedBytes.Add(uint64(len(m.data)))
}

// heard notes that an authenticated packet came, and whether it came on the path in use: the kernel reports those that did not, each of them or some.
func (c *child) heard(g *generation, bit uint32, now int64, each bool) {
	if c.lastInbound.Load() != now {
		c.lastInbound.Store(now)
	}
	if !g.aligned.Load() || g.legBit.Load() != bit {
		return // those on the path in use are reported; or it came to an address of ours that is left
	}
	surplus := c.seen.Add(1) - c.elsewhere.Load()
	if each && surplus > c.onPath.Load() || now-c.lastElsewhere.Load() > int64(lateInterval) {
		c.onPath.Store(surplus)
		c.lastOnPath.Store(now)
	}
}
