// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// protocolSCTP is SCTP's IP protocol number.
const protocolSCTP = 132

// maxPacket is the largest SCTP packet that is read; a Linux sender's
// segmentation offload on a virtual link can hand over that much at once.
const maxPacket = 65535

// socketBuffer is asked for in each direction; a burst of a few hundred
// packets must survive a busy scheduler.
const socketBuffer = 4 << 20

// wire moves whole SCTP packets without IP and UDP headers. The port of an
// address is the UDP port, 0 on raw IP.
type wire interface {
	ReadPacket(b []byte) (int, netip.AddrPort, error)
	WritePacket(b []byte, to netip.AddrPort) error
	LocalAddr() netip.AddrPort
	Close() error
}

// socketWire is a UDP socket (RFC 6951) or a raw IP socket of one family.
type socketWire struct {
	conn net.PacketConn
	udp  *net.UDPConn // nil on raw IP
}

func openUDP(local netip.AddrPort) (*socketWire, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, err
	}
	growBuffers(c)
	return &socketWire{conn: c, udp: c}, nil
}

func openRaw(local netip.Addr) (*socketWire, error) {
	network := "ip4"
	if local.Is6() {
		network = "ip6"
	}
	c, err := net.ListenIP(fmt.Sprintf("%s:%d", network, protocolSCTP), &net.IPAddr{IP: local.AsSlice(), Zone: local.Zone()})
	if err != nil {
		return nil, fmt.Errorf("%w (a raw socket needs root or CAP_NET_RAW; mode udp needs neither)", err)
	}
	growBuffers(c)
	return &socketWire{conn: c}, nil
}

func growBuffers(c interface {
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}) {
	// Best effort: the system caps them (net.core.rmem_max).
	_, _ = c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer)
}

func (w *socketWire) ReadPacket(b []byte) (int, netip.AddrPort, error) {
	if w.udp != nil {
		n, from, err := w.udp.ReadFromUDPAddrPort(b)
		return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
	}
	n, from, err := w.conn.ReadFrom(b) // without the IPv4 header
	if err != nil {
		return n, netip.AddrPort{}, err
	}
	ip, ok := netip.AddrFromSlice(from.(*net.IPAddr).IP)
	if !ok {
		return n, netip.AddrPort{}, errors.New("raw socket gave no source address")
	}
	return n, netip.AddrPortFrom(ip.Unmap().WithZone(from.(*net.IPAddr).Zone), 0), nil
}

func (w *socketWire) WritePacket(b []byte, to netip.AddrPort) error {
	var err error
	if w.udp != nil {
		_, err = w.udp.WriteToUDPAddrPort(b, to)
	} else {
		_, err = w.conn.WriteTo(b, &net.IPAddr{IP: to.Addr().AsSlice(), Zone: to.Addr().Zone()})
	}
	return err
}

func (w *socketWire) LocalAddr() netip.AddrPort {
	if w.udp != nil {
		a := w.udp.LocalAddr().(*net.UDPAddr).AddrPort()
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	ip, _ := netip.AddrFromSlice(w.conn.LocalAddr().(*net.IPAddr).IP)
	return netip.AddrPortFrom(ip.Unmap(), 0)
}

func (w *socketWire) Close() error { return w.conn.Close() }
