// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

const (
	keepalive  = 0xff // RFC 3948 2.3
	minIKE     = 28   // the IKE header
	ikeMessage = 16 << 10
)

var nonESPMarker = []byte{0, 0, 0, 0} // RFC 7296 3.1

// endpoint is a Socket in service. One of plain ESP has no sockets: the kernel receives it on all addresses.
type endpoint struct {
	ipsec.Socket
	conns  []*udpbatch.Conn
	closed atomic.Bool
}

func (e *endpoint) close() (err error) {
	e.closed.Store(true)
	for _, c := range e.conns {
		err = errors.Join(err, c.Close())
	}
	return err
}

// AddSocket serves another local address from now on; it gives the address with the port that was taken. Moves to paths with that local
// address are possible then.
func (d *DataPlane) AddSocket(s ipsec.Socket) (netip.AddrPort, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return netip.AddrPort{}, ipsec.ErrClosed
	}
	o := d.opts.UDP
	o.Local, o.NoGRO, o.MaxDatagram, o.Protocol = s.Local, true, ikeMessage, 0
	n := 1
	var steer []bpf.Instruction
	switch s.Kind {
	case ipsec.NATT:
		o.Encapsulation, o.MaxDatagram = true, 0
		if n = d.opts.Workers; n > 1 {
			steer = steerIKE(d.workerBits())
		}
	case ipsec.IKE:
	case ipsec.ESP:
		n, s.Local = 0, netip.AddrPortFrom(s.Local.Addr(), 0)
	default:
		return netip.AddrPort{}, fmt.Errorf("%w: socket kind %d", ipsec.ErrInvalid, s.Kind)
	}
	e := &endpoint{Socket: s}
	if n > 0 {
		var err error
		if e.conns, err = udpbatch.ListenGroup(o, n, steer); err != nil {
			return netip.AddrPort{}, fmt.Errorf("%s socket on %s: %w", s.Kind, s.Local, err)
		}
		e.Local = e.conns[0].LocalAddr()
	}
	list := append([]*endpoint{e}, *d.endpoints.Load()...)
	d.endpoints.Store(&list)
	for _, c := range e.conns {
		d.wg.Go(func() { d.serve(e, c) })
	}
	return e.Local, nil
}

// RemoveSocket stops serving a local address, as AddSocket gave it. Packets on paths with that address are lost from then on, until a move.
func (d *DataPlane) RemoveSocket(s ipsec.Socket) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*endpoint
	var found *endpoint
	for _, e := range *d.endpoints.Load() {
		if found == nil && e.Socket == s {
			found = e
		} else {
			list = append(list, e)
		}
	}
	if found == nil {
		return fmt.Errorf("%w: no %s socket on %s", ipsec.ErrPath, s.Kind, s.Local)
	}
	d.endpoints.Store(&list)
	return found.close()
}

// Sockets are the addresses served, with the ports that were taken, newest first.
func (d *DataPlane) Sockets() []ipsec.Socket {
	var out []ipsec.Socket
	for _, e := range *d.endpoints.Load() {
		out = append(out, e.Socket)
	}
	return out
}

// endpoint finds the socket for a path's local address. Sockets of one address come before wildcards.
func (d *DataPlane) endpoint(kind ipsec.Kind, local netip.AddrPort) (*endpoint, error) {
	var wild *endpoint
	for _, e := range *d.endpoints.Load() {
		if !e.Serves(kind, local) {
			continue
		}
		if !e.Local.Addr().IsUnspecified() {
			return e, nil
		}
		wild = e
	}
	if wild == nil {
		return nil, fmt.Errorf("%w: no %s socket on %s", ipsec.ErrPath, kind, local)
	}
	return wild, nil
}

// serve hands IKE on from one socket.
func (d *DataPlane) serve(e *endpoint, c *udpbatch.Conn) {
	rx := c.NewReceiver()
	pause := time.Duration(0)
	for {
		datagrams, err := rx.Receive()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			d.totals.receiveErrors.Add(1)
			pause = min(pause+time.Millisecond, 100*time.Millisecond)
			d.opts.Log.Warn("receive failed; trying again", "socket", e.Local, "error", err, "pause", pause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		for _, dg := range datagrams {
			d.datagram(e, dg)
		}
	}
}

func (d *DataPlane) datagram(e *endpoint, dg udpbatch.Datagram) {
	defer func() {
		if v := recover(); v != nil {
			d.totals.panics.Add(1)
			d.opts.Log.Error("IKE handling failed; the message is lost", "panic", v, "socket", e.Local, "stack", string(debug.Stack()))
		}
	}()
	b, natt := dg.Data, e.Kind == ipsec.NATT
	if natt {
		if len(b) == 1 && b[0] == keepalive {
			d.totals.keepalives.Add(1)
			return
		}
		if len(b) < len(nonESPMarker) || binary.BigEndian.Uint32(b) != 0 {
			d.totals.runts.Add(1)
			return
		}
		b = b[len(nonESPMarker):]
	}
	if len(b) < minIKE {
		d.totals.runts.Add(1)
		return
	}
	d.totals.ike.Add(1)
	d.opts.Sink.IKE(ipsec.Path{Local: dg.Local, Remote: dg.Remote, NATT: natt}, b)
}

// SendIKE implements ipsec.DataPlane.
func (d *DataPlane) SendIKE(path ipsec.Path, message []byte) error {
	kind, marker := ipsec.IKE, []byte(nil)
	if path.NATT {
		kind, marker = ipsec.NATT, nonESPMarker
	}
	return d.send(kind, path, marker, message)
}

// SendKeepalive implements ipsec.DataPlane.
func (d *DataPlane) SendKeepalive(path ipsec.Path) error {
	if !path.NATT {
		return fmt.Errorf("%w: %s: only UDP paths have keepalives", ipsec.ErrPath, path)
	}
	return d.send(ipsec.NATT, path, nil, []byte{keepalive})
}

func (d *DataPlane) send(kind ipsec.Kind, path ipsec.Path, head, payload []byte) error {
	e, err := d.endpoint(kind, path.Local)
	if err != nil {
		return err
	}
	if err := e.conns[0].WriteTo(&udpbatch.Address{Remote: path.Remote, Local: path.Local.Addr()}, head, payload); err != nil {
		return fmt.Errorf("send on %s: %w", path, err)
	}
	return nil
}
