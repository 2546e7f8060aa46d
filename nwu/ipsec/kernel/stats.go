// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// totals count what happens in a DataPlane. Those of SAs that are gone stay.
type totals struct {
	ike, keepalives, runts, unknownSPI, receiveErrors, panics, malformed, selector, stale, refused, lostReports atomic.Uint64
}

// Totals gives the counts. What the kernel drops for an SA is in its Stats; unknown SPIs are counted for the whole network namespace.
func (d *DataPlane) Totals() ipsec.Totals {
	k := &d.totals
	t := ipsec.Totals{
		IKE: k.ike.Load(), Keepalives: k.keepalives.Load(), Runts: k.runts.Load(), UnknownSPI: k.unknownSPI.Load(),
		Drops:   ipsec.InboundDrops{Malformed: k.malformed.Load(), Old: k.stale.Load(), Selector: k.selector.Load()},
		Refused: k.refused.Load(), ReceiveErrors: k.receiveErrors.Load(), LostReports: k.lostReports.Load(), Panics: k.panics.Load(),
	}
	t.Sockets = d.endpoints.Stats()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.inner.in {
		t.Overruns += c.overruns()
	}
	for _, g := range d.spis {
		if g != nil {
			t.SAs++
		}
	}
	return t
}

// Stats implements ipsec.DataPlane. Packets are counted by the kernel.
func (d *DataPlane) Stats(id ipsec.ChildID) (ipsec.Stats, error) {
	d.reports.drain() // before the lock: a report may make the owner act
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.children[id]
	if c == nil {
		return ipsec.Stats{}, fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	d.hear(c)
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
		k, err := d.stats(g)
		if err != nil {
			return s, err
		}
		refused := g.malformed.Load() + g.selector.Load() + g.stale.Load()
		k.drops.Old += g.stale.Load()
		k.drops.Malformed, k.drops.Selector = g.malformed.Load(), g.selector.Load()
		s.Generations = append(s.Generations, ipsec.Generation{
			InboundSPI: g.spi, OutboundSPI: g.outSPI, Current: c.out.Load() == g, Deleted: g.deleted,
			Inbound:          ipsec.Counter{Packets: k.packets - min(k.packets, refused), Bytes: k.bytes - min(k.bytes, g.refusedBytes.Load())},
			Outbound:         ipsec.Counter{Packets: k.outPackets, Bytes: k.outBytes},
			OutboundSequence: k.out, InboundSequence: k.in, Drops: k.drops,
		})
	}
	return s, nil
}
