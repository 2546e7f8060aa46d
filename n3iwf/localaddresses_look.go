// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// look notes what this machine has at present, and gives what it had at an earlier look and has no more, although that counts as present.
func (l *localAddresses) look(have map[netip.Addr]bool) (lost []netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[netip.Addr]bool{}
	for _, a := range slices.Concat(l.configured, l.bound) {
		if _, heard := l.gone[a]; seen[a] || !have[a] && !heard && !l.seen[a] {
			continue
		}
		seen[a] = true
		if !have[a] && !l.gone[a] {
			lost = append(lost, a)
		}
	}
	l.seen = seen
	return lost
}

// lookTries is how often the kernel is asked whose addresses change meanwhile.
const lookTries = 10

// lookAtAddresses asks the kernel. False: it does not say; that is logged.
func (nf *N3IWF) lookAtAddresses() (have map[netip.Addr]bool, lost []netip.Addr, ok bool) {
	var list []netlink.Addr
	err := error(netlink.ErrDumpInterrupted)
	for i := 0; i < lookTries && errors.Is(err, netlink.ErrDumpInterrupted); i++ {
		list, err = netlink.AddrList(nil, netlink.FAMILY_ALL)
	}
	if err != nil {
		nf.log.Warn("addresses of this machine", slog.Any("error", err))
		return nil, nil, false
	}
	have = map[netip.Addr]bool{}
	for _, a := range list {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			have[ip.Unmap()] = true
		}
	}
	return have, nf.local.look(have), true
}

// catchUpOnAddresses tells of the addresses that went while nobody listened. Events are heard already, and may be dealt with between a look and what follows
// from it; so it ends with a look that brings nothing new: what changes after that one is heard after it.
func (nf *N3IWF) catchUpOnAddresses() {
	told := map[netip.Addr]bool{}
	for range lookTries {
		have, news, ok := nf.lookAtAddresses()
		if !ok {
			return
		}
		for _, a := range news {
			told[a] = true
			nf.addressChanged(a, false)
		}
		back := 0
		for a := range told {
			if have[a] {
				delete(told, a)
				back++
				nf.addressChanged(a, true)
			}
		}
		if len(news)+back == 0 {
			return
		}
	}
}
