// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"encoding/binary"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
)

// uplink gives a packet of the UE to the data network.
func (w *worker) uplink(s *Session, qfi uint8, pdu []byte) {
	if s.config.Layer2 != NoLayer2 {
		w.uplink2(s, qfi, pdu)
		return
	}
	if s.prefix.IsValid() && len(pdu) > 0 && pdu[0]>>4 == 6 {
		w.uplink6(s, qfi, pdu)
		return
	}
	p, bad := parse(pdu)
	if bad != NumReasons {
		s.drop(bad)
		return
	}
	if p.src != s.address.As4() {
		s.drop(Source)
		return
	}
	s.count.up.add(len(pdu))
	w.u.count.up.add(len(pdu))
	switch p.protocol {
	case protocolICMP:
		w.icmp(s, qfi, &p)
	case protocolUDP:
		w.udp(s, qfi, &p)
	default:
		s.drop(NoService)
	}
}

// icmp answers an echo request (RFC 792).
func (w *worker) icmp(s *Session, qfi uint8, p *packet) {
	switch {
	case len(p.body) < icmpLen:
		s.drop(MalformedIP)
		return
	case checksum(0, p.body) != 0:
		s.drop(Checksum)
		return
	case p.body[0] != icmpEcho || p.body[1] != 0:
		s.drop(NoService)
		return
	}
	if b := w.begin(s, p, len(p.body)); b != nil {
		copy(b, p.body)
		b[0], b[2], b[3] = icmpEchoReply, 0, 0
		binary.BigEndian.PutUint16(b[2:], checksum(0, b))
		w.commit(s, qfi, len(b))
	}
}

// udp gives a datagram to the service of its port.
func (w *worker) udp(s *Session, qfi uint8, p *packet) {
	if len(p.body) < udpLen || int(binary.BigEndian.Uint16(p.body[4:])) != len(p.body) {
		s.drop(MalformedIP)
		return
	}
	if !p.udpChecksum() {
		s.drop(Checksum)
		return
	}
	payload := p.body[udpLen:]
	if to := netip.AddrFrom4(p.dst); w.u.n6.reaches(to) {
		w.u.n6.send(s, udpip.Packet{
			Source:      netip.AddrPortFrom(netip.AddrFrom4(p.src), binary.BigEndian.Uint16(p.body)),
			Destination: netip.AddrPortFrom(to, binary.BigEndian.Uint16(p.body[2:])), Class: p.tos, Payload: payload,
		})
		return
	}
	switch binary.BigEndian.Uint16(p.body[2:]) {
	case PortEcho:
		w.datagramTo(s, qfi, p, PortEcho, payload)
	case PortSink:
		if len(payload) > 0 {
			s.count.sink.add(ipv4Len + len(p.body))
			w.u.count.sink.add(ipv4Len + len(p.body))
			return
		}
		c := s.count.sink.read()
		var report [16]byte
		binary.BigEndian.PutUint64(report[:], c.Packets)
		binary.BigEndian.PutUint64(report[8:], c.Bytes)
		w.datagramTo(s, qfi, p, PortSink, report[:])
	case PortSource:
		w.startSource(s, qfi, p, payload)
	default:
		s.drop(NoService)
	}
}

// datagramTo answers p with a datagram from that port.
func (w *worker) datagramTo(s *Session, qfi uint8, p *packet, from uint16, payload []byte) {
	if b := w.begin(s, p, udpLen+len(payload)); b != nil {
		putUDP(b, from, binary.BigEndian.Uint16(p.body), len(payload))
		copy(b[udpLen:], payload)
		w.commit(s, qfi, len(b))
	}
}

// begin reserves an answer to p with a body of n octets, which the caller fills. It gives nil when it cannot be sent, which is counted.
func (w *worker) begin(s *Session, p *packet, n int) []byte {
	if s.downlink.Load() == nil {
		s.drop(NoDownlink)
		return nil
	}
	b := w.sender.Reserve(gtpu.GPDUHeaderLen + ipv4Len + n)
	if b == nil {
		s.drop(TooLong)
		return nil
	}
	w.id++
	w.answer = b
	putIPv4(b[gtpu.GPDUHeaderLen:], p.tos, p.protocol, p.dst, p.src, w.id, n)
	return b[gtpu.GPDUHeaderLen+ipv4Len:]
}

// commit sends what begin has reserved.
func (w *worker) commit(s *Session, qfi uint8, n int) {
	d := s.downlink.Load()
	if d == nil {
		s.drop(NoDownlink) // taken away just now
		return
	}
	gtpu.PutDownlink(w.answer, d.teid, s.flow(qfi), s.config.RQI, ipv4Len+n)
	w.sender.Commit(&d.to, len(w.answer))
	s.count.down.add(ipv4Len + n)
	w.u.count.down.add(ipv4Len + n)
}
