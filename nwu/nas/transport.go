// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	nicID = 1
	// Signalling needs small windows: several NAS messages of usual size, or two of the largest.
	defaultBuffer = 16 << 10
	// A closed connection need not be remembered for long: the peer is one UE, whose ports do not repeat soon.
	timeWait = 5 * time.Second
	// How long a closing side waits for the peer's FIN, which a UE that has moved out of coverage never sends.
	finWait = 10 * time.Second
)

// transport is what both ends have in common: the stack, the connections and their workers.
type transport struct {
	options   Options
	log       *slog.Logger
	link      *link
	stack     *stack.Stack
	seed      maphash.Seed
	workers   []*worker
	running   sync.WaitGroup
	closed    atomic.Bool
	closeOnce sync.Once

	listening sync.Mutex // of listeners
	listeners map[netip.Addr]*listener

	count struct {
		open, connected, nasIn, nasOut, protocol, replaced, overflow, panics atomic.Uint64
	}
}

func (o *Options) defaults() error {
	if o.Out == nil || o.Events == nil {
		return errors.New("nas: Out and Events must be given")
	}
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&o.MTU, 1280)
	set(&o.MaxPDU, 8192)
	set(&o.MaxPending, 65536)
	set(&o.MaxHalfOpen, 1024)
	set(&o.Workers, 2)
	if o.Port == 0 {
		o.Port = 20000
	}
	if o.UserTimeout == 0 {
		o.UserTimeout = 2 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	switch {
	case o.MTU < 576 || o.MTU > 65535:
		return fmt.Errorf("nas: MTU %d, allowed 576..65535", o.MTU)
	case o.MaxPDU < 1 || o.MaxPDU > 65535:
		return fmt.Errorf("nas: MaxPDU %d, allowed 1..65535", o.MaxPDU)
	case o.Workers < 1 || o.MaxPending < 1 || o.MaxHalfOpen < 1:
		return errors.New("nas: Workers, MaxPending and MaxHalfOpen must be positive")
	}
	return nil
}

func newTransport(o Options, ueSide bool) (*transport, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	t := &transport{options: o, log: o.Logger, seed: maphash.MakeSeed(), listeners: map[netip.Addr]*listener{}, link: newLink(o.MTU, ueSide, o.Out)}
	t.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	if err := t.configure(); err != nil {
		t.stack.Destroy()
		return nil, err
	}
	for range o.Workers {
		w := &worker{t: t, conns: make(map[netip.Addr]*Conn), scratch: make([]byte, 16<<10)}
		w.wake.L = &w.mu
		t.workers = append(t.workers, w)
		t.running.Add(1)
		go w.run()
	}
	return t, nil
}

// configure sets the stack's options; the values are the stack's own types, so a refusal is a programming error.
func (t *transport) configure() error {
	sack, recovery, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPRACKLossDetection, tcpip.TCPModerateReceiveBufferOption(false)
	wait, fin := tcpip.TCPTimeWaitTimeoutOption(timeWait), tcpip.TCPLingerTimeoutOption(finWait)
	for _, option := range []tcpip.SettableTransportProtocolOption{
		&sack, &recovery, &moderate, &wait, &fin,
		&tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: defaultBuffer, Max: 4 * defaultBuffer},
		&tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: defaultBuffer, Max: 4 * defaultBuffer},
	} {
		if err := t.stack.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return fmt.Errorf("nas: option %T: %s", option, err)
		}
	}
	if err := t.stack.CreateNIC(nicID, t.link); err != nil {
		return fmt.Errorf("nas: interface: %s", err)
	}
	t.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nicID}, {Destination: header.IPv6EmptySubnet, NIC: nicID},
	})
	return nil
}

// addAddress makes an address the stack's own.
func (t *transport) addAddress(a netip.Addr) (tcpip.FullAddress, tcpip.NetworkProtocolNumber, error) {
	full := tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFromSlice(a.AsSlice())}
	protocol := header.IPv4ProtocolNumber
	if a.Is6() {
		protocol = header.IPv6ProtocolNumber
	}
	err := t.stack.AddProtocolAddress(nicID, tcpip.ProtocolAddress{Protocol: protocol, AddressWithPrefix: full.Addr.WithPrefix()}, stack.AddressProperties{})
	if _, duplicate := err.(*tcpip.ErrDuplicateAddress); err != nil && !duplicate {
		return full, protocol, fmt.Errorf("nas: address %s: %s", a, err)
	}
	return full, protocol, nil
}

// prepare sets the socket options of a connection or, to be inherited, of a listener.
func (t *transport) prepare(ep tcpip.Endpoint) {
	s := ep.SocketOptions()
	s.SetDelayOption(false) // no Nagle: one envelope, one segment
	user := tcpip.TCPUserTimeoutOption(t.options.UserTimeout)
	ep.SetSockOpt(&user)
	if t.options.KeepAlive > 0 {
		idle, interval := tcpip.KeepaliveIdleOption(t.options.KeepAlive), tcpip.KeepaliveIntervalOption(t.options.KeepAlive)
		ep.SetSockOpt(&idle)
		ep.SetSockOpt(&interval)
		s.SetKeepAlive(true)
	}
}

// listener is a listening endpoint; it is served by the first worker.
type listener struct {
	t         *transport
	ep        tcpip.Endpoint
	queue     waiter.Queue
	entry     waiter.Entry
	scheduled atomic.Bool
}

func (t *transport) listen(a netip.Addr) error {
	t.listening.Lock()
	defer t.listening.Unlock()
	if a = a.Unmap(); t.closed.Load() {
		return ErrClosed
	}
	if t.listeners[a] != nil {
		return nil
	}
	full, protocol, err := t.addAddress(a)
	if err != nil {
		return err
	}
	l := &listener{t: t}
	ep, terr := t.stack.NewEndpoint(tcp.ProtocolNumber, protocol, &l.queue)
	if terr != nil {
		return fmt.Errorf("nas: listen on %s: %s", a, terr)
	}
	l.ep = ep
	full.Port = t.options.Port
	t.prepare(ep)
	if protocol == header.IPv6ProtocolNumber {
		ep.SocketOptions().SetV6Only(true)
	}
	l.entry.Init(l, waiter.ReadableEvents)
	l.queue.EventRegister(&l.entry)
	if terr := ep.Bind(full); terr != nil {
		ep.Close()
		return fmt.Errorf("nas: listen on %s port %d: %s", a, t.options.Port, terr)
	}
	if terr := ep.Listen(t.options.MaxHalfOpen); terr != nil {
		ep.Close()
		return fmt.Errorf("nas: listen on %s port %d: %s", a, t.options.Port, terr)
	}
	t.listeners[a] = l
	return nil
}

// NotifyEvent is called by the stack when a handshake is complete.
func (l *listener) NotifyEvent(waiter.EventMask) {
	if !l.scheduled.Swap(true) {
		l.t.workers[0].push(l)
	}
}

// serve takes the connections that are complete and gives each to its UE's worker.
func (l *listener) serve(*worker) {
	l.scheduled.Store(false)
	for {
		var peer tcpip.FullAddress
		ep, queue, err := l.ep.Accept(&peer)
		if err != nil {
			return
		}
		ue, ok := netip.AddrFromSlice(peer.Addr.AsSlice())
		if !ok {
			ep.Abort()
			continue
		}
		l.t.prepare(ep)
		c := &Conn{t: l.t, ue: ue.Unmap(), ep: ep, queue: queue, splitter: Splitter{Max: l.t.options.MaxPDU}}
		c.key = flightKey{c.ue, peer.Port}
		c.flight = l.t.link.flights.begin(c.key)
		c.start()
	}
}

// dial starts a connection from the UE's address.
func (t *transport) dial(ue netip.Addr, server netip.AddrPort) error {
	if t.closed.Load() {
		return ErrClosed
	}
	ue = ue.Unmap()
	to := server.Addr().Unmap()
	if !ue.IsValid() || ue.Is4() != to.Is4() {
		return fmt.Errorf("nas: dial from %s to %s: not one address family", ue, server)
	}
	full, protocol, err := t.addAddress(ue)
	if err != nil {
		return err
	}
	c := &Conn{t: t, ue: ue, queue: new(waiter.Queue), dialing: true, splitter: Splitter{Max: t.options.MaxPDU}}
	ep, terr := t.stack.NewEndpoint(tcp.ProtocolNumber, protocol, c.queue)
	if terr != nil {
		return fmt.Errorf("nas: dial from %s: %s", ue, terr)
	}
	c.ep = ep
	t.prepare(ep)
	if terr := ep.Bind(full); terr != nil {
		ep.Close()
		return fmt.Errorf("nas: dial from %s: %s", ue, terr)
	}
	own, terr := ep.GetLocalAddress()
	if terr != nil {
		ep.Close()
		return fmt.Errorf("nas: dial from %s: %s", ue, terr)
	}
	c.key = flightKey{ue, own.Port}
	c.flight = t.link.flights.begin(c.key)
	c.remote = tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFromSlice(to.AsSlice()), Port: server.Port()}
	c.start()
	return nil
}

// Input gives the transport a decrypted inner packet, which is copied. The caller has checked it against the traffic
// selectors of the signalling SA: its source is the UE that the SA belongs to.
func (t *transport) Input(packet []byte) {
	if !t.closed.Load() {
		t.link.input(packet)
	}
}

// worker finds the worker that owns all connections of a UE.
func (t *transport) worker(ue netip.Addr) *worker {
	return t.workers[maphash.Comparable(t.seed, ue)%uint64(len(t.workers))]
}

// Send is Conn.Send on the connection that the UE has now.
func (t *transport) Send(ue netip.Addr, pdu []byte) error {
	ue = ue.Unmap()
	c := t.worker(ue).lookup(ue)
	if c == nil {
		return fmt.Errorf("%w: UE %s", ErrNotConnected, ue)
	}
	return c.Send(pdu)
}

// Connected tells whether the UE has a connection.
func (t *transport) Connected(ue netip.Addr) bool {
	ue = ue.Unmap()
	return t.worker(ue).lookup(ue) != nil
}

// Disconnect closes the UE's connection, if it has one, after what was sent; OnClosed follows with ErrClosed.
func (t *transport) Disconnect(ue netip.Addr) {
	ue = ue.Unmap()
	t.link.latest.Delete(ue)
	w := t.worker(ue)
	w.mu.Lock()
	c := w.conns[ue]
	w.mu.Unlock()
	if c != nil {
		c.closing.Store(true)
		c.NotifyEvent(0)
	}
}

// Stats gives the counts.
func (t *transport) Stats() Stats {
	k := &t.count
	return Stats{
		Connections: k.open.Load(), Connected: k.connected.Load(), NASIn: k.nasIn.Load(), NASOut: k.nasOut.Load(),
		PacketsIn: t.link.packetsIn.Load(), PacketsOut: t.link.packetsOut.Load(), Rejected: t.link.rejected.Load(),
		Protocol: k.protocol.Load(), Replaced: k.replaced.Load(), Overflow: k.overflow.Load(), Panics: k.panics.Load(),
	}
}

// Close ends all connections (OnClosed with ErrClosed is called for each) and waits for everything that runs here. It must
// not be called from within Events or Out.
func (t *transport) Close() error {
	t.closeOnce.Do(func() {
		t.listening.Lock()
		t.closed.Store(true)
		for _, l := range t.listeners {
			l.ep.Close()
		}
		t.listening.Unlock()
		for _, w := range t.workers {
			w.stop()
		}
		t.running.Wait()
		t.stack.Destroy()
	})
	return nil
}
