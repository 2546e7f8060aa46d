// SPDX-License-Identifier: Apache-2.0

package upf

import "sync/atomic"

// Reason says why a packet was dropped.
type Reason uint8

// The reasons. The first three happen before a session is known.
const (
	MalformedGTP Reason = iota // not a GTP-U message that can be acted on
	UnknownTEID                // answered with an Error Indication
	UnknownType                // a GTP-U message type that no RAN sends
	NoContainer                // an uplink packet without PDU Session Container (TS 29.281 5.2.2.7 wants it on N3)
	Direction                  // an uplink packet with a downlink container
	UnknownQFI                 // a flow that the session does not have
	MalformedIP                // not exactly one IP packet, or what it carries is cut off
	Fragment                   // of an IPv4 packet: the data network does not reassemble
	Checksum                   // of the IPv4 header, ICMP or UDP
	Source                     // the source is not the session's address
	NoService                  // nobody listens for that protocol or port
	BadRequest                 // to the source: wrong length or values
	NoDownlink                 // an answer, but the session's downlink tunnel is not known
	TooLong                    // an answer that no G-PDU holds
	NumReasons
)

var reasons = [NumReasons]string{
	"malformed GTP-U", "unknown TEID", "unknown message type", "no container", "wrong direction", "unknown QFI", "malformed IP", "fragment",
	"checksum", "wrong source", "no service", "bad request", "no downlink", "too long",
}

// String names the reason.
func (r Reason) String() string {
	if r < NumReasons {
		return reasons[r]
	}
	return "unknown reason"
}

// Counter counts packets and the octets of their PDUs (IP packets).
type Counter struct{ Packets, Bytes uint64 }

// Traffic is what went through and what did not.
type Traffic struct {
	Uplink, Downlink Counter
	Sink             Counter // of Uplink: what the sink has counted
	Drops            [NumReasons]uint64
}

// Dropped adds up the drops.
func (t Traffic) Dropped() (n uint64) {
	for _, d := range t.Drops {
		n += d
	}
	return n
}

// Stats are a UPF's counts since it was made, with those of released sessions.
type Stats struct {
	Traffic
	Sessions                                int
	EchoRequestsIn                          uint64
	ErrorIndicationsIn, ErrorIndicationsOut uint64
	EndMarkersIn                            uint64
}

type counter struct{ packets, bytes atomic.Uint64 }

func (c *counter) add(n int) {
	c.packets.Add(1)
	c.bytes.Add(uint64(n))
}

func (c *counter) read() Counter { return Counter{c.packets.Load(), c.bytes.Load()} }

type counters struct {
	up, down, sink counter
	drops          [NumReasons]atomic.Uint64
}

func (c *counters) read() (t Traffic) {
	t.Uplink, t.Downlink, t.Sink = c.up.read(), c.down.read(), c.sink.read()
	for i := range c.drops {
		t.Drops[i] = c.drops[i].Load()
	}
	return t
}
