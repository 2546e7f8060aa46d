// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/time/rate"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
)

// MaxWorkers is the largest number of sockets.
const MaxWorkers = 64

// Errors. They are wrapped with what they are about.
var (
	ErrInvalid   = errors.New("upf: invalid")
	ErrExhausted = errors.New("upf: no address left in the pool")
	ErrClosed    = errors.New("upf: closed")
	ErrNoTunnel  = errors.New("upf: the session's downlink tunnel is not known")
)

// Options say how a UPF is made. Listen and Pool must be given.
type Options struct {
	// Listen is the N3 address. Port 0 is any free port.
	Listen netip.AddrPort
	// Advertise is the N3 address that others know; default is Listen's.
	Advertise netip.Addr
	// Pool are the IPv4 addresses for UEs. All but the network's and the broadcast address are given.
	Pool netip.Prefix
	// Pool6 are the IPv6 prefixes for sessions that ask for one, a /64 each; invalid: there is no IPv6.
	Pool6 netip.Prefix
	// N6 lets sessions reach real hosts; the zero value does not.
	N6 N6
	// PeerPort is the GTP-U port of N3IWFs, default 2152.
	PeerPort uint16
	// Workers is the number of sockets with a goroutine each, 1..MaxWorkers, default 1. A session stays with one.
	Workers int
	// ErrorIndication is told when an N3IWF does not know the downlink tunnel of a session. It is called by a receiving goroutine: it must
	// not wait, nor call Close.
	ErrorIndication func(*Session)
	Logger          *slog.Logger
}

// UPF is a running user plane function.
type UPF struct {
	options  Options
	log      *slog.Logger
	address  netip.Addr
	sockets  []*udpbatch.Conn
	stop     chan struct{}
	running  sync.WaitGroup
	pings    pings
	isClosed atomic.Bool

	mu       sync.RWMutex
	sessions map[uint32]*Session // by uplink TEID
	pool     pool
	pool6    prefixes
	n6       *n6 // nil: there are no real hosts

	count                                   counters
	echoIn, errorsIn, errorsOut, endMarkers atomic.Uint64
}

// New opens the N3 sockets and serves them until Close.
func New(o Options) (*UPF, error) {
	o.Workers = cmp.Or(o.Workers, 1)
	o.PeerPort = cmp.Or(o.PeerPort, gtpu.Port)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.Workers < 1 || o.Workers > MaxWorkers {
		return nil, fmt.Errorf("%w: %d workers, allowed 1..%d", ErrInvalid, o.Workers, MaxWorkers)
	}
	if !o.Advertise.IsValid() {
		o.Advertise = o.Listen.Addr()
	}
	if !o.Listen.IsValid() || o.Advertise.IsUnspecified() {
		return nil, fmt.Errorf("%w: N3 address %s: give one, and the address to advertise where it is unspecified", ErrInvalid, o.Listen)
	}
	u := &UPF{options: o, log: o.Logger, address: o.Advertise.Unmap(), stop: make(chan struct{}), sessions: map[uint32]*Session{}}
	u.pings.waiting = map[uint16]chan struct{}{}
	var err error
	if u.pool, err = newPool(o.Pool); err != nil {
		return nil, err
	}
	if u.pool6, err = newPrefixes(o.Pool6); err != nil {
		return nil, err
	}
	if len(o.N6.Hosts) > 0 {
		u.n6 = &n6{N6: o.N6, u: u, flows: map[n6Key]*n6Flow{}}
	}
	if u.sockets, err = udpbatch.ListenGroup(udpbatch.Options{Local: o.Listen}, o.Workers, steering(o.Workers)); err != nil {
		return nil, fmt.Errorf("upf: N3 address %s: %w", o.Listen, err)
	}
	for _, conn := range u.sockets {
		w := &worker{u: u, conn: conn, sender: conn.NewSender(), limit: rate.NewLimiter(answersPerSecond, answersPerSecond)}
		u.running.Go(w.serve)
	}
	return u, nil
}

// steering is the classic BPF program that picks the socket of a group by the TEID.
func steering(workers int) []bpf.Instruction {
	return []bpf.Instruction{bpf.LoadAbsolute{Off: 4, Size: 4}, bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(workers)}, bpf.RetA{}}
}

// LocalAddr is the bound N3 address.
func (u *UPF) LocalAddr() netip.AddrPort { return u.sockets[0].LocalAddr() }

// Address is the N3 address for the N3IWF: Options.Advertise, or the one that is listened on.
func (u *UPF) Address() netip.Addr { return u.address }

// Add makes a session with a UE address and an uplink TEID. Errors: ErrInvalid, ErrExhausted, ErrClosed.
func (u *UPF) Add(c SessionConfig) (*Session, error) {
	s := &Session{upf: u, config: c, done: make(chan struct{})}
	var seen uint64
	for _, qfi := range c.Flows {
		if qfi > gtpu.MaxQFI || seen&(1<<qfi) != 0 {
			return nil, fmt.Errorf("%w: session %q: QFI %d is out of range or twice there", ErrInvalid, c.Name, qfi)
		}
		seen |= 1 << qfi
	}
	if seen == 0 {
		return nil, fmt.Errorf("%w: session %q: give at least one QoS flow", ErrInvalid, c.Name)
	}
	s.SetFlows(c.Flows...)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.isClosed.Load() {
		return nil, ErrClosed
	}
	var ok bool
	if s.address, ok = u.pool.take(); !ok {
		return nil, fmt.Errorf("%w %s: session %q", ErrExhausted, u.options.Pool, c.Name)
	}
	if c.IPv6 {
		if s.prefix, ok = u.pool6.take(); !ok {
			u.pool.give(s.address)
			return nil, fmt.Errorf("%w %s: session %q", ErrExhausted, u.options.Pool6, c.Name)
		}
		s.interfaceID = newInterfaceID()
	}
	for s.teid == 0 || u.sessions[s.teid] != nil {
		var b [4]byte
		_, _ = rand.Read(b[:]) // never fails
		s.teid = binary.BigEndian.Uint32(b[:])
	}
	s.conn = u.sockets[s.teid%uint32(len(u.sockets))]
	u.sessions[s.teid] = s
	return s, nil
}

func (u *UPF) session(teid uint32) *Session {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.sessions[teid]
}

// Stats gives the counts.
func (u *UPF) Stats() Stats {
	st := Stats{
		Traffic: u.count.read(), EchoRequestsIn: u.echoIn.Load(), EndMarkersIn: u.endMarkers.Load(),
		ErrorIndicationsIn: u.errorsIn.Load(), ErrorIndicationsOut: u.errorsOut.Load(),
	}
	u.mu.RLock()
	st.Sessions = len(u.sessions)
	u.mu.RUnlock()
	return st
}

// Close closes the sockets and waits for all goroutines. A second call does nothing.
func (u *UPF) Close() error {
	u.mu.Lock()
	was := u.isClosed.Swap(true)
	u.mu.Unlock()
	if was {
		return nil
	}
	close(u.stop)
	u.n6.forget(nil)
	var err error
	for _, conn := range u.sockets {
		err = errors.Join(err, conn.Close())
	}
	u.running.Wait()
	return err
}

// pings are the Echo Requests that wait for their response.
type pings struct {
	mu      sync.Mutex
	next    uint16
	waiting map[uint16]chan struct{}
}

// Ping sends a GTP-U Echo Request to an N3IWF (port Options.PeerPort) and gives the time until the response. Errors: ctx's, ErrClosed, and
// those of sending.
func (u *UPF) Ping(ctx context.Context, peer netip.Addr) (time.Duration, error) {
	answer := make(chan struct{}, 1)
	u.pings.mu.Lock()
	sequence := u.pings.next
	u.pings.next++
	u.pings.waiting[sequence] = answer
	u.pings.mu.Unlock()
	defer func() {
		u.pings.mu.Lock()
		delete(u.pings.waiting, sequence)
		u.pings.mu.Unlock()
	}()
	start := time.Now()
	to := udpbatch.Address{Remote: netip.AddrPortFrom(peer, u.options.PeerPort)}
	if err := u.sockets[0].WriteTo(&to, gtpu.AppendEchoRequest(nil, sequence), nil); err != nil {
		return 0, fmt.Errorf("upf: echo request to %s: %w", to.Remote, err)
	}
	select {
	case <-answer:
		return time.Since(start), nil
	case <-u.stop:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, fmt.Errorf("upf: no echo response from %s: %w", to.Remote, ctx.Err())
	}
}

func (p *pings) response(sequence uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answer := p.waiting[sequence]; answer != nil {
		delete(p.waiting, sequence)
		answer <- struct{}{}
	}
}
