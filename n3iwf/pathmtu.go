// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

// longestInner is the longest inner packet that a child SA carries on its UE's path without outer fragments, as nwu.userPlane.pathMTU says; 0 when
// that is left to outer fragments.
func (u *ue) longestInner(sa *ikev2.ChildSA) int {
	mtu := u.nf.live().NWu.UserPlane.PathMTU
	if mtu == 0 {
		return 0
	}
	algorithms := ipsec.Algorithms{Encr: uint16(sa.Suite.Encr.ID), Integ: uint16(sa.Suite.Integ)}
	return max(longestInner(mtu, ipsec.Path(u.session.ChildPath()), algorithms), gre.MinFragment)
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
	if u.nf.live().NWu.UserPlane.PathMTU != 0 {
		u.updateRelay()
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
