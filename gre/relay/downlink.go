// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"net"

	"golang.org/x/time/rate"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// downlink serves one N3 socket: user packets go to child SAs, signalling is answered.
type downlink struct {
	r       *Relay
	conn    *udpbatch.Conn
	control *control
	writer  ipsec.Writer
	limit   *rate.Limiter // of answers to packets that should not have come

	head           [gre.MaxFragmentHead]byte
	id             uint32 // IP identification of GRE packets
	clock          int64  // of this batch in nanoseconds, 0 before the first packet that needs it
	current        *Session
	packets, bytes uint64
}

func (d *downlink) serve() {
	rx := d.conn.NewReceiver()
	for {
		batch, err := rx.Receive()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		d.handle(batch) // empty after a passing error of the socket
	}
}

func (d *downlink) handle(batch []udpbatch.Datagram) {
	d.clock = 0
	for i := 0; i < len(batch); {
		i = d.run(batch, i)
	}
	if d.packets > 0 {
		_ = d.writer.Flush() // refused packets are in the data plane's counts
		d.r.count.downlink(d.packets, d.bytes)
		d.packets, d.bytes = 0, 0
	}
}

// run handles the batch from i on. After a panic it gives the index behind the datagram that caused it.
func (d *downlink) run(batch []udpbatch.Datagram, i int) (next int) {
	defer func() {
		if p := recover(); p != nil {
			next = i + 1
			d.r.fault(d.current, p)
		}
	}()
	for ; i < len(batch); i++ {
		d.current = nil
		d.datagram(&batch[i])
	}
	return i
}

func (d *downlink) datagram(dg *udpbatch.Datagram) {
	m, err := gtpu.Decode(dg.Data)
	if err != nil {
		drop := err.(gtpu.Drop) //nolint:errorlint // Decode returns nothing else, and errors.As would allocate for each hostile packet
		d.r.count.drops[gtpuReason(drop)].Add(1)
		if drop == gtpu.DropExtension && d.limit.Allow() {
			d.r.notified.Add(1)
			d.control.extensions(dg)
		}
		return
	}
	if m.Type == gtpu.GPDU {
		d.forward(&m, dg)
		return
	}
	d.signalling(&m, dg)
}

func (d *downlink) forward(m *gtpu.Message, dg *udpbatch.Datagram) {
	s := d.r.table.lookup(m.TEID)
	d.current = s
	var v *view
	if s != nil {
		v = s.view.Load()
	}
	if v == nil {
		d.r.count.drops[UnknownTEID].Add(1)
		if d.limit.Allow() {
			d.r.errorsOut.Add(1)
			d.control.errorIndication(dg, m.TEID)
		}
		return
	}
	if d.elsewhere(s, v, dg.Data) {
		return
	}
	h := gre.Header{QFI: v.only}
	switch {
	case m.HasContainer && m.Container.Type != gtpu.DownlinkInformation:
		s.drop(Direction)
		return
	case m.HasContainer:
		h.QFI = m.Container.QFI
		h.RQI = m.Container.RQI() && v.reflective&(1<<h.QFI) != 0
	case v.only == none:
		s.drop(NoContainer)
		return
	}
	c := v.flow[h.QFI]
	if c == none {
		c = v.fallback
	}
	if c == none {
		s.drop(NoChild)
		return
	}
	child := &v.children[c]
	n := len(m.Payload)
	switch {
	case n == 0:
		s.drop(EmptyPDU)
		return
	case n > child.carrier.MaxPDU():
		s.drop(TooLong)
		return
	}
	if l := v.limits[v.limitOf[h.QFI]].Downlink; l != nil && !l.allow(d.now(), n) && !l.allow(d.later(), n) {
		s.drop(RateLimit)
		return
	}
	h.Protocol = d.r.options.Protocol.For(v.pduType, m.Payload)
	d.id++
	if err := d.write(child, h, m.Payload); err != nil {
		if now := s.view.Load(); now == nil || now == v || !d.elsewhere(s, now, dg.Data) { // it can have left a moment ago
			s.drop(NotSent)
		}
		return
	}
	v.counts.downlink(h.QFI, uint64(n), &s.count)
	d.packets++
	d.bytes += uint64(n)
}

// elsewhere deals with a packet of a session that goes on at another node, or is about to.
func (d *downlink) elsewhere(s *Session, v *view, packet []byte) bool {
	if v.held != nil && v.next == nil {
		if v.held.add(packet) {
			return true
		}
		if v = s.view.Load(); v == nil || v.next == nil { // it is full, or was closed a moment ago
			s.drop(NotSent)
			return true
		}
	}
	if v.next == nil {
		return false
	}
	d.r.redirected.Add(1)
	d.r.controls[v.nextFamily].redirect(v.next, packet)
	return true
}

// write sends a PDU, in fragments when it is longer than the child SA may carry at once.
func (d *downlink) write(child *childView, h gre.Header, pdu []byte) error {
	n := child.carrier.Len()
	if child.longest == 0 || n+len(pdu) <= child.longest {
		child.carrier.Put(d.head[:], h, len(pdu), uint16(d.id))
		return d.writer.Write(child.handle, d.head[:n], pdu)
	}
	d.r.fragmented.Add(1)
	for from, next := 0, -1; next != 0; from = next {
		var part []byte
		n, part, next = child.carrier.Fragment(d.head[:], h, pdu, from, d.id, child.longest)
		if err := d.writer.Write(child.handle, d.head[:n], part); err != nil {
			return err
		}
	}
	return nil
}

// now is the time of this batch in nanoseconds.
func (d *downlink) now() int64 {
	if d.clock == 0 {
		d.clock = d.r.options.Now().UnixNano()
	}
	return d.clock
}

// later looks at the clock again: on a busy machine the batch may have begun long ago, and packets of other goroutines be limited by now.
func (d *downlink) later() int64 {
	d.clock = 0
	return d.now()
}

// signalling handles what is not user data.
func (d *downlink) signalling(m *gtpu.Message, dg *udpbatch.Datagram) {
	switch m.Type {
	case gtpu.EchoRequest:
		d.r.echoIn.Add(1)
		d.control.echoResponse(dg, m.Sequence)
	case gtpu.EchoResponse:
		d.r.peers.response(dg.Remote, m.Sequence)
	case gtpu.EndMarker:
		// The UPF has switched to another path. There is no reordering here that the marker would have to wait for.
		d.r.endMarkers.Add(1)
	case gtpu.ErrorIndication:
		report, err := gtpu.DecodeErrorIndication(m.Payload)
		if err != nil {
			d.r.count.drops[gtpuReason(gtpu.DropElement)].Add(1)
			return
		}
		d.r.errorsIn.Add(1)
		d.r.errorIndication(report)
	case gtpu.SupportedExtensionHeaderNotification:
		d.r.log.Warn("the UPF does not understand an extension header that was sent; is it a 5G UPF?", "upf", dg.Remote)
	default:
		d.r.count.drops[UnknownType].Add(1)
	}
}
