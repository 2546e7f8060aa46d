// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// ue is a UE: at most one session at a time, and addresses that come and go.
type ue struct {
	w        *world
	index    int
	host     *host
	rng      *rand.Rand
	opt      ikev2.Options
	sessions map[message.SPI]*end
	gw       *gateway
	cur      *end  // the session, until it is closed
	at       *link // that is in use
	port     uint16
	off      bool              // switched off
	sentTo   *ikev2.Redirected // by the former gateway
	dialing  int               // the latest wish to dial; older ones are void
}

func (u *ue) identity() string { return fmt.Sprintf("ue%d", u.index) }

func (u *ue) spis() map[message.SPI]*end { return u.sessions }

func newUE(w *world, index int) *ue {
	name := fmt.Sprintf("ue%d", index)
	u := &ue{w: w, index: index, rng: w.random(name), sessions: map[message.SPI]*end{}, port: 4500}
	if u.rng.IntN(3) == 0 {
		u.port = uint16(20000 + u.rng.IntN(1000))
	}
	u.host = newHost(w, 100+index, name)
	u.host.receive = u.receive
	u.gw = w.gateways[u.rng.IntN(len(w.gateways))]
	u.opt = w.profile.ueOptions(w, u)
	return u
}

// dialIn starts a session after d, unless something else does before.
func (u *ue) dialIn(d time.Duration) {
	u.dialing++
	n := u.dialing
	u.w.after(d, func() {
		if n == u.dialing && u.cur == nil && !u.off && u.host.up {
			u.dial()
		}
	})
}

func (u *ue) dial() {
	if u.at == nil || u.host.links[u.at.addr] == nil {
		return // coverage comes back with a roam, which dials
	}
	w := u.w
	path := u.pathTo(u.gw, netip.Addr{})
	want := ikev2.InitiatorOptions{
		Child:          ikev2.ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: purposeFirst},
		InitialContact: true,
		AcceptRedirect: w.profile.redirects,
	}
	if u.sentTo != nil {
		if next, err := u.sentTo.Follow(w.time(), want); err == nil {
			want = next
		} else {
			want.AcceptRedirect = false // in circles: stay here
		}
		u.sentTo = nil
	}
	if u.rng.IntN(2) == 0 {
		want.NATTPath = path
		path.Local = netip.AddrPortFrom(path.Local.Addr(), 500)
		path.Remote = netip.AddrPortFrom(path.Remote.Addr(), 500)
		path.NATT = false
	}
	e := w.newEnd(u.host.name, u.host, u, false)
	u.cur = e
	opt := u.opt
	opt.Rand = w.stream(u.rng)
	var out ikev2.Output
	e.s, out = ikev2.NewInitiator(w.time(), opt, want, path)
	u.sessions[e.s.SPI()] = e
	e.take(out)
}

// pathTo is the path from the link in use to a gateway, to the given address of it if the family is right.
func (u *ue) pathTo(g *gateway, prefer netip.Addr) ikev2.Path {
	four := u.at.addr.Is4()
	remote := prefer
	if !prefer.IsValid() || prefer.Is4() != four {
		choice := g.addresses(four)
		remote = choice[u.rng.IntN(len(choice))]
	}
	return ikev2.Path{
		Local:  netip.AddrPortFrom(u.at.addr, u.port),
		Remote: netip.AddrPortFrom(remote, 4500), NATT: true,
	}
}

func (u *ue) receive(p *packet) {
	switch p.kind {
	case kindESP:
		u.host.receiveESP(p)
	case kindIKE:
		if spi, ok := ikev2.LocalSPI(p.data); ok && spi != 0 {
			if e := u.sessions[spi]; e != nil {
				e.receiveIKE(p, pathOf(p))
			}
		}
	}
}

func (u *ue) event(e *end, ev ikev2.Event) {
	switch ev := ev.(type) {
	case ikev2.Established:
		u.probeSoon(e)
		if u.at == nil || ev.Path.Local.Addr() != u.at.addr {
			u.w.after(0, func() { u.follow(netip.Addr{}) })
		}
	case ikev2.PathChanged:
		if l := u.host.links[ev.New.Local.Addr()]; u.cur == e && l != nil {
			u.at = l // the session may have found it by itself
		}
	case ikev2.Redirected:
		if g := u.w.gatewayAt(ev.To.Addr); g != nil && u.cur == e {
			u.gw, u.sentTo = g, &ev
			u.w.after(0, e.delete)
		}
	case ikev2.PeerAddresses:
		// The gateway sends from another address now, as it may when it has lost one (RFC 4555 3.6).
		if from := ev.Addresses[0]; u.cur == e && e.up && from != e.s.Path().Remote.Addr() {
			u.w.after(0, func() { u.follow(from) })
		}
	case ikev2.MoveRefused:
		u.w.after(time.Second, func() {
			if u.cur == e && e.up {
				u.roam(u.rng, roamHard, true)
			}
		})
	case ikev2.Closed:
		if u.cur == e {
			u.cur = nil
			if u.sentTo == nil && u.rng.IntN(4) == 0 {
				u.gw = u.w.gateways[u.rng.IntN(len(u.w.gateways))]
			}
			u.dialIn(time.Duration(200+u.rng.IntN(4000)) * time.Millisecond)
		}
	}
}

// probeSoon lets the UE look every now and then whether the gateway is there and sees it at the same address.
func (u *ue) probeSoon(e *end) {
	u.w.after(time.Duration(12+u.rng.IntN(12))*time.Second, func() {
		if e.gone || !e.up && !e.away {
			return
		}
		e.probe()
		u.probeSoon(e)
	})
}

// roamMode says what becomes of the addresses so far.
type roamMode int

const (
	roamHard roamMode = iota // gone before the new one comes
	roamSoft                 // gone some seconds later
	roamBoth                 // kept
)

// roam takes another address and moves the session there.
func (u *ue) roam(rng *rand.Rand, mode roamMode, allowed bool) {
	w := u.w
	old := u.links()
	if mode == roamHard {
		u.leave(old...)
	}
	l := w.net.newLink(u, rng, allowed)
	w.net.attach(u.host, l)
	u.at = l
	if w.log.on() {
		w.log.print("%-10s now at %v", u.host.name, l)
	}
	if mode == roamSoft {
		w.after(time.Duration(rng.IntN(4000))*time.Millisecond, func() {
			for _, o := range old {
				if o != u.at {
					u.leave(o)
				}
			}
		})
	}
	u.tellAddresses(mode)
	u.follow(netip.Addr{})
}

// tellAddresses lets the session know from where else it can send.
func (u *ue) tellAddresses(mode roamMode) {
	e := u.cur
	if e == nil || !e.up || !e.s.MOBIKE() || u.w.profile.testPaths == 0 {
		return
	}
	var all []netip.Addr
	for _, l := range u.links() {
		if mode == roamBoth || l == u.at {
			all = append(all, l.addr)
		}
	}
	e.take(e.s.SetAddresses(u.w.time(), all))
}

// follow moves the session to the link in use, or starts another one where that cannot be.
func (u *ue) follow(prefer netip.Addr) {
	e := u.cur
	switch {
	case u.off || u.at == nil:
	case e == nil:
		u.dialIn(100 * time.Millisecond)
	case e.away:
		u.w.after(maxAway, func() { u.follow(prefer) })
	case e.up && e.s.MOBIKE():
		if !prefer.IsValid() && u.rng.IntN(4) > 0 {
			prefer = e.s.Path().Remote.Addr()
		}
		e.take(e.s.Move(u.w.time(), u.pathTo(u.gw, prefer)))
	case e.s.Path().Local.Addr() != u.at.addr:
		e.delete()
	}
}

func (u *ue) links() (all []*link) {
	for _, l := range u.host.links {
		all = append(all, l)
	}
	sortLinks(all)
	return all
}

// leave gives addresses back.
func (u *ue) leave(all ...*link) {
	for _, l := range all {
		if u.at == l {
			u.at = nil
		}
		u.w.net.detach(u.host, l)
	}
}

// restart loses everything that was in memory.
func (u *ue) restart(down time.Duration) {
	for _, e := range u.w.endsOf(u) {
		e.forget()
	}
	u.sessions = map[message.SPI]*end{}
	u.cur = nil
	u.host.inbound, u.host.retired, u.host.reserved = map[uint32]*generation{}, map[uint32]*generation{}, map[uint32]bool{}
	u.dialIn(down)
}
