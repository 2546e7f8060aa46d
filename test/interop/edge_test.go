// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// edge is our side: two sockets and the owner of one session at a time. All of it runs on one goroutine.
type edge struct {
	t        testing.TB
	conns    map[bool]*net.UDPConn // by NATT
	front    *ikev2.Responder
	on       func(e *edge, ev ikev2.Event)
	calls    chan func()
	stop     chan struct{}
	wg       sync.WaitGroup
	s        *ikev2.Session
	bySPI    map[message.SPI]*ikev2.Session
	deadline time.Time
	// esp counts packets of the data plane that arrived.
	esp int

	mu     sync.Mutex
	events []ikev2.Event
}

// newEdge opens our side in a namespace. front is nil for an initiator.
func newEdge(n *network, ns string, front *ikev2.Responder, on func(e *edge, ev ikev2.Event)) *edge {
	e := &edge{
		t: n.t, front: front, on: on, calls: make(chan func(), 16), stop: make(chan struct{}), bySPI: map[message.SPI]*ikev2.Session{},
		conns: map[bool]*net.UDPConn{false: n.listen(ns, 500), true: n.listen(ns, 4500)},
	}
	for natt, c := range e.conns {
		e.wg.Add(1)
		go e.read(natt, c)
	}
	e.wg.Add(1)
	go e.loop()
	n.t.Cleanup(e.close)
	return e
}

func (e *edge) close() {
	close(e.stop)
	for _, c := range e.conns {
		c.Close()
	}
	e.wg.Wait()
}

func (e *edge) read(natt bool, c *net.UDPConn) {
	defer e.wg.Done()
	buf, oob := make([]byte, 65536), make([]byte, 256)
	for {
		size, oobn, _, from, err := c.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return
		}
		local := netip.AddrPortFrom(destination(oob[:oobn]), 500)
		data := append([]byte(nil), buf[:size]...)
		if natt {
			local = netip.AddrPortFrom(local.Addr(), 4500)
			if len(data) < 4 {
				continue // NAT keepalive
			}
			if [4]byte(data) != [4]byte{} {
				e.do(func() { e.esp++ })
				continue
			}
			data = data[4:]
		}
		path := ikev2.Path{Local: local, Remote: from, NATT: natt}
		e.do(func() { e.receive(path, data) })
	}
}

func (e *edge) do(f func()) {
	select {
	case e.calls <- f:
	case <-e.stop:
	}
}

// call runs f on the edge's goroutine and takes what it returns.
func (e *edge) call(f func(now time.Time) ikev2.Output) {
	done := make(chan struct{})
	e.do(func() { e.take(f(time.Now())); close(done) })
	select {
	case <-done:
	case <-e.stop:
	}
}

func (e *edge) loop() {
	defer e.wg.Done()
	timer := time.NewTimer(time.Hour)
	for {
		if !e.deadline.IsZero() {
			timer.Reset(time.Until(e.deadline))
		}
		select {
		case f := <-e.calls:
			f()
		case <-timer.C:
			if e.s != nil {
				e.take(e.s.Timeout(time.Now()))
			}
		case <-e.stop:
			return
		}
	}
}

func (e *edge) receive(path ikev2.Path, data []byte) {
	spi, ok := ikev2.LocalSPI(data)
	if !ok {
		return
	}
	now := time.Now()
	if s := e.bySPI[spi]; s != nil {
		e.take(s.Receive(now, path, data))
		return
	}
	if spi != 0 || e.front == nil {
		return
	}
	s, out, _ := e.front.Init(now, path, data)
	if s != nil {
		e.s = s
		e.bySPI[s.SPI()] = s
	}
	e.take(out)
}

func (e *edge) take(out ikev2.Output) {
	e.deadline = out.Deadline
	for _, ev := range out.Events {
		e.mu.Lock()
		e.events = append(e.events, ev)
		e.mu.Unlock()
		switch ev := ev.(type) {
		case ikev2.SPIChanged:
			e.bySPI[ev.New] = e.s
		case ikev2.SPIAdded:
			e.bySPI[ev.SPI] = e.s
		}
	}
	for _, d := range out.Datagrams {
		e.send(d)
	}
	for _, w := range out.Work {
		w.Run()
		e.take(w.Session().Done(time.Now(), w))
	}
	for _, ev := range out.Events {
		if e.on != nil {
			e.on(e, ev)
		}
	}
}

func (e *edge) send(d ikev2.Datagram) {
	data := d.Data
	if d.Path.NATT && !d.Keepalive {
		data = append(make([]byte, 4), data...)
	}
	// A send that fails is a datagram that is lost.
	_, _, _ = e.conns[d.Path.NATT].WriteMsgUDPAddrPort(data, source(d.Path.Local.Addr()), d.Path.Remote)
}

// wait waits until an event of type E for which match is true was there, and returns it.
func wait[E ikev2.Event](e *edge, what string, match func(E) bool) (found E) {
	e.t.Helper()
	require.Eventually(e.t, func() bool {
		for _, ev := range got[E](e) {
			if match == nil || match(ev) {
				found = ev
				return true
			}
		}
		return false
	}, 20*time.Second, 5*time.Millisecond, what)
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

// destination is the local address in the control message IP_PKTINFO.
func destination(oob []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo {
			return netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&m.Data[0])).Addr)
		}
	}
	return netip.Addr{}
}

// source is the control message that makes a datagram leave from a.
func source(a netip.Addr) []byte { return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.Unmap().As4()}) }
