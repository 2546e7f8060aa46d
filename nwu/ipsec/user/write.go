// SPDX-License-Identifier: Apache-2.0

package user

import (
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/endpoint"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/inner"
)

// maxInner keeps an ESP packet of any algorithm within a UDP datagram.
const maxInner = 65507 - 128

// writer implements ipsec.Writer: one udpbatch sender for each endpoint in use.
type writer struct {
	d       *DataPlane
	lane    uint32 // which of an endpoint's sockets
	last    *endpoint.Endpoint
	sender  *udpbatch.Sender // of last
	lanes   []lane
	scratch esp.Scratch
}

type lane struct {
	e *endpoint.Endpoint
	s *udpbatch.Sender
}

// NewWriter implements ipsec.DataPlane.
func (d *DataPlane) NewWriter() ipsec.Writer { return &writer{d: d, lane: d.writers.Add(1)} }

// Write implements ipsec.Writer.
func (w *writer) Write(h ipsec.Handle, head, payload []byte) error {
	c, ok := h.(*child)
	if !ok || c == nil {
		return ipsec.ErrUnknown
	}
	n := len(head) + len(payload)
	if n == 0 || n > maxInner {
		c.tooLong.Add(1)
		return ipsec.ErrTooLong
	}
	g := c.out.Load()
	if g == nil {
		c.noOutbound.Add(1)
		return ipsec.ErrNoOutbound
	}
	size := g.sealer.Size(n)
	p := c.path.Load()
	if !p.room.Take(size) {
		c.held.Add(1)
		return ipsec.ErrHeld
	}
	seq, ok := g.sealer.Next()
	espBytes := g.outESPBytes.Add(uint64(size))
	if !ok && c.out.Load() != g {
		c.noOutbound.Add(1)
		return ipsec.ErrNoOutbound // closed a moment ago, and not used up
	}
	if !ok || seq > g.hardSequence || espBytes > g.hardBytes {
		w.d.expire(g, true)
		c.exhausted.Add(1)
		return ipsec.ErrExhausted
	}
	if seq >= g.softSequence || espBytes >= g.softBytes {
		w.d.expire(g, false)
	}
	nextHeader := byte(inner.ProtocolIPv4)
	if first := head; len(first) > 0 && first[0]>>4 == 6 || len(first) == 0 && payload[0]>>4 == 6 {
		nextHeader = inner.ProtocolIPv6
	}
	if p.endpoint != w.last {
		w.use(p.endpoint)
	}
	g.sealer.Seal(w.sender.Reserve(size), seq, nextHeader, head, payload, &w.scratch)
	w.sender.Commit(&p.address, size)
	g.outPackets.Add(1)
	g.outBytes.Add(uint64(n))
	return nil
}

// expire tells the owner of a lifetime's end, once.
func (d *DataPlane) expire(g *generation, hard bool) {
	told := &g.softTold
	if hard {
		told = &g.hardTold
	}
	if !told.Load() && told.CompareAndSwap(false, true) {
		d.opts.Sink.Event(ipsec.Expire{ID: g.child.id, SPI: g.spi, Hard: hard})
	}
}

// use makes e the endpoint that is written to.
func (w *writer) use(e *endpoint.Endpoint) {
	w.last = e
	for _, l := range w.lanes {
		if l.e == e {
			w.sender = l.s
			return
		}
	}
	w.sender = e.Conns[int(w.lane)%len(e.Conns)].NewSender()
	w.lanes = append(w.lanes, lane{e, w.sender})
}

// Flush implements ipsec.Writer.
func (w *writer) Flush() (err error) {
	kept := w.lanes[:0]
	for _, l := range w.lanes {
		if l.s.Pending() > 0 {
			if _, ferr := l.s.Flush(); ferr != nil {
				err = ferr
			}
		}
		if l.e.Closed() {
			if w.last == l.e {
				w.last, w.sender = nil, nil
			}
			continue
		}
		kept = append(kept, l)
	}
	clear(w.lanes[len(kept):])
	w.lanes = kept
	return err
}
