// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// reports takes what the kernel tells: packets from elsewhere, and limits that were reached.
type reports struct {
	d        *DataPlane
	listener *xfrm.Listener
	mu       sync.Mutex // events are handled in order
}

func newReports(d *DataPlane) (*reports, error) {
	l, err := xfrm.Listen(xfrm.GroupMapping | xfrm.GroupExpire)
	if err != nil {
		return nil, err
	}
	return &reports{d: d, listener: l}, nil
}

func (r *reports) run() {
	for {
		err := r.listener.Wait()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		r.drain()
	}
}

// drain handles what the kernel has told until now.
func (r *reports) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		events, err := r.listener.Receive()
		for _, ev := range events {
			switch ev := ev.(type) {
			case *xfrm.Mapping:
				r.mapping(ev)
			case *xfrm.Expire:
				r.expire(ev)
			}
		}
		switch {
		case errors.Is(err, xfrm.ErrLost):
			r.d.totals.lostReports.Add(1)
		case err != nil || len(events) == 0:
			return
		}
	}
}

// byReqID finds the child SA and the generation that a reqid of ours names.
func (d *DataPlane) byReqID(id uint32) (*child, *generation) {
	slot := int(id >> lowBits)
	if slot >= len(d.slots) {
		return nil, nil
	}
	c := d.slots[slot].Load()
	if c == nil {
		return nil, nil
	}
	return c, c.gens[generationOf(id)].Load()
}

// mapping hears that an authenticated packet came from another place than the state has.
func (r *reports) mapping(ev *xfrm.Mapping) {
	c, _ := r.d.byReqID(ev.ReqID)
	if c == nil {
		return
	}
	for i := range c.gens {
		if g := c.gens[i].Load(); g != nil && g.spi == ev.ID.SPI {
			r.d.elsewhere(c, g, ev.ID.Dst, ev.New)
			return
		}
	}
}

func (d *DataPlane) elsewhere(c *child, g *generation, local netip.Addr, remote netip.AddrPort) {
	from := ipsec.Path{Remote: remote, NATT: true}
	for _, p := range *g.inPaths.Load() {
		if p.NATT && p.Local.Addr() == local {
			from.Local = p.Local
		}
	}
	if !from.Local.IsValid() {
		return // of a state that is gone
	}
	now := d.opts.Now().UnixNano()
	c.lastInbound.Store(now)
	p := c.path.Load()
	if from.SameESP(p.path) {
		c.lastOnPath.Store(now)
		return
	}
	c.elsewhere.Add(1)
	c.lastElsewhere.Store(now)
	if p.leftAt != 0 && from.SameESP(p.left) && now-p.leftAt < int64(lateInterval) {
		return
	}
	if last := c.lastRebind.Load(); last == 0 || now-last >= int64(rebindInterval) {
		c.lastRebind.Store(now)
		d.opts.Sink.Event(ipsec.Rebind{ID: c.id, SPI: g.spi, From: from})
	}
}

// expire hears that an outbound state has reached a limit by packets that no writer has counted.
func (r *reports) expire(ev *xfrm.Expire) {
	c, g := r.d.byReqID(ev.State.ReqID)
	if c == nil || g == nil || g.outSPI != ev.State.SPI || ev.State.Mark.Value != c.mark() {
		return
	}
	r.d.expire(g, ev.Hard)
}
