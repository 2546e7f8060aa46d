// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// readsPerTurn bounds how long one connection may keep a worker from the others.
const readsPerTurn = 8

// job is what a worker's queue holds: a connection or a listener with something to do.
type job interface{ serve(w *worker) }

// worker owns the connections of its share of the UEs: it alone reads from them and tells of them.
type worker struct {
	t       *transport
	scratch []byte

	mu       sync.Mutex
	wake     sync.Cond
	jobs     []job // each connection is in it once at most
	spare    []job
	stopping bool
	conns    map[netip.Addr]*Conn
}

func (w *worker) push(j job) {
	w.mu.Lock()
	w.jobs = append(w.jobs, j)
	w.mu.Unlock()
	w.wake.Signal()
}

func (w *worker) stop() {
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	w.wake.Signal()
}

// lookup gives the connection of a UE on which messages can be sent.
func (w *worker) lookup(ue netip.Addr) *Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.conns[ue]; c != nil && c.usable.Load() {
		return c
	}
	return nil
}

func (w *worker) run() {
	defer w.t.running.Done()
	for {
		w.mu.Lock()
		for len(w.jobs) == 0 && !w.stopping {
			w.wake.Wait()
		}
		if w.stopping {
			w.mu.Unlock()
			break
		}
		jobs := w.jobs
		w.jobs, w.spare = w.spare[:0], nil
		w.mu.Unlock()
		for i, j := range jobs {
			j.serve(w)
			jobs[i] = nil
		}
		w.spare = jobs[:0]
	}
	w.mu.Lock()
	left := make([]*Conn, 0, len(w.conns))
	for _, c := range w.conns {
		left = append(left, c)
	}
	jobs := w.jobs
	w.mu.Unlock()
	for _, j := range jobs {
		if c, ok := j.(*Conn); ok && !c.registered {
			c.ep.Abort() // accepted, never told of
		}
	}
	for _, c := range left {
		c.end(w, ErrClosed, true)
	}
}

// Conn is one TCP connection of a UE.
type Conn struct {
	t         *transport
	ue        netip.Addr
	ep        tcpip.Endpoint
	queue     *waiter.Queue
	entry     waiter.Entry
	remote    tcpip.FullAddress // dialing: whom
	scheduled atomic.Bool       // in the worker's queue
	usable    atomic.Bool       // may be sent on
	closing   atomic.Bool       // Disconnect was called
	leaving   atomic.Bool       // Leave was called
	broken    atomic.Pointer[error]

	// Of the worker.
	dialing    bool // TCP handshake of our own not done
	registered bool // is in the worker's map
	ended      bool
	finished   bool // our FIN is on its way, the peer's is awaited
	splitter   Splitter

	key     flightKey
	flight  *flight
	sendMu  sync.Mutex // orders Send of several goroutines
	pending []byte     // what TCP has not taken yet
}

// log is the log for this UE.
func (c *Conn) log() *slog.Logger {
	about := []slog.Attr{slog.Any("inner", c.ue)}
	if c.t.options.LogAttrs != nil {
		about = append(about, c.t.options.LogAttrs(c.ue)...)
	}
	return slog.New(c.t.log.Handler().WithAttrs(about))
}

// start hands a new connection to its worker.
func (c *Conn) start() {
	c.entry.Init(c, waiter.ReadableEvents|waiter.WritableEvents|waiter.EventHUp|waiter.EventErr|waiter.EventRdHUp)
	c.queue.EventRegister(&c.entry)
	c.NotifyEvent(0)
}

// NotifyEvent is called by the stack, with its locks held, when the connection can be read or written or has ended.
func (c *Conn) NotifyEvent(waiter.EventMask) {
	if !c.scheduled.Swap(true) {
		c.t.worker(c.ue).push(c)
	}
}

// serve does what there is to do for the connection. A panic ends it and nothing else.
func (c *Conn) serve(w *worker) {
	defer func() {
		if r := recover(); r != nil {
			c.t.count.panics.Add(1)
			c.log().Error("defect while handling NAS of a UE, its connection is closed", "panic", r, "stack", string(debug.Stack()))
			c.end(w, fmt.Errorf("%w: %v", ErrPanic, r), true)
		}
	}()
	c.scheduled.Store(false)
	if c.ended {
		return
	}
	if !c.registered && !c.register(w) {
		return
	}
	if c.closing.Load() {
		c.end(w, ErrClosed, false)
		return
	}
	if c.dialing && !c.connected(w) {
		return
	}
	c.flush()
	c.finish()
	// What has come is read also from a connection that is broken: the peer has been told that it arrived.
	err := c.read(w)
	if broken := c.broken.Load(); broken != nil && !errors.Is(err, ErrProtocol) {
		err = fmt.Errorf("%w: %w", ErrReset, *broken) // the stack tells it only once
	}
	if err != nil {
		c.end(w, err, errors.Is(err, ErrProtocol) || errors.Is(err, ErrReset))
	}
}

// register makes c the connection of its UE, in place of an older one.
func (c *Conn) register(w *worker) bool {
	w.mu.Lock()
	h, held := c.t.link.held.Load(c.ue)
	late := held && bool(h.(deaf)) && !c.dialing
	old := w.conns[c.ue]
	overtaken := old != nil && !c.dialing && c.before(old)
	if !late && !overtaken {
		w.conns[c.ue] = c
	}
	c.registered = true
	c.t.link.taken(c.key)
	w.mu.Unlock()
	if late {
		_ = c.read(w) // what it has acknowledged
		c.end(w, ErrClosed, true)
		return false
	}
	if overtaken {
		c.t.count.replaced.Add(1)
		_ = c.read(w) // what it has acknowledged
		c.end(w, ErrReplaced, true)
		return false
	}
	if old != nil {
		c.t.count.replaced.Add(1)
		if old.usable.Load() {
			_ = old.read(w) // what it has acknowledged; the reason of its end is another one
		}
		old.end(w, ErrReplaced, true)
	}
	if c.dialing {
		switch err := c.ep.Connect(c.remote); err.(type) {
		case nil, *tcpip.ErrConnectStarted:
		default:
			c.end(w, fmt.Errorf("%w: connect: %s", ErrReset, err), true)
			return false
		}
		return true
	}
	c.up()
	return true
}

// before tells whether the UE has opened c before the other one, which it wants then. The stack completes handshakes that come at the same time in any order.
func (c *Conn) before(other *Conn) bool {
	return c.key.port != other.key.port && c.t.link.attemptFrom(c.ue, other.key.port) != nil
}

// connected finds out how the handshake of a dialled connection stands.
func (c *Conn) connected(w *worker) bool {
	if c.ep.Readiness(waiter.WritableEvents|waiter.EventErr|waiter.EventHUp) == 0 {
		return false
	}
	if err := c.ep.LastError(); err != nil {
		c.end(w, fmt.Errorf("%w: connect: %s", ErrReset, err), true)
		return false
	}
	if _, err := c.ep.GetRemoteAddress(); err != nil {
		c.end(w, fmt.Errorf("%w: connect: %s", ErrReset, err), true)
		return false
	}
	c.dialing = false
	c.up()
	return true
}

func (c *Conn) up() {
	c.usable.Store(true)
	c.t.count.open.Add(1)
	c.t.count.connected.Add(1)
	c.t.options.Events.OnConnected(c.ue, c)
}

// read takes what has come. The error is the reason why the connection has ended.
func (c *Conn) read(w *worker) error {
	for range readsPerTurn {
		dst := tcpip.SliceWriter(w.scratch)
		n, err := c.ep.Read(&dst, tcpip.ReadOptions{})
		switch err.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			return nil
		case *tcpip.ErrClosedForReceive:
			return ErrPeerClosed
		default:
			return fmt.Errorf("%w: %s", ErrReset, err)
		}
		if err := c.splitter.Push(w.scratch[:n.Count], c.received); err != nil {
			c.t.count.protocol.Add(1)
			return err
		}
	}
	c.NotifyEvent(0) // more may be there: after the others
	return nil
}

func (c *Conn) received(pdu []byte) {
	c.t.count.nasIn.Add(1)
	c.t.options.Events.OnNAS(c.ue, pdu)
}

// Send gives a NAS message (1 to 65535 octets, copied) to TCP, after all those sent before. ErrNotConnected when the connection has ended,
// ErrOverflow when too much waits already; the message is not sent then. What becomes of one that is sent on a connection that ends, OnClosed tells.
func (c *Conn) Send(pdu []byte) error {
	if len(pdu) == 0 || len(pdu) > 65535 {
		return fmt.Errorf("%w: NAS message of %d octets", ErrProtocol, len(pdu))
	}
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if !c.usable.Load() {
		return fmt.Errorf("%w: UE %s", ErrNotConnected, c.ue)
	}
	if len(c.pending) > 0 && len(c.pending)+envelopeHeader+len(pdu) > c.t.options.MaxPending {
		c.t.count.overflow.Add(1)
		return fmt.Errorf("%w: UE %s, %d octets", ErrOverflow, c.ue, len(c.pending))
	}
	c.flight.give(pdu)
	if len(c.pending) > 0 {
		c.t.count.nasOut.Add(1)
		c.pending = AppendEnvelope(c.pending, pdu)
		return nil
	}
	envelope := AppendEnvelope(make([]byte, 0, envelopeHeader+len(pdu)), pdu)
	n, err := c.write(envelope)
	if err != nil {
		c.flight.giveBack()
		return err
	}
	c.t.count.nasOut.Add(1)
	if n < len(envelope) {
		c.pending = envelope[n:]
		// Room may have come while pending was empty, and its event been served before.
		c.NotifyEvent(0)
	}
	return nil
}

// Undelivered takes what the peer has not acknowledged, from a connection that its user gives up before it ends: OnClosed does not tell of it again.
func (c *Conn) Undelivered() Undelivered {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	return c.flight.land(len(c.pending), true)
}

// write gives octets to TCP, in one segment if it can, and tells how many it took.
func (c *Conn) write(b []byte) (int, error) {
	n, err := c.ep.Write(bytes.NewReader(b), tcpip.WriteOptions{})
	switch err.(type) {
	case nil, *tcpip.ErrWouldBlock:
		return int(n), nil
	}
	broken := fmt.Errorf("%w: UE %s: %s", ErrNotConnected, c.ue, err)
	c.broken.Store(&broken)
	c.NotifyEvent(0)
	return int(n), broken
}

// flush gives TCP what waits.
func (c *Conn) flush() {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	for len(c.pending) > 0 {
		n, err := c.write(c.pending)
		if err != nil || n == 0 {
			return
		}
		if c.pending = c.pending[n:]; len(c.pending) == 0 {
			c.pending = nil
		}
	}
}

// finish sends FIN behind all that was sent, once, when the UE is leaving.
func (c *Conn) finish() {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if !c.leaving.Load() || c.finished || len(c.pending) > 0 {
		return
	}
	c.finished = true
	c.usable.Store(false)
	c.t.count.open.Add(^uint64(0))
	if err := c.ep.Shutdown(tcpip.ShutdownWrite); err != nil {
		c.log().Debug("shutdown", "error", err.String())
	}
}

// end ends the connection once and tells why. hard resets it at once, otherwise what was sent is still delivered.
func (c *Conn) end(w *worker, reason error, hard bool) {
	if c.ended {
		return
	}
	c.ended = true
	was := c.usable.Swap(false)
	c.queue.EventUnregister(&c.entry)
	w.mu.Lock()
	if w.conns[c.ue] == c {
		delete(w.conns, c.ue)
		if a := c.t.link.attemptFrom(c.ue, c.key.port); a != nil {
			c.t.link.latest.CompareAndDelete(c.ue, a)
		}
	}
	w.mu.Unlock()
	if hard {
		c.ep.Abort()
	} else {
		c.ep.Close()
	}
	c.sendMu.Lock()
	lost := c.flight.land(len(c.pending), !hard)
	c.pending = nil
	c.sendMu.Unlock()
	c.t.link.flights.end(c.key, c.flight)
	if was {
		c.t.count.open.Add(^uint64(0))
	}
	if !was && !c.dialing && !c.finished {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			c.t.count.panics.Add(1)
			c.log().Error("defect while closing the NAS connection of a UE", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	c.t.options.Events.OnClosed(c.ue, c, Ended{Reason: reason, Undelivered: lost})
}
