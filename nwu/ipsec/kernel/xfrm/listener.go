// SPDX-License-Identifier: Apache-2.0

package xfrm

import (
	"errors"
	"fmt"
	"net"
	"os"

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

// Listener receives reports, in the network namespace of the thread that made it. It belongs to one goroutine; Close may come from another.
type Listener struct {
	f   *os.File
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
	return &Listener{f: os.NewFile(uintptr(fd), "xfrm reports"), buf: make([]byte, receiveSize)}, nil
}

// Close ends Receive with net.ErrClosed.
func (l *Listener) Close() error { return l.f.Close() }

// Receive waits for reports. Malformed ones are skipped; with ErrLost the Listener works on.
func (l *Listener) Receive() ([]Event, error) {
	n, err := l.f.Read(l.buf)
	switch {
	case errors.Is(err, os.ErrClosed):
		return nil, net.ErrClosed
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
