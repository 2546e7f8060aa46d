// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// routingPause is the least time between two looks at the routes: they may change by thousands where a routing daemon runs.
const routingPause = 50 * time.Millisecond

// routing tells when the kernel's IPv4 routing has changed in the network namespace of the thread that made it; how is not told.
type routing struct {
	changed chan struct{}
	f       *os.File
}

func watchRouting() (*routing, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("watch routes: %w", err)
	}
	var groups uint32
	for _, g := range []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_NEXTHOP} {
		groups |= 1 << (g - 1)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(fmt.Errorf("watch routes: %w", err), unix.Close(fd))
	}
	return &routing{changed: make(chan struct{}, 1), f: os.NewFile(uintptr(fd), "routes")}, nil
}

// run goes on until close.
func (r *routing) run() {
	b := make([]byte, 1<<13) // what does not fit is cut off, and nobody reads it
	for {
		// An error is most likely that some were lost, which are changes as well.
		if _, err := r.f.Read(b); errors.Is(err, os.ErrClosed) {
			return
		}
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}
}

func (r *routing) close() { _ = r.f.Close() }
