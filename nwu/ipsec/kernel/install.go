// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// newGeneration translates what does not depend on the path.
func newGeneration(sa *ipsec.ChildSA) (g *generation, err error) {
	if err := sa.Validate(); err != nil {
		return nil, err
	}
	g = &generation{
		spi: sa.InboundSPI, outSPI: sa.OutboundSPI, local: sa.Local, remote: sa.Remote, context: sa.Context, dscp: sa.DSCP, esn: sa.ESN,
		window: windowSize(sa.ReplayWindow),
	}
	if g.inKeys, err = newAlgorithms(sa.InboundSPI, sa.Algorithms, sa.InboundKeys, sa.ESN); err != nil {
		return nil, err
	}
	if g.outKeys, err = newAlgorithms(sa.OutboundSPI, sa.Algorithms, sa.OutboundKeys, sa.ESN); err != nil {
		return nil, err
	}
	g.fixed, g.align = esp.Overhead(sa.Algorithms)
	g.lifetime(sa.Lifetime)
	return g, nil
}

// resolve judges a target as one of a path that is served.
func (d *DataPlane) resolve(t ipsec.Target) error {
	if err := t.Path.Validate(); err != nil {
		return err
	}
	kind := ipsec.ESP
	if t.Path.NATT {
		kind = ipsec.NATT
	}
	if err := d.Usable(t.Path); err != nil {
		return err
	}
	_, err := d.endpoints.Find(kind, t.Path.Local)
	return err
}

// Install implements ipsec.DataPlane.
func (d *DataPlane) Install(sa ipsec.ChildSA) error {
	g, err := newGeneration(&sa)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ipsec.ErrClosed
	}
	switch old, reserved := d.spis[g.spi]; {
	case old != nil:
		return fmt.Errorf("%w: inbound SPI %08x", ipsec.ErrExists, g.spi)
	case sa.Kept != nil:
		return d.adopt(g, &sa)
	case !reserved && sa.Resume == nil:
		return fmt.Errorf("%w: inbound SPI %08x was not reserved", ipsec.ErrInvalid, g.spi)
	}
	c := d.children[sa.ID]
	first := c == nil
	if first {
		if err := d.resolve(sa.Target); err != nil {
			return err
		}
		slot, err := d.newSlot(d.workerOf(g.spi))
		if err != nil {
			return err
		}
		c = &child{id: sa.ID, slot: slot}
		c.path.Store(&outPath{path: sa.Target.Path, limit: max(sa.Target.Limit, ipsec.Unlimited), room: sa.Target.NewRoom()})
	}
	g.child = c
	if g.index = c.freeIndex(); g.index < 0 {
		return fmt.Errorf("%w: child SA %d has %d generations", ipsec.ErrExists, sa.ID, generations)
	}
	if err := d.installStates(g, sa.Resume); err != nil {
		return err
	}
	if first {
		c.out.Store(g)
		if err := d.applyPolicies(c); err != nil {
			c.out.Store(nil)
			d.dropStates(g)
			return errors.Join(err, d.setPolicies(c, nil))
		}
		d.children[sa.ID] = c
		d.restrict(c, c.path.Load().room != nil)
	}
	c.generations = append(c.generations, g)
	c.gens[g.index].Store(g)
	d.slots[c.slot].Store(c)
	d.spis[g.spi] = g
	return nil
}

// freeIndex finds a number for another generation, the one that was free longest.
func (c *child) freeIndex() int {
	start := 0
	if n := len(c.generations); n > 0 {
		start = c.generations[n-1].index + 1
	}
	for i := range generations {
		if k := (start + i) % generations; c.gens[k].Load() == nil {
			return k
		}
	}
	return -1
}

// installStates makes both states for the path of the child.
func (d *DataPlane) installStates(g *generation, resume *ipsec.Resume) error {
	p := g.child.path.Load().path
	replay, used := xfrm.Replay{Window: g.window}, uint64(0)
	if resume != nil {
		replay = replayOf(resume.Inbound, g.window)
		used = resume.Outbound + resume.Margin()
	}
	in := g.inbound(p, replay, 0)
	if err := d.xfrm.AddState(d.state(in)); err != nil {
		return installError(err)
	}
	g.setInbound([]*leg{newLeg(in, p)})
	g.done.in = replay.In
	if err := d.addSpares(g); err != nil {
		d.dropStates(g)
		return err
	}
	out := g.outbound(p, used)
	if err := d.xfrm.AddState(d.state(out)); err != nil {
		d.dropStates(g)
		return installError(err)
	}
	g.out = newLeg(out, p)
	return nil
}

// installError gives the kernel's refusals the names that the interface has for them.
func installError(err error) error {
	switch {
	case errors.Is(err, xfrm.ErrExists):
		return fmt.Errorf("%w: another program's state: %w", ipsec.ErrExists, err)
	case errors.Is(err, xfrm.ErrNoSupport):
		return fmt.Errorf("%w by this kernel: %w", ipsec.ErrAlgorithm, err)
	}
	return err
}

// SwitchOutbound implements ipsec.DataPlane.
func (d *DataPlane) SwitchOutbound(id ipsec.ChildID, inboundSPI uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, g, err := d.find(id, inboundSPI)
	if err != nil {
		return err
	}
	before := c.out.Swap(g)
	if err := d.applyPolicies(c); err != nil {
		c.out.Store(before)
		return errors.Join(err, d.applyPolicies(c))
	}
	return nil
}

// DeleteSA implements ipsec.DataPlane.
func (d *DataPlane) DeleteSA(id ipsec.ChildID, inboundSPI uint32, grace time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, g, err := d.find(id, inboundSPI)
	if err != nil {
		return err
	}
	d.finish(g, grace)
	return nil
}

// Delete implements ipsec.DataPlane.
func (d *DataPlane) Delete(id ipsec.ChildID, grace time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.children[id]
	if c == nil {
		return fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	delete(d.children, id)
	if d.borrowed {
		d.forget(c)
		return nil
	}
	for _, g := range slices.Clone(c.generations) {
		if !g.deleted {
			d.finish(g, grace)
		}
	}
	return nil
}

// finish stops g outbound now and inbound after grace. The kernel's refusals are logged: what remains would be removed at the next start.
func (d *DataPlane) finish(g *generation, grace time.Duration) {
	g.deleted = true
	switch {
	case g.child.out.CompareAndSwap(g, nil):
		d.logged(g.child, d.applyPolicies(g.child))
		d.endOutbound(g)
	case g.out != nil:
		// Switched away from, maybe a moment ago: packets whose policy was looked up before are still to find their state.
		d.linger(g, g.out)
		g.out = nil
	}
	if grace <= 0 {
		d.remove(g)
		return
	}
	d.graces[g] = struct{}{}
	g.graceEnd = time.AfterFunc(grace, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.remove(g)
	})
}

func (d *DataPlane) logged(c *child, err error) {
	if err != nil && !errors.Is(err, xfrm.ErrNotFound) {
		d.opts.Log.Error("the kernel did not remove what is not used any more", "child", c.id, "error", err)
	}
}

// remove takes g out of everything.
func (d *DataPlane) remove(g *generation) {
	if g.graceEnd != nil {
		g.graceEnd.Stop()
	}
	delete(d.graces, g)
	d.dropStates(g)
	g.inKeys.forget()
	g.outKeys.forget()
	c := g.child
	if c.gens[g.index].CompareAndSwap(g, nil) {
		delete(d.spis, g.spi)
	}
	c.generations = slices.DeleteFunc(slices.Clone(c.generations), func(other *generation) bool { return other == g })
	if len(c.generations) == 0 && d.children[c.id] != c {
		d.logged(c, d.setPolicies(c, nil))
		d.slots[c.slot].CompareAndSwap(c, nil)
	}
}
