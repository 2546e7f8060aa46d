// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// AddRoute routes further inner addresses of peers to the interface, as Options.Routes; without an SA such packets go nowhere. It may be repeated.
func (d *DataPlane) AddRoute(p netip.Prefix) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ipsec.ErrClosed
	}
	if err := d.link.drop(p); err != nil {
		return err
	}
	if err := d.link.handle.RouteReplace(d.link.routeTo(p)); err != nil {
		return errors.Join(fmt.Errorf("route for %s to %s: %w", p, d.opts.Interface, err), d.link.undrop(p))
	}
	return nil
}

// RemoveRoute leaves the inner addresses to others. One that is not there is no error.
func (d *DataPlane) RemoveRoute(p netip.Prefix) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ipsec.ErrClosed
	}
	err := d.link.handle.RouteDel(d.link.routeTo(p))
	if errors.Is(err, unix.ESRCH) {
		err = nil
	}
	return errors.Join(err, d.link.undrop(p))
}

// drop makes the route of last resort: from then on nothing for a peer's inner address can leave in clear.
func (l *link) drop(p netip.Prefix) error {
	r := netlink.Route{Dst: ipNet(p), Type: unix.RTN_BLACKHOLE, Priority: lastResort}
	if err := l.handle.RouteReplace(&r); err != nil {
		return fmt.Errorf("route for %s: %w", p, err)
	}
	l.drops[p.Masked()] = r
	return nil
}

func (l *link) undrop(p netip.Prefix) error {
	r, ok := l.drops[p.Masked()]
	if !ok {
		return nil
	}
	delete(l.drops, p.Masked())
	return l.handle.RouteDel(&r)
}

func (l *link) routeTo(p netip.Prefix) *netlink.Route {
	return &netlink.Route{Dst: ipNet(p), LinkIndex: l.index, Scope: netlink.SCOPE_LINK, AdvMSS: advertisedMSS}
}
