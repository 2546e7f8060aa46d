// SPDX-License-Identifier: Apache-2.0

package user

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

// totals count what happens in a DataPlane. Those of SAs that are gone stay.
type totals struct {
	ike, keepalives, dummies, runts, unknownSPI, receiveErrors, panics atomic.Uint64
	malformed, old, duplicate, auth, selector                          atomic.Uint64
}

// Totals and SocketStats are those of package ipsec.
type (
	Totals      = ipsec.Totals
	SocketStats = ipsec.SocketStats
)

// Totals gives the counts.
func (d *DataPlane) Totals() Totals {
	k := &d.totals
	t := Totals{
		IKE: k.ike.Load(), Keepalives: k.keepalives.Load(), Dummies: k.dummies.Load(), Runts: k.runts.Load(), UnknownSPI: k.unknownSPI.Load(),
		ReceiveErrors: k.receiveErrors.Load(), Panics: k.panics.Load(),
		Drops: ipsec.InboundDrops{
			Malformed: k.malformed.Load(), Old: k.old.Load(), Duplicate: k.duplicate.Load(), Auth: k.auth.Load(), Selector: k.selector.Load(),
		},
	}
	t.Sockets = d.endpoints.Stats()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.children {
		for _, g := range c.generations {
			if !g.deleted {
				t.SAs++
			}
		}
	}
	t.SAs += len(d.graces)
	return t
}

// drop counts a packet that Open refused.
func (d *DataPlane) drop(g *generation, err error) {
	switch {
	case errors.Is(err, esp.ErrOld):
		d.totals.old.Add(1)
		g.old.Add(1)
	case errors.Is(err, esp.ErrDuplicate):
		d.totals.duplicate.Add(1)
		g.duplicate.Add(1)
	case errors.Is(err, esp.ErrAuth):
		d.totals.auth.Add(1)
		g.auth.Add(1)
	default:
		d.totals.malformed.Add(1)
		g.malformed.Add(1)
	}
}

// limiter lets an event through at most every rebindInterval.
type limiter struct{ last atomic.Int64 }

func (l *limiter) allow(now int64) bool {
	last := l.last.Load()
	return (last == 0 || now-last >= int64(rebindInterval/time.Nanosecond)) && l.last.CompareAndSwap(last, now)
}
