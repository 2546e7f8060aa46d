// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// edge is our side: the sockets and the ESP of a maker of nwu/ipsec, and the owner of all sessions, which is one goroutine.
type edge struct {
	t     testing.TB
	ns    string
	dp    dataPlane
	front *ikev2.Responder
	// on is asked about every event first; it returns true when it has handled it.
	on    func(e *edge, s *ikev2.Session, ev ikev2.Event) bool
	calls chan func()
	stop  chan struct{}
	wg    sync.WaitGroup

	// Of the owner's goroutine.
	bySPI     map[message.SPI]*ikev2.Session
	deadlines map[*ikev2.Session]time.Time
	tunnels   map[*tunnel]*ikev2.Session
	nextID    ipsec.ChildID
	holding   bool
	held      []ikev2.Datagram
	heldIn    []func()
	mute      int  // IKE messages on the NAT-traversal port are not sent
	onTraffic bool // ESP received counts as life of the peer
	lifetime  ipsec.Lifetime
	// hosts are peers whose inner address is the outer one: the data plane takes any, and the owner looks.
	hosts bool

	use     atomic.Pointer[tunnel] // what our pings go through
	replies atomic.Pointer[pinger]

	mu     sync.Mutex
	s      *ikev2.Session // the latest
	events []ikev2.Event
	inMsgs []arrival
}

// arrival is an IKE message that came.
type arrival struct {
	path   ikev2.Path
	header message.Header
}

// tunnel is a Child SA over all its rekeys: the Tag of the session's child.
type tunnel struct {
	id     ipsec.ChildID
	handle atomic.Pointer[ipsec.Handle]
}

// newEdge opens our side in a namespace.
func newEdge(t testing.TB, ns string, udp udpbatch.Options) *edge {
	e := &edge{
		t: t, ns: ns, calls: make(chan func(), 1024), stop: make(chan struct{}), bySPI: map[message.SPI]*ikev2.Session{},
		deadlines: map[*ikev2.Session]time.Time{}, tunnels: map[*tunnel]*ikev2.Session{},
	}
	var err error
	eventually(t, "our side opens", func() bool {
		err = within(ns, func() (err error) {
			e.dp, err = newDataPlane(e, udp)
			return err
		})
		// A program that another scenario is just starting can still hold the sockets that were closed a moment ago.
		return !errors.Is(err, syscall.EADDRINUSE)
	})
	require.NoError(t, err)
	e.wg.Go(e.loop)
	t.Cleanup(e.close)
	return e
}

// close ends our side without a word to the peer.
func (e *edge) close() {
	select {
	case <-e.stop:
		return
	default:
	}
	close(e.stop)
	require.NoError(e.t, e.dp.Close())
	e.wg.Wait()
}

func (e *edge) do(f func()) {
	select {
	case e.calls <- f:
	case <-e.stop:
	}
}

// call runs f with the latest session on the owner's goroutine and takes what it returns.
func (e *edge) call(f func(s *ikev2.Session, now time.Time) ikev2.Output) {
	e.wait(func() { s := e.session(); e.take(s, f(s, time.Now())) })
}

// wait runs f on the owner's goroutine and waits for it.
func (e *edge) wait(f func()) {
	done := make(chan struct{})
	e.do(func() { f(); close(done) })
	select {
	case <-done:
	case <-e.stop:
	}
}

func (e *edge) session() *ikev2.Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.s
}

func (e *edge) loop() {
	timer := time.NewTimer(time.Hour)
	for {
		next := time.Now().Add(time.Hour)
		for _, d := range e.deadlines {
			if !d.IsZero() && d.Before(next) {
				next = d
			}
		}
		timer.Reset(time.Until(next))
		select {
		case f := <-e.calls:
			f()
		case <-timer.C:
			now := time.Now()
			for s, d := range e.deadlines {
				if !d.IsZero() && !now.Before(d) {
					e.traffic(s)
					e.take(s, s.Timeout(now))
				}
			}
		case <-e.stop:
			return
		}
	}
}

// traffic tells a session when ESP last came on its path.
func (e *edge) traffic(s *ikev2.Session) {
	for tn, owner := range e.tunnels {
		if st, err := e.dp.Stats(tn.id); owner == s && e.onTraffic && err == nil && st.LastOnPath.After(s.LastHeard()) {
			s.Traffic(st.LastOnPath)
		}
	}
}

// NewReceiver implements ipsec.Sink.
func (e *edge) NewReceiver() ipsec.Receiver { return &echoer{e: e} }

// IKE implements ipsec.Sink.
func (e *edge) IKE(path ipsec.Path, data []byte) {
	data = bytes.Clone(data)
	e.do(func() {
		if h, err := message.DecodeHeader(data); err == nil {
			e.mu.Lock()
			e.inMsgs = append(e.inMsgs, arrival{ikev2.Path(path), h})
			e.mu.Unlock()
		}
		if e.holding {
			e.heldIn = append(e.heldIn, func() { e.receive(ikev2.Path(path), data) })
			return
		}
		e.receive(ikev2.Path(path), data)
	})
}

// Event implements ipsec.Sink.
func (e *edge) Event(ev ipsec.Event) {
	switch ev := ev.(type) {
	case ipsec.Rebind:
		e.do(func() {
			if s := e.owner(ev.ID); s != nil {
				e.take(s, s.Rebind(time.Now(), ikev2.Path(ev.From)))
			}
		})
	case ipsec.Expire:
		e.do(func() {
			if s := e.owner(ev.ID); s != nil {
				e.take(s, s.Expire(time.Now(), ev.SPI, ev.Hard))
			}
		})
	}
}

func (e *edge) owner(id ipsec.ChildID) *ikev2.Session {
	for tn, s := range e.tunnels {
		if tn.id == id {
			return s
		}
	}
	return nil
}

func (e *edge) receive(path ikev2.Path, data []byte) {
	spi, ok := ikev2.LocalSPI(data)
	if !ok {
		return
	}
	now := time.Now()
	if s := e.bySPI[spi]; s != nil {
		e.take(s, s.Receive(now, path, data))
		return
	}
	if e.front == nil {
		return
	}
	if spi != 0 {
		if d := e.front.Unknown(now, path, data); d != nil {
			e.send(*d)
		}
		return
	}
	s, out, _ := e.front.Init(now, path, data)
	if s != nil {
		e.adopt(s)
	}
	e.take(s, out)
}

func (e *edge) adopt(s *ikev2.Session) {
	e.bySPI[s.SPI()] = s
	e.mu.Lock()
	e.s = s
	e.mu.Unlock()
}

// take does what a session wants done. s is nil for answers without a session.
func (e *edge) take(s *ikev2.Session, out ikev2.Output) {
	if s != nil {
		e.deadlines[s] = out.Deadline
	}
	for _, ev := range out.Events {
		e.mu.Lock()
		e.events = append(e.events, ev)
		e.mu.Unlock()
		e.dataPlane(s, ev)
	}
	for _, d := range out.Datagrams {
		e.send(d)
	}
	for _, w := range out.Work {
		w.Run()
		e.take(w.Session(), w.Session().Done(time.Now(), w))
	}
	for _, ev := range out.Events {
		if e.on != nil {
			e.on(e, s, ev)
		}
	}
}

func (e *edge) send(d ikev2.Datagram) {
	if e.holding {
		e.held = append(e.held, d)
		return
	}
	if e.mute > 0 && d.Path.NATT {
		return
	}
	// A send that fails is a datagram that is lost.
	if d.Keepalive {
		_ = e.dp.SendKeepalive(ipsec.Path(d.Path))
		return
	}
	_ = e.dp.SendIKE(ipsec.Path(d.Path), d.Data)
}

// hold keeps IKE messages back in both directions, so that messages cross each other for certain; release lets first ours
// go and then takes the peer's.
func (e *edge) hold() { e.wait(func() { e.holding = true }) }

func (e *edge) release() {
	e.wait(func() {
		e.holding = false
		for _, d := range e.held {
			e.send(d)
		}
		for _, f := range e.heldIn {
			f()
		}
		e.held, e.heldIn = nil, nil
	})
}

// came is how many IKE messages have come for which match is true.
func (e *edge) came(match func(a arrival) bool) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.inMsgs {
		if match(a) {
			n++
		}
	}
	return n
}

// dataPlane installs, moves and removes Child SAs.
func (e *edge) dataPlane(s *ikev2.Session, ev ikev2.Event) {
	switch ev := ev.(type) {
	case ikev2.SPIChanged:
		e.bySPI[ev.New] = s
	case ikev2.SPIAdded:
		e.bySPI[ev.SPI] = s
	case ikev2.ChildUp:
		e.childUp(s, ev)
	case ikev2.ChildDown:
		e.childDown(ev)
	case ikev2.ChildSwitched:
		if err := e.dp.SwitchOutbound(ev.Child.Tag.(*tunnel).id, ev.Child.InboundSPI); err != nil {
			e.t.Errorf("switch: %v", err)
		}
	case ikev2.ChildrenMoved:
		limit := ipsec.Unlimited
		if ev.Unproven {
			limit = 64 << 10
		}
		e.move(s, ipsec.Target{Path: ipsec.Path(ev.Path), Limit: limit})
	case ikev2.RoutabilityProven:
		if s.ChildPath() == ev.Path {
			e.move(s, ipsec.Target{Path: ipsec.Path(ev.Path), Limit: ipsec.Unlimited})
		}
	case ikev2.Closed:
		for tn, owner := range e.tunnels {
			if owner == s {
				e.remove(tn, 0)
			}
		}
	}
}

func (e *edge) childUp(s *ikev2.Session, ev ikev2.ChildUp) {
	c := ev.Child
	tn := c.Tag.(*tunnel)
	if tn.id == 0 {
		e.nextID++
		tn.id = e.nextID
	}
	selectors := func(list []message.TrafficSelector) (out []ipsec.Selector) {
		for _, ts := range list {
			out = append(out, ipsec.Selector{Protocol: ts.Protocol, StartPort: ts.StartPort, EndPort: ts.EndPort, From: ts.Start, To: ts.End})
		}
		return out
	}
	remote := selectors(c.RemoteTS)
	if e.hosts {
		remote = nil
	}
	err := e.dp.Install(ipsec.ChildSA{
		ID: tn.id, InboundSPI: c.InboundSPI, OutboundSPI: c.OutboundSPI,
		Algorithms:  ipsec.Algorithms{Encr: uint16(c.Suite.Encr.ID), Integ: uint16(c.Suite.Integ)},
		InboundKeys: ipsec.Keys(c.InboundKeys), OutboundKeys: ipsec.Keys(c.OutboundKeys), ESN: c.Suite.ESN,
		Target: ipsec.Target{Path: ipsec.Path(c.Path), Limit: ipsec.Unlimited},
		Local:  selectors(c.LocalTS), Remote: remote, Context: tn, Lifetime: e.lifetime,
	})
	if err != nil {
		e.t.Errorf("install: %v", err)
		return
	}
	h, err := e.dp.Handle(tn.id)
	if err != nil {
		e.t.Errorf("handle: %v", err)
		return
	}
	tn.handle.Store(&h)
	e.tunnels[tn] = s
	// A further child of the same IKE SA leaves the pings where they are.
	if used := e.use.Load(); used == nil || e.tunnels[used] != s {
		e.use.Store(tn)
	}
}

// childGrace is how long late packets of a deleted SA are still taken.
var childGrace = slow(time.Second)

func (e *edge) childDown(ev ikev2.ChildDown) {
	tn := ev.Child.Tag.(*tunnel)
	if !ev.Superseded {
		e.remove(tn, childGrace)
		return
	}
	if err := e.dp.DeleteSA(tn.id, ev.Child.InboundSPI, childGrace); err != nil {
		e.t.Errorf("delete: %v", err)
	}
}

func (e *edge) remove(tn *tunnel, grace time.Duration) {
	delete(e.tunnels, tn)
	if e.use.CompareAndSwap(tn, nil) {
		for other := range e.tunnels {
			e.use.Store(other)
		}
	}
	if err := e.dp.Delete(tn.id, grace); err != nil {
		e.t.Errorf("delete: %v", err)
	}
}

func (e *edge) move(s *ikev2.Session, to ipsec.Target) {
	for tn, owner := range e.tunnels {
		if owner == s {
			if err := e.dp.Move(to, tn.id); err != nil {
				e.t.Errorf("move: %v", err)
			}
		}
	}
}

// stats is the data plane's view of the tunnel in use.
func (e *edge) stats() (st ipsec.Stats) {
	e.t.Helper()
	tn := e.use.Load()
	require.NotNil(e.t, tn, "no tunnel")
	st, err := e.dp.Stats(tn.id)
	require.NoError(e.t, err)
	return st
}

// pinger pings through the tunnel in use.
func (e *edge) pinger(from, to netip.Addr) *pinger {
	w := e.dp.NewWriter()
	p := startPinger(func(seq uint16) {
		if tn := e.use.Load(); tn != nil {
			if h := tn.handle.Load(); h != nil && w.Write(*h, ping(from, to, seq), nil) == nil {
				_ = w.Flush() // what was not sent is lost, and counted so
			}
		}
	})
	e.replies.Store(p)
	return p
}

// echoer answers the peer's pings and counts the answers to ours.
type echoer struct {
	e *edge
	w ipsec.Writer
}

// Inbound implements ipsec.Receiver.
func (r *echoer) Inbound(batch []ipsec.Inbound) {
	if r.w == nil {
		r.w = r.e.dp.NewWriter()
	}
	for _, p := range batch {
		if r.e.hosts && !r.e.isHost(p) {
			continue
		}
		reply, seq, answered := pong(p.Packet)
		if pinger := r.e.replies.Load(); answered && pinger != nil {
			pinger.answer(seq)
		}
		if reply {
			// A late packet of a child that is gone is answered through the other one.
			for _, tn := range []*tunnel{p.Context.(*tunnel), r.e.use.Load()} {
				if tn == nil {
					break
				}
				if h := tn.handle.Load(); h != nil && r.w.Write(*h, p.Packet, nil) == nil {
					break
				}
			}
		}
	}
	_ = r.w.Flush()
}

// isHost tells whether an inner packet is from the address that the peer has outside.
func (e *edge) isHost(p ipsec.Inbound) bool {
	st, err := e.dp.Stats(p.ID)
	return err == nil && bytes.Equal(p.Packet[12:16], st.Path.Remote.Addr().AsSlice())
}

// wait waits until an event of type E for which match is true was there, and returns it.
func wait[E ikev2.Event](e *edge, what string, match func(E) bool) (found E) {
	e.t.Helper()
	eventually(e.t, what, func() bool {
		for _, ev := range got[E](e) {
			if match == nil || match(ev) {
				found = ev
				return true
			}
		}
		return false
	})
	return found
}

func got[E ikev2.Event](e *edge) (all []E) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.events {
		if ev, ok := ev.(E); ok {
			all = append(all, ev)
		}
	}
	return all
}
