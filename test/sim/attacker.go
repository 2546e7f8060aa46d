// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// attacker sits on the path. It sees every packet on the public network, sends old ones again from wherever it likes,
// and for a while changes the source of some. It has an address of its own, where it would like to receive.
type attacker struct {
	w         *world
	rng       *rand.Rand
	tape      [128]packet
	taped     int
	rewriting float64
	portOnly  bool
}

var attackerAddr = netip.MustParseAddr("192.0.2.66")

// sees takes notes.
func (a *attacker) sees(p packet) {
	a.tape[a.taped%len(a.tape)] = p
	a.taped++
}

// opReplay sends packets from the tape again.
func opReplay(w *world, rng *rand.Rand) {
	a := w.net.spy
	if a == nil || a.taped == 0 {
		return
	}
	for range 10 + rng.IntN(30) {
		p := a.tape[rng.IntN(min(a.taped, len(a.tape)))]
		p.foreign = true
		if one(rng, 2) {
			p.src = netip.AddrPortFrom(attackerAddr, p.src.Port())
		}
		w.stats.faults++
		w.after(time.Duration(rng.IntN(3000))*time.Millisecond, func() { w.net.carry(p) })
	}
}

// opRewrite changes the source of packets to the gateways for a while.
func opRewrite(w *world, rng *rand.Rand) {
	a := w.net.spy
	if a == nil {
		return
	}
	a.rewriting, a.portOnly = 0.3+0.7*rng.Float64(), one(rng, 3)
	w.after(time.Duration(200+rng.IntN(4000))*time.Millisecond, func() { a.rewriting = 0 })
}

// beyondRepair tells whether a packet with another source would mislead for good: a responder without MOBIKE takes the source of IKE_AUTH for the
// peer's address, and follows a peer later only when that is behind a NAT (RFC 7296 2.23).
func (a *attacker) beyondRepair(p *packet) bool {
	const exchange = 18
	return a.w.profile.noMOBIKE && p.kind == kindIKE && len(p.data) > exchange && message.ExchangeType(p.data[exchange]) == message.IKE_AUTH
}

// rewrite changes the source of a packet to a gateway, when the attacker wants to.
func (a *attacker) rewrite(p *packet) {
	if a.rewriting == 0 || p.foreign || p.dst.Port() == 500 || a.beyondRepair(p) || a.rng.Float64() >= a.rewriting {
		return
	}
	h, ok := a.w.net.where[p.dst.Addr()].(*host)
	if !ok || !h.gateway() || !p.src.Addr().Is4() {
		return
	}
	a.w.stats.faults++
	if a.portOnly {
		p.src = netip.AddrPortFrom(p.src.Addr(), 666)
		return
	}
	p.src = netip.AddrPortFrom(attackerAddr, p.src.Port())
}
