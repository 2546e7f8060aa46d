// SPDX-License-Identifier: Apache-2.0

package user

import (
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/endpoint"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

const (
	// rebindInterval limits Rebind events for each SA: one a packet would drown the owner.
	rebindInterval = 100 * time.Millisecond
	// lateInterval is how long packets from the path that was just left are taken for late ones and not for a return to it.
	lateInterval = 2 * time.Second
)

// child is one ChildID: the handle that writers hold. Writers and receivers read the atomic fields; the others belong to the control plane, under
// DataPlane.mu.
type child struct {
	id   ipsec.ChildID
	out  atomic.Pointer[generation] // sent with; nil is none
	path atomic.Pointer[outPath]

	lastInbound, lastOnPath, lastRebind atomic.Int64 // Unix nanoseconds; 0 is never

	noOutbound, held, exhausted, tooLong atomic.Uint64

	moves       uint64
	generations []*generation // oldest first
	resting     *generation   // what out was before Bequest
}

// ID implements ipsec.Handle.
func (c *child) ID() ipsec.ChildID { return c.id }

// outPath is where a child sends, all resolved. It is replaced as a whole and never changed.
type outPath struct {
	path     ipsec.Path
	endpoint *endpoint.Endpoint
	address  udpbatch.Address
	limit    int64       // as asked for; ipsec.Unlimited for a proven path
	room     *ipsec.Room // while unproven, shared by the SAs of one Move
	left     ipsec.Path  // the path before
	leftAt   int64
}

// generation is one pair of SAs of a child.
type generation struct {
	spi           uint32 // inbound; 0 in the table's stand-in
	child         *child
	in            *esp.Inbound
	sealer        *esp.Outbound
	local, remote []ipsec.Selector
	context       any
	dscp          uint8

	softSequence, hardSequence, softBytes, hardBytes uint64
	softTold, hardTold                               atomic.Bool
	leftOut                                          uint64 // sequence numbers, by those who have had this SA

	inPackets, inBytes, outPackets, outBytes, outESPBytes atomic.Uint64
	malformed, old, duplicate, auth, selector             atomic.Uint64

	resting *uint64     // the last sequence number, since Bequest has closed the sealer; under DataPlane.mu
	deleted bool        // under DataPlane.mu
	timer   *time.Timer // ends the grace; under DataPlane.mu
}

func (g *generation) drops() ipsec.InboundDrops {
	return ipsec.InboundDrops{
		Malformed: g.malformed.Load(), Old: g.old.Load(), Duplicate: g.duplicate.Load(), Auth: g.auth.Load(), Selector: g.selector.Load(),
	}
}

func (g *generation) stats() ipsec.Generation {
	return ipsec.Generation{
		InboundSPI: g.spi, OutboundSPI: g.sealer.SPI(), Current: g.child.out.Load() == g, Deleted: g.deleted,
		Inbound:          ipsec.Counter{Packets: g.inPackets.Load(), Bytes: g.inBytes.Load()},
		Outbound:         ipsec.Counter{Packets: g.outPackets.Load(), Bytes: g.outBytes.Load()},
		OutboundSequence: g.sealer.Sequence(), InboundSequence: g.in.Sequence(), Drops: g.drops(),
	}
}

// lifetime fills in the defaults and bounds. Packets are told by their sequence numbers.
func (g *generation) lifetime(l ipsec.Lifetime) {
	last := g.sealer.Last()
	or := func(v, otherwise uint64) uint64 {
		if v == 0 {
			return otherwise
		}
		return v
	}
	sequence := func(packets uint64) uint64 { return min(packets, last-min(last, g.leftOut)) + g.leftOut }
	hard := min(or(l.HardPackets, last), last)
	g.hardSequence = min(sequence(hard), last)
	g.softSequence = min(sequence(or(l.SoftPackets, hard/4*3)), g.hardSequence)
	g.hardBytes = or(l.HardBytes, 1<<63)
	g.softBytes = min(or(l.SoftBytes, g.hardBytes/4*3), g.hardBytes)
}

// used is what has been carried.
func (g *generation) used() ipsec.Used {
	return ipsec.Used{
		Inbound:  ipsec.Counter{Packets: g.inPackets.Load(), Bytes: g.inBytes.Load()},
		Outbound: ipsec.Counter{Packets: g.outPackets.Load(), Bytes: g.outBytes.Load()},
		Drops:    g.drops(), ESP: g.outESPBytes.Load(), LeftOut: g.leftOut,
	}
}

// goOn continues with what another node or process has used. Whether a lifetime's end was told does not matter: the next packet tells it here.
func (g *generation) goOn(r *ipsec.Resume) {
	u := &r.Used
	g.leftOut = u.LeftOut + r.Margin()
	g.inPackets.Store(u.Inbound.Packets)
	g.inBytes.Store(u.Inbound.Bytes)
	g.outPackets.Store(u.Outbound.Packets)
	g.outBytes.Store(u.Outbound.Bytes)
	g.outESPBytes.Store(u.ESP)
	g.malformed.Store(u.Drops.Malformed)
	g.old.Store(u.Drops.Old)
	g.duplicate.Store(u.Drops.Duplicate)
	g.auth.Store(u.Drops.Auth)
	g.selector.Store(u.Drops.Selector)
}
