// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// quiet looks whether both ends of everything agree, after the network was left in peace for long enough.
func (t *watch) quiet() {
	w := t.w
	for _, u := range w.ues {
		a := u.cur
		if a == nil || !a.up {
			w.violate("one session", "%s has no session", u.host.name)
			continue
		}
		var peers []*end
		for _, g := range w.gateways {
			for _, e := range g.established() {
				if e.peer == u.identity() {
					peers = append(peers, e)
				}
			}
		}
		if len(peers) != 1 {
			w.violate("one session", "the gateways have %d sessions of %s", len(peers), u.host.name)
			continue
		}
		t.agree(u, a, peers[0])
	}
	for _, g := range w.gateways {
		if n := g.front.HalfOpen(); n != 0 {
			w.violate("memory", "%s has %d half-open IKE SAs", g.host.name, n)
		}
		t.idle(g.host)
	}
	for _, u := range w.ues {
		t.idle(u.host)
	}
}

// idle looks whether everything that a host reserved was used or given back.
func (t *watch) idle(h *host) {
	if n := len(h.reserved); n != 0 {
		t.w.violate("SPIs", "%s keeps %d SPIs reserved that nobody uses", h.name, n)
	}
}

// agree compares both ends of a session.
func (t *watch) agree(u *ue, a, b *end) {
	w := t.w
	ai, ar := a.s.SPIs()
	bi, br := b.s.SPIs()
	if ai != bi || ar != br {
		w.violate("one session", "%s has IKE SA %v %v, %s has %v %v", a.name, ai, ar, b.name, bi, br)
	}
	t.sameKeys(t.record(saKey{uint64(ai), uint64(ar)}))
	for _, p := range [2][2]ikev2.Path{{a.s.Path(), b.s.Path()}, {a.s.ChildPath(), b.s.ChildPath()}} {
		local := p[0].Local
		if l := u.host.links[local.Addr()]; l == nil {
			w.violate("addresses", "%s uses %v, which it does not have", a.name, local)
		} else if l.behind != nil {
			var ok bool
			if local, ok = l.behind.seen(local, p[0].Remote); !ok {
				local = netip.AddrPort{}
			}
		}
		if p[1].Remote != local || p[1].Local != p[0].Remote {
			w.violate("addresses", "%s is at %v (outside %v), %s believes %v", a.name, p[0], local, b.name, p[1])
		}
	}
	for _, e := range [2]*end{a, b} {
		for purpose, since := range e.creating {
			if since != never {
				w.violate("timer", "%s waits for child %d since %v", e.name, purpose, since)
			}
		}
		if len(e.notifying) > 0 {
			w.violate("timer", "%s waits for the end of a notify", e.name)
		}
	}
	if n := len(a.live(purposeFirst)); n != 1 && (n > 0 || !a.expired[purposeFirst] && !b.expired[purposeFirst]) {
		w.violate("children", "%s has %d first children", a.name, len(a.live(purposeFirst)))
	}
	for purpose := range purposes {
		x, y := a.live(purpose), b.live(purpose)
		switch {
		case len(x) > 1 || len(x) != len(y):
			w.violate("children", "%s has %d children for purpose %d, %s has %d", a.name, len(x), purpose, b.name, len(y))
		case len(x) == 1 && t.other(x[0]) != y[0]:
			w.violate("children", "%s and %s have different children for purpose %d", a.name, b.name, purpose)
		}
	}
}

// pings sends one packet each way on every child and looks whether it arrives.
func (w *world) pings() {
	before := w.watch.lastUser
	var sent []*userPacket
	w.net.onUser = func(u *userPacket) { sent = append(sent, u) }
	for _, e := range w.ends {
		for purpose := range purposes {
			e.sendUser(purpose)
		}
	}
	w.net.onUser = nil
	if all := int(w.watch.lastUser - before); all != len(sent) {
		w.violate("lost", "%d of %d packets did not leave in quiet times", all-len(sent), all)
	}
	w.run(w.now + 5*time.Second)
	for _, u := range sent {
		if u.delivered != 1 {
			w.violate("lost", "packet of %s on %08x arrived %d times in quiet times", u.from.end.name, u.from.spiOut, u.delivered)
		}
	}
}
