// SPDX-License-Identifier: Apache-2.0

package gre

// Drop is the reason why a packet is not a user-plane packet of NWu. It is an error and, being small, an index for counters.
type Drop uint8

// The reasons, in the order in which a packet is examined. DropNone is not an error and never returned as one.
const (
	DropNone        Drop = iota
	DropShort            // shorter than the headers that it must have
	DropVersion          // neither IPv4 nor IPv6
	DropLength           // the IP length field contradicts the packet
	DropFragment         // a fragment of the carrier, which must be reassembled first
	DropNotGRE           // another protocol than 47, or IPv6 extension headers
	DropNoKey            // GRE without the key that carries the QFI
	DropFlags            // GRE with checksum, sequence number, routing or another version
	DropSource           // the inner source is not the UE's inner address
	DropDestination      // the inner destination is not the user-plane address
	NumDrops             // how many reasons there are
)

var dropText = [NumDrops]string{
	DropNone:        "none",
	DropShort:       "short packet",
	DropVersion:     "not an IP packet",
	DropLength:      "wrong IP length",
	DropFragment:    "carrier fragment",
	DropNotGRE:      "not GRE",
	DropNoKey:       "GRE without key",
	DropFlags:       "GRE flags",
	DropSource:      "inner source is not the UE's",
	DropDestination: "inner destination is not the user-plane address",
}

// String names the reason in words fit for a log line or a metric label.
func (d Drop) String() string {
	if d < NumDrops {
		return dropText[d]
	}
	return "unknown"
}

// Error makes a Drop an error.
func (d Drop) Error() string { return "gre: " + d.String() }
