// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// result is what a simulation comes to.
type result struct {
	seed   uint64
	stats  stats
	sum    uint64
	ops    []op
	broken *violation
}

// simulate runs one seed. only, when not nil, is the part of the schedule that is carried out; the timeline goes to out
// when that is not nil.
func simulate(seed uint64, d defect, only []int, out io.Writer) result {
	w := &world{seed: seed, defect: d}
	w.log = timeline{w: w, out: out}
	w.profile = newProfile(w.random("profile"))
	w.watch = newWatch(w)
	w.net = newNetwork(w)
	p := &w.profile
	if p.attack {
		w.net.spy = &attacker{w: w, rng: w.random("attacker")}
	}
	for i := range p.gateways {
		w.gateways = append(w.gateways, newGateway(w, i))
	}
	start := w.random("start")
	for i := range p.ues {
		u := newUE(w, i)
		w.ues = append(w.ues, u)
		w.after(time.Duration(start.IntN(2000))*time.Millisecond, func() { u.roam(u.rng, roamHard, true) })
		u.chatter(w.random("traffic" + u.host.name))
	}
	w.after(0, w.watch.tick)

	ops := schedule(p, w.random("schedule"))
	for i, o := range ops {
		if only == nil || slices.Contains(only, i) {
			w.queue.push(o.at, func() { w.do(i, o) })
		}
	}
	w.run(p.storm)
	w.settle()
	if w.broken == nil {
		w.watch.quiet()
		w.pings()
	}
	w.end()
	w.stats.virtual = w.now
	return result{seed, w.stats, w.log.sum, ops, w.broken}
}

// chatter keeps user packets going to and fro.
func (u *ue) chatter(rng *rand.Rand) {
	w := u.w
	gap := time.Duration(rng.ExpFloat64() * float64(w.profile.traffic))
	if w.calm {
		gap += 20 * time.Second
	}
	w.after(gap, func() {
		for _, e := range w.ends {
			if e.up && (e == u.cur || e.gateway && e.peer == u.identity()) {
				for range 1 + rng.IntN(3) {
					e.sendUser(rng.IntN(purposes))
				}
			}
		}
		u.chatter(rng)
	})
}

// settle ends the storm and waits until everything that can take long has had its time.
func (w *world) settle() {
	if w.broken != nil {
		return
	}
	w.calm = true
	n := w.net
	n.loss, n.dup, n.corrupt, n.partitioned, n.jitter = 0, 0, 0, false, 10*time.Millisecond
	n.spy = nil
	clear(n.captive)
	w.log.print("calm")
	rng := w.random("settle")
	for _, u := range w.ues {
		if u.at == nil || u.at.behind == nil && forbidden(u.at.addr) {
			u.roam(rng, roamHard, true)
		}
	}
	p := &w.profile
	// What was under way may still end with a time-out, the next session too, and a gateway that the UE has left notices
	// it by its own probe only.
	w.run(w.now + 2*p.patience() + p.liveness + p.halfOpen + p.linger + time.Minute)
	// A rekey by age can be under way at this very moment, or wait because the peer was busy.
	for range 20 {
		if w.atRest() {
			return
		}
		w.run(w.now + 3*time.Second)
	}
}

// atRest tells whether no exchange is under way or about to be.
func (w *world) atRest() bool {
	for _, u := range w.ues {
		if len(u.host.reserved) > 0 {
			return false
		}
	}
	for _, g := range w.gateways {
		if len(g.host.reserved) > 0 {
			return false
		}
	}
	for _, e := range w.ends {
		if !e.closed && (len(e.seen.open) > 0 || e.working > 0) {
			return false
		}
		for purpose := range purposes {
			if len(e.live(purpose)) > 1 {
				return false
			}
		}
	}
	return true
}

// end switches all UEs off: nothing may be left of them.
func (w *world) end() {
	if w.broken != nil {
		return
	}
	for _, u := range w.ues {
		u.off = true
		if u.cur != nil {
			u.cur.delete()
		}
	}
	w.run(w.now + w.profile.linger + 30*time.Second)
	for _, e := range w.ends {
		w.violate("memory", "%s is still there after everybody has gone", e.name)
	}
	for _, u := range w.ues {
		w.watch.idle(u.host)
	}
	for _, g := range w.gateways {
		w.watch.idle(g.host)
	}
}
