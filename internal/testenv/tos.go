// SPDX-License-Identifier: Apache-2.0

//go:build linux

package testenv

import (
	"encoding/binary"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// WithTOS has the kernel tell the IPv4 type of service octet, or the IPv6 traffic class, of what comes to a socket of net. The function that it
// gives waits for the next datagram, for 10 s at most.
func WithTOS(t testing.TB, c *net.UDPConn) (next func() (data []byte, tos uint8)) {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatalf("traffic class of datagrams to %s: %v", c.LocalAddr(), err)
		}
	}
	rc, err := c.SyscallConn()
	fail(err)
	var set error
	fail(rc.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1)
		if err6 := unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1); err6 == nil {
			set = nil
		}
	}))
	fail(set)
	return func() ([]byte, uint8) {
		t.Helper()
		fail(c.SetReadDeadline(time.Now().Add(10 * time.Second)))
		b, oob := make([]byte, 1<<16), make([]byte, 256)
		n, m, _, _, err := c.ReadMsgUDPAddrPort(b, oob)
		fail(err)
		tos, err := trafficClass(oob[:m])
		fail(err)
		return b[:n], tos
	}
}

// trafficClass reads the control messages of a datagram.
func trafficClass(oob []byte) (uint8, error) {
	list, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, err
	}
	for _, m := range list {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TOS && len(m.Data) >= 1:
			return m.Data[0], nil
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_TCLASS && len(m.Data) >= 4:
			return uint8(binary.NativeEndian.Uint32(m.Data)), nil
		}
	}
	return 0, fmt.Errorf("the kernel did not tell it, but %d other things", len(list))
}
