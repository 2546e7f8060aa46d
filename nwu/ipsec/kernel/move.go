// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// Move implements ipsec.DataPlane. Repeating a Move to an unproven path does not refill its limit; a higher limit adds the difference.
func (d *DataPlane) Move(to ipsec.Target, ids ...ipsec.ChildID) error {
	if err := d.resolve(to); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	children := make([]*child, len(ids))
	for i, id := range ids {
		if children[i] = d.children[id]; children[i] == nil {
			return fmt.Errorf("%w: %d; nothing was moved", ipsec.ErrUnknown, id)
		}
	}
	p := outPath{path: to.Path, limit: max(to.Limit, ipsec.Unlimited)}
	// The room is that of an SA which is on this unproven path already, so that repetition does not refill it.
	for _, c := range children {
		if old := c.path.Load(); old.path == p.path && old.room != nil && p.limit >= 0 && p.room == nil && to.Room == nil {
			p.room = old.room
			p.room.Grow(max(p.limit-old.limit, 0))
			p.limit = max(p.limit, old.limit)
		}
	}
	if to.Limit == 0 {
		p.limit, p.room = 0, ipsec.NewRoom(0) // hold, whatever was left
	} else if p.room == nil {
		p.room = to.NewRoom()
	}
	before := make([]*outPath, len(children))
	for i, c := range children {
		before[i] = c.path.Load()
		if p.room != nil {
			d.restrict(c, true)
		}
		if err := d.move(c, p); err != nil {
			// All or none: those that have moved go back, with sequence numbers that go on from there.
			errs := []error{fmt.Errorf("move child SA %d to %s: %w", c.id, p.path, err)}
			for k := i; k >= 0; k-- {
				errs = append(errs, d.move(children[k], *before[k]))
				d.restrict(children[k], before[k].room != nil)
			}
			return errors.Join(errs...)
		}
	}
	for i, c := range children {
		d.restrict(c, p.room != nil)
		if !before[i].path.SameESP(p.path) {
			c.moves++
			c.lastOnPath.Store(0)
			c.onPath.Store(c.seen.Load() - c.elsewhere.Load())
			if d.opts.PathReports >= 0 {
				c.lastElsewhere.Store(0) // that was about the path before
			}
		}
	}
	return nil
}

// move takes one child SA, all its generations, to another path, and does nothing when it is there.
func (d *DataPlane) move(c *child, p outPath) error {
	old := c.path.Load()
	hold := (old.limit == 0) != (p.limit == 0)
	p.left, p.leftAt = old.left, old.leftAt
	if old.path.SameESP(p.path) {
		c.path.Store(&p)
		if hold {
			return d.applyPolicies(c)
		}
		return nil
	}
	p.left, p.leftAt = old.path, d.opts.Now().UnixNano()
	// Inbound first: what comes on the new path is taken before the peer can know that we are there.
	for _, g := range c.generations {
		if err := d.moveInbound(g, p.path); err != nil {
			return err
		}
	}
	// Writers wait from here on, so that the sequence numbers that are read are the last ones; unless others send too, or a writer hangs.
	quiet := d.shut(c)
	defer d.open(c)
	if !quiet && !d.opts.Shared {
		d.opts.Log.Warn("a writer is stuck in the kernel; the move goes on without it, and its packets may be lost", "child", c.id, "waited", d.quiesce)
	}
	exact := quiet && !d.opts.Shared
	var err error
	switch from, to := old.path, p.path; {
	case from.Remote.Addr() != to.Remote.Addr():
		err = d.moveToAddress(c, &p, exact)
	case from.Local.Addr() == to.Local.Addr() && from.NATT && to.NATT:
		err = d.movePorts(c, &p)
	default:
		err = d.moveInPause(c, &p, exact)
	}
	for _, g := range c.generations {
		g.alignTo(c.path.Load().path)
	}
	return err
}

// margin is how many sequence numbers are left out for those who send meanwhile.
func (d *DataPlane) margin(g *generation, exact bool) uint64 {
	switch {
	case exact:
		return 0
	case g.esn:
		return 4 * d.opts.SequenceMargin
	}
	return d.opts.SequenceMargin
}

// next gives the sequence number from which another state of g may go on.
func (d *DataPlane) next(g *generation, exact bool) (uint64, error) {
	used := max(g.done.out, g.out.start)
	s, err := d.xfrm.GetState(g.out.id)
	switch {
	case err == nil:
		used = max(used, s.Replay.Out)
	case !errors.Is(err, xfrm.ErrNotFound) || !g.hardTold.Load():
		return 0, err
	}
	margin := d.margin(g, exact)
	if last := g.last(); used >= last-min(last, margin) {
		return 0, fmt.Errorf("%w: generation %08x has used sequence number %d", ipsec.ErrExhausted, g.spi, used)
	}
	return used + margin, nil
}

// moveToAddress is for another address of the peer: to the kernel that is another state. Both exist while the policy is switched, and the old one a
// little longer.
func (d *DataPlane) moveToAddress(c *child, p *outPath, exact bool) error {
	olds := map[*generation]*leg{}
	undo := func(err error) error {
		for g, l := range olds {
			d.linger(g, g.out)
			g.out = l
		}
		return err
	}
	for _, g := range c.generations {
		if g.out == nil {
			continue
		}
		l, err := d.legTo(g, p.path, exact)
		if err != nil {
			return undo(err)
		}
		olds[g], g.out = g.out, l
	}
	before := c.path.Swap(p)
	if err := d.applyPolicies(c); err != nil {
		c.path.Store(before)
		return errors.Join(undo(err), d.applyPolicies(c))
	}
	for g, l := range olds {
		// Whatever was sent while we worked has a number below the new state's first one, or the margin was too small for this peer's rate: then only
		// new keys help.
		if s, err := d.xfrm.GetState(l.id); err == nil && s.Replay.Out > g.out.start {
			d.opts.Log.Warn("sequence margin is too small for the rate of this SA; it is to be rekeyed", "child", c.id, "used", s.Replay.Out, "next", g.out.start)
			d.expire(g, false)
		}
		d.linger(g, l)
	}
	return nil
}

// legTo makes an outbound state for a path. One that lingers from an earlier move is used again: it is set to go on where the current one is.
func (d *DataPlane) legTo(g *generation, p ipsec.Path, exact bool) (*leg, error) {
	used, err := d.next(g, exact)
	if err != nil {
		return nil, err
	}
	s := d.state(g.outbound(p, used))
	if i := slices.IndexFunc(g.lingers, func(l *leg) bool { return l.id == s.ID }); i >= 0 {
		l := g.lingers[i]
		if l.path.Local.Addr() == p.Local.Addr() && l.path.NATT == p.NATT {
			l.stop()
			s.Replay.Bitmap = make([]uint32, outWindow/32)
			if err := d.xfrm.SetReplay(l.id, s.Replay); err != nil {
				return nil, err
			}
			if p.NATT {
				if err := d.xfrm.UpdateState(s); err != nil {
					return nil, err
				}
			}
			g.lingers = slices.Delete(g.lingers, i, i+1)
			l.path, l.start = p, used
			return l, nil
		}
		g.lingers = slices.Delete(g.lingers, i, i+1)
		d.drop(g, l, (*counts).outbound)
	}
	if err := d.xfrm.AddState(s); err != nil {
		return nil, err
	}
	return newLeg(s, p), nil
}

// movePorts changes the ports of the state in place: no packet is lost, no number left out.
func (d *DataPlane) movePorts(c *child, p *outPath) error {
	before := c.path.Load()
	for _, g := range c.generations {
		if g.out == nil {
			continue
		}
		s := d.state(g.outbound(p.path, g.out.start))
		if err := d.xfrm.UpdateState(s); err != nil {
			return err
		}
		g.out.path = p.path
	}
	c.path.Store(p)
	if (before.limit == 0) != (p.limit == 0) {
		return d.applyPolicies(c)
	}
	return nil
}

// moveInPause is for another address of ours, or another encapsulation, to the same address of the peer: to the kernel that is the same state. While one
// takes the other's place a Shortcut leaves its packets to the Writers, which wait, and policies block those who do not.
func (d *DataPlane) moveInPause(c *child, p *outPath, exact bool) error {
	before := c.path.Load()
	if !exact {
		d.restrict(c, true) // until the end of Move
		if err := d.blockPolicies(c); err != nil {
			return errors.Join(err, d.applyPolicies(c))
		}
	}
	var failed error
	for _, g := range c.generations {
		if g.out == nil {
			continue
		}
		used, err := d.next(g, exact)
		if err != nil {
			failed = err
			break
		}
		d.drop(g, g.out, (*counts).outbound)
		s := d.state(g.outbound(p.path, used))
		path := p.path
		if err = d.xfrm.AddState(s); err != nil {
			// Back to what worked, if anything does.
			failed = err
			path = before.path
			s = d.state(g.outbound(path, used))
			if err := d.xfrm.AddState(s); err != nil {
				failed = errors.Join(failed, err)
			}
		}
		g.out = newLeg(s, path)
		if failed != nil {
			break
		}
	}
	if failed != nil {
		c.path.Store(before)
		return errors.Join(failed, d.applyPolicies(c))
	}
	c.path.Store(p)
	return d.applyPolicies(c)
}

// moveInbound makes g receive on a path. The peer's address does not matter to the kernel; ours and the encapsulation do.
func (d *DataPlane) moveInbound(g *generation, p ipsec.Path) error {
	current := g.in[len(g.in)-1]
	i := slices.IndexFunc(g.in, func(l *leg) bool { return l.id.Dst == p.Local.Addr() })
	switch {
	case i >= 0 && g.in[i] == current && current.path.NATT == p.NATT:
		return d.reportFrom(g, current, p)
	case i >= 0:
		return d.returnInbound(g, i, p)
	}
	replay, err := d.window(g)
	if err != nil {
		return err
	}
	s := d.state(g.inbound(p, replay, 1-current.bit))
	if err := d.xfrm.AddState(s); err != nil {
		return installError(err)
	}
	g.setInbound(append(slices.Clone(g.in), newLeg(s, p)))
	d.leave(g, current)
	return d.distinguish(g)
}

// reportFrom tells the kernel from which port packets are expected, where it can be told: the address of a state stays.
func (d *DataPlane) reportFrom(g *generation, l *leg, p ipsec.Path) error {
	if !p.NATT || l.path == p {
		return nil
	}
	return d.update(g, l, p)
}

// update changes in an inbound state what the kernel can change: the port that packets are expected from, and the bit.
func (d *DataPlane) update(g *generation, l *leg, p ipsec.Path) error {
	s := d.state(g.inbound(p, xfrm.Replay{}, l.bit))
	s.Src = l.from.Addr()
	if s.Encap != nil && l.from.Addr() != p.Remote.Addr() {
		s.Encap.SrcPort = l.from.Port() // stays as well
	}
	if err := d.xfrm.UpdateState(s); err != nil {
		return err
	}
	if s.Encap != nil {
		l.from = netip.AddrPortFrom(s.Src, s.Encap.SrcPort)
	}
	l.path = p
	g.setInbound(g.in)
	return nil
}

// returnInbound takes up a local address that is left but not yet given up, or changes the encapsulation of the current one.
func (d *DataPlane) returnInbound(g *generation, i int, p ipsec.Path) error {
	l := g.in[i]
	l.stop()
	replay, err := d.window(g)
	if err != nil {
		return err
	}
	current := g.in[len(g.in)-1]
	rest := slices.Delete(slices.Clone(g.in), i, i+1)
	if l.path.NATT == p.NATT {
		l.bit = 1 - current.bit
		if err := d.xfrm.SetReplay(l.id, replay); err != nil {
			return err
		}
		g.setInbound(append(rest, l))
		err = d.update(g, l, p)
	} else {
		// The same state to the kernel: one has to go before the other comes.
		d.drop(g, l, (*counts).inbound)
		s := d.state(g.inbound(p, replay, 1-current.bit))
		if err = d.xfrm.AddState(s); err != nil {
			s = d.state(g.inbound(l.path, replay, l.bit))
			p = l.path
			err = errors.Join(installError(err), d.xfrm.AddState(s))
		}
		g.setInbound(append(rest, newLeg(s, p)))
	}
	if current != l {
		d.leave(g, current)
	}
	return errors.Join(err, d.distinguish(g))
}

// window reads what all inbound states of g have taken.
func (d *DataPlane) window(g *generation) (xfrm.Replay, error) {
	r := xfrm.Replay{Window: g.window, In: g.done.in}
	for _, l := range g.in {
		s, err := d.xfrm.GetState(l.id)
		if err != nil {
			return r, err
		}
		r = merge(r, s.Replay)
	}
	r.Out = 0
	return r, nil
}
