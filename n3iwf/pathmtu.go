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

// moveFitting switches what is sent to the UE to a path where more or less fits: what is too long for the new one is not sent any more before, what is
// too long for the old one not until after.
func (u *ue) moveFitting(to ipsec.Target) {
	shorter, longer := u.refits()
	if shorter {
		u.updateRelay()
	}
	u.movePath(to)
	if longer {
		u.updateRelay()
	}
}

// refits tells whether longest inner packets are now shorter or longer than the relay knows.
func (u *ue) refits() (shorter, longer bool) {
	const unlimited = 0
	for _, s := range u.sessions {
		for _, c := range s.children {
			if c.current == nil {
				continue
			}
			switch now := u.longestInner(c); {
			case now == c.longest:
			case c.longest == unlimited || now != unlimited && now < c.longest:
				shorter = true
			default:
				longer = true
			}
		}
	}
	return shorter, longer
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
