// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"time"
)

// kind of a packet.
type kind byte

const (
	kindIKE kind = iota
	kindESP
	kindKeepalive
)

// packet is a datagram on its way. Everything below data is known to the simulation only.
type packet struct {
	kind     kind
	src, dst netip.AddrPort
	data     []byte
	from     *host
	sent     time.Duration
	corrupt  bool // the octets are not those that were sent
	foreign  bool // the attacker sent this copy
	user     *userPacket
}

// network is what lies between the hosts: links with a quality, NATs, and whoever else is there.
type network struct {
	w     *world
	rng   *rand.Rand
	where map[netip.Addr]any // public address: *host or *nat
	nats  []*nat
	spy   *attacker

	loss, dup, corrupt float64
	latency, jitter    time.Duration
	partitioned        bool
	// captive drops everything to or from these addresses: a path that died.
	captive map[netip.Addr]bool
	// onUser, when not nil, sees the user packets that hosts send.
	onUser func(u *userPacket)
}

// host is a machine with addresses.
type host struct {
	w        *world
	id       int
	name     string
	up       bool
	links    map[netip.Addr]*link
	gone     map[netip.Addr]*link   // a gateway's, which it can still send from (IP_TRANSPARENT)
	inbound  map[uint32]*generation // of its data plane, by SPI
	retired  map[uint32]*generation // that were inbound once
	receive  func(p *packet)
	reserved map[uint32]bool
}

// gateway tells whether the host is a gateway.
func (h *host) gateway() bool { return h.id < 100 }

// link is one address of a host; behind is nil on the public network.
type link struct {
	addr   netip.Addr
	behind *nat
}

func newHost(w *world, id int, name string) *host {
	return &host{
		w: w, id: id, name: name, up: true, links: map[netip.Addr]*link{},
		inbound: map[uint32]*generation{}, retired: map[uint32]*generation{}, reserved: map[uint32]bool{},
	}
}

// attach gives the host an address.
func (n *network) attach(h *host, l *link) {
	h.links[l.addr] = l
	if l.behind != nil {
		l.behind.inside[l.addr] = h
	} else {
		n.where[l.addr] = h
	}
}

// detach takes an address away.
func (n *network) detach(h *host, l *link) {
	addr := l.addr
	if h.links[addr] != l {
		return // gone before
	}
	delete(h.links, addr)
	switch {
	case l.behind != nil && l.behind.inside[addr] == h:
		delete(l.behind.inside, addr)
	case l.behind == nil && n.where[addr] == h:
		delete(n.where, addr)
	}
}

// send puts a packet of h on the network. Hosts cannot send from an address that they do not have; a gateway can from one
// that it had.
func (n *network) send(h *host, p packet) {
	l := cmp.Or(h.links[p.src.Addr()], h.gone[p.src.Addr()])
	if !h.up || l == nil || l.addr.Is4() != p.dst.Addr().Is4() {
		return
	}
	p.from, p.sent = h, n.w.now
	if n.onUser != nil && p.user != nil {
		n.onUser(p.user)
	}
	if l.behind != nil {
		if n.captive[l.behind.public] {
			return
		}
		p.src = l.behind.outbound(p.src, p.dst)
	}
	n.carry(p)
}

// carry brings a packet on the public network to its destination, once, twice or never.
func (n *network) carry(p packet) {
	if n.spy != nil && !p.foreign {
		n.spy.sees(p)
		n.spy.rewrite(&p)
	}
	if n.partitioned || n.captive[p.src.Addr()] || n.captive[p.dst.Addr()] {
		n.w.stats.faults++
		return
	}
	copies := 1
	if n.chance(n.dup) {
		copies++
	}
	for i := range copies {
		if n.chance(n.loss) {
			continue
		}
		c := p
		c.data = append([]byte(nil), p.data...)
		if n.chance(n.corrupt) && len(c.data) > 0 {
			c.data[n.rng.IntN(len(c.data))] ^= 1 << n.rng.IntN(8)
			c.corrupt = true
		}
		d := n.latency
		if n.jitter > 0 {
			d += time.Duration(n.rng.Int64N(int64(n.jitter)))
		}
		if i > 0 {
			d += time.Duration(n.rng.Int64N(int64(800 * time.Millisecond)))
		}
		n.w.after(d, func() { n.deliver(c) })
	}
}

func (n *network) chance(p float64) bool {
	if p <= 0 || n.rng.Float64() >= p {
		return false
	}
	n.w.stats.faults++
	return true
}

// deliver hands a packet to whoever has the destination address now.
func (n *network) deliver(p packet) {
	var h *host
	switch at := n.where[p.dst.Addr()].(type) {
	case *host:
		h = at
	case *nat:
		inner, ok := at.inboundTo(p.src, p.dst)
		if !ok {
			return
		}
		h, p.dst = at.inside[inner.Addr()], inner
	}
	if h != nil && h.up {
		h.receive(&p)
	}
}
