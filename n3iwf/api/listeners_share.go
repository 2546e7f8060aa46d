// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// control does something with the socket of a listener; nothing with a unix one.
func (l *listener) control(do func(fd int) error) error {
	inner := l.Listener
	if d, ok := inner.(*door); ok {
		inner = d.Listener
	}
	t, ok := inner.(*net.TCPListener)
	if !ok {
		return nil
	}
	c, err := t.SyscallConn()
	if err != nil {
		return err
	}
	return controlOf(c, do)
}

func controlOf(c syscall.RawConn, do func(fd int) error) (err error) {
	e := c.Control(func(fd uintptr) { err = do(int(fd)) })
	return errors.Join(e, err)
}

// share lets a further socket of this user have the port.
func share(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }

// unshare ends that for those of the listeners that do: no other process of this user is to get some of their connections.
func unshare(list []*listener) {
	for _, l := range list {
		_ = l.control(func(fd int) error {
			if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT); err != nil || on == 0 {
				return err
			}
			forgetShared(l.Addr().(*net.TCPAddr)) // control has seen that it is one
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0)
		})
	}
}

// forgetShared makes the kernel forget that a port is shared. It notes with the port that all of its sockets agreed to that, and asks none of them any more,
// until one is bound there that does not agree: one, then, that does not stand in the way of the listener at a. Where that listens at all addresses there is
// none: other processes of this user that ask for it can share its port until the next start.
func forgetShared(a *net.TCPAddr) {
	if a.IP.IsUnspecified() {
		return
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	_ = unix.Bind(fd, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte{127, 255, 255, 254}})
	_ = unix.Close(fd)
}
