// SPDX-License-Identifier: Apache-2.0

// Package endpoint keeps the local sockets that a maker of ESP serves. Both makers (nwu/ipsec/user, nwu/ipsec/kernel) receive IKE and NAT traversal on
// sockets that come and go with the addresses of the machine; the packet path looks the socket of a path up without a lock.
package endpoint

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Endpoint is a Socket in service. It has one udpbatch socket for each worker, or one; none when the kernel receives for it.
type Endpoint struct {
	ipsec.Socket
	Conns  []*udpbatch.Conn
	closed atomic.Bool
}

// Closed tells whether it is out of service: errors of its sockets mean that then.
func (e *Endpoint) Closed() bool { return e.closed.Load() }

func (e *Endpoint) close() (err error) {
	e.closed.Store(true)
	for _, c := range e.Conns {
		err = errors.Join(err, c.Close())
	}
	return err
}

// Table is the endpoints in service, newest first. Find, Sockets and Stats may be called at any time from anywhere; Add, Remove and Close one at a
// time. The zero value is an empty table.
type Table struct {
	list atomic.Pointer[[]*Endpoint]
}

// All are the endpoints, newest first.
func (t *Table) All() []*Endpoint {
	if list := t.list.Load(); list != nil {
		return *list
	}
	return nil
}

// Add takes an endpoint into service.
func (t *Table) Add(e *Endpoint) {
	list := append([]*Endpoint{e}, t.All()...)
	t.list.Store(&list)
}

// Remove closes the endpoint of a Socket as Sockets tells it; ipsec.ErrPath when there is none.
func (t *Table) Remove(s ipsec.Socket) error {
	var list []*Endpoint
	var found *Endpoint
	for _, e := range t.All() {
		if found == nil && e.Socket == s {
			found = e
		} else {
			list = append(list, e)
		}
	}
	if found == nil {
		return none(s.Kind, s.Local)
	}
	t.list.Store(&list)
	return found.close()
}

// Find gives the endpoint for a path's local address, one of that very address before a wildcard; ipsec.ErrPath when there is none.
func (t *Table) Find(kind ipsec.Kind, local netip.AddrPort) (*Endpoint, error) {
	var wild *Endpoint
	for _, e := range t.All() {
		if !e.Serves(kind, local) {
			continue
		}
		if !e.Local.Addr().IsUnspecified() {
			return e, nil
		}
		wild = e
	}
	if wild == nil {
		return nil, none(kind, local)
	}
	return wild, nil
}

func none(kind ipsec.Kind, local netip.AddrPort) error {
	return fmt.Errorf("%w: no %s socket on %s", ipsec.ErrPath, kind, local)
}

// Sockets are the addresses served, with the ports that were taken, newest first.
func (t *Table) Sockets() (out []ipsec.Socket) {
	for _, e := range t.All() {
		out = append(out, e.Socket)
	}
	return out
}

// Stats are the counters of each endpoint, over all its sockets.
func (t *Table) Stats() (out []ipsec.SocketStats) {
	for _, e := range t.All() {
		s := ipsec.SocketStats{Socket: e.Socket}
		for _, c := range e.Conns {
			s.Stats.Add(c.Stats())
		}
		out = append(out, s)
	}
	return out
}

// Close closes all endpoints.
func (t *Table) Close() (err error) {
	for _, e := range t.All() {
		err = errors.Join(err, e.close())
	}
	return err
}
