// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// profile is what a seed decides once for the whole simulation.
type profile struct {
	rng *rand.Rand

	ues, gateways, nats int
	storm               time.Duration // how long things go wrong
	ops                 int
	traffic             time.Duration // mean time between two bursts of a UE's traffic

	loss, dup, corrupt float64
	latency, jitter    time.Duration

	ike, esp     []message.Proposal
	ueIKE        []message.Proposal
	certificates bool
	cookies      bool
	noMOBIKE     bool
	fragment     int
	honest       bool
	routability  ikev2.Routability
	retransmit   ikev2.Retransmission
	patient      time.Duration // Options.Patience of gateways
	liveness     time.Duration
	linger       time.Duration
	halfOpen     time.Duration
	spread       uint32 // child SPIs of a UE come from so many
	forbidden    bool   // some networks are refused
	attack       bool
	window       int
	rebind       ikev2.Rebinding
	crashTokens  bool
	redirects    bool
	addressLists bool // gateways tell their other addresses, and lose some
	switching    bool // SWITCH_TO_IP_ADDRESS
	testPaths    int
	lifetimes    ikev2.Lifetimes
	mlkem        bool
	slowWork     time.Duration
}

// one in n.
func one(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func newProfile(rng *rand.Rand) profile {
	p := profile{
		rng: rng,
		ues: pick(rng, 1, 2, 2, 3, 4), gateways: pick(rng, 1, 1, 2), nats: 1 + rng.IntN(3),
		storm: time.Duration(60+rng.IntN(240)) * time.Second, ops: 20 + rng.IntN(100),
		traffic: time.Duration(100+rng.IntN(900)) * time.Millisecond,
		loss:    pick(rng, 0, 0, 0.01, 0.05, 0.15, 0.3), dup: pick(rng, 0, 0, 0.05, 0.2), corrupt: pick(rng, 0, 0, 0.01),
		latency: time.Duration(1+rng.IntN(80)) * time.Millisecond, jitter: time.Duration(pick(rng, 0, 5, 50, 300)) * time.Millisecond,
		certificates: one(rng, 6), cookies: one(rng, 4), noMOBIKE: one(rng, 10), honest: one(rng, 4),
		fragment:    pick(rng, 1200, 1200, 600, 300),
		routability: pick(rng, ikev2.RoutabilityBefore, ikev2.RoutabilityBefore, ikev2.RoutabilityAfter, ikev2.RoutabilityOff),
		retransmit: ikev2.Retransmission{
			First: pick(rng, 500*time.Millisecond, time.Second, 2*time.Second), Factor: pick(rng, 1.5, 1.8, 2),
			Max: pick(rng, 5*time.Second, 15*time.Second), Jitter: pick(rng, -1, 0.1, 0.3),
			GiveUp: pick(rng, 40*time.Second, 60*time.Second, 120*time.Second),
		},
		patient:  pick(rng, -1, -1, 3*time.Minute),
		liveness: pick(rng, 30*time.Second, 60*time.Second), linger: 30 * time.Second, halfOpen: 30 * time.Second,
		spread: pick[uint32](rng, 256, 1<<20), forbidden: one(rng, 3), attack: one(rng, 2),
		slowWork: pick(rng, 0, 2*time.Millisecond, 50*time.Millisecond),
	}
	p.window, p.rebind = pick(rng, 1, 1, 2, 5), ikev2.Rebinding(rng.IntN(4))
	p.crashTokens, p.redirects, p.addressLists, p.switching = one(rng, 2), one(rng, 3), one(rng, 2), one(rng, 3)
	p.testPaths = pick(rng, 0, 2, 3)
	if one(rng, 4) {
		soft := time.Duration(20+rng.IntN(60)) * time.Second
		p.lifetimes.Child = ikev2.Lifetime{Soft: soft, Hard: 4 * soft, Jitter: pick(rng, -1, 0.1, 0.3)}
		p.lifetimes.IKE = ikev2.Lifetime{Soft: 2 * soft, Hard: 8 * soft}
	}
	group := pick(rng, suite.CURVE25519, suite.CURVE25519, suite.CURVE25519, suite.ECP_256)
	gcm := suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: pick[uint16](rng, 128, 256)}
	chacha := suite.Encr{ID: suite.ENCR_CHACHA20_POLY1305}
	cbc := suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}
	encr := pick(rng, gcm, gcm, gcm, chacha, cbc)
	integ := func(e suite.Encr) suite.IntegID {
		if e.AEAD() {
			return suite.AUTH_NONE
		}
		return suite.AUTH_HMAC_SHA2_256_128
	}
	p.ike = []message.Proposal{suite.IKE{Encr: encr, Integ: integ(encr), PRF: suite.PRF_HMAC_SHA2_256, Group: group}.Proposal(0, nil)}
	if p.mlkem = one(rng, 12); p.mlkem {
		p.ike = suite.WithAdditional(p.ike, suite.ML_KEM_768)
	}
	p.ueIKE = p.ike
	if one(rng, 4) && !p.mlkem {
		// The UE's first guess of the group is one that the gateway does not take.
		q := p.ike[0]
		other := suite.ECP_256
		if group == other {
			other = suite.CURVE25519
		}
		last := len(q.Transforms) - 1
		q.Transforms = append(append([]message.Transform(nil), q.Transforms[:last]...), other.Transform(), group.Transform())
		p.ueIKE = []message.Proposal{q}
	}
	e := pick(rng, gcm, gcm, gcm, chacha, cbc)
	p.esp = []message.Proposal{suite.ESP{Encr: e, Integ: integ(e), ESN: one(rng, 3)}.Proposal(0, nil)}
	if one(rng, 3) {
		p.esp = suite.WithGroups(p.esp, suite.CURVE25519)
	}
	return p
}

// workTime is how long public-key work takes.
func (p *profile) workTime() time.Duration {
	if p.slowWork == 0 {
		return 0
	}
	return time.Duration(p.rng.Int64N(int64(p.slowWork)))
}

// patience is after which time at the latest a request is answered or the SA is dead.
func (p *profile) patience() time.Duration {
	return max(p.retransmit.GiveUp, p.patient) + p.retransmit.Max*3/2 + 5*time.Second
}

func (p *profile) options(w *world, h *host, identity string, spis spiSource) ikev2.Options {
	o := ikev2.Options{
		IKE: p.ike, ESP: p.esp, NoMOBIKE: p.noMOBIKE, HonestNAT: p.honest, FragmentSize: p.fragment,
		Retransmit: p.retransmit, HalfOpenTime: p.halfOpen, Linger: p.linger, Liveness: p.liveness,
		Identity:    ikev2.Identity{Type: message.ID_FQDN, Data: []byte(identity)},
		AcceptChild: acceptChild,
		NewChildSPI: spis.next, ReleaseChildSPI: spis.release,
		KeyLog: &keyLog{w: w, host: h},
		Window: p.window, Lifetime: p.lifetimes,
		MarshalTag: marshalTag, UnmarshalTag: unmarshalTag,
	}
	if p.switching {
		o.Switch = ikev2.DefaultSwitch()
	}
	if p.certificates {
		o.Prove, o.Verify = credentials(identity)
	} else {
		psk := &ikev2.PSK{Secret: func(ikev2.Identity) ([]byte, error) { return []byte("the secret of all of them"), nil }}
		o.Prove, o.Verify = psk, psk
	}
	return o
}

func (p *profile) ueOptions(w *world, u *ue) ikev2.Options {
	// A narrow range of SPIs makes UEs behind one NAT choose the same one now and then, which must not matter.
	o := p.options(w, u.host, u.identity(), spiSource{w: w, host: u.host, rng: w.random("spi" + u.host.name), spread: p.spread})
	o.IKE = p.ueIKE
	o.TestPathsAfter = p.testPaths
	return o
}

func (p *profile) gatewayOptions(w *world, g *gateway) ikev2.Options {
	o := p.options(w, g.host, g.identity(), spiSource{w: w, host: g.host, rng: g.rng, spread: 1 << 28})
	o.Routability = p.routability
	if w.defect.noRoutability {
		o.Routability = ikev2.RoutabilityOff
	}
	o.Patience, o.Rebind = p.patient, p.rebind
	if p.crashTokens {
		secret := seedOf(w.seed, uint64(g.index))
		o.CrashSecret = secret[:]
	}
	if p.addressLists {
		o.AdditionalAddresses = g.own
	}
	o.Redirect = g.redirect
	if p.cookies {
		o.Limits.CookieTotal = -1
	}
	if p.forbidden {
		o.AcceptPath = func(_ *ikev2.Session, path ikev2.Path) error {
			if forbidden(path.Remote.Addr()) {
				return &ikev2.NotifyError{Type: message.UNACCEPTABLE_ADDRESSES}
			}
			return nil
		}
	}
	return o
}

// forbidden are networks that a gateway with such a policy does not serve.
func forbidden(a netip.Addr) bool { return netip.MustParsePrefix("198.51.100.192/26").Contains(a) }

// spiSource gives out child SPIs that are free at a host.
type spiSource struct {
	w      *world
	host   *host
	rng    *rand.Rand
	spread uint32
}

func (s spiSource) next() (uint32, error) {
	for {
		spi := 256 + s.rng.Uint32N(s.spread)
		old := s.host.retired[spi]
		if s.host.inbound[spi] == nil && !s.host.reserved[spi] && (old == nil || s.w.now-old.removed > 3*time.Minute) {
			s.host.reserved[spi] = true
			return spi, nil
		}
	}
}

func (s spiSource) release(spi uint32) {
	if !s.host.reserved[spi] {
		s.w.violate("SPIs", "%s: SPI %08x is released and was not reserved", s.host.name, spi)
	}
	delete(s.host.reserved, spi)
}

// keyLog hands the keys of IKE SAs to the watcher.
type keyLog struct {
	w    *world
	host *host
}

func (l *keyLog) IKE(spiI, spiR message.SPI, s suite.IKE, keys *suite.IKEKeys) {
	l.w.watch.ikeKeys(l.host, spiI, spiR, s, keys)
}

func (l *keyLog) Child(*ikev2.ChildSA) {}

func seedOf(parts ...uint64) (key [32]byte) {
	for i, p := range parts {
		binary.BigEndian.PutUint64(key[8*i:], p)
	}
	return key
}
