// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
)

// way is between an N3 address of ours and a UPF.
type way struct{ n3, upf netip.Addr }

// route is where packets to a UPF leave.
type route struct {
	link    int // 0: nowhere, or not over Ethernet
	mtu     int
	nextHop netip.Addr // there; not valid when it has no IPv4 address
	users   int        // sessions
}

// route finds the way to a UPF, which is looked up once for all its sessions.
func (u *UserPlane) route(to way) *route {
	r := u.routes[to]
	if r == nil {
		found := u.lookUp(to)
		r = &found
		u.routes[to] = r
	}
	return r
}

func (u *UserPlane) leaveRoute(to way) {
	if r := u.routes[to]; r != nil {
		if r.users--; r.users <= 0 {
			delete(u.routes, to)
		}
	}
}

func (u *UserPlane) lookUp(to way) (r route) {
	routes, err := u.handle.RouteGetWithOptions(to.upf.AsSlice(), &netlink.RouteGetOptions{SrcAddr: to.n3.AsSlice()})
	if err != nil || len(routes) == 0 {
		return r
	}
	found := &routes[0]
	l, err := u.handle.LinkByIndex(found.LinkIndex)
	if err != nil || l.Attrs().EncapType != "ether" {
		return r
	}
	r.link, r.mtu = found.LinkIndex, l.Attrs().MTU
	if found.MTU > 0 {
		r.mtu = min(r.mtu, found.MTU)
	}
	switch gateway, ok := netip.AddrFromSlice(found.Gw); {
	case found.Via != nil: // an IPv6 one
	case !ok:
		r.nextHop = to.upf
	case gateway.Unmap().Is4():
		r.nextHop = gateway.Unmap()
	}
	return r
}

// lead enters a route in a child SA. Without one every packet is too long, and goes to user space, which may know a way or says that there is none.
func (r *route) lead(c *userplaneChild) {
	c.Link, c.UplinkMax, c.NextHop = uint32(r.link), uint32(max(r.mtu-tunnelLen, 0)), 0
	if r.nextHop.IsValid() {
		c.NextHop = network4(r.nextHop)
	}
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
		case <-u.routing.changed:
		}
		u.refreshOnce()
		select {
		case <-u.stop:
			return
		case <-time.After(routingPause):
		}
	}
}

func (u *UserPlane) refreshOnce() {
	u.mu.Lock()
	paused, ways := u.paused, slices.Collect(maps.Keys(u.routes))
	u.mu.Unlock()
	if paused {
		return
	}
	// The kernel may take its time to answer while routes come and go, and nobody should wait for that.
	found := make(map[way]route, len(ways))
	for _, to := range ways {
		found[to] = u.lookUp(to)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.paused {
		return
	}
	u.refreshRates()
	changed := map[way]*route{}
	for to, now := range found {
		r := u.routes[to]
		if r == nil {
			continue
		}
		now.users = r.users
		if now != *r {
			*r = now
			changed[to] = r
		}
	}
	if len(changed) == 0 {
		return
	}
	for _, s := range u.sessions {
		r := changed[s.way]
		if r == nil {
			continue
		}
		for _, mark := range s.marks {
			c := u.children[mark]
			r.lead(c)
			u.logged("route to a UPF", u.objects.Children.Put(mark, c))
		}
	}
}
