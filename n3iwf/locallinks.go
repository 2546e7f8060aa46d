// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// watchLinks follows the interfaces of this machine until ctx ends: the addresses of one that is down, or has lost its carrier, are of no use although
// they are still there.
func (nf *N3IWF) watchLinks(ctx context.Context) error {
	fail := func(err error) error { return keyError("nwu.mobike.watchAddresses", err) }
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fail(err)
	}
	updates := make(chan netlink.LinkUpdate, 64)
	err = netlink.LinkSubscribeWithOptions(updates, ctx.Done(), netlink.LinkSubscribeOptions{
		ErrorCallback: func(err error) {
			if ctx.Err() == nil {
				nf.log.Error("the interfaces of this machine are not followed any more; reload with nwu.mobike.watchAddresses false, and true again", slog.Any("error", err))
			}
		},
	})
	if err != nil {
		handle.Close()
		return fail(err)
	}
	nf.running.Go(func() {
		defer handle.Close()
		down := map[int]bool{}
		for up := range updates {
			const working = unix.IFF_UP | unix.IFF_RUNNING
			index, dead := up.Link.Attrs().Index, up.IfInfomsg.Flags&working != working
			if down[index] == dead {
				continue // another property has changed
			}
			down[index] = dead
			list, err := handle.AddrList(up.Link, netlink.FAMILY_ALL)
			if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
				nf.log.Warn("addresses of an interface", slog.String("interface", up.Link.Attrs().Name), slog.Any("error", err))
				continue
			}
			for _, a := range list {
				if ip, ok := netip.AddrFromSlice(a.IP); ok {
					nf.addressChanged(ip.Unmap(), !dead)
				}
			}
		}
	})
	return nil
}
