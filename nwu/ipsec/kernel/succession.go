// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// A process that goes on in the place of another one finds states, policies, interface and sockets as they are: keys, sequence numbers and windows never
// leave the kernel. What the two tell each other is which of them are whose.

var _ ipsec.Succession = (*DataPlane)(nil)

// will is the State of an ipsec.Estate. The first of its Files is the claim to the number of the interface; the packet sockets follow.
type will struct {
	InterfaceID uint32
	Workers     int
	MaxChildren int
	Shared, TCP bool
	NextSlot    int
	Groups      logGroups // of the packet log, where packet sockets do not tell marks
}

// readWill compares the estate with the options.
func readWill(o *Options) (w will, err error) {
	if o.Estate == nil {
		return w, nil
	}
	if err := json.Unmarshal(o.Estate.State, &w); err != nil {
		return w, fmt.Errorf("%w: the predecessor's data plane: %w", ipsec.ErrInvalid, err)
	}
	same := w
	same.InterfaceID, same.Workers, same.MaxChildren, same.TCP = o.InterfaceID, o.Workers, o.MaxChildren, o.TCP // who else sends may change
	if same != w || len(o.Estate.Files) < 2 {
		return w, fmt.Errorf("%w: the predecessor's data plane has other options, or less sockets: %+v with %d files", ipsec.ErrInvalid, w, len(o.Estate.Files))
	}
	return w, nil
}

// firstSockets are those of the start: those of the options, and what a predecessor has served beside.
func (d *DataPlane) firstSockets() []ipsec.Socket {
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

// inheritPackets goes on with the sockets of inner packets, paused.
func inheritPackets(files []*os.File, link, batch int) (p packetConns, err error) {
	for _, f := range files {
		fd, err := duplicate(f)
		var c *packetConn
		if err == nil {
			c, err = newPacketConn(fd, batch, link, true)
		}
		if err != nil {
			return packetConns{}, closeAll(p.all(), fmt.Errorf("packet socket of the predecessor: %w", err))
		}
		if p.in = append(p.in, c); !c.log {
			p.out = append(p.out, c)
		}
	}
	if len(p.out) < len(p.in) { // there are logs: nothing comes from the others
		p.in = slices.DeleteFunc(p.in, func(c *packetConn) bool { return !c.log })
	}
	return p, nil
}

// duplicate gives another descriptor of f.
func duplicate(f *os.File) (int, error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	other := 0
	cerr := rc.Control(func(fd uintptr) { other, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	return other, errors.Join(cerr, err)
}

// Pause implements ipsec.Succession.
func (d *DataPlane) Pause(ctx context.Context) error {
	d.mu.Lock()
	inner, endpoints := d.inner.in, d.endpoints.All()
	if d.sweeper != nil { // what a successor installs would be left over, too
		d.sweeper.Stop()
		d.sweeper = nil
	}
	d.mu.Unlock()
	for _, e := range endpoints {
		for _, c := range e.Conns {
			if err := c.Pause(ctx); err != nil {
				d.Resume()
				return err
			}
		}
	}
	for _, c := range inner {
		if err := c.gate.Shut(ctx); err != nil {
			d.Resume()
			return err
		}
	}
	return nil
}

// sweepAfter is how long what a predecessor has left over stays: inbound states in their grace, for what is under way.
const sweepAfter = 5 * time.Second

// Resume implements ipsec.Succession. With the first one a successor begins, and what is in the kernel is its own.
func (d *DataPlane) Resume() {
	first, ok := d.resume()
	if ok && first {
		d.tellLimits()
	}
}

func (d *DataPlane) resume() (first, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false, false
	}
	first = d.borrowed
	d.borrowed = false
	d.sweeping = d.sweeping || first
	if d.sweeping && d.sweeper == nil {
		d.sweeper = time.AfterFunc(sweepAfter, d.sweep)
	}
	if first {
		d.keepLogRules()
	}
	for _, e := range d.endpoints.All() {
		for _, c := range e.Conns {
			c.Resume()
		}
	}
	for _, c := range d.inner.in {
		c.gate.Open()
	}
	return first, true
}

// tellLimits tells of the lifetimes that have ended: what the kernel said while nobody listened, and what the predecessor's owner has heard and not dealt
// with any more, is not said again by anybody else.
func (d *DataPlane) tellLimits() {
	type end struct {
		g    *generation
		hard bool
	}
	var ends []end
	d.mu.Lock()
	for _, c := range d.children {
		for _, g := range c.generations {
			if soft, hard := d.used(g); soft || hard {
				ends = append(ends, end{g, hard})
			}
		}
	}
	d.mu.Unlock()
	for _, e := range ends {
		d.expire(e.g, e.hard)
	}
}

// used tells which limits an outbound state has reached. One that is not there has been ended by the kernel.
func (d *DataPlane) used(g *generation) (soft, hard bool) {
	if g.deleted || g.out == nil {
		return false, false
	}
	soft, hard = g.softKept, g.hardKept
	k := g.done
	switch s, err := d.xfrm.GetState(g.out.id); {
	case errors.Is(err, xfrm.ErrNotFound):
		return true, true
	case err != nil:
		d.opts.Log.Error("the kernel does not tell what an SA has carried", "child", g.child.id, "error", err)
		return soft, hard
	default:
		k.outbound(s)
		packets := k.outPackets
		if g.hardPackets >= g.last()/2 { // as in limits
			packets = k.out
		}
		packets, octets := max(packets, g.written.Load()), max(k.outBytes, g.writtenBytes.Load())
		return soft || packets >= g.softPackets || octets >= g.softBytes, hard || packets > g.hardPackets || octets > g.hardBytes
	}
}

// Bequeath implements ipsec.Succession.
func (d *DataPlane) Bequeath() (estate *ipsec.Estate, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	estate = &ipsec.Estate{}
	defer func() {
		if err != nil {
			err = errors.Join(err, estate.Close())
			estate = nil
		}
	}()
	o := &d.opts
	var groups logGroups
	if d.logRules != nil {
		groups = d.logRules.groups
	}
	if estate.State, err = json.Marshal(will{o.InterfaceID, o.Workers, o.MaxChildren, o.Shared, o.TCP, d.nextSlot, groups}); err != nil {
		return estate, err
	}
	claim, err := d.link.claim.(*net.UnixListener).File()
	if err != nil {
		return estate, fmt.Errorf("claim: %w", err)
	}
	estate.Files = append(estate.Files, claim)
	for _, c := range d.inner.all() {
		fd, err := duplicate(c.f)
		if err != nil {
			return estate, err
		}
		estate.Files = append(estate.Files, os.NewFile(uintptr(fd), "packets"))
	}
	for _, e := range slices.Backward(d.endpoints.All()) { // the newest is the first
		s := ipsec.SocketFiles{Socket: e.Socket}
		for _, c := range e.Conns {
			f, err := c.File()
			if err != nil {
				return estate, err
			}
			s.Files = append(s.Files, f)
		}
		estate.Sockets = append(estate.Sockets, s)
	}
	return estate, nil
}

// kept is ChildSA.Kept: one generation, and what is the same for all of its child SA.
type kept struct {
	Slot                          int
	Path                          ipsec.Path
	Moves                         uint64
	LastInbound, LastOnPath       int64
	Index                         int
	Current                       bool
	In                            []keptLeg // the last one is that of the path in use
	Out                           *keptLeg
	SoftTold, HardTold            bool
	Written, WrittenBytes         uint64
	Malformed, Selector, Stale    uint64
	RefusedBytes                  uint64
	Done                          keptCounts
	NoOutbound, Exhausted, TooBig uint64
}

type keptLeg struct {
	Path  ipsec.Path
	Start uint64
	From  netip.AddrPort
	Bit   uint32
}

type keptCounts struct {
	Packets, Bytes, OutPackets, OutBytes uint64
	Drops                                ipsec.InboundDrops
	In, Out                              uint64
}

// Bequest implements ipsec.Succession.
func (d *DataPlane) Bequest(id ipsec.ChildID) ([]ipsec.Handed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.children[id]
	if c == nil {
		return nil, fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	p := c.path.Load()
	if p.room != nil || p.limit == 0 {
		return nil, fmt.Errorf("%w: %d: path %s is not proven", ipsec.ErrBusy, id, p.path)
	}
	current := c.out.Load()
	var list []ipsec.Handed
	for _, g := range c.generations {
		if g.deleted {
			continue
		}
		k := kept{
			Slot: c.slot, Path: p.path, Moves: c.moves, LastInbound: c.lastInbound.Load(), LastOnPath: c.lastOnPath.Load(), Index: g.index, Current: g == current,
			SoftTold: g.softTold.Load(), HardTold: g.hardTold.Load(), Written: g.written.Load(), WrittenBytes: g.writtenBytes.Load(),
			Malformed: g.malformed.Load(), Selector: g.selector.Load(), Stale: g.stale.Load(), RefusedBytes: g.refusedBytes.Load(),
			Done:       keptCounts{g.done.packets, g.done.bytes, g.done.outPackets, g.done.outBytes, g.done.drops, g.done.in, g.done.out},
			NoOutbound: c.noOutbound.Load(), Exhausted: c.exhausted.Load(), TooBig: c.tooLong.Load(),
		}
		for _, l := range g.in {
			k.In = append(k.In, keptLeg{l.path, l.start, l.from, l.bit})
		}
		if g.out != nil {
			k.Out = &keptLeg{Path: g.out.path, Start: g.out.start}
		}
		b, err := json.Marshal(&k)
		if err != nil {
			return nil, err
		}
		list = append(list, ipsec.Handed{InboundSPI: g.spi, OutboundSPI: g.outSPI, Current: g == current, Kept: b})
	}
	return list, nil
}

// Leave implements ipsec.Succession.
func (d *DataPlane) Leave() error { return d.end(true) }

// adopt installs a generation whose states are in the kernel. Nothing is changed there but for the policies, which are set to what they are.
func (d *DataPlane) adopt(g *generation, sa *ipsec.ChildSA) error {
	var k kept
	if err := json.Unmarshal(sa.Kept, &k); err != nil {
		return fmt.Errorf("%w: kept child SA %d: %w", ipsec.ErrInvalid, sa.ID, err)
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: kept child SA %d, inbound SPI %08x: %s", ipsec.ErrInvalid, sa.ID, g.spi, fmt.Sprintf(format, args...))
	}
	c := d.children[sa.ID]
	first := c == nil
	switch {
	case k.Slot <= 0 || k.Slot >= len(d.slots) || k.Index < 0 || k.Index >= generations || len(k.In) == 0 || len(k.In) > maxLegs:
		return fail("slot %d, generation %d, %d inbound states", k.Slot, k.Index, len(k.In))
	case first && d.slots[k.Slot].Load() != nil || !first && (c.slot != k.Slot || c.gens[k.Index].Load() != nil):
		return fail("slot %d, generation %d is taken", k.Slot, k.Index)
	}
	if first {
		if err := d.resolve(ipsec.Target{Path: k.Path}); err != nil {
			return err
		}
		c = &child{id: sa.ID, slot: k.Slot, moves: k.Moves}
		c.path.Store(&outPath{path: k.Path, limit: ipsec.Unlimited})
		c.lastInbound.Store(k.LastInbound)
		c.lastOnPath.Store(k.LastOnPath)
		c.noOutbound.Store(k.NoOutbound)
		c.exhausted.Store(k.Exhausted)
		c.tooLong.Store(k.TooBig)
	}
	g.child, g.index = c, k.Index
	g.done = counts{k.Done.Packets, k.Done.Bytes, k.Done.OutPackets, k.Done.OutBytes, k.Done.Drops, k.Done.In, k.Done.Out}
	g.softKept, g.hardKept = k.SoftTold, k.HardTold
	g.written.Store(k.Written)
	g.writtenBytes.Store(k.WrittenBytes)
	g.malformed.Store(k.Malformed)
	g.selector.Store(k.Selector)
	g.stale.Store(k.Stale)
	g.refusedBytes.Store(k.RefusedBytes)
	var legs []*leg
	for _, l := range k.In {
		s := g.inbound(l.Path, xfrm.Replay{Window: g.window}, l.Bit)
		if err := d.isThere(s); err != nil {
			return fail("%v", err)
		}
		legs = append(legs, &leg{id: s.ID, path: l.Path, start: l.Start, from: l.From, bit: l.Bit})
	}
	if k.Out != nil {
		s := g.outbound(k.Out.Path, k.Out.Start)
		if err := d.isThere(s); err != nil {
			// The kernel has ended it at its limit, and that is told as soon as this process begins; or this is not where it was.
			if !errors.Is(err, xfrm.ErrNotFound) || k.Out.Path != k.Path {
				return fail("%v", err)
			}
		}
		g.out = &leg{id: s.ID, path: k.Out.Path, start: k.Out.Start}
	}
	g.setInbound(legs)
	if k.Current {
		c.out.Store(g)
		if err := d.applyPolicies(c); err != nil {
			return err
		}
	}
	d.children[sa.ID] = c
	c.generations = append(c.generations, g)
	c.gens[g.index].Store(g)
	d.slots[c.slot].Store(c)
	d.spis[g.spi] = g
	for _, l := range legs[:len(legs)-1] {
		if !d.isSpare(g, l) {
			d.lingerInbound(g, l, sweepAfter)
		}
	}
	return nil
}

// maxLegs bounds the states of one SA in one direction: one for each address of ours.
const maxLegs = 64

// isThere compares a state with that of the kernel.
func (d *DataPlane) isThere(want *xfrm.State) error {
	want = d.state(want)
	s, err := d.xfrm.GetState(want.ID)
	if err != nil {
		return fmt.Errorf("state to %s: %w", want.Dst, err)
	}
	same := func(a, b *xfrm.Algorithm) bool {
		if a == nil || b == nil {
			return a == b
		}
		hidden := bytes.Count(b.Key, []byte{0}) == len(b.Key) // by a kernel in lockdown
		return a.Name == b.Name && len(a.Key) == len(b.Key) && (hidden || bytes.Equal(a.Key, b.Key))
	}
	switch {
	case s.IfID != want.IfID || s.ReqID != want.ReqID:
		return fmt.Errorf("the state to %s is another one's", want.Dst)
	case !same(want.AEAD, s.AEAD) || !same(want.Crypt, s.Crypt) || !same(want.Auth, s.Auth) || s.ESN != want.ESN:
		return fmt.Errorf("the state to %s has other keys", want.Dst)
	case (s.Encap == nil) != (want.Encap == nil):
		return fmt.Errorf("the state to %s has another encapsulation", want.Dst)
	}
	return nil
}

// forgetAll leaves all that is in the kernel as it is.
func (d *DataPlane) forgetAll() {
	for _, c := range d.children {
		d.forget(c)
	}
	clear(d.children)
	for g := range maps.Clone(d.graces) {
		d.forget(g.child)
	}
}

// forget leaves what a child SA has in the kernel as it is.
func (d *DataPlane) forget(c *child) {
	c.out.Store(nil)
	for _, g := range c.generations {
		if g.graceEnd != nil {
			g.graceEnd.Stop()
		}
		delete(d.graces, g)
		for _, l := range append(g.lingers, g.in...) {
			l.stop()
		}
		g.in, g.lingers, g.out = nil, nil, nil
		c.gens[g.index].Store(nil)
		delete(d.spis, g.spi)
		g.inKeys.forget()
		g.outKeys.forget()
	}
	c.generations, c.policies = nil, nil
	d.slots[c.slot].CompareAndSwap(c, nil)
}

// sweep removes what a predecessor has left in the kernel and nobody has taken over.
func (d *DataPlane) sweep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.sweeper == nil { // stopped a moment too late
		return
	}
	d.sweeping, d.sweeper = false, nil
	states, policies := map[xfrm.ID]bool{}, map[xfrm.PolicyID]bool{}
	for i := range d.slots {
		c := d.slots[i].Load()
		if c == nil {
			continue
		}
		for _, p := range c.policies {
			policies[p.PolicyID] = true
		}
		for _, g := range c.generations {
			for _, l := range append(append([]*leg{g.out}, g.in...), g.lingers...) {
				if l != nil {
					states[l.id] = true
				}
			}
		}
	}
	id := d.opts.InterfaceID
	stalePolicies, err := d.xfrm.Policies(func(p *xfrm.Policy) bool { return p.IfID == id && !policies[p.PolicyID] })
	errs := []error{err}
	for _, p := range stalePolicies {
		errs = append(errs, d.xfrm.DeletePolicy(p.PolicyID))
	}
	staleStates, err := d.xfrm.States(func(s *xfrm.State) bool { return s.IfID == id && !states[s.ID] })
	errs = append(errs, err)
	for _, s := range staleStates {
		errs = append(errs, d.xfrm.DeleteState(s.ID))
	}
	if err := errors.Join(errs...); err != nil && !errors.Is(err, xfrm.ErrNotFound) {
		d.opts.Log.Error("the kernel did not remove what the predecessor has left over", "error", err)
	}
	d.opts.Log.Debug("what the predecessor has left over is removed", "states", len(staleStates), "policies", len(stalePolicies))
}
