// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/test/lab/dhcpv6"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
)

// Sessions with IPv6 have a link-local address of the interface identifier that they are told by NAS, and a /64 of Options.Pool6, which DHCPv6
// delegates (TS 23.501 5.8.2.2.4). In the data network, IPv6 reaches the DHCPv6 server and the hosts of N6.

const delegatedBits = 64

// prefixes gives /64 prefixes of a pool: first those that were never used, then the one that was free for the longest time.
type prefixes struct {
	pool       netip.Prefix
	next, last uint64 // behind the pool's own bits
	freed      []netip.Prefix
}

func newPrefixes(p netip.Prefix) (prefixes, error) {
	if !p.IsValid() {
		return prefixes{}, nil
	}
	if !p.Addr().Is6() || p.Bits() > delegatedBits || p.Bits() < 32 {
		return prefixes{}, fmt.Errorf("%w: pool %s: give an IPv6 prefix of /32 to /%d", ErrInvalid, p, delegatedBits)
	}
	return prefixes{pool: p.Masked(), last: 1<<(delegatedBits-p.Bits()) - 1}, nil
}

func (p *prefixes) take() (netip.Prefix, bool) {
	switch {
	case !p.pool.IsValid():
		return netip.Prefix{}, false
	case p.next <= p.last:
		b := p.pool.Addr().As16()
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])|p.next)
		p.next++
		return netip.PrefixFrom(netip.AddrFrom16(b), delegatedBits), true
	case len(p.freed) == 0:
		return netip.Prefix{}, false
	}
	first := p.freed[0]
	p.freed = p.freed[1:]
	return first, true
}

func (p *prefixes) give(prefix netip.Prefix) {
	if prefix.IsValid() {
		p.freed = append(p.freed, prefix)
	}
}

// InterfaceID is that of the session's link-local address; it is zero without IPv6.
func (s *Session) InterfaceID() [8]byte { return s.interfaceID }

// Prefix is the IPv6 prefix that the session may have delegated; it is invalid without IPv6.
func (s *Session) Prefix() netip.Prefix { return s.prefix }

func newInterfaceID() (id [8]byte) {
	_, _ = rand.Read(id[:]) // never fails
	id[0] &^= 2             // not universal
	return id
}

// linkLocal is the address of an interface identifier on the link of the PDU session.
func linkLocal(id [8]byte) netip.Addr {
	b := [16]byte{0: 0xfe, 1: 0x80}
	copy(b[8:], id[:])
	return netip.AddrFrom16(b)
}

// router is the UPF on every session's link.
var router = netip.MustParseAddr("fe80::1")

// uplink6 gives an IPv6 packet of the UE to the data network.
func (w *worker) uplink6(s *Session, qfi uint8, pdu []byte) {
	if isRouterSolicitation(pdu) {
		s.count.up.add(len(pdu))
		w.u.count.up.add(len(pdu))
		s.deliverOn(s.advertisement(make([]byte, gtpu.GPDUHeaderLen)), s.flow(qfi))
		return
	}
	p, ok := udpip.Parse(pdu)
	source := p.Source.Addr()
	switch {
	case !ok:
		s.drop(MalformedIP)
		return
	case !s.prefix.Contains(source) && source != linkLocal(s.interfaceID):
		s.drop(Source)
		return
	}
	s.count.up.add(len(pdu))
	w.u.count.up.add(len(pdu))
	switch {
	case source.IsLinkLocalUnicast() && p.Destination == netip.AddrPortFrom(dhcpv6.Servers, dhcpv6.ServerPort):
		request, ok := dhcpv6.ParseSolicit(p.Payload)
		if !ok {
			s.drop(BadRequest)
			return
		}
		answer := udpip.Packet{
			Source: netip.AddrPortFrom(router, dhcpv6.ServerPort), Destination: p.Source,
			Payload: request.AppendReply(nil, []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 1}, s.prefix), // DUID-LL, RFC 8415 11.4
		}
		s.deliver(udpip.Append(make([]byte, gtpu.GPDUHeaderLen), answer, 0), 0)
	case s.prefix.Contains(source) && p.Destination.Port() == PortEcho && !w.u.n6.reaches(p.Destination.Addr()):
		p.Source, p.Destination = p.Destination, p.Source
		s.deliverOn(udpip.Append(make([]byte, gtpu.GPDUHeaderLen), p, 0), s.flow(qfi))
	case s.prefix.Contains(source) && w.u.n6.reaches(p.Destination.Addr()):
		w.u.n6.send(s, p)
	default:
		s.drop(NoService)
	}
}
