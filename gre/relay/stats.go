// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
)

// Counter counts packets and the octets of their PDUs.
type Counter struct{ Packets, Bytes uint64 }

// Add adds other's counts.
func (c *Counter) Add(other Counter) {
	c.Packets, c.Bytes = c.Packets+other.Packets, c.Bytes+other.Bytes
}

// Subtract takes earlier counts off.
func (c *Counter) Subtract(earlier Counter) {
	c.Packets, c.Bytes = c.Packets-earlier.Packets, c.Bytes-earlier.Bytes
}

// Traffic is what was forwarded and what was dropped.
type Traffic struct {
	Uplink, Downlink Counter
	Drops            [NumReasons]uint64
}

// Dropped adds up the drops.
func (t Traffic) Dropped() (n uint64) {
	for _, d := range t.Drops {
		n += d
	}
	return n
}

// Stats are counts of a relay since it was made.
type Stats struct {
	Traffic
	Sessions int
	// Offloaded are those that an Offload forwards.
	Offloaded int
	Peers     []PeerStats
	// Signalling.
	EchoRequestsIn, EchoRequestsOut            uint64
	ErrorIndicationsIn, ErrorIndicationsOut    uint64
	EndMarkers, ExtensionNotifications, Faults uint64
	// Reassembled uplink packets, whose carrier came in fragments.
	Reassembled uint64
	// Redirected downlink packets, whose session goes on at another node.
	Redirected uint64
	// Fragmented downlink packets, which were longer than their child SA's Child.MaxPacket.
	Fragmented uint64
	Sockets    []udpbatch.Stats
}

// PeerStats tells of one UPF.
type PeerStats struct {
	UPF      string
	Sessions int
	Down     bool
}

// counters are the atomics behind Traffic. Uplink and downlink are written by different goroutines: the drops lie between them.
type counters struct {
	ulPackets, ulBytes atomic.Uint64
	drops              [NumReasons]atomic.Uint64
	dlPackets, dlBytes atomic.Uint64
}

func (c *counters) read() (t Traffic) {
	t.Uplink = Counter{c.ulPackets.Load(), c.ulBytes.Load()}
	t.Downlink = Counter{c.dlPackets.Load(), c.dlBytes.Load()}
	for i := range c.drops {
		t.Drops[i] = c.drops[i].Load()
	}
	return t
}

// add puts the counts of one batch in.
func (c *counters) uplink(packets, bytes uint64) {
	c.ulPackets.Add(packets)
	c.ulBytes.Add(bytes)
}

func (c *counters) downlink(packets, bytes uint64) {
	c.dlPackets.Add(packets)
	c.dlBytes.Add(bytes)
}
