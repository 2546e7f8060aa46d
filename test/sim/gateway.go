// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// gateway is a responder with many sessions and several addresses.
type gateway struct {
	w        *world
	index    int
	host     *host
	rng      *rand.Rand
	front    *ikev2.Responder
	sessions map[message.SPI]*end
	own      []netip.Addr
	draining bool // sends new UEs to another gateway
}

func (g *gateway) identity() string { return fmt.Sprintf("gw%d", g.index) }

func (g *gateway) spis() map[message.SPI]*end { return g.sessions }

func newGateway(w *world, index int) *gateway {
	name := fmt.Sprintf("gw%d", index)
	g := &gateway{w: w, index: index, rng: w.random(name)}
	g.host = newHost(w, index, name)
	g.host.receive = g.receive
	for i := range 2 {
		g.own = append(g.own, netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + 10*index + i)}))
	}
	g.own = append(g.own, netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", index+1)))
	for _, a := range g.own {
		w.net.attach(g.host, &link{addr: a})
	}
	g.boot()
	return g
}

// addresses are the gateway's of one family.
func (g *gateway) addresses(four bool) (all []netip.Addr) {
	for _, a := range g.own {
		if a.Is4() == four {
			all = append(all, a)
		}
	}
	return all
}

// boot starts with nothing in memory.
func (g *gateway) boot() {
	g.sessions = map[message.SPI]*end{}
	g.host.inbound, g.host.retired, g.host.reserved = map[uint32]*generation{}, map[uint32]*generation{}, map[uint32]bool{}
	g.host.up, g.draining = true, false
	opt := g.w.profile.gatewayOptions(g.w, g)
	opt.Rand = g.w.stream(g.rng)
	g.front = ikev2.NewResponder(opt)
}

// crash loses everything; the gateway is back after down.
func (g *gateway) crash(down time.Duration) {
	for _, e := range g.w.endsOf(g) {
		e.forget()
	}
	g.boot()
	g.host.up = false
	g.w.after(down, func() { g.host.up = true })
}

func (g *gateway) receive(p *packet) {
	switch p.kind {
	case kindESP:
		g.host.receiveESP(p)
	case kindIKE:
		g.receiveIKE(p)
	}
}

func (g *gateway) receiveIKE(p *packet) {
	w, path := g.w, pathOf(p)
	spi, ok := ikev2.LocalSPI(p.data)
	if !ok {
		return
	}
	if e := g.sessions[spi]; e != nil {
		e.receiveIKE(p, path)
		return
	}
	if spi != 0 {
		if d := g.front.Unknown(w.time(), path, p.data); d != nil {
			w.net.send(g.host, packet{kind: kindIKE, src: d.Path.Local, dst: d.Path.Remote, data: d.Data})
		}
		return
	}
	s, out, _ := g.front.Init(w.time(), path, p.data)
	if s == nil {
		for _, d := range out.Datagrams {
			w.net.send(g.host, packet{kind: kindIKE, src: d.Path.Local, dst: d.Path.Remote, data: d.Data})
		}
		return
	}
	e := w.newEnd(g.host.name, g.host, g, true)
	e.s = s
	g.sessions[s.SPI()] = e
	e.take(out)
}

func (g *gateway) event(e *end, ev ikev2.Event) {
	w := g.w
	switch ev := ev.(type) {
	case ikev2.AuthRequest:
		e.peer = string(ev.Peer.Data)
		e.name = g.host.name + "/" + e.peer
		if ev.InitialContact && !w.defect.ignoreInitialContact {
			for _, o := range w.endsOf(g) {
				if o != e && (o.up || o.away) && o.peer == e.peer {
					w.after(0, o.delete)
				}
			}
		}
		e.later(time.Duration(g.rng.IntN(20))*time.Millisecond, func(now time.Time) ikev2.Output {
			return e.s.AuthorizeChild(now, ikev2.Authorization{Tag: purposeFirst})
		})
	case ikev2.Established:
		// An N3IWF may want something at once, before its last answer has arrived.
		for range g.rng.IntN(3) {
			w.after(time.Duration(g.rng.IntN(200))*time.Millisecond, func() {
				switch g.rng.IntN(3) {
				case 0:
					e.create(g.rng)
				case 1:
					e.notify(g.rng)
				case 2:
					e.probe()
				}
			})
		}
	}
}

// established are the gateway's sessions that are up.
func (g *gateway) established() (all []*end) {
	for _, e := range g.w.endsOf(g) {
		if e.up {
			all = append(all, e)
		}
	}
	return all
}

// redirect sends UEs elsewhere while the gateway is draining (Options.Redirect).
func (g *gateway) redirect(path ikev2.Path, _ ikev2.Gateway) ikev2.Gateway {
	if !g.draining || len(g.w.gateways) < 2 {
		return ikev2.Gateway{}
	}
	next := g.w.gateways[(g.index+1)%len(g.w.gateways)]
	return ikev2.Gateway{Addr: next.addresses(path.Local.Addr().Is4())[0]}
}

func (w *world) gatewayAt(a netip.Addr) *gateway {
	for _, g := range w.gateways {
		if slices.Contains(g.own, a) {
			return g
		}
	}
	return nil
}

// loseAddress takes one of the gateway's addresses away for a while.
func (g *gateway) loseAddress(a netip.Addr, d time.Duration) {
	w := g.w
	l := g.host.links[a]
	if l == nil || len(g.host.links) < len(g.own) {
		return
	}
	w.net.detach(g.host, l)
	g.host.gone = map[netip.Addr]*link{a: l}
	for _, e := range g.established() {
		e.take(e.s.LocalAddressGone(w.time(), a))
	}
	w.after(d, func() {
		g.host.gone = nil
		w.net.attach(g.host, l)
		for _, e := range g.established() {
			e.take(e.s.SetAddresses(w.time(), g.own))
		}
	})
}

func (w *world) endsOf(o owner) (all []*end) {
	for _, e := range w.ends {
		if e.owner == o {
			all = append(all, e)
		}
	}
	return all
}
