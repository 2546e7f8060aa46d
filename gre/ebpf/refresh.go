// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
)

// route is where packets to a UPF leave.
type route struct {
	link  int // 0: nowhere, or not over Ethernet
	mtu   int
	users int // sessions
}

// route finds the way to a UPF, which is looked up once for all its sessions.
func (u *UserPlane) route(upf netip.Addr) *route {
	r := u.routes[upf]
	if r == nil {
		r = &route{}
		r.link, r.mtu = u.lookUp(upf)
		u.routes[upf] = r
	}
	return r
}

func (u *UserPlane) leaveRoute(upf netip.Addr) {
	if r := u.routes[upf]; r != nil {
		if r.users--; r.users <= 0 {
			delete(u.routes, upf)
		}
	}
}

func (u *UserPlane) lookUp(upf netip.Addr) (link, mtu int) {
	routes, err := u.handle.RouteGetWithOptions(upf.AsSlice(), &netlink.RouteGetOptions{})
	if err != nil || len(routes) == 0 {
		return 0, 0
	}
	l, err := u.handle.LinkByIndex(routes[0].LinkIndex)
	if err != nil || l.Attrs().EncapType != "ether" {
		return 0, 0
	}
	mtu = l.Attrs().MTU
	if routes[0].MTU > 0 {
		mtu = min(mtu, routes[0].MTU)
	}
	return routes[0].LinkIndex, mtu
}

// refresh follows routes to UPFs and rates.
func (u *UserPlane) refresh() {
	tick := time.NewTicker(u.opts.RefreshInterval)
	defer tick.Stop()
	for {
		select {
		case <-u.stop:
			return
		case <-tick.C:
			u.refreshOnce()
		}
	}
}

func (u *UserPlane) refreshOnce() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refreshRates()
	changed := map[netip.Addr]*route{}
	for upf, r := range u.routes {
		link, mtu := u.lookUp(upf)
		if link != 0 && (link != r.link || mtu != r.mtu) {
			r.link, r.mtu = link, mtu
			changed[upf] = r
		}
	}
	if len(changed) == 0 {
		return
	}
	for _, s := range u.sessions {
		r := changed[s.upf]
		if r == nil {
			continue
		}
		for _, mark := range s.marks {
			c := u.children[mark]
			c.Link, c.UplinkMax = uint32(r.link), uint32(max(r.mtu-tunnelLen, 0))
			u.logged("route to a UPF", u.objects.Children.Put(mark, c))
		}
	}
}
