// SPDX-License-Identifier: Apache-2.0

package ipsec

// SequenceMargin is what a node that goes on with an SA of another one leaves out of the outbound sequence: whatever the other node still sent when
// its count was taken, no sequence number (and with GCM no nonce) is used twice.
const SequenceMargin = 1 << 20

// Replay is the state of an anti-replay window (RFC 4303 3.4.3).
type Replay struct {
	// Top is the highest sequence number authenticated, 0 for none.
	Top uint64
	// Seen has a bit for each of the sequence numbers up to Top: bit i%64 of word i/64 is Top-i. Sequence numbers below those are too old.
	Seen []uint64
}

// Resume is where another node has come with an SA.
type Resume struct {
	// Outbound is the last sequence number that can have been used; the next one is SequenceMargin higher, unless Exact.
	Outbound uint64
	// Exact tells that nothing more can be sent where the count was taken: the next sequence number is the very next one, so that the peer takes what is
	// still under way however late it comes.
	Exact   bool `json:",omitzero"`
	Inbound Replay
	// Used is what the SA has carried until now.
	Used Used `json:",omitzero"`
}

// Margin is how many outbound sequence numbers are left out.
func (r *Resume) Margin() uint64 {
	if r.Exact {
		return 0
	}
	return SequenceMargin
}

// Used is what an SA has carried, for its Lifetime and its Stats.
type Used struct {
	Inbound, Outbound Counter
	Drops             InboundDrops
	ESP               uint64 // octets of ESP packets, outbound
	LeftOut           uint64 // outbound sequence numbers that no packet has had
}

// Handed is one generation that was taken out of a data plane.
type Handed struct {
	InboundSPI, OutboundSPI uint32
	Current                 bool // it was sent with
	Resume                  Resume
	Kept                    []byte `json:",omitempty"` // see ChildSA.Kept
}

// Handover is what a DataPlane offers beside when its SAs can go on at another node.
type Handover interface {
	// TakeOut ends all generations of id at once, in both directions: when it returns, no packet is sent or accepted with any of them any more, and
	// the result says for each where it has come, oldest first. Generations in their grace are left out.
	TakeOut(id ChildID) ([]Handed, error)
	// Inject handles an ESP packet that came to another node first. It counts as traffic, but says nothing about the path. The packet is changed.
	Inject(packet []byte)
	// Layout tells how inbound SPIs are made up; two nodes can take over each other's SAs only when theirs are equal.
	Layout() string
}

// Forwarder is what a Sink implements beside to be asked for ESP with an SPI that is not installed here, before it counts as unknown.
type Forwarder interface {
	// Forward tells whether it has taken the packet. It is called from receiving goroutines, must not block, and must not keep packet.
	Forward(spi uint32, packet []byte) bool
}
