// SPDX-License-Identifier: Apache-2.0

package xfrm

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Group is a set of the kernel's reports.
type Group uint32

// Groups (the bits of XFRMNLGRP_*). Whoever listens to acquires makes the kernel keep a larval state for each missing one.
const (
	GroupAcquire Group = 1 << 0
	GroupExpire  Group = 1 << 1
	GroupMapping Group = 1 << 7
)

// ErrLost tells that the kernel had more to report than the socket could hold; what the reports were is not known.
var ErrLost = errors.New("reports of the kernel were lost")

// Listener receives reports, in the network namespace of the thread that made it. Receive belongs to one goroutine at a time.
type Listener struct {
	f   *os.File
	rc  syscall.RawConn
	buf []byte
}

// Listen opens a Listener for the groups.
func Listen(groups Group) (*Listener, error) {
	fd, err := open(uint32(groups))
	if err != nil {
		return nil, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	l := &Listener{f: os.NewFile(uintptr(fd), "xfrm reports"), buf: make([]byte, receiveSize)}
	if l.rc, err = l.f.SyscallConn(); err != nil {
		return nil, errors.Join(err, l.f.Close())
	}
	return l, nil
}

// Close ends Wait with net.ErrClosed.
func (l *Listener) Close() error { return l.f.Close() }

// Wait waits until there is something to receive.
func (l *Listener) Wait() error {
	err := l.rc.Read(func(fd uintptr) bool {
		n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n != 0
	})
	if err != nil {
		return net.ErrClosed // it has no other reason
	}
	return nil
}

// Receive gives the reports that are there, without waiting; none when there are none. Malformed ones are skipped; after ErrLost the Listener works on.
func (l *Listener) Receive() ([]Event, error) {
	var n int
	var err error
	if cerr := l.rc.Control(func(fd uintptr) { n, _, err = unix.Recvfrom(int(fd), l.buf, unix.MSG_DONTWAIT) }); cerr != nil {
		return nil, net.ErrClosed
	}
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil, nil
	case errors.Is(err, unix.ENOBUFS):
		return nil, ErrLost
	case err != nil:
		return nil, fmt.Errorf("XFRM reports: %w", err)
	}
	var list []Event
	_, err = messages(l.buf[:n], 0, func(kind uint16, body []byte) error {
		if ev, perr := parseEvent(kind, body); perr == nil && ev != nil {
			list = append(list, ev)
		}
		return nil
	})
	return list, err
}
