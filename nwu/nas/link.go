// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// link is the network interface of the stack: whole IP packets in and out, no queue, no link header.
type link struct {
	mtu        atomic.Uint32
	dispatcher atomic.Pointer[stack.NetworkDispatcher]
	out        func(ue netip.Addr, packet []byte)
	ueIsSource bool // of outbound packets: this is the UE's end
	scratch    sync.Pool
	held       sync.Map // netip.Addr -> deaf of UEs whose new connections are ignored
	flights    flights
	latest     sync.Map // netip.Addr -> *attempt: the UE's latest one to connect, until that connection ends, or Disconnect

	packetsIn, packetsOut, rejected atomic.Uint64
}

var _ stack.LinkEndpoint = (*link)(nil)

func newLink(mtu int, ueIsSource bool, out func(netip.Addr, []byte)) *link {
	l := &link{out: out, ueIsSource: ueIsSource}
	l.mtu.Store(uint32(mtu))
	l.scratch.New = func() any { b := make([]byte, 0, mtu); return &b }
	return l
}

// input gives a packet to the stack, which gets a copy.
func (l *link) input(packet []byte) {
	d := l.dispatcher.Load()
	if d == nil {
		return
	}
	var protocol tcpip.NetworkProtocolNumber
	switch {
	case len(packet) >= header.IPv4MinimumSize && packet[0]>>4 == 4:
		protocol = header.IPv4ProtocolNumber
	case len(packet) >= header.IPv6MinimumSize && packet[0]>>4 == 6:
		protocol = header.IPv6ProtocolNumber
	default:
		l.rejected.Add(1)
		return
	}
	l.packetsIn.Add(1)
	ue, port, opens := opening(packet)
	if opens {
		l.latest.Store(ue, &attempt{port: port, packet: bytes.Clone(packet)})
	}
	if h, held := l.held.Load(ue); held && (opens || bool(h.(deaf))) {
		return
	}
	l.flights.incoming(packet, !l.ueIsSource)
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	(*d).DeliverNetworkPacket(protocol, p)
	p.DecRef()
}

// attempt is a SYN. The packet is nil once its connection is the worker's.
type attempt struct {
	port   uint16 // of the UE
	packet []byte
}

// attemptFrom is the UE's latest attempt, when it is from that port; 0 is any.
func (l *link) attemptFrom(ue netip.Addr, port uint16) *attempt {
	if v, ok := l.latest.Load(ue); ok && (port == 0 || v.(*attempt).port == port) {
		return v.(*attempt)
	}
	return nil
}

// taken forgets the packet of an attempt that has become a connection.
func (l *link) taken(key flightKey) {
	if a := l.attemptFrom(key.ue, key.port); a != nil {
		l.latest.CompareAndSwap(key.ue, a, &attempt{port: a.port})
	}
}

// deaf tells whether nothing of the UE is heard, which has left without a connection: one that was just being opened would be lost with what comes on it.
type deaf bool

// opening finds out whose the packet is, and from which port, and whether it opens a TCP connection (SYN without ACK). Extension headers do not occur: the
// selectors of the signalling SA are for TCP.
func opening(packet []byte) (ue netip.Addr, port uint16, opens bool) {
	const syn, ack, flags = 0x02, 0x10, 13
	var at int
	var source []byte
	if packet[0]>>4 == 4 {
		at, source = int(packet[0]&15)*4, packet[12:16]
	} else {
		at, source = header.IPv6MinimumSize, packet[8:24]
	}
	if len(packet) <= at+flags {
		return netip.Addr{}, 0, false
	}
	ue, _ = netip.AddrFromSlice(source) // 4 or 16 octets
	return ue, binary.BigEndian.Uint16(packet[at:]), packet[at+flags]&(syn|ack) == syn
}

// WritePackets hands packets of the stack to the owner.
func (l *link) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	b := l.scratch.Get().(*[]byte)
	for _, p := range list.AsSlice() {
		packet := (*b)[:0]
		for _, part := range p.AsSlices() {
			packet = append(packet, part...)
		}
		*b = packet
		if ue, ok := l.ue(packet); ok {
			l.packetsOut.Add(1)
			l.flights.outgoing(packet, l.ueIsSource)
			l.out(ue, packet)
		}
	}
	l.scratch.Put(b)
	return list.Len(), nil
}

// ue finds the UE's inner address in an outbound packet.
func (l *link) ue(packet []byte) (netip.Addr, bool) {
	at, size := header.IPv4MinimumSize-8, 4
	if len(packet) >= header.IPv6MinimumSize && packet[0]>>4 == 6 {
		at, size = header.IPv6MinimumSize-32, 16
	}
	if !l.ueIsSource {
		at += size
	}
	if len(packet) < at+size {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(packet[at : at+size])
}

// The rest of stack.LinkEndpoint: an interface without link layer.

func (l *link) MTU() uint32                                { return l.mtu.Load() }
func (l *link) SetMTU(mtu uint32)                          { l.mtu.Store(mtu) }
func (*link) MaxHeaderLength() uint16                      { return 0 }
func (*link) LinkAddress() tcpip.LinkAddress               { return "" }
func (*link) SetLinkAddress(tcpip.LinkAddress)             {}
func (*link) Capabilities() stack.LinkEndpointCapabilities { return 0 }
func (l *link) IsAttached() bool                           { return l.dispatcher.Load() != nil }
func (*link) Wait()                                        {}
func (*link) ARPHardwareType() header.ARPHardwareType      { return header.ARPHardwareNone }
func (*link) AddHeader(*stack.PacketBuffer)                {}
func (*link) ParseHeader(*stack.PacketBuffer) bool         { return true }
func (*link) Close()                                       {}
func (*link) SetOnCloseAction(func())                      {}
func (l *link) Attach(dispatcher stack.NetworkDispatcher) {
	if dispatcher == nil {
		l.dispatcher.Store(nil)
		return
	}
	l.dispatcher.Store(&dispatcher)
}
