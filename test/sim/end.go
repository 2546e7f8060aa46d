// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Purposes of Child SAs. The first comes with IKE_AUTH; the others are made by one side only, so that there is never
// more than one for a purpose.
const (
	purposeFirst = 0
	gatewayFrom  = 1 // 1 and 2 are the gateway's
	ueFrom       = 3 // 3 and 4 are the UE's
	purposes     = 5
)

// purposeNotify tells the purpose of a child to the peer, as 5G_QOS_INFO tells the QoS flows.
const purposeNotify message.NotifyType = 40970

// end is one side of a session with what its owner keeps for it.
type end struct {
	w       *world
	id      int
	name    string
	host    *host
	owner   owner
	gateway bool
	peer    string // identity of the peer, when known
	s       *ikev2.Session
	since   time.Duration
	upSince time.Duration

	working int           // pieces of public-key work under way
	timer   time.Duration // when Timeout is to be called; never when nothing is to be
	up      bool
	closed  bool
	away    bool // exported, and not imported yet
	gone    bool // the node lost it in a restart, or it has been forgotten

	// The data plane.
	generations []*generation // live ones
	sending     [purposes]*generation
	expired     [purposes]bool // the last one was not rekeyed within its hard lifetime, as in a long coverage hole
	path        ikev2.Path
	capped      bool                   // path is unproven
	allowance   map[netip.AddrPort]int // octets that may still be sent to unproven paths

	// What the owner waits for.
	creating  [purposes]time.Duration // since when; never: not
	notifying map[int]time.Duration
	probing   time.Duration
	deleting  time.Duration
	seen      seen
}

// owner is the node that an end belongs to.
type owner interface {
	event(e *end, ev ikev2.Event)
	spis() map[message.SPI]*end
}

// never is a time that does not come.
const never time.Duration = -1

func (w *world) newEnd(name string, h *host, o owner, gateway bool) *end {
	w.lastID++
	e := &end{
		w: w, id: w.lastID, name: name, host: h, owner: o, gateway: gateway, since: w.now,
		timer: never, probing: never, deleting: never, notifying: map[int]time.Duration{}, allowance: map[netip.AddrPort]int{},
	}
	for i := range e.creating {
		e.creating[i] = never
	}
	e.seen.init()
	w.ends = append(w.ends, e)
	return e
}

// take does what a session wants done.
func (e *end) take(out ikev2.Output) {
	if e.gone {
		return
	}
	for _, ev := range out.Events {
		e.event(ev)
	}
	e.w.watch.output(e, &out)
	for _, d := range out.Datagrams {
		e.send(d)
	}
	for _, k := range out.Work {
		e.working++
		e.w.after(e.w.profile.workTime(), func() {
			e.working--
			if !e.gone {
				k.Run()
				e.take(e.s.Done(e.w.time(), k))
			}
		})
	}
	e.arm(out.Deadline)
}

// later runs f on the session after the owner's reaction time.
func (e *end) later(d time.Duration, f func(now time.Time) ikev2.Output) {
	e.w.after(d, func() {
		if !e.gone && !e.away {
			e.take(f(e.w.time()))
		}
	})
}

func (e *end) send(d ikev2.Datagram) {
	data := d.Data
	if alter := e.w.defect.onSend; alter != nil && !d.Keepalive {
		data = alter(e, data)
	}
	k := kindIKE
	if d.Keepalive {
		k = kindKeepalive
	} else {
		e.w.watch.ikeSent(e, d.Path, data)
	}
	e.w.log.mix('s', e.id, data)
	if e.w.log.on() {
		e.w.log.print("%-10s send %v on %v", e.name, describe(d), d.Path)
	}
	e.w.net.send(e.host, packet{kind: k, src: d.Path.Local, dst: d.Path.Remote, data: data})
}

// arm sets the timer.
func (e *end) arm(deadline time.Time) {
	if deadline.IsZero() {
		e.timer = never
		return
	}
	at := max(deadline.Sub(epoch), e.w.now)
	if at == e.timer {
		return
	}
	e.timer = at
	e.w.queue.push(at, func() { e.fire(at) })
}

func (e *end) fire(at time.Duration) {
	if e.gone || e.away || e.timer != at {
		return
	}
	e.timer = never
	out := e.s.Timeout(e.w.time())
	if !out.Deadline.IsZero() && !out.Deadline.After(e.w.time()) {
		e.w.violate("deadline", "%s: Timeout at %v asks for another one at %v", e.name, at, out.Deadline.Sub(epoch))
		return
	}
	e.take(out)
}

// receiveIKE gives the session a datagram.
func (e *end) receiveIKE(p *packet, path ikev2.Path) {
	if e.away {
		return
	}
	e.w.log.mix('r', e.id, p.data)
	e.w.watch.ikeReceived(e, p, path)
	e.take(e.s.Receive(e.w.time(), path, p.data))
}

// pathOf is the path of a packet as its receiver sees it.
func pathOf(p *packet) ikev2.Path {
	return ikev2.Path{Local: p.dst, Remote: p.src, NATT: p.dst.Port() != 500}
}

// event does what every owner does.
func (e *end) event(ev ikev2.Event) {
	w := e.w
	if w.log.on() {
		w.log.print("%-10s %s", e.name, describeEvent(ev))
	}
	switch ev := ev.(type) {
	case ikev2.Established:
		e.up, e.upSince, e.peer, e.path = true, w.now, string(ev.Peer.Data), ev.Path
		w.stats.sessions++
		w.watch.established(e, ev)
	case ikev2.ChildUp:
		e.install(ev)
	case ikev2.ChildFailed:
		e.creating[ev.Tag.(int)] = never
	case ikev2.ChildSwitched:
		e.switched(ev.Child)
	case ikev2.ChildDown:
		e.remove(ev)
	case ikev2.ChildrenMoved:
		e.moveChildren(ev)
	case ikev2.RoutabilityProven:
		if ev.Path == e.path {
			e.capped = false
		}
	case ikev2.RoutabilityFailed:
		if ev.Path == e.path && e.capped {
			e.allowance[ev.Path.Remote] = 0
		}
	case ikev2.InfoDone:
		delete(e.notifying, ev.Tag.(int))
	case ikev2.Alive:
		e.probing = never
	case ikev2.Quiescent:
		w.after(0, e.leave)
	case ikev2.MoveDone:
		w.stats.moves++
	case ikev2.SPIChanged:
		if !e.gateway {
			w.stats.rekeys++
		}
		e.owner.spis()[ev.New] = e
	case ikev2.SPIAdded:
		e.owner.spis()[ev.SPI] = e
	case ikev2.SPIForgotten:
		w.watch.forgotten(e, ev.SPI)
		if e.owner.spis()[ev.SPI] == e {
			delete(e.owner.spis(), ev.SPI)
		}
	case ikev2.Closed:
		w.watch.closed(e, ev)
		e.close()
	}
	e.owner.event(e, ev)
}

// close ends what hangs on the session; it goes on answering retransmissions for a while.
func (e *end) close() {
	e.up, e.closed = false, true
	for len(e.generations) > 0 {
		e.drop(e.generations[0])
	}
	e.probing, e.deleting = never, never
	e.w.after(e.w.profile.linger, e.forget)
}

// forget takes the session out of the world, without a word to anybody.
func (e *end) forget() {
	if e.gone {
		return
	}
	e.gone, e.up = true, false
	for len(e.generations) > 0 {
		e.drop(e.generations[0])
	}
	for spi, o := range e.owner.spis() {
		if o == e {
			delete(e.owner.spis(), spi)
		}
	}
	for i, o := range e.w.ends {
		if o == e {
			e.w.ends = append(e.w.ends[:i], e.w.ends[i+1:]...)
			break
		}
	}
}

// live returns the live generations for a purpose.
func (e *end) live(purpose int) (all []*generation) {
	for _, g := range e.generations {
		if g.purpose == purpose {
			all = append(all, g)
		}
	}
	return all
}

// successors are the live generations of g's line.
func (e *end) successors(g *generation) (all []*generation) {
	for _, o := range e.generations {
		if o.line == g.line {
			all = append(all, o)
		}
	}
	return all
}

// opposite is the other end of e's session, or nil.
func (w *world) opposite(e *end) *end {
	i, r := e.s.SPIs()
	for _, o := range w.ends {
		if o.gateway != e.gateway && !o.closed {
			if oi, or := o.s.SPIs(); oi == i && or == r {
				return o
			}
		}
	}
	return nil
}
