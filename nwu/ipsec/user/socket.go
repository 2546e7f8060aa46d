// SPDX-License-Identifier: Apache-2.0

package user

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"golang.org/x/net/bpf"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Kind and Socket are those of package ipsec.
type (
	Kind   = ipsec.Kind
	Socket = ipsec.Socket
)

// The kinds of sockets.
const (
	NATT = ipsec.NATT
	IKE  = ipsec.IKE
	ESP  = ipsec.ESP
)

const protocolESP = 50

// endpoint is a Socket in service: one udpbatch socket for each worker (NATT) or one (others).
type endpoint struct {
	Socket
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
func (d *DataPlane) AddSocket(s Socket) (netip.AddrPort, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return netip.AddrPort{}, ipsec.ErrClosed
	}
	o := d.opts.UDP
	o.Local = s.Local
	n := 1
	var program []bpf.Instruction
	switch s.Kind {
	case NATT:
		if n = d.opts.Workers; n > 1 {
			program = steer(d.table.workerBits)
		}
	case IKE:
		o.NoGRO, o.Batch, o.MaxDatagram = true, min(o.Batch, 16), 0
	case ESP:
		o.Protocol = protocolESP
		o.Local = netip.AddrPortFrom(s.Local.Addr(), 0)
	default:
		return netip.AddrPort{}, fmt.Errorf("%w: socket kind %d", ipsec.ErrInvalid, s.Kind)
	}
	var conns []*udpbatch.Conn
	var err error
	if o.Protocol != 0 {
		var c *udpbatch.Conn
		if c, err = udpbatch.Listen(o); err == nil {
			conns = append(conns, c)
		}
	} else {
		conns, err = udpbatch.ListenGroup(o, n, program)
	}
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s socket on %s: %w", s.Kind, s.Local, err)
	}
	s.Local = conns[0].LocalAddr()
	e := &endpoint{Socket: s, conns: conns}
	list := append([]*endpoint{e}, *d.endpoints.Load()...)
	d.endpoints.Store(&list)
	for _, c := range conns {
		d.start(e, c)
	}
	return s.Local, nil
}

// RemoveSocket stops serving a local address, as AddSocket gave it. Packets on paths with that address are lost from then on, until a move.
func (d *DataPlane) RemoveSocket(s Socket) error {
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

// endpoint finds the socket for a path's local address. Sockets of one address come before wildcards.
func (d *DataPlane) endpoint(kind Kind, local netip.AddrPort) (*endpoint, error) {
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
