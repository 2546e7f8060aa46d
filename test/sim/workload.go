// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// op is something that befalls the world at a given time. Its random choices are its own, so the others stay the same
// when it is left out.
type op struct {
	at   time.Duration
	kind int
	seed uint64
}

// opKinds are what can happen, with how often relative to each other.
var opKinds = []struct {
	name   string
	weight int
	do     func(w *world, rng *rand.Rand)
}{
	{"roam", 14, func(w *world, rng *rand.Rand) { w.anyUE(rng).roam(rng, roamMode(rng.IntN(3)), false) }},
	{"flap", 4, opFlap},
	{"same-link", 3, func(w *world, rng *rand.Rand) { w.anyUE(rng).follow(netip.Addr{}) }},
	{"coverage-hole", 3, opHole},
	{"ue-create", 8, func(w *world, rng *rand.Rand) { w.anyUEEnd(rng, func(e *end) { e.create(rng) }) }},
	{"gateway-create", 8, func(w *world, rng *rand.Rand) { w.anyGatewayEnd(rng, func(e *end) { e.create(rng) }) }},
	{"ue-delete-child", 3, func(w *world, rng *rand.Rand) { w.anyUEEnd(rng, func(e *end) { e.deleteChild(rng) }) }},
	{"gateway-delete-child", 3, func(w *world, rng *rand.Rand) { w.anyGatewayEnd(rng, func(e *end) { e.deleteChild(rng) }) }},
	{"delete-child-both", 2, opDeleteBoth},
	{"ue-rekey-child", 4, func(w *world, rng *rand.Rand) { w.anyUEEnd(rng, func(e *end) { e.rekeyChild(rng) }) }},
	{"gateway-rekey-child", 4, func(w *world, rng *rand.Rand) { w.anyGatewayEnd(rng, func(e *end) { e.rekeyChild(rng) }) }},
	{"rekey-child-both", 4, opRekeyChildBoth},
	{"ue-rekey-ike", 3, func(w *world, rng *rand.Rand) { w.anyUEEnd(rng, (*end).rekeyIKE) }},
	{"gateway-rekey-ike", 3, func(w *world, rng *rand.Rand) { w.anyGatewayEnd(rng, (*end).rekeyIKE) }},
	{"rekey-ike-both", 3, opRekeyIKEBoth},
	{"expire", 1, func(w *world, rng *rand.Rand) {
		w.anyGatewayEnd(rng, func(e *end) { e.expire(rng, true) })
		w.anyUEEnd(rng, func(e *end) { e.expire(rng, false) })
	}},
	{"gateway-travel", 3, func(w *world, rng *rand.Rand) { w.anyGatewayEnd(rng, func(e *end) { e.travel(rng) }) }},
	{"ue-travel", 2, func(w *world, rng *rand.Rand) { w.anyUEEnd(rng, func(e *end) { e.travel(rng) }) }},
	{"gateway-address-gone", 3, opAddressGone},
	{"gateway-switch", 2, opSwitch},
	{"redirect", 2, opRedirect},
	{"drain", 1, opDrain},
	{"test-paths", 2, func(w *world, rng *rand.Rand) {
		w.anyUEEnd(rng, func(e *end) { e.take(e.s.TestPaths(w.time(), nil)) })
	}},
	{"ue-notify", 3, func(w *world, rng *rand.Rand) { w.anyUEEnd(rng, func(e *end) { e.notify(rng) }) }},
	{"gateway-notify", 3, func(w *world, rng *rand.Rand) { w.anyGatewayEnd(rng, func(e *end) { e.notify(rng) }) }},
	{"gateway-probe", 3, func(w *world, rng *rand.Rand) { w.anyGatewayEnd(rng, (*end).probe) }},
	{"ue-delete", 1, func(w *world, rng *rand.Rand) { w.anyUEEnd(rng, (*end).delete) }},
	{"gateway-delete", 1, func(w *world, rng *rand.Rand) { w.anyGatewayEnd(rng, (*end).delete) }},
	{"ue-restart", 1, func(w *world, rng *rand.Rand) {
		w.anyUE(rng).restart(time.Duration(rng.IntN(10000)) * time.Millisecond)
	}},
	{"gateway-crash", 1, func(w *world, rng *rand.Rand) {
		pick(rng, w.gateways...).crash(time.Duration(rng.IntN(20000)) * time.Millisecond)
	}},
	{"nat-rebind", 5, func(w *world, rng *rand.Rand) { w.net.rebind(pick(rng, w.net.nats...), rng, one(rng, 3)) }},
	{"partition", 2, opPartition},
	{"dead-path", 3, opDeadPath},
	{"bad-weather", 3, opWeather},
	{"replay-attack", 3, opReplay},
	{"rewrite-attack", 3, opRewrite},
	{"burst", 5, opBurst},
}

// schedule draws the operations of a seed.
func schedule(p *profile, rng *rand.Rand) []op {
	total := 0
	for _, k := range opKinds {
		total += k.weight
	}
	ops := make([]op, p.ops)
	for i := range ops {
		n := rng.IntN(total)
		kind := 0
		for ; n >= opKinds[kind].weight; kind++ {
			n -= opKinds[kind].weight
		}
		ops[i] = op{kind: kind, seed: rng.Uint64(), at: time.Second + time.Duration(rng.Int64N(int64(p.storm)))}
		if i > 0 && one(rng, 4) {
			// Trouble comes in twos: at the same time as, or shortly after, the one before.
			ops[i].at = ops[i-1].at + time.Duration(rng.IntN(300))*time.Millisecond
		}
	}
	for i := range ops {
		ops[i].at = min(ops[i].at, p.storm)
	}
	slices.SortStableFunc(ops, func(a, b op) int { return cmp.Compare(a.at, b.at) })
	return ops
}

func (o op) String() string {
	return fmt.Sprintf("%v %s", o.at.Round(time.Millisecond), opKinds[o.kind].name)
}

func (w *world) do(i int, o op) {
	w.log.mix('o', o.kind, nil)
	if w.log.on() {
		w.log.print("op %d: %s", i, opKinds[o.kind].name)
	}
	opKinds[o.kind].do(w, rand.New(rand.NewPCG(w.seed, o.seed)))
}

func (w *world) anyUE(rng *rand.Rand) *ue { return pick(rng, w.ues...) }

func (w *world) anyUEEnd(rng *rand.Rand, f func(*end)) {
	if e := w.anyUE(rng).cur; e != nil && e.up {
		f(e)
	}
}

func (w *world) anyGatewayEnd(rng *rand.Rand, f func(*end)) {
	if all := pick(rng, w.gateways...).established(); len(all) > 0 {
		f(pick(rng, all...))
	}
}

// opFlap changes the address several times in quick succession.
func opFlap(w *world, rng *rand.Rand) {
	u := w.anyUE(rng)
	for range 2 + rng.IntN(3) {
		mode := roamMode(rng.IntN(3))
		w.after(time.Duration(rng.IntN(1500))*time.Millisecond, func() { u.roam(rng, mode, false) })
	}
}

// opHole takes the coverage away for a while.
func opHole(w *world, rng *rand.Rand) {
	u := w.anyUE(rng)
	u.leave(u.links()...)
	d := time.Duration(1000+rng.IntN(40000)) * time.Millisecond
	if one(rng, 6) {
		d = w.profile.patience() + 20*time.Second
	}
	w.after(d, func() {
		if u.at == nil {
			u.roam(rng, roamHard, false)
		}
	})
}

// opDeleteBoth lets both sides delete the same child at once.
func opDeleteBoth(w *world, rng *rand.Rand) {
	w.anyUEEnd(rng, func(e *end) {
		if len(e.generations) < 2 {
			return
		}
		g := e.generations[len(e.generations)-1]
		o := w.watch.other(g)
		if g.purpose == purposeFirst || o == nil || !o.live || !o.end.up {
			return
		}
		e.deleteOne(g)
		o.end.deleteOne(o)
	})
}

// together does something at both ends of a session, at the same time or nearly so.
func (w *world) together(rng *rand.Rand, f func(a, b *end)) {
	w.anyUEEnd(rng, func(a *end) {
		if b := w.opposite(a); b != nil {
			f(a, b)
		}
	})
}

// opRekeyChildBoth lets both sides rekey the same child at once.
func opRekeyChildBoth(w *world, rng *rand.Rand) {
	w.together(rng, func(a, b *end) {
		if !a.up || !b.up || len(a.generations) == 0 {
			return
		}
		g := pick(rng, a.generations...)
		a.take(a.s.RekeyChild(w.time(), g.spiIn))
		b.later(time.Duration(rng.IntN(2)*rng.IntN(150))*time.Millisecond, func(now time.Time) ikev2.Output {
			return b.s.RekeyChild(now, g.spiOut)
		})
	})
}

// opRekeyIKEBoth lets both sides rekey the IKE SA at once.
func opRekeyIKEBoth(w *world, rng *rand.Rand) {
	w.together(rng, func(a, b *end) {
		a.rekeyIKE()
		w.after(time.Duration(rng.IntN(2)*rng.IntN(150))*time.Millisecond, b.rekeyIKE)
	})
}

// opAddressGone takes one of a gateway's addresses away for a while.
func opAddressGone(w *world, rng *rand.Rand) {
	g := pick(rng, w.gateways...)
	if w.profile.addressLists {
		g.loseAddress(pick(rng, g.own...), time.Duration(500+rng.IntN(20000))*time.Millisecond)
	}
}

// opSwitch lets a gateway ask a UE to move to another of its addresses.
func opSwitch(w *world, rng *rand.Rand) {
	w.anyGatewayEnd(rng, func(e *end) {
		g := e.owner.(*gateway)
		to := pick(rng, g.addresses(e.s.Path().Local.Addr().Is4())...)
		if e.s.CanSwitch() && g.host.links[to] != nil {
			e.take(e.s.SwitchTo(w.time(), netip.AddrPortFrom(to, 4500)))
		}
	})
}

// opRedirect sends a UE to another gateway.
func opRedirect(w *world, rng *rand.Rand) {
	w.anyGatewayEnd(rng, func(e *end) {
		g := pick(rng, w.gateways...)
		if !e.s.Redirectable() || g == e.owner {
			return
		}
		w.lastID++
		e.notifying[w.lastID] = w.now
		e.take(e.s.Redirect(w.time(), w.lastID, ikev2.Gateway{Addr: g.addresses(e.s.Path().Local.Addr().Is4())[0]}))
	})
}

// opDrain lets a gateway send new UEs elsewhere for a while.
func opDrain(w *world, rng *rand.Rand) {
	g := pick(rng, w.gateways...)
	g.draining = true
	w.after(time.Duration(rng.IntN(20000))*time.Millisecond, func() { g.draining = false })
}

// opPartition stops the whole network for a while.
func opPartition(w *world, rng *rand.Rand) {
	w.net.partitioned = true
	w.after(time.Duration(rng.IntN(20000))*time.Millisecond, func() { w.net.partitioned = false })
}

// opDeadPath makes one address dead while its owner believes that it works.
func opDeadPath(w *world, rng *rand.Rand) {
	u := w.anyUE(rng)
	if u.at == nil {
		return
	}
	a := u.at.addr
	if u.at.behind != nil {
		a = u.at.behind.public
	}
	w.net.captive[a] = true
	w.after(time.Duration(500+rng.IntN(15000))*time.Millisecond, func() { delete(w.net.captive, a) })
	// It often dies at the moment of the move to it, or makes its owner leave.
	if one(rng, 2) {
		w.after(time.Duration(rng.IntN(5000))*time.Millisecond, func() { u.roam(rng, roamMode(rng.IntN(3)), false) })
	}
}

// opWeather makes the network worse for a while.
func opWeather(w *world, rng *rand.Rand) {
	n, p := w.net, &w.profile
	n.loss, n.dup, n.jitter = 0.4, 0.3, 500*time.Millisecond
	w.after(time.Duration(rng.IntN(15000))*time.Millisecond, func() {
		if !w.calm {
			n.loss, n.dup, n.jitter = p.loss, p.dup, p.jitter
		}
	})
}

// opBurst sends much user data at once, in both directions.
func opBurst(w *world, rng *rand.Rand) {
	ends := slices.Clone(w.ends)
	for range 20 + rng.IntN(150) {
		if len(ends) > 0 {
			pick(rng, ends...).sendUser(rng.IntN(purposes))
		}
	}
}
