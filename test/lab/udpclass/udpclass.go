// SPDX-License-Identifier: Apache-2.0

// Package udpclass is UDP sockets that tell the DSCP of each datagram and set it, for lab nodes that forward packets.
package udpclass

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Conn is a UDP socket. Reading belongs to one goroutine.
type Conn struct {
	udp     *net.UDPConn
	control [64]byte
}

// Listen opens a socket on that address; port 0 is any free one.
func Listen(local netip.AddrPort) (*Conn, error) {
	conn, err := (&net.ListenConfig{Control: receive}).ListenPacket(context.Background(), "udp", local.String())
	if err != nil {
		return nil, err
	}
	c := &Conn{udp: conn.(*net.UDPConn)}
	_ = c.udp.SetReadBuffer(4 << 20) // as much as the system allows
	return c, nil
}

// receive asks the socket for the type of service or traffic class of what it receives.
func receive(network, _ string, c syscall.RawConn) error {
	level, option := unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS
	if network == "udp4" {
		level, option = unix.IPPROTO_IP, unix.IP_RECVTOS
	}
	var err error
	failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
	return errors.Join(failed, err)
}

// LocalAddr is the bound address.
func (c *Conn) LocalAddr() netip.AddrPort { return c.udp.LocalAddr().(*net.UDPAddr).AddrPort() }

// Close ends reading with net.ErrClosed.
func (c *Conn) Close() error { return c.udp.Close() }

// Read reads one datagram into b, with its class (DSCP << 2 | ECN). Errors other than net.ErrClosed pass: they are ICMP's.
func (c *Conn) Read(b []byte) (n int, class uint8, from netip.AddrPort, err error) {
	n, length, _, from, err := c.udp.ReadMsgUDPAddrPort(b, c.control[:])
	if err != nil {
		return 0, 0, from, err
	}
	return n, classOf(c.control[:length]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
}

// Write sends one datagram. It may be called from any goroutine.
func (c *Conn) Write(b []byte, class uint8, to netip.AddrPort) error {
	var control []byte
	if class != 0 {
		level, kind := int32(unix.IPPROTO_IPV6), int32(unix.IPV6_TCLASS)
		if to.Addr().Is4() {
			level, kind = unix.IPPROTO_IP, unix.IP_TOS
		}
		control = make([]byte, unix.CmsgSpace(4))
		binary.NativeEndian.PutUint64(control, uint64(unix.CmsgLen(4)))
		binary.NativeEndian.PutUint32(control[8:], uint32(level))
		binary.NativeEndian.PutUint32(control[12:], uint32(kind))
		binary.NativeEndian.PutUint32(control[unix.CmsgLen(0):], uint32(class))
	}
	_, _, err := c.udp.WriteMsgUDPAddrPort(b, control, to)
	return err
}

func classOf(control []byte) uint8 {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if len(m.Data) > 0 && (m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TOS || m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_TCLASS) {
			return m.Data[0] | m.Data[len(m.Data)-1] // IPv4 gives one octet, IPv6 an int of either order
		}
	}
	return 0
}
