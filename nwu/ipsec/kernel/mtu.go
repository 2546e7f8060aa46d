// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"github.com/vishvananda/netlink"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// leastMTU is that of IPv6 (RFC 8200 5).
const leastMTU = 1280

// PathMTU is what the kernel knows of the MTU of a path now: that of the route with what ICMP has told since, or of the link. An inner IPv4 packet whose
// ESP packet is longer goes in outer fragments, like a UDP datagram. An inner IPv6 packet does not: as a router the kernel drops it, unless it has no more
// than 1280 octets. Where nothing is known of the path it is 1280.
func (d *DataPlane) PathMTU(path ipsec.Path) int {
	routes, err := d.link.handle.RouteGetWithOptions(path.Remote.Addr().AsSlice(), &netlink.RouteGetOptions{SrcAddr: path.Local.Addr().AsSlice()})
	if err != nil || len(routes) == 0 {
		return leastMTU
	}
	if mtu := routes[0].MTU; mtu > 0 {
		return mtu
	}
	l, err := d.link.handle.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return leastMTU
	}
	return l.Attrs().MTU
}
