// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// A peer that goes over to another address of ours (from IPv4 to IPv6, say) may send there before it has said so: the initiator of RFC 4555 moves what it
// sends at once. So an SA with UDP encapsulation has a spare inbound state at each other address that has a socket of its own. A spare state has a replay
// window of its own, in which whatever came to the address in use could be replayed once. Therefore packets of a spare state are looked at here: when the
// highest number that it has seen is above all that the state in use has seen, they are new, and both are received for a while. Otherwise they are
// replays, or late: they are dropped, and the window is brought up to date, so that the kernel drops the next ones. Sockets of this host (Options.TCP)
// get the first one of such packets.

// spareAddresses are those for spare states of a path.
func (d *DataPlane) spareAddresses(p ipsec.Path) (list []ipsec.Path) {
	if !p.NATT {
		return nil
	}
	for _, e := range d.endpoints.Sockets() {
		q := p
		q.Local = e.Local
		if e.Kind == ipsec.NATT && d.Usable(q) == nil && !e.Local.Addr().IsUnspecified() && e.Local.Addr() != p.Local.Addr() &&
			!slices.ContainsFunc(list, func(o ipsec.Path) bool { return o.Local.Addr() == q.Local.Addr() }) {
			list = append(list, q)
		}
	}
	return list
}

// spareSource stands for the peer's address in a spare state where that is of the other family: the kernel wants one of the same.
func spareSource(p ipsec.Path) ipsec.Path {
	if p.Local.Addr().Is4() != p.Remote.Addr().Is4() {
		p.Remote = p.Local
	}
	return p
}

// addSpares makes the spare states of a new generation.
func (d *DataPlane) addSpares(g *generation) error {
	current := g.in[len(g.in)-1]
	var spares []*leg
	for _, p := range d.spareAddresses(current.path) {
		p = spareSource(p)
		s := d.state(g.inbound(p, xfrm.Replay{Window: g.window, In: g.done.in}, 1-current.bit))
		if err := d.xfrm.AddState(s); err != nil {
			g.setInbound(append(spares, current)) // what there is goes with the generation
			return installError(err)
		}
		spares = append(spares, newLeg(s, p))
	}
	g.setInbound(append(spares, current))
	return nil
}

// isSpare tells whether a state that is not in use stays.
func (d *DataPlane) isSpare(g *generation, l *leg) bool {
	return l.path.NATT && slices.ContainsFunc(d.spareAddresses(g.in[len(g.in)-1].path), func(p ipsec.Path) bool { return p.Local == l.path.Local })
}

// leave is for a state that was in use until now: what is under way to it is taken for a grace; then it ends, or is a spare one.
func (d *DataPlane) leave(g *generation, l *leg) {
	g.both(d.opts.Now().Add(d.opts.InboundGrace))
	if !d.isSpare(g, l) {
		d.lingerInbound(g, l, d.opts.InboundGrace)
	}
}

// both receives on all states until then, without looking.
func (g *generation) both(until time.Time) {
	if t := until.UnixNano(); t > g.bothUntil.Load() {
		g.bothUntil.Store(t)
	}
}

// distinguish gives all states but the one in use the other bit.
func (d *DataPlane) distinguish(g *generation) error {
	current := g.in[len(g.in)-1]
	var errs []error
	for _, l := range g.in[:len(g.in)-1] {
		if l.bit == current.bit {
			l.bit = 1 - current.bit
			errs = append(errs, d.update(g, l, l.path))
		}
	}
	return errors.Join(errs...)
}

// acceptSpare judges a packet that came through a state that is not in use.
func (d *DataPlane) acceptSpare(g *generation, now int64) bool {
	if now < g.bothUntil.Load() {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case now < g.bothUntil.Load():
		return true
	case len(g.in) < 2:
		return false // it has ended since
	}
	used, err := d.xfrm.GetState(g.in[len(g.in)-1].id)
	if err != nil {
		return false
	}
	fresh := false
	for _, l := range g.in[:len(g.in)-1] {
		s, err := d.xfrm.GetState(l.id)
		if err != nil {
			continue
		}
		fresh = fresh || s.Replay.In > used.Replay.In
		r := merge(used.Replay, s.Replay)
		r.Out = 0
		d.logged(g.child, d.xfrm.SetReplay(l.id, r))
	}
	if fresh {
		g.both(time.Unix(0, now).Add(prepareTime))
		return true
	}
	g.stale.Add(1)
	d.totals.stale.Add(1)
	return false
}

// spareLag is how far a spare window may be behind. With ESN the kernel guesses the upper half of a number from the window, for which half of 2^32 is the
// end.
const spareLag = 1 << 24

// catchUp brings spare windows up to date; used is that of the state in use.
func (d *DataPlane) catchUp(g *generation, l *leg, spare, used xfrm.Replay) {
	if used.In > spare.In+spareLag {
		r := merge(used, spare)
		r.Out = 0
		d.logged(g.child, d.xfrm.SetReplay(l.id, r))
	}
}
