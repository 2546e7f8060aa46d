// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/endpoint"
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
	if files := d.opts.Estate.FilesOf(s); len(files) > 0 {
		conns, err = udpbatch.Inherit(o, files)
	} else if o.Protocol != 0 {
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
	e := &endpoint.Endpoint{Socket: s, Conns: conns}
	d.endpoints.Add(e)
	for _, c := range conns {
		d.start(e, c)
	}
	return s.Local, nil
}

// RemoveSocket stops serving a local address, as AddSocket gave it. Packets on paths with that address are lost from then on, until a move.
func (d *DataPlane) RemoveSocket(s Socket) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.endpoints.Remove(s)
}
