// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"encoding/binary"
	"time"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
)

// MaxSource is the longest time that one request makes the source send.
const MaxSource = 10 * time.Second

const (
	requestLen = 10
	// tick is how often a source looks what is due.
	tick = time.Millisecond
	// After a delay a source catches up at this multiple of its rate and no faster: a burst of all that is due would overrun buffers.
	catchUp  = 4
	minBurst = 32 // packets
	// lateness is for what a delay towards the end has left to send.
	lateness = 100 * time.Millisecond
)

// source sends packets at a rate to where the request came from.
type source struct {
	s         *Session
	qfi       uint8
	perSecond uint32
	duration  time.Duration
	packet    []byte // an IPv4 packet, but for number and identification
}

// startSource takes a request.
func (w *worker) startSource(s *Session, qfi uint8, p *packet, request []byte) {
	if len(request) != requestLen {
		s.drop(BadRequest)
		return
	}
	perSecond, ms := binary.BigEndian.Uint32(request), binary.BigEndian.Uint32(request[4:])
	size := int(binary.BigEndian.Uint16(request[8:]))
	if perSecond == 0 || ms == 0 || size < ipv4Len+udpLen || size > gtpu.MaxPDU {
		s.drop(BadRequest)
		return
	}
	if s.downlink.Load() == nil {
		s.drop(NoDownlink)
		return
	}
	src := &source{
		s: s, qfi: s.flow(qfi), perSecond: perSecond, duration: min(time.Duration(ms)*time.Millisecond, MaxSource), packet: make([]byte, size),
	}
	putIPv4(src.packet, p.tos, protocolUDP, p.dst, p.src, 0, size-ipv4Len)
	putUDP(src.packet[ipv4Len:], PortSource, binary.BigEndian.Uint16(p.body), size-ipv4Len-udpLen)
	s.wanted.Store(src)
	if !s.sourcing.Swap(true) {
		w.u.running.Go(s.serveSource)
	}
}

// serveSource runs the source that is wanted, until none is. There is at most one such goroutine per session.
func (s *Session) serveSource() {
	sender := s.conn.NewSender()
	for {
		for src := s.wanted.Swap(nil); src != nil; src = s.wanted.Swap(nil) {
			src.run(sender)
		}
		s.sourcing.Store(false)
		if s.wanted.Load() == nil || s.sourcing.Swap(true) {
			return
		}
	}
}

// run sends until all is sent, the time is over, another request comes, or the session or the UPF ends. What could not be sent in the time
// and lateness is not sent.
func (src *source) run(sender *udpbatch.Sender) {
	s := src.s
	total := src.due(src.duration)
	burst := max(minBurst, catchUp*src.due(tick))
	timer := time.NewTimer(0)
	defer timer.Stop()
	start := time.Now()
	for sent := uint64(0); sent < total && s.wanted.Load() == nil; {
		select {
		case <-s.done:
			return
		case <-s.upf.stop:
			return
		case <-timer.C:
		}
		elapsed := time.Since(start)
		if elapsed > src.duration+lateness {
			return
		}
		n := min(src.due(min(elapsed+tick, src.duration))-sent, burst)
		src.send(sender, sent, n)
		sent += n
		timer.Reset(max(0, elapsed+tick-time.Since(start)))
	}
}

// due is how many packets are to be sent in the first d.
func (src *source) due(d time.Duration) uint64 {
	return uint64(d/time.Microsecond) * uint64(src.perSecond) / 1e6
}

// send sends n packets from that number on, over the tunnel of this moment.
func (src *source) send(sender *udpbatch.Sender, number, n uint64) {
	s := src.s
	d := s.downlink.Load()
	for range n {
		if d == nil {
			s.drop(NoDownlink)
			continue
		}
		b := sender.Reserve(gtpu.GPDUHeaderLen + len(src.packet))
		gtpu.PutDownlink(b, d.teid, src.qfi, s.config.RQI, len(src.packet))
		ip := b[gtpu.GPDUHeaderLen:]
		copy(ip, src.packet)
		binary.BigEndian.PutUint16(ip[4:], uint16(number))
		binary.BigEndian.PutUint16(ip[10:], 0)
		binary.BigEndian.PutUint16(ip[10:], checksum(0, ip[:ipv4Len]))
		if payload := ip[ipv4Len+udpLen:]; len(payload) >= 8 {
			binary.BigEndian.PutUint64(payload, number)
		}
		number++
		sender.Commit(&d.to, len(b))
		s.count.down.add(len(ip))
		s.upf.count.down.add(len(ip))
	}
	if sender.Pending() > 0 {
		_, _ = sender.Flush() // a refused packet is as lost as any other
	}
}
