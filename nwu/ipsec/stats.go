// SPDX-License-Identifier: Apache-2.0

package ipsec

import "time"

// Counter counts packets and their octets.
type Counter struct{ Packets, Bytes uint64 }

// Stats is the state of a child SA at one moment. Octets are those of inner packets.
type Stats struct {
	Path        Path
	Moves       uint64       // completed moves to another path
	Generations []Generation // oldest first; deleted ones stay until their grace ends
	// Outbound packets that were not sent, over all generations.
	NoOutbound, Held, Exhausted, TooLong uint64
	// LastInbound is when an authenticated packet last came on any path, LastOnPath when on the path that is sent to now: only this one
	// says that the path works. Zero when never.
	LastInbound, LastOnPath time.Time
}

// Generation is one generation's part of Stats.
type Generation struct {
	InboundSPI, OutboundSPI uint32
	Current                 bool // it is the one sent with
	Deleted                 bool // in its grace
	Inbound, Outbound       Counter
	OutboundSequence        uint64 // last used
	InboundSequence         uint64 // highest authenticated
	Drops                   InboundDrops
}

// InboundDrops counts the inbound packets of an SA that were dropped, by reason.
type InboundDrops struct {
	Malformed uint64 // too short, wrong alignment, bad padding, or no inner IP packet
	Old       uint64 // below the replay window
	Duplicate uint64
	Auth      uint64 // integrity check failed
	Selector  uint64 // inner packet not allowed by the traffic selectors
}

// Add adds other's counts.
func (d *InboundDrops) Add(other InboundDrops) {
	d.Malformed += other.Malformed
	d.Old += other.Old
	d.Duplicate += other.Duplicate
	d.Auth += other.Auth
	d.Selector += other.Selector
}
