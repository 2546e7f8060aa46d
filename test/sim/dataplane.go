// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

// grace is how long a removed SA still accepts packets that were on their way.
const grace = 2 * time.Second

// unprovenAllowance is what may be sent to an unproven path beyond three times what came from there.
const unprovenAllowance = 4096

// generation is a Child SA in the data plane: real ESP, and beside it the books that the watcher compares with.
type generation struct {
	end      *end
	purpose  int
	in       *esp.Inbound
	out      *esp.Outbound
	alg      ipsec.Algorithms
	esn      bool
	spiIn    uint32
	spiOut   uint32
	keyIn    ipsec.Keys
	keyOut   ipsec.Keys
	line     *line
	prev     *generation // that it rekeys, or nil
	live     bool
	since    time.Duration
	removed  time.Duration
	accepted replayBook
}

// line is a Child SA over all its rekeys, as one side sees it.
type line struct {
	doomed bool // the owner wants it deleted
	over   bool // it was said that nothing is left
}

// outlived tells whether the hard lifetime is over, after which the pair must not be used any more.
func (g *generation) outlived() bool {
	hard := g.end.w.profile.lifetimes.Child.Hard
	return hard > 0 && g.end.w.now >= g.since+hard
}

// userPacket is one packet of a user, however often the network copies it.
type userPacket struct {
	id        uint64
	from      *generation
	seq       uint64
	delivered int
}

// install puts a new Child SA into the data plane.
func (e *end) install(up ikev2.ChildUp) {
	w, c := e.w, up.Child
	g := &generation{
		end: e, purpose: c.Tag.(int), live: true, since: w.now, removed: never,
		spiIn: c.InboundSPI, spiOut: c.OutboundSPI, esn: c.Suite.ESN,
		alg:    ipsec.Algorithms{Encr: uint16(c.Suite.Encr.ID), Integ: uint16(c.Suite.Integ)},
		keyIn:  ipsec.Keys{Encr: c.InboundKeys.Encr, Integ: c.InboundKeys.Integ},
		keyOut: ipsec.Keys{Encr: c.OutboundKeys.Encr, Integ: c.OutboundKeys.Integ},
	}
	if up.Replaces == 0 {
		g.line = &line{}
	} else {
		// It need not be up any more: when two rekeys collide the old pair can be gone before the answer to the one that
		// loses comes.
		if g.prev = e.host.inbound[up.Replaces]; g.prev == nil {
			g.prev = e.host.retired[up.Replaces]
		}
		if g.prev == nil || g.prev.end != e || g.prev.purpose != g.purpose {
			w.violate("children", "%s: child %08x replaces %08x, which never was", e.name, g.spiIn, up.Replaces)
			return
		}
		g.line = g.prev.line
	}
	var err1, err2 error
	g.in, err1 = esp.NewInbound(g.spiIn, g.alg, g.keyIn, g.esn, 0)
	g.out, err2 = esp.NewOutbound(g.spiOut, g.alg, g.keyOut, g.esn, 0)
	if err := errors.Join(err1, err2); err != nil {
		w.violate("keys", "%s: child %08x/%08x cannot be installed: %v", e.name, g.spiIn, g.spiOut, err)
		return
	}
	w.stats.children++
	delete(e.host.reserved, g.spiIn)
	w.watch.installed(g)
	e.host.inbound[g.spiIn] = g
	e.generations = append(e.generations, g)
	e.creating[g.purpose] = never
	// A rekeyed pair is sent on when the session says so: only then the peer is known to receive on it.
	if up.Replaces == 0 {
		e.sending[g.purpose] = g
	} else if !e.gateway {
		w.stats.rekeys++
	}
}

// switched makes a generation the one that is sent on.
func (e *end) switched(c *ikev2.ChildSA) {
	g := e.generation(c.InboundSPI)
	if g == nil {
		e.w.violate("children", "%s: ChildSwitched to %08x, which is not up", e.name, c.InboundSPI)
		return
	}
	e.sending[g.purpose] = g
}

func (e *end) generation(inbound uint32) *generation {
	for _, g := range e.generations {
		if g.spiIn == inbound {
			return g
		}
	}
	return nil
}

// remove takes a Child SA out that the session names.
func (e *end) remove(ev ikev2.ChildDown) {
	c := ev.Child
	g := e.generation(c.InboundSPI)
	switch {
	case g == nil:
		e.w.violate("children", "%s: ChildDown for %08x, which is not up", e.name, c.InboundSPI)
	case e.w.defect.keepChild:
	default:
		e.drop(g)
		e.outlive(g, ev)
		e.w.watch.superseded(e, g, ev.Superseded)
	}
}

// outlive notes whether the line ends with its hard lifetime: RFC 4301 4.4.2.1 ends an SA then, whatever became of its
// rekey, and RFC 7296 1.4.1 makes the peer close it too. That is so as well when the peer's rekey was answered and the
// answer has not arrived: the peer has nothing to go on with, and deletes the pair that it gets for it later.
func (e *end) outlive(g *generation, ev ikev2.ChildDown) {
	has := func(o *generation) bool { return e.w.watch.other(o) != nil }
	if has(g) {
		e.expired[g.purpose] = !ev.ByPeer && g.outlived() && !slices.ContainsFunc(e.successors(g), has)
	}
}

// drop stops a generation outbound at once, and inbound after the grace.
func (e *end) drop(g *generation) {
	w := e.w
	g.live, g.removed = false, w.now
	for i, o := range e.generations {
		if o == g {
			e.generations = append(e.generations[:i], e.generations[i+1:]...)
			break
		}
	}
	w.watch.removed(g)
	if e.sending[g.purpose] == g {
		e.sending[g.purpose] = nil
	}
	h := e.host
	if e.gone {
		delete(h.inbound, g.spiIn)
		return
	}
	w.after(grace, func() {
		if h.inbound[g.spiIn] == g {
			delete(h.inbound, g.spiIn)
			h.retired[g.spiIn] = g
		}
	})
}

// moveChildren makes the outbound packets take another path.
func (e *end) moveChildren(ev ikev2.ChildrenMoved) {
	// What an unproven path may get it gets once, however often the session comes back to it.
	if _, known := e.allowance[ev.Path.Remote]; !known {
		e.allowance[ev.Path.Remote] = unprovenAllowance
	}
	e.path, e.capped = ev.Path, ev.Unproven
	if e.w.defect.reuseSequence {
		for _, g := range e.generations {
			used := g.out.Sequence()
			g.out, _ = esp.NewOutbound(g.spiOut, g.alg, g.keyOut, g.esn, used-min(used, 3))
		}
	}
}

// sendUser sends one user packet for a purpose, if there is a Child SA for it.
func (e *end) sendUser(purpose int) {
	w, g := e.w, e.sending[purpose]
	if g == nil || !e.up {
		return
	}
	w.watch.lastUser++
	u := &userPacket{id: w.watch.lastUser, from: g}
	var inner [40]byte
	inner[0] = 0x45
	binary.BigEndian.PutUint64(inner[24:], u.id)
	binary.BigEndian.PutUint32(inner[32:], g.spiOut)
	inner[36] = byte(purpose)
	size := g.out.Size(len(inner))
	if e.capped {
		if e.allowance[e.path.Remote] < size {
			return
		}
		e.allowance[e.path.Remote] -= size
	}
	seq, ok := g.out.Next()
	if !ok {
		return
	}
	u.seq = seq
	data := make([]byte, size)
	g.out.Seal(data, seq, 4, nil, inner[:], &w.watch.scratch)
	w.stats.packets++
	w.watch.userSent(u, e.path, size)
	w.log.mix('u', e.id, data[:8]) // the rest is not the session's, and random with CBC
	w.net.send(e.host, packet{kind: kindESP, src: e.path.Local, dst: e.path.Remote, data: data, user: u})
}

// receiveESP opens an ESP packet.
func (h *host) receiveESP(p *packet) {
	w := h.w
	if len(p.data) < 8 {
		return
	}
	spi := binary.BigEndian.Uint32(p.data)
	g := h.inbound[spi]
	if g == nil {
		w.watch.strayed(h, p, spi)
		return
	}
	if w.defect.acceptReplay {
		g.in, _ = esp.NewInbound(g.spiIn, g.alg, g.keyIn, g.esn, 0)
	}
	payload, _, err := g.in.Open(p.data, &w.watch.scratch)
	w.watch.opened(g, p, payload, err)
	if err != nil || w.broken != nil {
		return
	}
	e := g.end
	if e.gone || e.closed || e.away {
		return
	}
	path := pathOf(p)
	if path.Remote == e.path.Remote {
		e.allowance[path.Remote] += 3 * len(p.data)
	}
	if path == e.s.ChildPath() {
		e.s.Traffic(w.time())
	} else {
		e.take(e.s.Rebind(w.time(), path))
	}
}

// replayBook is the window that RFC 4303 3.4.3 describes, in the simplest way to write it down.
type replayBook struct {
	highest uint64
	seen    map[uint64]bool
}

func (b *replayBook) fresh(seq uint64) bool {
	return !b.seen[seq] && seq+ipsec.DefaultReplayWindow > b.highest
}

func (b *replayBook) accept(seq uint64) {
	if b.seen == nil {
		b.seen = map[uint64]bool{}
	}
	b.seen[seq] = true
	b.highest = max(b.highest, seq)
}
