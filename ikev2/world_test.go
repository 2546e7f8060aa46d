// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"math/rand"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is two peers and the network between them, in virtual time and from one seed.
type world struct {
	t    testing.TB
	rng  *rand.Rand
	now  time.Time
	gw   *gateway
	ue   *node
	path Path // of the UE at its start
	wire []flight

	loss, dup float64
	delay     func() time.Duration
	// translate is what lies between: it maps the path of a datagram as sent to the path as received, or drops it.
	translate func(fromUE bool, p Path) (Path, bool)
	// rewrite changes a datagram on its way, or drops it when it returns nil.
	rewrite func(fromUE bool, data []byte) []byte
	// sniff sees every datagram that is sent.
	sniff func(fromUE bool, d Datagram)
	// workDelay is how long public-key work takes.
	workDelay time.Duration
	// between is called between any two things that happen.
	between func()
	steps   int
}

type flight struct {
	at     time.Time
	toGW   bool
	path   Path
	data   []byte
	work   *Work
	worker *node
	call   func() // something that the owner does
}

// node is one session with what its owner keeps.
type node struct {
	w        *world
	name     string
	s        *Session
	deadline time.Time
	events   []Event
	// on answers events.
	on func(n *node, e Event)
}

// gateway is a responder's owner: the front and the sessions behind it.
type gateway struct {
	w        *world
	front    *Responder
	sessions map[message.SPI]*node
	nodes    []*node
	on       func(n *node, e Event)
}

// seeded is a source of randomness that is safe for the work of several sessions.
type seeded struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (s *seeded) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Read(b)
}

var (
	gwAddr  = netip.MustParseAddr("192.0.2.1")
	gwAddr6 = netip.MustParseAddr("2001:db8::1")
	ueAddr  = netip.MustParseAddr("198.51.100.7")
	ueAddr2 = netip.MustParseAddr("203.0.113.9")
	ueAddr6 = netip.MustParseAddr("2001:db8:1::7")
)

func ap(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

func uePath(local netip.Addr, port uint16) Path {
	remote := gwAddr
	if local.Is6() {
		remote = gwAddr6
	}
	return Path{Local: ap(local, port), Remote: ap(remote, 4500), NATT: true}
}

func reverse(p Path) Path { return Path{Local: p.Remote, Remote: p.Local, NATT: p.NATT} }

func psk(secret string) *PSK {
	return &PSK{Secret: func(Identity) ([]byte, error) { return []byte(secret), nil }}
}

func fqdn(s string) Identity { return Identity{Type: message.ID_FQDN, Data: []byte(s)} }

func pskOptions(rng *rand.Rand, id string) Options {
	p := psk("a shared secret")
	profile := suite.Default()
	return Options{
		IKE: profile.IKE, ESP: profile.ESP, Rand: &seeded{r: rand.New(rand.NewSource(rng.Int63()))},
		Identity: fqdn(id), Prove: p, Verify: p,
	}
}

func newWorld(t testing.TB, seed int64) *world {
	w := &world{t: t, rng: rand.New(rand.NewSource(seed)), now: epoch}
	w.delay = func() time.Duration { return 10 * time.Millisecond }
	w.path = Path{Local: ap(ueAddr, 500), Remote: ap(gwAddr, 500)}
	return w
}

// serve starts the gateway. The default owner accepts everything.
func (w *world) serve(o Options, on func(n *node, e Event)) *gateway {
	w.gw = &gateway{w: w, front: NewResponder(o), sessions: map[message.SPI]*node{}, on: on}
	return w.gw
}

// dial starts the UE.
func (w *world) dial(o Options, want InitiatorOptions, on func(n *node, e Event)) *node {
	n := &node{w: w, name: "ue", on: on}
	w.ue = n
	s, out := NewInitiator(w.now, o, want, w.path)
	n.s = s
	n.take(out)
	return n
}

func anyTS() []message.TrafficSelector { return []message.TrafficSelector{message.AnyIPv4} }

func wantChild() InitiatorOptions {
	return InitiatorOptions{Child: ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: "first"}}
}

// up brings a PSK session up and returns both ends.
func (w *world) up(ueOpt, gwOpt Options) (ue, gw *node) {
	w.t.Helper()
	if w.gw == nil {
		w.serve(gwOpt, authorizeAll)
	}
	ue = w.dial(ueOpt, wantChild(), nil)
	w.run(time.Minute, func() bool {
		return ue.s.Established() && len(w.gw.nodes) > 0 && w.gw.last().s.Established()
	})
	require.True(w.t, ue.s.Established(), "the UE's session: %v", ue.events)
	gw = w.gw.last()
	require.True(w.t, gw.s.Established())
	return ue, gw
}

// authorizeAll is an owner that accepts every peer.
func authorizeAll(n *node, e Event) {
	if _, ok := e.(AuthRequest); ok {
		n.take(n.s.AuthorizeChild(n.w.now, Authorization{Tag: "gw"}))
	}
}

func (g *gateway) last() *node { return g.nodes[len(g.nodes)-1] }

func (n *node) take(out Output) {
	n.deadline = out.Deadline
	for _, d := range out.Datagrams {
		n.w.transmit(n.name == "ue", d)
	}
	for _, k := range out.Work {
		n.w.wire = append(n.w.wire, flight{at: n.w.now.Add(n.w.workDelay), work: k, worker: n})
	}
	for _, e := range out.Events {
		n.events = append(n.events, e)
		if n.name == "gw" {
			switch e := e.(type) {
			case SPIChanged:
				n.w.gw.sessions[e.New] = n
			case SPIAdded:
				n.w.gw.sessions[e.SPI] = n
			case SPIForgotten:
				delete(n.w.gw.sessions, e.SPI)
			}
		}
		if n.on != nil {
			n.on(n, e)
		}
	}
}

func (w *world) transmit(fromUE bool, d Datagram) {
	if w.sniff != nil {
		w.sniff(fromUE, d)
	}
	if d.Keepalive {
		return
	}
	p := d.Path
	if w.translate != nil {
		var ok bool
		if p, ok = w.translate(fromUE, p); !ok {
			return
		}
	}
	data := d.Data
	if w.rewrite != nil {
		if data = w.rewrite(fromUE, data); data == nil {
			return
		}
	}
	copies := 1
	if w.rng.Float64() < w.dup {
		copies = 2
	}
	for range copies {
		if w.rng.Float64() < w.loss {
			continue
		}
		w.wire = append(w.wire, flight{at: w.now.Add(w.delay()), toGW: fromUE, path: reverse(p), data: slices.Clone(data)})
	}
}

// run lets time pass until done, at most for d.
func (w *world) run(d time.Duration, done func() bool) {
	end := w.now.Add(d)
	for done == nil || !done() {
		w.steps++
		if w.steps > 2_000_000 {
			w.t.Fatal("the sessions do not come to rest")
		}
		if w.between != nil {
			w.between()
		}
		// The next thing to happen; on a tie the datagram that was sent first.
		next := -1
		for i := range w.wire {
			if next < 0 || w.wire[i].at.Before(w.wire[next].at) {
				next = i
			}
		}
		at := time.Time{}
		var timer *node
		if next >= 0 {
			at = w.wire[next].at
		}
		for _, n := range w.all() {
			if !n.deadline.IsZero() && (at.IsZero() || n.deadline.Before(at)) {
				at, timer = n.deadline, n
			}
		}
		if at.IsZero() || at.After(end) {
			w.now = end
			return
		}
		if at.After(w.now) {
			w.now = at
		}
		if timer != nil {
			before := timer.deadline
			timer.take(timer.s.Timeout(w.now))
			if timer.deadline.Equal(before) {
				w.t.Fatalf("%s: the deadline %v stays after Timeout", timer.name, before)
			}
			continue
		}
		f := w.wire[next]
		w.wire = slices.Delete(w.wire, next, next+1)
		switch {
		case f.call != nil:
			f.call()
		case f.work != nil:
			f.work.Run()
			f.worker.take(f.worker.s.Done(w.now, f.work))
		case f.toGW:
			w.gw.receive(f.path, f.data)
		default:
			w.ue.take(w.ue.s.Receive(w.now, f.path, f.data))
		}
	}
}

func (w *world) all() []*node {
	var all []*node
	if w.ue != nil {
		all = append(all, w.ue)
	}
	if w.gw != nil {
		all = append(all, w.gw.nodes...)
	}
	return all
}

func (g *gateway) receive(path Path, data []byte) {
	spi, ok := LocalSPI(data)
	if !ok {
		return
	}
	if n := g.sessions[spi]; n != nil {
		n.take(n.s.Receive(g.w.now, path, data))
		return
	}
	if spi != 0 {
		if d := g.front.Unknown(g.w.now, path, data); d != nil {
			g.w.transmit(false, *d)
		}
		return
	}
	s, out, _ := g.front.Init(g.w.now, path, data)
	if s == nil {
		for _, d := range out.Datagrams {
			g.w.transmit(false, d)
		}
		return
	}
	n := &node{w: g.w, name: "gw", s: s, on: g.on}
	g.nodes = append(g.nodes, n)
	g.sessions[s.SPI()] = n
	n.take(out)
}

// got returns the events of type E.
func got[E Event](n *node) []E {
	var all []E
	for _, e := range n.events {
		if e, ok := e.(E); ok {
			all = append(all, e)
		}
	}
	return all
}

// sameKeys checks that both ends have the same children with matching keys, SPIs and selectors.
func sameKeys(t testing.TB, a, b *Session) {
	t.Helper()
	require.Equal(t, len(a.Children()), len(b.Children()))
	for _, ca := range a.Children() {
		i := slices.IndexFunc(b.Children(), func(c *ChildSA) bool { return c.InboundSPI == ca.OutboundSPI })
		require.GreaterOrEqual(t, i, 0, "no pair for %08x", ca.OutboundSPI)
		cb := b.Children()[i]
		require.Equal(t, ca.InboundSPI, cb.OutboundSPI)
		require.Equal(t, ca.InboundKeys, cb.OutboundKeys)
		require.Equal(t, ca.OutboundKeys, cb.InboundKeys)
		require.NotEqual(t, ca.InboundKeys, ca.OutboundKeys)
		require.Equal(t, ca.Suite, cb.Suite)
		require.Equal(t, ca.LocalTS, cb.RemoteTS)
		require.Equal(t, ca.RemoteTS, cb.LocalTS)
		require.NotEqual(t, ca.Initiator, cb.Initiator)
	}
}

// ca is a certificate authority for a test.
type ca struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newCA(t testing.TB) *ca {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(crand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &ca{key, cert}
}

func (c *ca) issue(t testing.TB, key crypto.Signer, name string) *CertificateProver {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.Add(1000 * time.Hour),
		DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
	}
	der, err := x509.CreateCertificate(crand.Reader, tmpl, c.cert, key.Public(), c.key)
	require.NoError(t, err)
	return &CertificateProver{Key: key, Chain: [][]byte{der}}
}

func rsaKey(t testing.TB) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(crand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(c, crand.Reader)
	require.NoError(t, err)
	return key
}

func (f flight) String() string { return fmt.Sprintf("%v %v %d octets", f.at, f.path, len(f.data)) }

// onPath is what becomes of Child SAs that move: all but the path stays.
func onPath(children []*ChildSA, path Path) []*ChildSA {
	out := make([]*ChildSA, 0, len(children))
	for _, c := range children {
		moved := *c
		moved.Path = path
		out = append(out, &moved)
	}
	return out
}
