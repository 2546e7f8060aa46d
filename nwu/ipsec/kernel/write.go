// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// maxInner keeps an ESP packet of any algorithm within a UDP datagram.
const maxInner = 65507 - 128

// writer implements ipsec.Writer.
type writer struct {
	d    *DataPlane
	s    *packetSender
	busy atomic.Uint64 // odd while packets are given to the kernel
}

// NewWriter implements ipsec.DataPlane.
func (d *DataPlane) NewWriter() ipsec.Writer {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := &writer{d: d, s: d.inner.out[len(d.writers)%len(d.inner.out)].newSender()}
	d.writers = append(d.writers, w)
	return w
}

// Write implements ipsec.Writer.
func (w *writer) Write(h ipsec.Handle, head, payload []byte) error {
	c, ok := h.(*child)
	if !ok || c == nil {
		return ipsec.ErrUnknown
	}
	n := len(head) + len(payload)
	if n < 20 || n > maxInner {
		c.tooLong.Add(1)
		return ipsec.ErrTooLong
	}
	g := c.out.Load()
	if g == nil {
		c.noOutbound.Add(1)
		return ipsec.ErrNoOutbound
	}
	size := g.size(n)
	if !c.path.Load().room.Take(size) {
		c.held.Add(1)
		return ipsec.ErrHeld
	}
	packets, octets := g.written.Add(1), g.writtenBytes.Add(uint64(size))
	if packets > g.hardPackets || octets > g.hardBytes || g.hardTold.Load() {
		g.written.Add(^uint64(0))
		w.d.expire(g, true)
		c.exhausted.Add(1)
		return ipsec.ErrExhausted
	}
	if packets >= g.softPackets || octets >= g.softBytes {
		w.d.expire(g, false)
	}
	if w.s.full(n) {
		_ = w.flush() // refusals are counted; the next Flush is for the packets after these
	}
	p := w.s.put(c, head, payload)
	if g.dscp != 0 {
		setDSCP(p, g.dscp)
	}
	return nil
}

// setDSCP sets the DSCP of an IP packet, from which the kernel copies it to the outer header.
func setDSCP(p []byte, dscp uint8) {
	if p[0]>>4 == 6 {
		v := binary.BigEndian.Uint16(p)
		binary.BigEndian.PutUint16(p, v&^0x0fc0|uint16(dscp)<<6)
		return
	}
	before := binary.BigEndian.Uint16(p)
	p[1] = p[1]&3 | dscp<<2
	// RFC 1624: HC' = ~(~HC + ~m + m')
	sum := uint32(^binary.BigEndian.Uint16(p[10:])) + uint32(^before) + uint32(binary.BigEndian.Uint16(p))
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum))
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

// Flush implements ipsec.Writer.
func (w *writer) Flush() error { return w.flush() }

func (w *writer) flush() error {
	if w.s.n == 0 {
		return nil
	}
	w.busy.Add(1)
	for w.d.gates.Load() > 0 && w.gated() {
		w.busy.Add(1)
		runtime.Gosched()
		w.busy.Add(1)
	}
	refused, err := w.s.flush()
	w.busy.Add(1)
	if refused > 0 {
		w.d.totals.refused.Add(uint64(refused))
		return fmt.Errorf("%d packets were not sent: %w", refused, err)
	}
	return nil
}

// gated tells whether one of the packets has to wait.
func (w *writer) gated() bool {
	for _, c := range w.s.owners[:w.s.n] {
		if c.gate.Load() {
			return true
		}
	}
	return false
}

// quiesceLimit is how long a move waits for writers that are inside the kernel. One that is stuck there (a full queue below, a machine without time
// for it) must not hold up the moves of all others: the move goes on with a margin then, as with those who do not wait at all.
const quiesceLimit = 100 * time.Millisecond

// shut makes writers wait with packets of c, until open. It waits for those that are inside the kernel; false when one did not come out.
func (d *DataPlane) shut(c *child) bool {
	c.gate.Store(true)
	d.gates.Add(1)
	begin := time.Now()
	for _, w := range d.writers {
		for at := w.busy.Load(); at%2 == 1 && w.busy.Load() == at; {
			switch waited := time.Since(begin); {
			case waited > d.quiesce:
				return false
			case waited < time.Millisecond:
				runtime.Gosched()
			default: // it has lost its CPU, which this goroutine shall not keep from it
				time.Sleep(100 * time.Microsecond)
			}
		}
	}
	return true
}

func (d *DataPlane) open(c *child) {
	c.gate.Store(false)
	d.gates.Add(-1)
}
