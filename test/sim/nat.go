// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// natKind is how a NAT maps and filters (RFC 3489 5 has the names, RFC 4787 the precise terms).
type natKind int

const (
	fullCone       natKind = iota // one mapping per inner address and port, everybody may answer
	restrictedCone                // only addresses that were sent to may answer
	portRestricted                // only addresses and ports that were sent to may answer
	symmetric                     // one mapping per destination, and only that one may answer
	natKinds
)

// nat translates addresses and ports of the hosts inside to one public address.
type nat struct {
	w       *world
	kind    natKind
	public  netip.Addr
	timeout time.Duration // of a mapping without outbound packets
	keep    bool          // uses the inner port outside too, when it is free
	inside  map[netip.Addr]*host
	byInner map[natKey]*mapping
	byPort  map[uint16]*mapping
	rng     *rand.Rand
}

// natKey names a mapping; peer is the zero value for the cone kinds.
type natKey struct{ inner, peer netip.AddrPort }

type mapping struct {
	key     natKey
	port    uint16
	expires time.Duration
	peers   map[netip.AddrPort]bool
}

func newNAT(w *world, kind natKind, public netip.Addr, timeout time.Duration, keep bool, rng *rand.Rand) *nat {
	t := &nat{w: w, kind: kind, public: public, timeout: timeout, keep: keep, rng: rng, inside: map[netip.Addr]*host{}}
	t.forget()
	return t
}

// forget loses all mappings, as a NAT that restarts does.
func (t *nat) forget() {
	t.byInner, t.byPort = map[natKey]*mapping{}, map[uint16]*mapping{}
}

// outbound returns the source that a packet from inner to dst has outside.
func (t *nat) outbound(inner, dst netip.AddrPort) netip.AddrPort {
	key := natKey{inner: inner}
	if t.kind == symmetric {
		key.peer = dst
	}
	m := t.byInner[key]
	if m != nil && t.w.now >= m.expires {
		delete(t.byPort, m.port)
		m = nil
	}
	if m == nil {
		m = &mapping{key: key, port: t.freePort(inner.Port()), peers: map[netip.AddrPort]bool{}}
		t.byInner[key], t.byPort[m.port] = m, m
	}
	m.expires = t.w.now + t.timeout
	m.peers[t.filter(dst)] = true
	return netip.AddrPortFrom(t.public, m.port)
}

// filter is what of a peer's address must match for it to answer.
func (t *nat) filter(peer netip.AddrPort) netip.AddrPort {
	switch t.kind {
	case fullCone:
		return netip.AddrPort{}
	case restrictedCone:
		return netip.AddrPortFrom(peer.Addr(), 0)
	}
	return peer
}

func (t *nat) freePort(wanted uint16) uint16 {
	for p := wanted; ; p = uint16(1024 + t.rng.IntN(3000)) {
		if !t.keep && p == wanted {
			continue
		}
		m := t.byPort[p]
		if m == nil {
			return p
		}
		if t.w.now >= m.expires {
			delete(t.byInner, m.key)
			return p
		}
	}
}

// inboundTo returns the inner address that a packet to dst is for.
func (t *nat) inboundTo(src, dst netip.AddrPort) (netip.AddrPort, bool) {
	m := t.byPort[dst.Port()]
	if dst.Addr() != t.public || m == nil || t.w.now >= m.expires || !m.peers[t.filter(src)] {
		return netip.AddrPort{}, false
	}
	return m.key.inner, true
}

// seen is how dst sees a packet from inner now, without sending one.
func (t *nat) seen(inner, dst netip.AddrPort) (netip.AddrPort, bool) {
	key := natKey{inner: inner}
	if t.kind == symmetric {
		key.peer = dst
	}
	m := t.byInner[key]
	if m == nil || t.w.now >= m.expires {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(t.public, m.port), true
}
