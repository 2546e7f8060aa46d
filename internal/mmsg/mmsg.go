// SPDX-License-Identifier: Apache-2.0

// Package mmsg calls recvmmsg(2) and sendmmsg(2): many messages with one system call, waiting in Go's poller, without allocating. The users lay out
// the messages: addresses, vectors, control messages.
package mmsg

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Header is struct mmsghdr.
type Header struct {
	Hdr unix.Msghdr
	Len uint32 // octets received or sent
}

// Call is one of the two system calls on a non-blocking socket. It belongs to one goroutine.
type Call struct {
	trap uintptr
	wait func(func(fd uintptr) bool) error
	try  func(fd uintptr) bool // one closure for all calls
	msgs []Header
	n    int
	err  error
}

// Receive is recvmmsg on a socket.
func Receive(c syscall.RawConn) *Call { return newCall(unix.SYS_RECVMMSG, c.Read) }

// Send is sendmmsg on a socket.
func Send(c syscall.RawConn) *Call { return newCall(unix.SYS_SENDMMSG, c.Write) }

func newCall(trap uintptr, wait func(func(fd uintptr) bool) error) *Call {
	c := &Call{trap: trap, wait: wait}
	c.try = c.once
	return c
}

// Do waits until messages can be received or sent, and gives how many of msgs were, in order; at least one, or an error. It is refused when it is the
// system's about the first message (an ICMP error, a message too long), and passing; gone when the socket was closed.
func (c *Call) Do(msgs []Header) (n int, refused, gone error) {
	c.msgs, c.n, c.err = msgs, 0, nil
	gone = c.wait(c.try)
	c.msgs = nil
	if gone != nil {
		return 0, nil, gone
	}
	return c.n, c.err, nil
}

func (c *Call) once(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall6(c.trap, fd, uintptr(unsafe.Pointer(&c.msgs[0])), uintptr(len(c.msgs)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			c.n = int(n)
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		default:
			c.err = errno
		}
		return true
	}
}
