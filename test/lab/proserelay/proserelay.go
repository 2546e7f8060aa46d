// SPDX-License-Identifier: Apache-2.0

// Package proserelay is a 5G ProSe layer-3 UE-to-Network relay with N3IWF (TS 23.304 4.2.7.1, 5.4): a UE that forwards what remote UEs exchange with
// their N3IWF over a PDU session of its own, through its UPF and the data network behind that. PC5 stands as a plain UDP socket on which remote UEs
// find the N3IWF. Over IPv4 the remote UEs share the session's address and differ in the port; over IPv6 each has an address of the prefix
// that is delegated to the session, and no NAT. DSCP stays as it is, and decides the session's QoS flow by the rules of the relay's network.
// The relay sees IKE and ESP and holds no key of theirs.
package proserelay

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/open-n3iwf/n3iwf/test/lab/udpclass"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// Options say whose session is used, and for what.
type Options struct {
	// UE has Session, which serves remote UEs only.
	UE      *ue.UE
	Session *ue.Session
	// Links are the addresses on PC5. Those of an IPv6 N3IWF need Prefix.
	Links []Link
	// Prefix is what Delegate gave; invalid: there is no IPv6.
	Prefix netip.Prefix
	Logger *slog.Logger
}

// Link is where remote UEs find one address and port of an N3IWF. Where the relay is the remote UEs' router, both are the same.
type Link struct{ Listen, N3IWF netip.AddrPort }

// Relay forwards until it is closed.
type Relay struct {
	o       Options
	links   []*link
	running sync.WaitGroup

	mu       sync.Mutex
	next     uint16 // NAT port, and the last 16 bits of an IPv6 address
	outside  map[netip.AddrPort]*mapping
	inside   map[insideKey]*mapping
	up, down uint64
	flows    map[uint8]Counts
}

// Counts are packets from remote UEs and to them.
type Counts struct{ Up, Down uint64 }

type link struct {
	Link
	conn *udpclass.Conn
}

type insideKey struct {
	client netip.AddrPort
	link   *link
}

// mapping is one address and port of a remote UE towards one of the N3IWF.
type mapping struct {
	insideKey
	outside netip.AddrPort
}

// Mapping is one as others see it: the remote UE on PC5, what the data network sees of it, and the N3IWF.
type Mapping struct{ Remote, Outside, N3IWF netip.AddrPort }

// ErrFull says that there is no room for another remote UE.
var ErrFull = errors.New("the relay has all the mappings that it can have")

const (
	firstPort   = 20000
	maxMappings = 200
)

// New opens the links. It takes over what the UE receives.
func New(o Options) (*Relay, error) {
	o.Logger = cmp.Or(o.Logger, slog.Default())
	r := &Relay{o: o, next: firstPort, outside: map[netip.AddrPort]*mapping{}, inside: map[insideKey]*mapping{}, flows: map[uint8]Counts{}}
	o.UE.OnReceive(func(psi, qfi uint8, pdu []byte) {
		if psi == o.Session.ID {
			r.downlink(qfi, pdu)
		}
	})
	for _, l := range o.Links {
		conn, err := udpclass.Listen(l.Listen)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("PC5 link %s: %w", l.Listen, err), r.Close())
		}
		k := &link{l, conn}
		r.links = append(r.links, k)
		r.running.Go(func() { r.uplink(k) })
	}
	return r, nil
}

// Close ends forwarding. The UE and its session are the caller's.
func (r *Relay) Close() error {
	var err error
	for _, l := range r.links {
		err = errors.Join(err, l.conn.Close())
	}
	r.running.Wait()
	return err
}

// uplink forwards what remote UEs send to one link.
func (r *Relay) uplink(l *link) {
	sender := r.o.Session.NewSender()
	payload := make([]byte, 65536)
	var b []byte
	for id := uint16(0); ; id++ {
		n, class, client, err := l.conn.Read(payload)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error
		}
		m, err := r.mapping(insideKey{client, l})
		if err != nil {
			r.o.Logger.Warn("remote UE is not served", slog.String("remote", client.String()), slog.Any("error", err))
			continue
		}
		b = udpip.Append(b[:0], udpip.Packet{Source: m.outside, Destination: l.N3IWF, Class: class, Payload: payload[:n]}, id)
		qfi := r.o.Session.Classify(b)
		r.count(qfi, Counts{Up: 1})
		if sender.Write(qfi, b) == nil {
			_ = sender.Flush() // what is not sent is lost, as on any link
		}
	}
}

// downlink forwards what comes through the PDU session.
func (r *Relay) downlink(qfi uint8, pdu []byte) {
	p, ok := udpip.Parse(pdu)
	if !ok {
		return
	}
	r.mu.Lock()
	m := r.outside[p.Destination]
	if m != nil && m.link.N3IWF == p.Source {
		r.down++
	} else {
		m = nil
	}
	r.mu.Unlock()
	if m != nil {
		r.count(qfi, Counts{Down: 1})
		_ = m.link.conn.Write(p.Payload, p.Class, m.client)
	}
}

func (r *Relay) mapping(key insideKey) (*mapping, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up++
	if m := r.inside[key]; m != nil {
		return m, nil
	}
	if len(r.inside) >= maxMappings {
		return nil, ErrFull
	}
	m := &mapping{insideKey: key}
	r.next++
	switch {
	case key.link.N3IWF.Addr().Is4():
		m.outside = netip.AddrPortFrom(r.o.Session.Address(), r.next)
	case !r.o.Prefix.IsValid():
		return nil, errors.New("no IPv6 prefix is delegated to the relay")
	case r.o.Prefix.Contains(key.client.Addr()):
		m.outside = key.client
	default: // a link without addresses of its own, such as the loopback interface: one is lent
		a := r.o.Prefix.Addr().As16()
		binary.BigEndian.PutUint16(a[14:], r.next)
		m.outside = netip.AddrPortFrom(netip.AddrFrom16(a), key.client.Port())
	}
	r.inside[key], r.outside[m.outside] = m, m
	return m, nil
}

// Rebind forgets all mappings, as a NAT does after a time: the next packets get new ports.
func (r *Relay) Rebind() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next += 1000
	if r.next > 60000 {
		r.next = firstPort
	}
	clear(r.inside)
	clear(r.outside)
}

// Mappings are the present ones, in the order of the remote UEs' addresses.
func (r *Relay) Mappings() []Mapping {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Mapping, 0, len(r.inside))
	for _, m := range r.inside {
		list = append(list, Mapping{m.client, m.outside, m.link.N3IWF})
	}
	slices.SortFunc(list, func(a, b Mapping) int { return cmp.Or(a.Remote.Compare(b.Remote), a.N3IWF.Compare(b.N3IWF)) })
	return list
}

// Prefix is the IPv6 prefix of remote UEs, invalid without IPv6.
func (r *Relay) Prefix() netip.Prefix { return r.o.Prefix }

// Forwarded counts the packets that were taken from remote UEs and from the network.
func (r *Relay) Forwarded() (up, down uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.up, r.down
}

func (r *Relay) count(qfi uint8, add Counts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.flows[qfi]
	r.flows[qfi] = Counts{c.Up + add.Up, c.Down + add.Down}
}

// Flow counts what went through one QoS flow of the session.
func (r *Relay) Flow(qfi uint8) Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flows[qfi]
}

// Start has a prefix delegated where the session has IPv6, and then makes the relay.
func Start(ctx context.Context, o Options) (*Relay, error) {
	if o.Session.InterfaceID() != [8]byte{} {
		var err error
		if o.Prefix, err = Delegate(ctx, o.UE, o.Session); err != nil {
			return nil, err
		}
	}
	return New(o)
}
