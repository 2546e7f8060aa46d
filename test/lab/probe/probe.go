// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// Ports of the services in the lab's data network.
const (
	PortEcho   = 7
	PortSink   = 5001
	PortSource = 5002
	localPort  = 40000
)

// Probe is what runs on one PDU session.
type Probe struct {
	session *ue.Session
	dn      netip.Addr
	start   time.Time

	mu      sync.Mutex
	packets []Packet // of the traffic, by sequence number
	echoes  map[uint16]chan time.Time

	bulk, bulkBytes atomic.Uint64
	report          atomic.Pointer[[]byte]
}

// Packet is one packet of the traffic. Back is zero when its echo never came.
type Packet struct{ Sent, Back time.Duration }

// New makes a probe towards an address of the data network. It takes over what the UE receives.
func New(u *ue.UE, s *ue.Session, dn netip.Addr) *Probe {
	p := &Probe{session: s, dn: dn, start: time.Now(), echoes: map[uint16]chan time.Time{}}
	u.OnReceive(func(psi, _ uint8, pdu []byte) {
		if psi == s.ID {
			p.receive(pdu)
		}
	})
	return p
}

func (p *Probe) receive(pdu []byte) {
	r, ok := parse(pdu)
	if !ok {
		return
	}
	switch {
	case r.protocol == protocolICMP && r.icmpType == 0:
		p.mu.Lock()
		if c := p.echoes[r.seq]; c != nil {
			c <- time.Now()
			delete(p.echoes, r.seq)
		}
		p.mu.Unlock()
	case r.protocol == protocolUDP && r.srcPort == PortEcho && len(r.payload) >= 8:
		seq := binary.BigEndian.Uint64(r.payload)
		now := time.Since(p.start)
		p.mu.Lock()
		if seq < uint64(len(p.packets)) && p.packets[seq].Back == 0 {
			p.packets[seq].Back = now
		}
		p.mu.Unlock()
	case r.protocol == protocolUDP && r.srcPort == PortSource:
		p.bulk.Add(1)
		p.bulkBytes.Add(uint64(len(pdu)))
	case r.protocol == protocolUDP && r.srcPort == PortSink:
		b := append([]byte(nil), r.payload...)
		p.report.Store(&b)
	}
}

// Start is the moment that the times of packets count from.
func (p *Probe) Start() time.Time { return p.start }

const (
	pingPatience = 500 * time.Millisecond
	maxPingsLost = 4
)

// Ping sends ICMP echo requests one after the other until count are answered, and gives the round-trip times. It fails when too many stay
// without answer.
func (p *Probe) Ping(ctx context.Context, count int) ([]time.Duration, error) {
	sender := p.session.NewSender()
	var rtts []time.Duration
	for seq, lost := 0, 0; seq < count; seq++ {
		answer := make(chan time.Time, 1)
		p.mu.Lock()
		p.echoes[uint16(seq)] = answer
		p.mu.Unlock()
		sent := time.Now()
		b := AppendEcho(nil, p.session.Address(), p.dn, 1, uint16(seq), make([]byte, 56))
		if err := sender.Write(0, b); err != nil {
			return rtts, err
		}
		if err := sender.Flush(); err != nil {
			return rtts, err
		}
		timeout, cancel := context.WithTimeout(ctx, pingPatience)
		select {
		case t := <-answer:
			rtts = append(rtts, t.Sub(sent))
		case <-timeout.Done():
			lost++
			seq-- // the core may learn the N3IWF's tunnel a moment after the UE learns its address
		}
		cancel()
		if lost > maxPingsLost {
			return rtts, fmt.Errorf("ping %s: %d requests without answer, %d answered", p.dn, lost, len(rtts))
		}
	}
	return rtts, nil
}

// EchoOnFlow sends one UDP echo request on a QoS flow.
func EchoOnFlow(s *ue.Session, dn netip.Addr, qfi uint8) error {
	sender := s.NewSender()
	b := appendUDP(nil, netip.AddrPortFrom(s.Address(), localPort), netip.AddrPortFrom(dn, PortEcho), 0, make([]byte, 8))
	if err := sender.Write(qfi, b); err != nil {
		return err
	}
	return sender.Flush()
}

// Run sends UDP echo requests at a steady rate until ctx ends. Each has a sequence number of its own.
func (p *Probe) Run(ctx context.Context, perSecond, size int) {
	sender := p.session.NewSender()
	payload := make([]byte, max(8, size-ipv4Len-udpLen))
	interval := time.Second / time.Duration(perSecond)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var b []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		p.mu.Lock()
		seq := len(p.packets)
		p.packets = append(p.packets, Packet{Sent: time.Since(p.start)})
		p.mu.Unlock()
		binary.BigEndian.PutUint64(payload, uint64(seq))
		b = appendUDP(b[:0], netip.AddrPortFrom(p.session.Address(), localPort), netip.AddrPortFrom(p.dn, PortEcho), uint16(seq), payload)
		if sender.Write(0, b) == nil {
			_ = sender.Flush() // what is not sent counts as lost
		}
	}
}

// Packets is a copy of what was sent so far.
func (p *Probe) Packets() []Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Packet(nil), p.packets...)
}
