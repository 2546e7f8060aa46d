// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// network joins wires in memory. Packets can be watched, lost, doubled and
// delayed; with delays it belongs into a synctest bubble.
type network struct {
	mu    sync.Mutex
	nodes map[netip.AddrPort]*memWire
	rng   *rand.Rand
	// loss, dup and late are probabilities; late packets take up to 30 ms more
	// than the latency.
	loss, dup, late float64
	latency         time.Duration
	// hook may look at, change (in place) or drop a packet.
	hook func(b []byte, from, to netip.AddrPort) (keep bool)
	eps  []*endpoint
}

// close ends whatever a test leaves open, so that its failure is what shows.
func (n *network) close() {
	for _, e := range n.eps {
		(&userListener{ep: e, done: make(chan struct{})}).stop()
		e.mu.Lock()
		var open []*userAssociation
		for _, a := range e.byTag {
			open = append(open, a)
		}
		e.mu.Unlock()
		for _, a := range open {
			a.Abort("test is over") //nolint:errcheck // always nil
		}
	}
	synctest.Wait()
}

func (n *network) endpoint(w wire, port uint16, o Options, listen bool) *endpoint {
	e := newEndpoint(w, ModeUDP, port, o, listen)
	n.eps = append(n.eps, e)
	return e
}

func newNetwork(seed uint64) *network {
	return &network{nodes: map[netip.AddrPort]*memWire{}, rng: rand.New(rand.NewPCG(seed, 1))}
}

type memPacket struct {
	b    []byte
	from netip.AddrPort
}

// memWire is a wire on a network.
type memWire struct {
	net   *network
	addr  netip.AddrPort
	queue chan memPacket
	once  sync.Once
	gone  chan struct{}
}

func (n *network) wire(addr string) *memWire {
	w := &memWire{net: n, addr: netip.MustParseAddrPort(addr), queue: make(chan memPacket, 4096), gone: make(chan struct{})}
	n.mu.Lock()
	n.nodes[w.addr] = w
	n.mu.Unlock()
	return w
}

func (n *network) set(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

func (n *network) inject(b []byte, from, to netip.AddrPort) {
	n.mu.Lock()
	w := n.nodes[to]
	n.mu.Unlock()
	if w != nil {
		select {
		case w.queue <- memPacket{append([]byte(nil), b...), from}:
		case <-w.gone:
		default:
		}
	}
}

func (w *memWire) WritePacket(b []byte, to netip.AddrPort) error {
	select {
	case <-w.gone:
		return net.ErrClosed
	default:
	}
	n := w.net
	b = append([]byte(nil), b...)
	n.mu.Lock()
	from := w.addr
	if n.hook != nil && !n.hook(b, from, to) {
		n.mu.Unlock()
		return nil
	}
	copies := 1
	if n.rng.Float64() < n.loss {
		copies = 0
	} else if n.rng.Float64() < n.dup {
		copies = 2
	}
	delay := make([]time.Duration, copies)
	for i := range delay {
		delay[i] = n.latency
		if n.rng.Float64() < n.late {
			delay[i] += time.Duration(n.rng.Int64N(int64(30 * time.Millisecond)))
		}
	}
	n.mu.Unlock()
	for _, d := range delay {
		if d == 0 {
			n.inject(b, from, to)
		} else {
			time.AfterFunc(d, func() { n.inject(b, from, to) })
		}
	}
	return nil
}

func (w *memWire) ReadPacket(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-w.queue:
		return copy(b, p.b), p.from, nil
	case <-w.gone:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (w *memWire) LocalAddr() netip.AddrPort {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	return w.addr
}

func (w *memWire) Close() error {
	w.once.Do(func() {
		close(w.gone)
		w.net.mu.Lock()
		if w.net.nodes[w.addr] == w {
			delete(w.net.nodes, w.addr)
		}
		w.net.mu.Unlock()
	})
	return nil
}

const (
	clientAddr = "192.0.2.1:20001"
	serverAddr = "192.0.2.2:9899"
)

func options(t testing.TB, o Options) Options {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet
	}
	o.Mode = ModeUDP
	o, err := o.defaulted()
	require.NoError(t, err)
	return o
}

func (n *network) listen(t testing.TB, addr string, o Options) *userListener {
	t.Helper()
	return &userListener{ep: n.endpoint(n.wire(addr), Port, options(t, o), true), done: make(chan struct{})}
}

func (n *network) dial(t testing.TB, addr string, o Options, remote ...string) (*userAssociation, error) {
	t.Helper()
	var to []netip.AddrPort
	for _, r := range remote {
		to = append(to, netip.MustParseAddrPort(r))
	}
	return dialUser(t.Context(), n.endpoint(n.wire(addr), 50000, options(t, o), false), to, Port)
}

// pair is an established association with both its ends.
func (n *network) pair(t testing.TB, co, so Options) (client, server *userAssociation, l *userListener) {
	t.Helper()
	l = n.listen(t, serverAddr, so)
	client, err := n.dial(t, clientAddr, co, serverAddr)
	require.NoError(t, err)
	a, err := l.Accept(t.Context())
	require.NoError(t, err)
	return client, a.(*userAssociation), l
}

func receive(t testing.TB, a Association) Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	defer cancel()
	m, err := a.Receive(ctx)
	require.NoError(t, err)
	return m
}

// receiveError waits for the end.
func receiveError(t testing.TB, a Association) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	defer cancel()
	m, err := a.Receive(ctx)
	require.Error(t, err, "message of %d octets", len(m.Data))
	return err
}

func send(t testing.TB, a Association, stream uint16, b []byte) {
	t.Helper()
	require.NoError(t, a.Send(t.Context(), stream, b))
}

// requirePayload compares without printing thousands of octets.
func requirePayload(t testing.TB, m Message, stream uint16, seq uint32, n int) {
	t.Helper()
	require.Equal(t, stream, m.Stream)
	if want := payload(stream, seq, n); !bytes.Equal(want, m.Data) {
		t.Fatalf("stream %d: want message %d of %d octets, got %d octets: %x...", stream, seq, n, len(m.Data), m.Data[:min(8, len(m.Data))])
	}
}

func requireLoss(t testing.TB, err error, want Reason) *LossError {
	t.Helper()
	var l *LossError
	require.ErrorAs(t, err, &l)
	require.Equal(t, want, l.Reason, l.Error())
	return l
}
