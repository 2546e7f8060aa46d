// SPDX-License-Identifier: Apache-2.0

package user

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/endpoint"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

// Options say how a DataPlane is made. Sink is needed; the rest has defaults.
type Options struct {
	Sink    ipsec.Sink
	Sockets []Socket // served from the start; AddSocket adds more
	// Workers is how many goroutines receive on each NATT socket address; default GOMAXPROCS, maximum 64.
	Workers int
	// MaxSAs is how many inbound SPIs there are; default 2^18 (12 octets each), rounded up to a power of two, maximum 2^24.
	MaxSAs int
	// Node is this node's number among those that take over SAs from each other, below 2^NodeBits; it stands in all SPIs. NodeBits is at most 6, and
	// MaxSAs is for each node.
	Node, NodeBits int
	// UDP is what all sockets have in common: batch, buffers, offloads. Its Local and Protocol are ignored.
	UDP udpbatch.Options
	// Estate is that of a predecessor, in another process, whose sockets are gone on with; see ipsec.Succession. Its files can be closed once the data
	// plane is made. nil: the sockets are new.
	Estate *ipsec.Estate
	Log    *slog.Logger // default: slog.Default
	// LogAttrs tell whose child SA it is in every line of the log about it. nil: nothing beside its id.
	LogAttrs func(ipsec.ChildID) []slog.Attr
	Now      func() time.Time // default: time.Now
}

const (
	maxWorkers  = 64
	maxNodeBits = 6
)

// DataPlane is the maker of ipsec.DataPlane in user space.
type DataPlane struct {
	opts      Options
	forwarder ipsec.Forwarder // the Sink, when it is one
	injector  injector
	table     *table
	endpoints endpoint.Table
	totals    totals
	writers   atomic.Uint32
	unknown   limiter
	wg        sync.WaitGroup

	mu       sync.Mutex // the control plane; never taken for a packet
	closed   bool
	children map[ipsec.ChildID]*child
	graces   map[*generation]struct{} // with a running timer
	// receivers are of all endpoints, and of some that have been closed.
	receivers []*receiver
}

var _ ipsec.DataPlane = (*DataPlane)(nil)

// New makes a data plane and opens its sockets.
func New(o Options) (*DataPlane, error) {
	if o.Sink == nil {
		return nil, fmt.Errorf("%w: a Sink is needed", ipsec.ErrInvalid)
	}
	if o.NodeBits < 0 || o.NodeBits > maxNodeBits || o.Node < 0 || o.Node >= 1<<o.NodeBits {
		return nil, fmt.Errorf("%w: node %d of %d bits", ipsec.ErrInvalid, o.Node, o.NodeBits)
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	o.Workers = min(o.Workers, maxWorkers)
	if o.MaxSAs <= 0 {
		o.MaxSAs = 1 << 18
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.UDP.Batch <= 0 {
		o.UDP.Batch = 32
	}
	d := &DataPlane{
		opts: o, table: newTable(o.Workers, o.MaxSAs, o.Node, o.NodeBits),
		children: map[ipsec.ChildID]*child{}, graces: map[*generation]struct{}{},
	}
	d.forwarder, _ = o.Sink.(ipsec.Forwarder)
	if err := d.readWill(); err != nil {
		return nil, err
	}
	for _, s := range d.firstSockets() {
		if _, err := d.AddSocket(s); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	d.opts.Estate = nil // its files are closed some time
	return d, nil
}

// Sockets are the addresses served, with the ports that were taken, newest first.
func (d *DataPlane) Sockets() []Socket { return d.endpoints.Sockets() }

// Workers implements ipsec.DataPlane.
func (d *DataPlane) Workers() int { return d.opts.Workers }

// Working tells what keeps packets from coming through, nil when nothing is known: a socket whose receiving fails time and again.
func (d *DataPlane) Working() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.receivers {
		if err := r.deaf.Load(); err != nil && !r.e.Closed() {
			return fmt.Errorf("the %s socket %s cannot receive: %w", r.e.Kind, r.e.Local, *err)
		}
	}
	return nil
}

// NewInboundSPI implements ipsec.DataPlane.
func (d *DataPlane) NewInboundSPI(worker int) (uint32, error) { return d.table.take(worker) }

// ReserveSPI reserves an inbound SPI of the caller's choice. ErrExists when its place is taken.
func (d *DataPlane) ReserveSPI(spi uint32) error { return d.table.adopt(spi) }

// ReleaseSPI implements ipsec.DataPlane.
func (d *DataPlane) ReleaseSPI(spi uint32) { d.table.release(spi, nil) }

// IKESPI implements ipsec.DataPlane. Behind the worker stands the node.
func (d *DataPlane) IKESPI(worker int, random uint64) uint64 {
	head := d.table.workerBits + d.table.nodeBits
	if head == 0 {
		return random
	}
	return uint64(worker<<d.table.nodeBits|d.table.node)<<(64-head) | random<<head>>head
}

// NodeOf is the node that chose an ESP SPI; IKENodeOf the one that chose an IKE SPI.
func (d *DataPlane) NodeOf(spi uint32) int { return d.IKENodeOf(uint64(spi) << 32) }

// IKENodeOf is the node that chose an IKE SPI by IKESPI.
func (d *DataPlane) IKENodeOf(spi uint64) int {
	return int(spi << d.table.workerBits >> (64 - d.table.nodeBits))
}

// WorkerOf is the worker whose packets carry that inbound SPI.
func (d *DataPlane) WorkerOf(spi uint32) int {
	return int(uint64(spi) >> (32 - d.table.workerBits))
}

// Install implements ipsec.DataPlane.
func (d *DataPlane) Install(sa ipsec.ChildSA) error {
	if err := sa.Validate(); err != nil {
		return err
	}
	in, err := esp.NewInbound(sa.InboundSPI, sa.Algorithms, sa.InboundKeys, sa.ESN, sa.ReplayWindow)
	if err != nil {
		return err
	}
	used := uint64(0)
	if sa.Resume != nil {
		used = sa.Resume.Outbound + sa.Resume.Margin()
		in.Resume(sa.Resume.Inbound)
	}
	out, err := esp.NewOutbound(sa.OutboundSPI, sa.Algorithms, sa.OutboundKeys, sa.ESN, used)
	if err != nil {
		return err
	}
	g := &generation{
		spi: sa.InboundSPI, in: in, sealer: out, local: sa.Local, remote: sa.Remote, context: sa.Context, dscp: sa.DSCP,
	}
	if sa.Resume != nil {
		g.goOn(sa.Resume)
	}
	g.lifetime(sa.Lifetime)

	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ipsec.ErrClosed
	}
	if sa.Resume != nil {
		if err := d.table.adopt(sa.InboundSPI); err != nil {
			return err
		}
		defer d.table.release(sa.InboundSPI, nil) // only a mere reservation, that is on error
	}
	c := d.children[sa.ID]
	if c != nil {
		g.child = c
		if err := d.table.put(g); err != nil {
			return err
		}
		c.generations = append(c.generations, g)
		return nil
	}
	c = &child{id: sa.ID, generations: []*generation{g}}
	g.child = c
	p, err := d.resolve(sa.Target, sa.DSCP)
	if err != nil {
		return err
	}
	p.room = sa.Target.NewRoom()
	c.path.Store(p)
	c.out.Store(g)
	if err := d.table.put(g); err != nil {
		return err
	}
	d.children[sa.ID] = c
	return nil
}

// resolve makes an outPath, without room.
func (d *DataPlane) resolve(t ipsec.Target, dscp uint8) (*outPath, error) {
	if err := t.Path.Validate(); err != nil {
		return nil, err
	}
	kind := ESP
	if t.Path.NATT {
		kind = NATT
	}
	e, err := d.endpoints.Find(kind, t.Path.Local)
	if err != nil {
		return nil, err
	}
	return &outPath{
		path: t.Path, endpoint: e, limit: max(t.Limit, ipsec.Unlimited),
		address: udpbatch.Address{Remote: t.Path.Remote, Local: t.Path.Local.Addr(), TOS: dscp << 2},
	}, nil
}

// SwitchOutbound implements ipsec.DataPlane.
func (d *DataPlane) SwitchOutbound(id ipsec.ChildID, inboundSPI uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, g, err := d.find(id, inboundSPI)
	if err != nil {
		return err
	}
	if p := c.path.Load(); p.address.TOS != g.dscp<<2 {
		q := *p
		q.address.TOS = g.dscp << 2
		c.path.Store(&q)
	}
	c.out.Store(g)
	return nil
}

// find gives a generation that is not deleted.
func (d *DataPlane) find(id ipsec.ChildID, spi uint32) (*child, *generation, error) {
	c := d.children[id]
	if c == nil {
		return nil, nil, fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	for _, g := range c.generations {
		if g.spi == spi && !g.deleted {
			return c, g, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: %d has no generation with inbound SPI %08x", ipsec.ErrUnknown, id, spi)
}

// Move implements ipsec.DataPlane. Repeating a Move to an unproven path does not refill its limit; a higher limit adds the difference.
func (d *DataPlane) Move(to ipsec.Target, ids ...ipsec.ChildID) error {
	p, err := d.resolve(to, 0)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	children := make([]*child, len(ids))
	for i, id := range ids {
		if children[i] = d.children[id]; children[i] == nil {
			return fmt.Errorf("%w: %d; nothing was moved", ipsec.ErrUnknown, id)
		}
	}
	// The room is that of an SA which is on this unproven path already, so that repetition does not refill it.
	for _, c := range children {
		if old := c.path.Load(); old.path == p.path && old.room != nil && p.limit >= 0 && to.Room == nil {
			if p.room == nil {
				p.room = old.room
				p.room.Grow(max(p.limit-old.limit, 0))
				p.limit = max(p.limit, old.limit)
			}
		}
	}
	if to.Limit == 0 {
		p.limit, p.room = 0, ipsec.NewRoom(0) // hold, whatever was left
	} else if p.room == nil {
		p.room = to.NewRoom()
	}
	now := d.opts.Now().UnixNano()
	for _, c := range children {
		old := c.path.Load()
		q := *p
		q.address.TOS = old.address.TOS
		q.left, q.leftAt = old.left, old.leftAt
		if !old.path.SameESP(q.path) {
			q.left, q.leftAt = old.path, now
			c.moves++
			c.lastOnPath.Store(0)
		}
		c.path.Store(&q)
	}
	return nil
}

// DeleteSA implements ipsec.DataPlane.
func (d *DataPlane) DeleteSA(id ipsec.ChildID, inboundSPI uint32, grace time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, g, err := d.find(id, inboundSPI)
	if err != nil {
		return err
	}
	d.end(g, grace)
	return nil
}

// Delete implements ipsec.DataPlane.
func (d *DataPlane) Delete(id ipsec.ChildID, grace time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.children[id]
	if c == nil {
		return fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	delete(d.children, id)
	for _, g := range append([]*generation(nil), c.generations...) {
		if !g.deleted {
			d.end(g, grace)
		}
	}
	return nil
}

// end stops g outbound now and inbound after grace.
func (d *DataPlane) end(g *generation, grace time.Duration) {
	g.deleted = true
	g.child.out.CompareAndSwap(g, nil)
	if grace <= 0 {
		d.remove(g)
		return
	}
	d.graces[g] = struct{}{}
	g.timer = time.AfterFunc(grace, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.remove(g)
	})
}

// remove takes g out of everything.
func (d *DataPlane) remove(g *generation) {
	if g.timer != nil {
		g.timer.Stop()
	}
	delete(d.graces, g)
	d.table.release(g.spi, g)
	list := g.child.generations
	for i, other := range list {
		if other == g {
			g.child.generations = slices.Concat(list[:i], list[i+1:]) // a loop over the old list goes on
			break
		}
	}
}

// Handle implements ipsec.DataPlane.
func (d *DataPlane) Handle(id ipsec.ChildID) (ipsec.Handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.children[id]
	if c == nil {
		return nil, fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	return c, nil
}

// Stats implements ipsec.DataPlane.
func (d *DataPlane) Stats(id ipsec.ChildID) (ipsec.Stats, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.children[id]
	if c == nil {
		return ipsec.Stats{}, fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	at := func(v *atomic.Int64) time.Time {
		if ns := v.Load(); ns != 0 {
			return time.Unix(0, ns)
		}
		return time.Time{}
	}
	s := ipsec.Stats{
		Path: c.path.Load().path, Moves: c.moves,
		NoOutbound: c.noOutbound.Load(), Held: c.held.Load(), Exhausted: c.exhausted.Load(), TooLong: c.tooLong.Load(),
		LastInbound: at(&c.lastInbound), LastOnPath: at(&c.lastOnPath),
	}
	for _, g := range c.generations {
		s.Generations = append(s.Generations, g.stats())
	}
	return s, nil
}

var nonESPMarker = []byte{0, 0, 0, 0} // RFC 7296 3.1

// SendIKE implements ipsec.DataPlane.
func (d *DataPlane) SendIKE(path ipsec.Path, message []byte) error {
	kind, marker := IKE, []byte(nil)
	if path.NATT {
		kind, marker = NATT, nonESPMarker
	}
	return d.send(kind, path, marker, message)
}

// SendKeepalive implements ipsec.DataPlane.
func (d *DataPlane) SendKeepalive(path ipsec.Path) error {
	if !path.NATT {
		return fmt.Errorf("%w: %s: only UDP paths have keepalives", ipsec.ErrPath, path)
	}
	return d.send(NATT, path, nil, []byte{keepalive})
}

func (d *DataPlane) send(kind Kind, path ipsec.Path, head, payload []byte) error {
	e, err := d.endpoints.Find(kind, path.Local)
	if err != nil {
		return err
	}
	if err := e.Conns[0].WriteTo(&udpbatch.Address{Remote: path.Remote, Local: path.Local.Addr()}, head, payload); err != nil {
		return fmt.Errorf("send on %s: %w", path, err)
	}
	return nil
}

// Close implements ipsec.DataPlane.
func (d *DataPlane) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	err := d.endpoints.Close()
	for _, c := range d.children {
		for _, g := range append([]*generation(nil), c.generations...) {
			d.end(g, 0)
		}
	}
	clear(d.children)
	for g := range d.graces {
		d.remove(g)
	}
	d.mu.Unlock()
	d.wg.Wait()
	return err
}
