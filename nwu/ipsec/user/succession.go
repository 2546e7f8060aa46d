// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

var _ ipsec.Succession = (*DataPlane)(nil)

// readWill compares the layout of SPIs with that of a predecessor, without which its SAs cannot be gone on with.
func (d *DataPlane) readWill() error {
	if e := d.opts.Estate; e != nil && string(e.State) != d.Layout() {
		return fmt.Errorf("%w: the predecessor's data plane is another one: %s, here %s", ipsec.ErrInvalid, e.State, d.Layout())
	}
	return nil
}

// firstSockets are those of the start: those of the options, and what a predecessor has served beside.
func (d *DataPlane) firstSockets() []Socket {
	list := slices.Clone(d.opts.Sockets)
	if d.opts.Estate != nil {
		for _, s := range d.opts.Estate.Sockets {
			if !slices.Contains(list, s.Socket) {
				list = append(list, s.Socket)
			}
		}
	}
	return list
}

// Pause implements ipsec.Succession.
func (d *DataPlane) Pause(ctx context.Context) error {
	for _, e := range d.endpoints.All() {
		for _, c := range e.Conns {
			if err := c.Pause(ctx); err != nil {
				d.Resume()
				return err
			}
		}
	}
	return nil
}

// Resume implements ipsec.Succession.
func (d *DataPlane) Resume() {
	d.mu.Lock()
	for _, c := range d.children {
		c.wake()
	}
	d.mu.Unlock()
	for _, e := range d.endpoints.All() {
		for _, c := range e.Conns {
			c.Resume()
		}
	}
}

// Bequeath implements ipsec.Succession.
func (d *DataPlane) Bequeath() (*ipsec.Estate, error) {
	estate := &ipsec.Estate{State: []byte(d.Layout())}
	for _, e := range slices.Backward(d.endpoints.All()) { // the newest is the first
		s := ipsec.SocketFiles{Socket: e.Socket}
		for _, c := range e.Conns {
			f, err := c.File()
			if err != nil {
				return nil, errors.Join(err, estate.Close(), (&ipsec.Estate{Files: s.Files}).Close())
			}
			s.Files = append(s.Files, f)
		}
		estate.Sockets = append(estate.Sockets, s)
	}
	return estate, nil
}

// Bequest implements ipsec.Succession. Nothing is sent with the child SA from here on, until Resume.
func (d *DataPlane) Bequest(id ipsec.ChildID) ([]ipsec.Handed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.children[id]
	if c == nil {
		return nil, fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	if p := c.path.Load(); p.room != nil || p.limit == 0 {
		return nil, fmt.Errorf("%w: %d: path %s is not proven", ipsec.ErrBusy, id, p.path)
	}
	if g := c.out.Swap(nil); g != nil {
		c.resting = g
	}
	var list []ipsec.Handed
	for _, g := range c.generations {
		if g.deleted {
			continue
		}
		if g.resting == nil {
			g.resting = new(g.sealer.Close())
		}
		list = append(list, ipsec.Handed{
			InboundSPI: g.spi, OutboundSPI: g.sealer.SPI(), Current: g == c.resting,
			Resume: ipsec.Resume{Outbound: *g.resting, Exact: true, Inbound: g.in.Window(), Used: g.used()},
		})
	}
	return list, nil
}

// wake undoes what Bequest has done.
func (c *child) wake() {
	for _, g := range c.generations {
		if g.resting != nil {
			g.sealer.Reopen(*g.resting)
			g.resting = nil
		}
	}
	if c.resting != nil {
		c.out.CompareAndSwap(nil, c.resting)
		c.resting = nil
	}
}

// Leave implements ipsec.Succession: what the successor has are the sockets alone, which stay open for it.
func (d *DataPlane) Leave() error { return d.Close() }
