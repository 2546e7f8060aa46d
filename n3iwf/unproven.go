// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

const (
	// unprovenLimit is what may be sent to an address that has not answered yet: a forged source must not make the N3IWF a weapon against
	// the owner of that address.
	unprovenLimit = 64 << 10
	// unprovenAddresses bounds the addresses of one UE that are remembered. A UE that names more, and proves none of them, gets nothing
	// at the others before they answer.
	unprovenAddresses = 16
)

// unprovenRooms are what may still be sent to the addresses that a UE has named and not proven. They stay when the UE goes elsewhere, so that it
// gains nothing by going to and fro; a proof ends them.
type unprovenRooms map[netip.Addr]*ipsec.Room

// at is the room of an address.
func (r *unprovenRooms) at(a netip.Addr) *ipsec.Room {
	if room := (*r)[a]; room != nil {
		return room
	}
	if len(*r) >= unprovenAddresses {
		for old, room := range *r {
			if room.Left() == unprovenLimit {
				delete(*r, old) // nothing was sent there
			}
		}
	}
	if len(*r) >= unprovenAddresses {
		return ipsec.NewRoom(0)
	}
	if *r == nil {
		*r = unprovenRooms{}
	}
	room := ipsec.NewRoom(unprovenLimit)
	(*r)[a] = room
	return room
}

// proven ends the account of an address.
func (r unprovenRooms) proven(a netip.Addr) { delete(r, a) }

// targetOf is how far a path may be used.
func (u *ue) targetOf(path ikev2.Path, unproven bool) ipsec.Target {
	to := ipsec.Target{Path: ipsec.Path(path), Limit: ipsec.Unlimited}
	if unproven {
		to.Limit, to.Room = unprovenLimit, u.rooms.at(path.Remote.Addr())
	}
	return to
}

// held is a path on which nothing is sent.
func held(path ikev2.Path) ipsec.Target { return ipsec.Target{Path: ipsec.Path(path)} }

// targetOfNew is how far a new child SA may use its path: as far as those that are there.
func (u *ue) targetOfNew(path ikev2.Path) ipsec.Target {
	if u.outbound.Path == ipsec.Path(path) {
		return u.outbound
	}
	return u.targetOf(path, false)
}

// unproven tells whether what is sent to the present path is limited.
func (u *ue) unproven() bool {
	return u.outbound.Path != ipsec.Path{} && u.outbound.Limit != ipsec.Unlimited
}
