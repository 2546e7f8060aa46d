// SPDX-License-Identifier: Apache-2.0

package udpbatch

import (
	"net"
	"strconv"
)

// zoneID gives the interface index of an IPv6 zone, which is a number here (as received) or an interface name; 0 when unknown.
func zoneID(zone string) uint32 {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}
