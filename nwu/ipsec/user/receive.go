// SPDX-License-Identifier: Apache-2.0

package user

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/endpoint"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/inner"
)

const (
	keepalive    = 0xff // RFC 3948 2.3
	minIKE       = 28   // the IKE header
	minESP       = 8
	deliverBatch = 128 // inner packets handed on at once: enough for the kernel's segmentation, little enough to stay in the processor's cache
)

// receiver is one receiving goroutine: one socket of an endpoint.
type receiver struct {
	d       *DataPlane
	e       *endpoint.Endpoint
	c       *udpbatch.Conn
	sink    ipsec.Receiver
	scratch esp.Scratch
	header  inner.Header
	batch   []ipsec.Inbound
	now     int64
	// injected: the packets came to another node first.
	injected bool

	deaf atomic.Pointer[error] // it cannot receive, time and again

	// For recovery from a panic:
	next    int         // datagram that follows the one in work
	current *generation // SA of the one in work
}

// start runs a receiver for c. The caller holds d.mu.
func (d *DataPlane) start(e *endpoint.Endpoint, c *udpbatch.Conn) {
	r := &receiver{d: d, e: e, c: c, batch: make([]ipsec.Inbound, 0, deliverBatch)}
	d.receivers = append(slices.DeleteFunc(d.receivers, func(old *receiver) bool { return old.e.Closed() }), r)
	d.wg.Go(r.run)
}

func (r *receiver) run() {
	r.sink = r.d.opts.Sink.NewReceiver()
	r.receive(r.c.NewReceiver().Receive)
}

// deafAfter is the pause by which receiving has failed several times in a row.
const deafAfter = 10 * time.Millisecond

// receive takes what comes until the socket is closed.
func (r *receiver) receive(next func() ([]udpbatch.Datagram, error)) {
	pause := time.Duration(0)
	for {
		datagrams, err := next()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Passing errors (of memory, say) must neither end the worker nor spin it.
			r.d.totals.receiveErrors.Add(1)
			pause = min(pause+time.Millisecond, 100*time.Millisecond)
			r.d.opts.Log.Warn("receive failed; trying again", "socket", r.e.Local, "error", err, "pause", pause)
			if pause >= deafAfter {
				r.deaf.Store(&err)
			}
			time.Sleep(pause)
			continue
		}
		if pause > 0 {
			pause = 0
			r.deaf.Store(nil)
		}
		r.handle(datagrams)
	}
}

// handle takes a batch. A panic costs the datagram, or the batch on its way to the sink, that caused it.
func (r *receiver) handle(datagrams []udpbatch.Datagram) {
	r.now = r.d.opts.Now().UnixNano()
	for r.next = 0; r.next < len(datagrams) || len(r.batch) > 0; {
		r.guarded(datagrams)
	}
}

func (r *receiver) guarded(datagrams []udpbatch.Datagram) {
	defer r.recovered()
	for r.next < len(datagrams) {
		dg := &datagrams[r.next]
		r.next++
		r.datagram(dg)
		r.current = nil
		if len(r.batch) == deliverBatch {
			r.deliver()
		}
	}
	r.deliver()
}

func (r *receiver) deliver() {
	if batch := r.batch; len(batch) > 0 {
		r.batch = r.batch[:0] // before the call: a panic in it must not hand the same packets on again
		r.sink.Inbound(batch)
	}
}

func (r *receiver) recovered() {
	v := recover()
	if v == nil {
		return
	}
	r.d.totals.panics.Add(1)
	g := r.current
	r.current = nil
	log := r.d.opts.Log.With("panic", v, "socket", r.e.Local, "stack", string(debug.Stack()))
	if g == nil {
		log.Error("packet handling failed outside any SA; what was in work is lost")
		return
	}
	if about := r.d.opts.LogAttrs; about != nil {
		log = slog.New(log.Handler().WithAttrs(about(g.child.id)))
	}
	log.Error("packet handling failed; the SA ends", "child", g.child.id, "spi", fmt.Sprintf("%08x", g.spi))
	r.d.fault(g)
	r.event(ipsec.Fault{ID: g.child.id, SPI: g.spi, Err: fmt.Errorf("panic: %v", v)})
}

// event reports to the sink; its panic is the sink's own affair and must not come back here.
func (r *receiver) event(ev ipsec.Event) {
	defer func() {
		if v := recover(); v != nil {
			r.d.totals.panics.Add(1)
			r.d.opts.Log.Error("event handling failed", "event", fmt.Sprintf("%T", ev), "panic", v, "stack", string(debug.Stack()))
		}
	}()
	r.d.opts.Sink.Event(ev)
}

// fault ends the generation that made a worker panic.
func (d *DataPlane) fault(g *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g.deleted = true
	g.child.out.CompareAndSwap(g, nil)
	d.remove(g)
}

// class is what a datagram on a NAT traversal port is.
type class uint8

const (
	classESP class = iota
	classIKE
	classKeepalive
	classRunt
)

// classify tells what b is (RFC 3948 2, RFC 7296 3.1) and gives IKE without its marker.
func classify(b []byte) (class, []byte) {
	switch {
	case len(b) == 1 && b[0] == keepalive:
		return classKeepalive, nil
	case len(b) < minESP:
		return classRunt, nil
	case binary.BigEndian.Uint32(b) != 0:
		return classESP, b
	case len(b) < len(nonESPMarker)+minIKE:
		return classRunt, nil
	}
	return classIKE, b[len(nonESPMarker):]
}

func (r *receiver) datagram(dg *udpbatch.Datagram) {
	switch r.e.Kind {
	case NATT:
		switch what, b := classify(dg.Data); what {
		case classESP:
			r.esp(dg, true)
		case classIKE:
			r.d.totals.ike.Add(1)
			r.d.opts.Sink.IKE(ipsec.Path{Local: dg.Local, Remote: dg.Remote, NATT: true}, b)
		case classKeepalive:
			r.d.totals.keepalives.Add(1)
		default:
			r.d.totals.runts.Add(1)
		}
	case IKE:
		if len(dg.Data) < minIKE {
			r.d.totals.runts.Add(1)
			return
		}
		r.d.totals.ike.Add(1)
		r.d.opts.Sink.IKE(ipsec.Path{Local: dg.Local, Remote: dg.Remote}, dg.Data)
	case ESP:
		if len(dg.Data) < minESP {
			r.d.totals.runts.Add(1)
			return
		}
		r.esp(dg, false)
	}
}

// esp takes an ESP packet of at least its header.
func (r *receiver) esp(dg *udpbatch.Datagram, natt bool) {
	spi := binary.BigEndian.Uint32(dg.Data)
	g := r.d.table.lookup(spi)
	if g == nil {
		if r.forward(spi, dg.Data) {
			return
		}
		r.d.totals.unknownSPI.Add(1)
		if r.d.unknown.allow(r.now) {
			r.event(ipsec.UnknownSPI{SPI: spi, Path: ipsec.Path{Local: dg.Local, Remote: dg.Remote, NATT: natt}})
		}
		return
	}
	r.current = g // until the end of the datagram; see recovered
	payload, nextHeader, err := g.in.Open(dg.Data, &r.scratch)
	if err != nil {
		if err != esp.ErrClosed || !r.forward(spi, dg.Data) { //nolint:errorlint // Open returns its errors as they are, and this is the packet path
			r.d.drop(g, err)
		}
		return
	}
	r.heard(g.child, dg, natt, spi)
	if nextHeader == esp.NextHeaderDummy {
		r.d.totals.dummies.Add(1)
		return
	}
	packet, ok := inner.Parse(payload, nextHeader, &r.header)
	if !ok {
		r.d.drop(g, esp.ErrMalformed)
		return
	}
	if !inner.Matches(g.remote, r.header.Src, &r.header, r.header.SrcPort) ||
		!inner.Matches(g.local, r.header.Dst, &r.header, r.header.DstPort) {
		r.d.totals.selector.Add(1)
		g.selector.Add(1)
		return
	}
	g.inPackets.Add(1)
	g.inBytes.Add(uint64(len(packet)))
	r.batch = append(r.batch, ipsec.Inbound{ID: g.child.id, Context: g.context, SPI: spi, Packet: packet})
}

// heard notes that an authenticated packet came, and tells the owner when it came from elsewhere than the path in use.
func (r *receiver) heard(c *child, dg *udpbatch.Datagram, natt bool, spi uint32) {
	if c.lastInbound.Load() != r.now {
		c.lastInbound.Store(r.now)
	}
	if r.injected {
		return
	}
	from := ipsec.Path{Local: dg.Local, Remote: dg.Remote, NATT: natt}
	p := c.path.Load()
	if from.SameESP(p.path) {
		if c.lastOnPath.Load() != r.now {
			c.lastOnPath.Store(r.now)
		}
		return
	}
	if p.leftAt != 0 && from.SameESP(p.left) && r.now-p.leftAt < int64(lateInterval) {
		return
	}
	last := c.lastRebind.Load()
	if last != 0 && r.now-last < int64(rebindInterval) || !c.lastRebind.CompareAndSwap(last, r.now) {
		return
	}
	r.event(ipsec.Rebind{ID: c.id, SPI: spi, From: from})
}
