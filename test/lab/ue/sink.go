// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"bytes"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	tcp "github.com/open-n3iwf/n3iwf/nwu/nas"
)

const childGrace = 2 * time.Second

// sink takes what the data plane receives.
type sink struct {
	u         *UE
	fragments gre.Reassembler // of the one receiving goroutine
}

func (s *sink) NewReceiver() ipsec.Receiver { return &sink{u: s.u} }

// Inbound hands signalling packets to the TCP stack and user packets to whoever receives them.
func (s *sink) Inbound(batch []ipsec.Inbound) {
	receive := s.u.receive.Load()
	for _, in := range batch {
		c, _ := in.Context.(*child)
		switch {
		case c == nil:
		case c.signalling:
			s.u.nas.Input(in.Packet)
		default:
			s.user(c, receive, in.Packet)
		}
	}
}

// user takes a user packet, joined when its carrier came in fragments.
func (s *sink) user(c *child, receive *func(psi, qfi uint8, pdu []byte), packet []byte) {
	p, err := gre.Decode(packet)
	if errors.Is(err, gre.DropFragment) {
		whole, _ := s.fragments.Add(uint64(c.id), packet, time.Now())
		if whole == nil {
			return
		}
		packet = whole
		p, err = gre.Decode(packet)
	}
	if err != nil {
		return
	}
	pdu := packet[p.Offset:p.End]
	if session := c.session.Load(); session != nil {
		if session.advertised(pdu) {
			return
		}
		if p.Header.RQI {
			session.derived.derive(pdu, p.Header.QFI, time.Now(), session.view.Load().reflective)
		}
	}
	if receive != nil {
		(*receive)(c.psi, p.Header.QFI, pdu)
	}
}

func (s *sink) IKE(path ipsec.Path, data []byte) {
	data = bytes.Clone(data)
	s.u.post(func() {
		if s.u.session != nil {
			s.u.apply(s.u.session.Receive(time.Now(), ikev2.Path(path), data))
		}
	})
}

func (s *sink) Event(ipsec.Event) {}

// nasOut sends packets of the TCP stack through the signalling SA.
func (u *UE) nasOut() func(netip.Addr, []byte) {
	writers := sync.Pool{New: func() any { return u.dataPlane.NewWriter() }}
	return func(_ netip.Addr, packet []byte) {
		h := u.signalling.Load()
		if h == nil {
			return
		}
		if u.o.Tamper != nil {
			if packet = u.o.Tamper(packet); packet == nil {
				return
			}
		}
		w := writers.Get().(ipsec.Writer)
		if w.Write(*h, packet, nil) == nil {
			_ = w.Flush() // TCP repeats what is lost
		}
		writers.Put(w)
	}
}

// OnReceive sets who gets the PDUs of all PDU sessions. It is called from a receiving goroutine and must not keep pdu.
func (u *UE) OnReceive(f func(psi, qfi uint8, pdu []byte)) { u.receive.Store(&f) }

// nasEvents takes what happens on the NAS connection to the owner.
type nasEvents struct{ u *UE }

func (e nasEvents) OnConnected(netip.Addr, *tcp.Conn) { e.u.post(e.u.nasConnected) }

func (e nasEvents) OnNAS(_ netip.Addr, pdu []byte) { e.u.post(func() { e.u.downlinkNAS(pdu) }) }

func (e nasEvents) OnClosed(_ netip.Addr, _ *tcp.Conn, ended tcp.Ended) {
	e.u.post(func() { e.u.nasClosed(ended) })
}
