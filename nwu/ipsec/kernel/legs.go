// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// lingerTime is how long an outbound state stays after the policy was switched away from it: packets that were looked up before are still in work.
const lingerTime = 200 * time.Millisecond

// outWindow is the replay window of outbound states, which have no use for one; with ESN the kernel wants one all the same.
const outWindow = 32

func newLeg(s *xfrm.State, p ipsec.Path) *leg {
	return &leg{id: s.ID, path: p, start: s.Replay.Out, from: p.Remote, bit: s.OutputMark.Value & 1}
}

// state adds what all states of this data plane have.
func (d *DataPlane) state(s *xfrm.State) *xfrm.State {
	s.IfID = d.opts.InterfaceID
	if s.OutputMark.Value != 0 && s.Encap != nil && d.opts.PathReports >= 0 {
		s.MappingThreshold = max(1, uint32(d.opts.PathReports/time.Second))
	}
	return s
}

// inReqID and outReqID name a generation in states, templates and reports. The generation of an outbound state is chosen by the template.
func (c *child) inReqID() uint32       { return c.mark() }
func (g *generation) outReqID() uint32 { return g.child.mark() | uint32(g.index)<<1 }

// inbound is the state that receives on a path, with a bit that the one before it does not have. It is found by our address and SPI alone.
func (g *generation) inbound(p ipsec.Path, r xfrm.Replay, bit uint32) *xfrm.State {
	s := &xfrm.State{
		ID: xfrm.ID{Dst: p.Local.Addr(), SPI: g.spi}, Src: p.Remote.Addr(), ReqID: g.child.inReqID(), ESN: g.esn, Replay: r,
		AEAD: g.inKeys.aead, Crypt: g.inKeys.crypt, Auth: g.inKeys.auth,
		OutputMark: &xfrm.Mark{Value: g.outReqID() | bit, Mask: ^uint32(0)},
	}
	if p.NATT {
		s.Encap = &xfrm.Encap{SrcPort: p.Remote.Port(), DstPort: p.Local.Port()}
	}
	return s
}

// outbound is the state that sends on a path, with sequence numbers above used. The mark of the child makes it another one than that of a second peer
// behind the same address that has chosen the same SPI. On the way out the mark is cleared: it means nothing to the host's routing.
func (g *generation) outbound(p ipsec.Path, used uint64) *xfrm.State {
	s := &xfrm.State{
		ID:  xfrm.ID{Dst: p.Remote.Addr(), SPI: g.outSPI, Mark: xfrm.Mark{Value: g.child.mark(), Mask: childMask}},
		Src: p.Local.Addr(), ReqID: g.outReqID(), ESN: g.esn, Replay: xfrm.Replay{Window: outWindow, Out: used},
		AEAD: g.outKeys.aead, Crypt: g.outKeys.crypt, Auth: g.outKeys.auth,
		OutputMark: &xfrm.Mark{Mask: ^uint32(0)}, Limits: g.limits(used),
	}
	if g.dscp == 0 {
		s.ExtraFlags = xfrm.ExtraDontEncapDSCP
	}
	if p.NATT {
		s.Encap = &xfrm.Encap{SrcPort: p.Local.Port(), DstPort: p.Remote.Port()}
	}
	return s
}

// limits are what the kernel counts itself: packets that no writer sees come from this host's sockets and from programs in the kernel. It counts
// from the state's beginning, so what was used before is taken off; the sequence number is at least that.
func (g *generation) limits(used uint64) xfrm.Limits {
	left := func(limit, used uint64) uint64 {
		if limit > used {
			return limit - used
		}
		return 1
	}
	packets := g.done.outPackets
	if g.hardPackets >= g.last()/2 { // the limit is that of the sequence number
		packets = used
	}
	l := xfrm.Limits{SoftPackets: left(g.softPackets, packets), HardPackets: left(g.hardPackets, packets)}
	if g.hardBytes < 1<<63 {
		l.SoftBytes, l.HardBytes = left(g.softBytes, g.done.outBytes), left(g.hardBytes, g.done.outBytes)
	}
	return l
}

func (g *generation) setInbound(legs []*leg) {
	g.in = legs
	paths := make([]ipsec.Path, len(legs))
	for i, l := range legs {
		paths[i] = l.path
	}
	g.inPaths.Store(&paths)
	g.alignTo(g.child.path.Load().path)
}

// alignTo notes whether packets on the path in use are those that the kernel does not report. Plain ESP is never reported.
func (g *generation) alignTo(p ipsec.Path) {
	l := g.in[len(g.in)-1]
	g.legBit.Store(l.bit)
	g.aligned.Store(!p.NATT || l.from == p.Remote)
}

// drop ends a state and keeps what it counted.
func (d *DataPlane) drop(g *generation, l *leg, add func(*counts, *xfrm.State)) {
	l.stop()
	if s, err := d.xfrm.GetState(l.id); err == nil {
		add(&g.done, s)
	}
	d.logged(g.child, d.xfrm.DeleteState(l.id))
}

// endOutbound ends the outbound states of g.
func (d *DataPlane) endOutbound(g *generation) {
	if g.out != nil {
		d.drop(g, g.out, (*counts).outbound)
		g.out = nil
	}
	for _, l := range g.lingers {
		d.drop(g, l, (*counts).outbound)
	}
	g.lingers = nil
}

// dropStates ends all states of g.
func (d *DataPlane) dropStates(g *generation) {
	d.endOutbound(g)
	for _, l := range g.in {
		d.drop(g, l, (*counts).inbound)
	}
	g.in = nil
}

// linger ends an outbound state that is not used any more, later.
func (d *DataPlane) linger(g *generation, l *leg) {
	g.lingers = append(g.lingers, l)
	l.timer = time.AfterFunc(lingerTime, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if i := slices.Index(g.lingers, l); i >= 0 {
			g.lingers = slices.Delete(g.lingers, i, i+1)
			d.drop(g, l, (*counts).outbound)
		}
	})
}

// lingerInbound ends an inbound state of a local address that is not used any more, or not yet, after a time.
func (d *DataPlane) lingerInbound(g *generation, l *leg, after time.Duration) {
	l.stop()
	l.timer = time.AfterFunc(max(0, after), func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if i := slices.Index(g.in, l); i >= 0 && i < len(g.in)-1 {
			d.drop(g, l, (*counts).inbound)
			g.setInbound(slices.Delete(slices.Clone(g.in), i, i+1))
		}
	})
}

// stats reads what the states count.
func (d *DataPlane) stats(g *generation) (counts, error) {
	k := g.done
	var errs []error
	read := func(l *leg, add func(*counts, *xfrm.State)) {
		switch s, err := d.xfrm.GetState(l.id); {
		case err == nil:
			add(&k, s)
		case !errors.Is(err, xfrm.ErrNotFound): // the kernel has ended it at its hard limit
			errs = append(errs, err)
		}
	}
	replays := make([]xfrm.Replay, len(g.in))
	for i, l := range g.in {
		read(l, func(k *counts, s *xfrm.State) {
			k.inbound(s)
			replays[i] = s.Replay
		})
	}
	for i := range len(g.in) - 1 {
		if replays[i].Window > 0 {
			d.catchUp(g, g.in[i], replays[i], replays[len(replays)-1])
		}
	}
	for _, l := range g.lingers {
		read(l, (*counts).outbound)
	}
	if g.out != nil {
		read(g.out, (*counts).outbound)
	}
	return k, errors.Join(errs...)
}
