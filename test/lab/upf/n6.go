// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/test/lab/udpclass"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
)

// N6 joins the data network to real hosts: a UDP packet of a session to one of Hosts leaves by a socket of this machine, with its DSCP, and
// what comes back goes to the session. So a PDU session reaches an N3IWF, as that of a relay UE has to (TS 23.304 4.2.7.1).
type N6 struct {
	// Hosts are the destinations.
	Hosts []netip.Prefix
	// NAT are the addresses, at most one of a family, that packets leave from, each session's address and port with a port of its own. A
	// family without one leaves with the session's own address and port: that has to be a local address of this machine, and routed to it.
	NAT []netip.Addr
}

// maxMappings bounds what one session takes of the machine's sockets.
const maxMappings = 256

// n6 are the sockets that are open.
type n6 struct {
	N6
	u *UPF

	mu     sync.Mutex
	closed bool
	flows  map[n6Key]*n6Flow
}

type n6Key struct {
	s      *Session
	inside netip.AddrPort
}

// n6Flow is the socket for what one address and port of a session sends.
type n6Flow struct {
	n6Key
	conn *udpclass.Conn
}

// reaches tells whether a destination is a real host.
func (n *n6) reaches(to netip.Addr) bool {
	return n != nil && slices.ContainsFunc(n.Hosts, func(p netip.Prefix) bool { return p.Contains(to) })
}

// send gives a packet of the session to a real host.
func (n *n6) send(s *Session, p udpip.Packet) {
	f, err := n.flow(n6Key{s, p.Source})
	if err != nil {
		s.upf.log.Warn("packet does not leave the data network", slog.String("session", s.config.Name), slog.Any("error", err))
		s.drop(NoService)
		return
	}
	_ = f.conn.Write(p.Payload, p.Class, p.Destination) // what cannot be sent is lost
}

func (n *n6) flow(key n6Key) (*n6Flow, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f := n.flows[key]; f != nil {
		return f, nil
	}
	count := 0
	for k := range n.flows {
		if k.s == key.s {
			count++
		}
	}
	switch {
	case n.closed:
		return nil, ErrClosed
	case count >= maxMappings:
		return nil, fmt.Errorf("%w: %d mappings are open", ErrExhausted, count)
	}
	local := key.inside
	for _, a := range n.NAT {
		if a.Is4() == local.Addr().Is4() {
			local = netip.AddrPortFrom(a, 0)
		}
	}
	conn, err := udpclass.Listen(local)
	if err != nil {
		return nil, err
	}
	f := &n6Flow{key, conn}
	n.flows[key] = f
	n.u.running.Go(func() { n.serve(f) })
	return f, nil
}

// serve gives what real hosts send to the session.
func (n *n6) serve(f *n6Flow) {
	payload := make([]byte, 65536)
	var room [gtpu.GPDUHeaderLen]byte
	var b []byte
	for id := uint16(0); ; id++ {
		size, class, from, err := f.conn.Read(payload)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error
		}
		if !n.reaches(from.Addr()) {
			continue
		}
		p := udpip.Packet{Source: from, Destination: f.inside, Class: class, Payload: payload[:size]}
		b = udpip.Append(append(b[:0], room[:]...), p, id)
		f.s.deliver(b, p.Class>>2)
	}
}

// deliver sends an IP packet, which stands behind room for the header of the G-PDU, on the flow of its DSCP.
func (s *Session) deliver(b []byte, dscp uint8) {
	qfi, marked := s.config.ByDSCP[dscp]
	if !marked {
		qfi = s.config.Flows[0]
	}
	s.deliverOn(b, qfi)
}

// deliverOn does it on a QoS flow.
func (s *Session) deliverOn(b []byte, qfi uint8) {
	d := s.downlink.Load()
	n := len(b) - gtpu.GPDUHeaderLen
	switch {
	case d == nil:
		s.drop(NoDownlink)
		return
	case n > gtpu.MaxPDU:
		s.drop(TooLong)
		return
	}
	gtpu.PutDownlink(b, d.teid, qfi, s.config.RQI, n)
	if s.conn.WriteTo(&d.to, b, nil) == nil {
		s.count.down.add(n)
		s.upf.count.down.add(n)
	}
}

// forget closes the sockets of a session, or all for ever.
func (n *n6) forget(s *Session) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = n.closed || s == nil
	for key, f := range n.flows {
		if s == nil || key.s == s {
			_ = f.conn.Close()
			delete(n.flows, key)
		}
	}
}
