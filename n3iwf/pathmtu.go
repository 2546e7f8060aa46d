// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel"
)

// longestInner is the longest inner packet that a child SA carries on its UE's path without outer fragments; 0 when longer ones are left to those.
func (u *ue) longestInner(c *childSA) int {
	path := ipsec.Path(u.session.ChildPath())
	mtu := u.pathMTU(path, !c.up.Is4())
	if mtu == 0 {
		return 0
	}
	suite := c.current.Suite
	algorithms := ipsec.Algorithms{Encr: uint16(suite.Encr.ID), Integ: uint16(suite.Integ)}
	return max(longestInner(mtu, path, algorithms), gre.MinFragment)
}

// pathMTU is nwu.userPlane.pathMTU, and where that is 0 what the kernel knows of the path, if it would drop what does not fit; else 0.
func (u *ue) pathMTU(path ipsec.Path, ipv6 bool) int {
	if mtu := u.nf.live().NWu.UserPlane.PathMTU; mtu != 0 || !ipv6 {
		return mtu
	}
	if d, ok := u.nf.dataPlane.(*kernel.DataPlane); ok {
		return d.PathMTU(path)
	}
	return 0
}

// longestInner is what the outer headers and ESP leave of the path's MTU.
func longestInner(mtu int, path ipsec.Path, algorithms ipsec.Algorithms) int {
	const ipv4, ipv6, udp = 20, 40, 8
	room := mtu - ipv6
	if path.Remote.Addr().Unmap().Is4() {
		room = mtu - ipv4
	}
	if path.NATT {
		room -= udp
	}
	return esp.MaxInner(algorithms, room)
}

// refit follows a move to a path where more or less fits.
func (u *ue) refit() {
	path := ipsec.Path(u.session.ChildPath())
	for _, s := range u.sessions {
		if u.pathMTU(path, !s.up().Is4()) != 0 {
			u.updateRelay()
			return
		}
	}
}

// updateRelay tells the relay what the UE's PDU sessions are now.
func (u *ue) updateRelay() {
	for _, s := range u.sessions {
		if !s.active {
			continue
		}
		if err := s.relay.Update(s.relayConfig()); err != nil {
			u.log.Error("N3 relay", slog.Any("error", err))
		}
	}
}
