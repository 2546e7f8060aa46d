// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

const (
	// rebindInterval limits Rebind events for each SA: one a packet would drown the owner.
	rebindInterval = 100 * time.Millisecond
	// lateInterval is how long packets from the path that was just left are taken for late ones and not for a return to it.
	lateInterval = 2 * time.Second
)

// A mark is the number of a child SA (its slot), that of its generation, and a bit that tells an inbound state from the one before it. Outbound, the
// lower bits do not matter: the policy chooses the generation.
const (
	lowBits     = 4
	generations = 1 << (lowBits - 1)
	childMask   = ^uint32(1<<lowBits - 1)
)

// generationOf gives the generation that a mark, or a reqid of ours, is about.
func generationOf(mark uint32) uint32 { return (mark >> 1) % generations }

// child is one ChildID: the handle that writers hold. Writers and receivers read the atomic fields; the others belong to the control plane, under
// DataPlane.mu.
type child struct {
	id   ipsec.ChildID
	slot int
	out  atomic.Pointer[generation] // sent with; nil is none
	path atomic.Pointer[outPath]
	gens [generations]atomic.Pointer[generation]

	lastInbound, lastOnPath, lastRebind atomic.Int64 // Unix nanoseconds; 0 is never
	// Packets that came, those of them that the kernel told to be from elsewhere, when that was last, and the largest difference so far.
	seen, elsewhere, lastElsewhere, onPath atomic.Int64

	noOutbound, held, exhausted, tooLong atomic.Uint64

	gate atomic.Bool // writers wait with packets of this child: its states are being exchanged

	moves       uint64
	taken       uint64        // packets, by the Shortcut
	generations []*generation // oldest first
	policies    []*xfrm.Policy
}

// ID implements ipsec.Handle.
func (c *child) ID() ipsec.ChildID { return c.id }

func (c *child) mark() uint32 { return uint32(c.slot) << lowBits }

// outPath is where a child sends. It is replaced as a whole and never changed.
type outPath struct {
	path   ipsec.Path
	limit  int64       // as asked for; ipsec.Unlimited for a proven path
	room   *ipsec.Room // while unproven, shared by the SAs of one Move
	left   ipsec.Path  // the path before
	leftAt int64
}

// generation is one pair of SAs of a child. In the kernel each of the two has one state for each address that it uses: a leg.
type generation struct {
	child         *child
	index         int // below generations
	spi, outSPI   uint32
	local, remote []ipsec.Selector
	context       any
	dscp          uint8
	esn           bool
	window        uint32
	inKeys        algorithms
	outKeys       algorithms
	fixed, align  int // what ESP adds

	softPackets, hardPackets, softBytes, hardBytes uint64
	softTold, hardTold                             atomic.Bool
	softKept, hardKept                             bool          // a predecessor has told it; nobody knows whether its owner has dealt with it
	written, writtenBytes                          atomic.Uint64 // packets, and octets of ESP, by writers
	malformed, selector, refusedBytes              atomic.Uint64
	inPaths                                        atomic.Pointer[[]ipsec.Path] // of in, for those who hold no lock
	aligned                                        atomic.Bool                  // what comes on the path in use is not reported as from elsewhere
	legBit                                         atomic.Uint32                // of the inbound state in use
	bothUntil                                      atomic.Int64                 // Unix nanoseconds; see acceptSpare
	stale                                          atomic.Uint64                // packets of spare states that were not new

	// Under DataPlane.mu.
	in       []*leg // the last one is that of the path in use
	out      *leg   // nil once deleted
	lingers  []*leg // outbound, switched away from
	done     counts // of legs that are gone
	deleted  bool
	graceEnd *time.Timer
}

// leg is one state.
type leg struct {
	id    xfrm.ID
	path  ipsec.Path     // as the state has it
	start uint64         // outbound: the first sequence number is the next one
	from  netip.AddrPort // inbound: packets from there are not reported
	bit   uint32         // inbound: in the marks of its packets
	timer *time.Timer    // ends it
}

func (l *leg) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

// counts are those of legs.
type counts struct {
	packets, bytes, outPackets, outBytes uint64
	drops                                ipsec.InboundDrops
	in, out                              uint64 // sequence numbers
}

// inbound adds what an inbound state counted.
func (k *counts) inbound(s *xfrm.State) {
	k.packets += s.Packets
	k.bytes += s.Bytes
	k.drops.Old += uint64(s.Drops.ReplayWindow)
	k.drops.Duplicate += uint64(s.Drops.Replay)
	k.drops.Auth += uint64(s.Drops.Integrity)
	k.in = max(k.in, s.Replay.In)
}

// outbound adds what an outbound state counted.
func (k *counts) outbound(s *xfrm.State) {
	k.outPackets += s.Packets
	k.outBytes += s.Bytes
	k.out = max(k.out, s.Replay.Out)
}

// size is the length of the ESP packet for an inner packet of n octets.
func (g *generation) size(n int) int { return g.fixed + (n+2+g.align-1)/g.align*g.align - 2 }

// last is the last sequence number.
func (g *generation) last() uint64 {
	if g.esn {
		return 1<<64 - 2 // the kernel stops before the end
	}
	return 1<<32 - 1
}

// lifetime fills in the defaults and bounds.
func (g *generation) lifetime(l ipsec.Lifetime) {
	or := func(v, otherwise uint64) uint64 {
		if v == 0 {
			return otherwise
		}
		return v
	}
	last := g.last()
	g.hardPackets = min(or(l.HardPackets, last), last)
	g.softPackets = min(or(l.SoftPackets, g.hardPackets/4*3), g.hardPackets)
	g.hardBytes = or(l.HardBytes, 1<<63)
	g.softBytes = min(or(l.SoftBytes, g.hardBytes/4*3), g.hardBytes)
}
