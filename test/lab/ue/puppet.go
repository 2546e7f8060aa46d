// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// Puppet is a UE whose every message a test chooses, also wrong ones, at any moment of its life. By itself it only answers the N3IWF's requests, which Hold
// can keep back, acknowledges TCP, and confirms the release of PDU sessions. It has nothing of this project's IKEv2 engine, only its codec and primitives.
// All of it goes through the port of NAT traversal.
type Puppet struct {
	o       Options
	conn    *net.UDPConn
	running sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed, and another one, when something has happened
	hosts   UE            // the NAS context: keys, algorithms, COUNTs

	sas     []*puppetIKE // the one in use last
	first   []byte       // IKE_SA_INIT request
	answer  []byte       // IKE_SA_INIT response
	nonces  [2][]byte
	private *suite.KeyExchange
	hold    func(*message.Message) bool
	held    []*message.Message
	deleted bool // the N3IWF has ended the IKE SA

	identity []byte // IDi, as AUTH covers it
	eap      []byte // the EAP packet of the N3IWF that waits for its answer
	inner    netip.Addr
	nasAt    netip.AddrPort
	children []*PuppetChild
	number   uint64

	line    *puppetLine // NAS over TCP
	lines   []*puppetLine
	stack   *puppetStack
	heard   []nas.Message
	address map[uint8]netip.Addr // of PDU sessions
	echoes  map[uint32]chan []byte
}

// puppet's algorithms; the N3IWF's default profile has them.
var (
	puppetSuite = suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 256}, PRF: suite.PRF_HMAC_SHA2_256, Group: suite.CURVE25519}
	puppetESP   = suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 256}}
)

// NewPuppet opens the socket. Of the options it takes the subscriber, the addresses and the ports of NAT traversal.
func NewPuppet(o Options) (*Puppet, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(o.Local, o.LocalNATT)))
	if err != nil {
		return nil, err
	}
	p := &Puppet{o: o, conn: conn, changed: make(chan struct{}), address: map[uint8]netip.Addr{}, echoes: map[uint32]chan []byte{}}
	p.hosts.o = Options{Subscriber: o.Subscriber, Step: func(string) {}}
	p.running.Go(p.read)
	return p, nil
}

// Close ends it without a word.
func (p *Puppet) Close() error {
	err := p.conn.Close()
	p.mu.Lock()
	s, lines := p.stack, p.lines
	p.stack = nil
	p.mu.Unlock()
	for _, l := range lines {
		_ = l.conn.Close() // it may be closed already
	}
	if s != nil {
		s.close()
	}
	p.running.Wait()
	return err
}

func (p *Puppet) read() {
	b := make([]byte, 65536)
	for {
		n, _, err := p.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		switch frame := bytes.Clone(b[:n]); {
		case n > 4 && binary.BigEndian.Uint32(frame) == 0:
			p.receiveIKE(frame[4:])
		case n > 8:
			p.receiveESP(frame)
		}
	}
}

// Send sends an IKE message as it is.
func (p *Puppet) Send(b []byte) error { return p.write(append(make([]byte, 4), b...)) }

func (p *Puppet) write(b []byte) error {
	_, err := p.conn.WriteToUDPAddrPort(b, netip.AddrPortFrom(p.o.N3IWF, p.o.NATTPort))
	return err
}

// happened wakes those who wait. The caller has the lock.
func (p *Puppet) happened() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits until something is so; is has the lock.
func (p *Puppet) await(ctx context.Context, what string, is func() bool) error {
	for {
		p.mu.Lock()
		done, changed := is(), p.changed
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
}

// PuppetChild is a child SA of a Puppet, over its rekeys.
type PuppetChild struct {
	id       uint64
	Session  uint8 // 0: the signalling SA
	QFIs     []uint8
	Default  bool
	Own      uint32 // the SPI of what the UE receives
	Peer     uint32
	former   []uint32 // those of the N3IWF before rekeys
	up       netip.Addr
	in       *esp.Inbound
	out      *esp.Outbound
	own, far message.TrafficSelectors
}

// State is the puppet's side of the story: its IKE SA, its child SAs, and the PDU sessions that have some.
func (p *Puppet) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s State
	if len(p.sas) == 0 || p.deleted {
		return s
	}
	sa := p.sas[len(p.sas)-1]
	s.IKE = [2]string{sa.spiI.String(), sa.spiR.String()}
	for _, c := range p.children {
		s.Children = append(s.Children, SAState{ID: c.id, Inbound: c.Own, Outbound: c.Peer, QFIs: c.QFIs, Session: c.Session, Default: c.Default})
		if c.Session != 0 && !slices.ContainsFunc(s.Sessions, func(o PDUState) bool { return o.ID == c.Session }) {
			s.Sessions = append(s.Sessions, PDUState{ID: c.Session})
		}
	}
	return s
}

// Child gives a child SA: of a PDU session (0: the signalling SA), the default one or the first other one; nil when there is none.
func (p *Puppet) Child(session uint8, dflt bool) *PuppetChild {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.children {
		if c.Session == session && (session == 0 || c.Default == dflt) {
			return c
		}
	}
	return nil
}

// ChildOf gives the child SA with an SPI of the N3IWF's; nil when there is none.
func (p *Puppet) ChildOf(peer uint32) *PuppetChild {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.children {
		if c.Peer == peer {
			return c
		}
	}
	return nil
}

// DropChildren forgets the child SAs with these SPIs of the UE's.
func (p *Puppet) DropChildren(own ...uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.children = slices.DeleteFunc(p.children, func(c *PuppetChild) bool { return slices.Contains(own, c.Own) })
	p.happened()
}

// install takes the keys of a child SA. The keys are named by who began the exchange.
func (c *PuppetChild) install(k suite.ChildKeys, begun bool) error {
	in, out := puppetKeys{k.ResponderEncr, k.ResponderInteg}, puppetKeys{k.InitiatorEncr, k.InitiatorInteg}
	if !begun {
		in, out = out, in
	}
	i, err := esp.NewInbound(c.Own, puppetAlg, in.keys(), false, 0)
	if err != nil {
		return err
	}
	o, err := esp.NewOutbound(c.Peer, puppetAlg, out.keys(), false, 0)
	c.in, c.out = i, o
	return err
}

func (p *Puppet) receiveESP(b []byte) {
	spi := binary.BigEndian.Uint32(b)
	p.mu.Lock()
	i := slices.IndexFunc(p.children, func(c *PuppetChild) bool { return c.Own == spi })
	if i < 0 {
		p.mu.Unlock()
		return
	}
	c, s := p.children[i], p.stack
	packet, next, err := c.in.Open(b, &esp.Scratch{})
	echo := p.echoes[c.Own]
	p.mu.Unlock()
	switch {
	case err != nil || next != 4:
	case c.Session == 0 && s != nil:
		s.input(packet)
	case c.Session != 0 && echo != nil:
		if g, err := gre.Decode(packet); err == nil {
			select {
			case echo <- packet[g.Offset:g.End]:
			default:
			}
		}
	}
}

// sendESP sends an inner packet through a child SA.
func (p *Puppet) sendESP(c *PuppetChild, inner []byte) error {
	p.mu.Lock()
	seq, _ := c.out.Next()
	b := make([]byte, c.out.Size(len(inner)))
	c.out.Seal(b, seq, 4, inner, nil, &esp.Scratch{})
	p.mu.Unlock()
	return p.write(b)
}

// Address is that of a PDU session, once it is accepted.
func (p *Puppet) Address(session uint8) netip.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address[session]
}

// Exchange sends a user packet of a QoS flow through a child SA until something comes back through it.
func (p *Puppet) Exchange(ctx context.Context, c *PuppetChild, qfi uint8, pdu []byte) ([]byte, error) {
	p.mu.Lock()
	carrier, err := gre.NewCarrier(p.inner, c.up, 0)
	back := make(chan []byte, 1)
	p.echoes[c.Own] = back
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	packet := make([]byte, carrier.Len(), carrier.Len()+len(pdu))
	carrier.Put(packet, gre.Header{QFI: qfi}, len(pdu), 1)
	packet = append(packet, pdu...)
	for {
		if err := p.sendESP(c, packet); err != nil {
			return nil, err
		}
		select {
		case b := <-back:
			return b, nil
		case <-time.After(100 * time.Millisecond): // the UPF may learn the way back a moment after the UE learns its address
		case <-ctx.Done():
			return nil, fmt.Errorf("user packet of PDU session %d: %w", c.Session, ctx.Err())
		}
	}
}

func randomSPI() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint32(b[:]) | 1<<31
}

func randomOctets(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
