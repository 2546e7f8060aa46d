// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Undelivered are the NAS messages that were given to a connection that has ended, and that the peer's TCP has not acknowledged whole. What it has
// acknowledged counts as delivered: whether a peer that has broken down had taken it out of its TCP cannot be known.
type Undelivered struct {
	// Unsure left here whole, so that the peer may have got them. They were sent before all of Unsent.
	Unsure [][]byte
	// Unsent did not leave, or not to the end: the peer has not got them.
	Unsent [][]byte
}

// flight follows the messages of one connection by the octets that leave and the acknowledgements that come, which the stack does not tell of. It is
// done on the packets; the connection itself has its own idea of them.
type flight struct {
	mu      sync.Mutex
	known   bool
	fin     bool   // our FIN, which has the sequence number at, has left
	at      uint32 // sequence number of octet sent
	sent    uint64 // octets that have left
	acked   uint64 // octets that the peer has
	given   uint64 // octets that Send was given
	waiting []envelope
}

type envelope struct {
	end uint64 // of its octets
	pdu []byte
}

// give notes a message before it is sent.
func (f *flight) give(pdu []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.given += uint64(envelopeHeader + len(pdu))
	f.waiting = append(f.waiting, envelope{f.given, append([]byte(nil), pdu...)})
}

// giveBack forgets the last message, which was not sent.
func (f *flight) giveBack() {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := f.waiting[len(f.waiting)-1]
	f.given -= uint64(envelopeHeader + len(last.pdu))
	f.waiting = f.waiting[:len(f.waiting)-1]
}

// left notes a segment with payload or FIN. The first one begins with the first octet.
func (f *flight) left(seq uint32, n int, fin bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.fin = f.fin || fin }()
	if !f.known {
		f.known, f.at = true, seq
	}
	if ahead := int32(seq + uint32(n) - f.at); ahead > 0 {
		f.sent += uint64(ahead)
		f.at += uint32(ahead)
	}
}

// confirmed notes an acknowledgement. One of what was never sent is none.
func (f *flight) confirmed(ack uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fin && ack == f.at+1 { // FIN takes a sequence number too (RFC 9293 3.4)
		ack = f.at
	}
	behind := int64(int32(f.at - ack))
	if !f.known || behind < 0 || uint64(behind) > f.sent || f.sent-uint64(behind) < f.acked {
		return
	}
	f.acked = f.sent - uint64(behind)
	for len(f.waiting) > 0 && f.waiting[0].end <= f.acked {
		f.waiting = f.waiting[1:]
	}
	if len(f.waiting) == 0 {
		f.waiting = nil
	}
}

// land gives what is left of the flight. All octets but kept, at the end, count as having left: those that TCP has and may still send.
func (f *flight) land(kept int, mayStillLeave bool) (u Undelivered) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sent := f.sent
	if mayStillLeave {
		sent = f.given - uint64(kept)
	}
	for _, e := range f.waiting {
		if e.end <= sent {
			u.Unsure = append(u.Unsure, e.pdu)
		} else {
			u.Unsent = append(u.Unsent, e.pdu)
		}
	}
	f.waiting = nil
	return u
}

// flightKey names a connection: each end has one address and port of the service.
type flightKey struct {
	ue   netip.Addr
	port uint16 // of the UE
}

// segment is what the flight needs of a TCP segment.
type segment struct {
	key      flightKey
	seq, ack uint32
	payload  int
	isAck    bool
	fin      bool
}

// parseSegment reads an inner packet; fromUE tells its direction. Extension headers do not occur: the selectors of the signalling SA are for TCP.
func parseSegment(packet []byte, fromUE bool) (s segment, ok bool) {
	var at, end int
	var addr []byte
	switch {
	case len(packet) >= header.IPv4MinimumSize && packet[0]>>4 == 4:
		at, end, addr = int(packet[0]&15)*4, int(binary.BigEndian.Uint16(packet[2:])), packet[12:20]
	case len(packet) >= header.IPv6MinimumSize && packet[0]>>4 == 6:
		at, end, addr = header.IPv6MinimumSize, header.IPv6MinimumSize+int(binary.BigEndian.Uint16(packet[4:])), packet[8:40]
	default:
		return s, false
	}
	if end > len(packet) || at+header.TCPMinimumSize > end {
		return s, false
	}
	tcp := packet[at:end]
	offset := int(tcp[12]>>4) * 4
	if offset < header.TCPMinimumSize || offset > len(tcp) {
		return s, false
	}
	if fromUE {
		addr, s.key.port = addr[:len(addr)/2], binary.BigEndian.Uint16(tcp)
	} else {
		addr, s.key.port = addr[len(addr)/2:], binary.BigEndian.Uint16(tcp[2:])
	}
	s.key.ue, _ = netip.AddrFromSlice(addr)
	s.seq, s.ack, s.payload = binary.BigEndian.Uint32(tcp[4:]), binary.BigEndian.Uint32(tcp[8:]), len(tcp)-offset
	// The acknowledgement in a RST says what the peer's TCP had, not that anybody will take it from there.
	s.isAck = tcp[13]&byte(header.TCPFlagAck|header.TCPFlagRst) == byte(header.TCPFlagAck)
	s.fin = tcp[13]&byte(header.TCPFlagFin) != 0
	return s, true
}

// flights are those of all connections of a stack.
type flights struct{ m sync.Map }

func (f *flights) of(k flightKey) *flight {
	if v, ok := f.m.Load(k); ok {
		return v.(*flight)
	}
	return nil
}

func (f *flights) begin(k flightKey) *flight {
	fresh := &flight{}
	f.m.Store(k, fresh)
	return fresh
}

func (f *flights) end(k flightKey, of *flight) { f.m.CompareAndDelete(k, any(of)) }

// incoming sees a packet before the stack does, outgoing after it.
func (f *flights) incoming(packet []byte, fromUE bool) {
	if s, ok := parseSegment(packet, fromUE); ok && s.isAck {
		if flight := f.of(s.key); flight != nil {
			flight.confirmed(s.ack)
		}
	}
}

func (f *flights) outgoing(packet []byte, fromUE bool) {
	if s, ok := parseSegment(packet, fromUE); ok && (s.payload > 0 || s.fin) {
		if flight := f.of(s.key); flight != nil {
			flight.left(s.seq, s.payload, s.fin)
		}
	}
}
