// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"golang.org/x/net/bpf"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/endpoint"
)

const (
	keepalive  = 0xff // RFC 3948 2.3
	minIKE     = 28   // the IKE header
	ikeMessage = 16 << 10
)

var nonESPMarker = []byte{0, 0, 0, 0} // RFC 7296 3.1

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
		o.Encapsulation, o.MaxDatagram = d.noEncap6 == nil || s.Local.Addr().Is4(), 0
		if !o.Encapsulation {
			d.opts.Log.Warn("UEs at this address get no child SAs, unless they use plain ESP (from port 500, with nwu.udpEncapsulation: auto)",
				slog.Any("address", s.Local), slog.Any("error", d.noEncap6))
		}
		if n = d.opts.Workers; n > 1 {
			steer = steerIKE(d.workerBits())
		}
	case ipsec.IKE:
	case ipsec.ESP:
		n, s.Local = 0, netip.AddrPortFrom(s.Local.Addr(), 0)
	default:
		return netip.AddrPort{}, fmt.Errorf("%w: socket kind %d", ipsec.ErrInvalid, s.Kind)
	}
	e := &endpoint.Endpoint{Socket: s}
	if n > 0 {
		var err error
		if files := d.opts.Estate.FilesOf(s); len(files) > 0 {
			e.Conns, err = udpbatch.Inherit(o, files)
		} else {
			e.Conns, err = udpbatch.ListenGroup(o, n, steer)
		}
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("%s socket on %s: %w", s.Kind, s.Local, err)
		}
		e.Local = e.Conns[0].LocalAddr()
	}
	d.endpoints.Add(e)
	for _, c := range e.Conns {
		d.wg.Go(func() { d.serve(e, c) })
	}
	return e.Local, nil
}

// RemoveSocket stops serving a local address, as AddSocket gave it. Packets on paths with that address are lost from then on, until a move.
func (d *DataPlane) RemoveSocket(s ipsec.Socket) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.endpoints.Remove(s)
}

// Sockets are the addresses served, with the ports that were taken, newest first.
func (d *DataPlane) Sockets() []ipsec.Socket { return d.endpoints.Sockets() }

// serve hands IKE on from one socket.
func (d *DataPlane) serve(e *endpoint.Endpoint, c *udpbatch.Conn) {
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

func (d *DataPlane) datagram(e *endpoint.Endpoint, dg udpbatch.Datagram) {
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
	e, err := d.endpoints.Find(kind, path.Local)
	if err != nil {
		return err
	}
	if err := e.Conns[0].WriteTo(&udpbatch.Address{Remote: path.Remote, Local: path.Local.Addr()}, head, payload); err != nil {
		return fmt.Errorf("send on %s: %w", path, err)
	}
	return nil
}
