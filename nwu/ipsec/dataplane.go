// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"errors"
	"time"
)

// Errors of a data plane. They come wrapped with the SA and the reason.
var (
	ErrUnknown   = errors.New("no such child SA")
	ErrInvalid   = errors.New("invalid child SA")
	ErrPath      = errors.New("path cannot be used")
	ErrNoSPI     = errors.New("no free inbound SPI")
	ErrExists    = errors.New("SPI is in use")
	ErrAlgorithm = errors.New("algorithm or key length not supported")
	ErrClosed    = errors.New("data plane is closed")
	// Reasons why a packet was not written.
	ErrNoOutbound = errors.New("child SA has no outbound SA")
	ErrExhausted  = errors.New("outbound SA is used up")
	ErrHeld       = errors.New("path is unproven and its limit is used up")
	ErrTooLong    = errors.New("packet too long")
)

// DataPlane carries ESP for many child SAs. All methods may be called from any goroutine; calls about the same ChildID must not overlap
// (a UE has one owner).
type DataPlane interface {
	// Workers is the number of receiving workers, 1 or more; workers are numbered from 0. SPIs steer packets to workers: give all SAs of
	// one UE the same worker.
	Workers() int
	// NewInboundSPI reserves an inbound SPI whose packets reach that worker (any worker when negative). It stays reserved until Install
	// and a later deletion, or ReleaseSPI. ErrNoSPI when all are taken.
	NewInboundSPI(worker int) (uint32, error)
	// ReleaseSPI gives back a reserved SPI that was never installed. Unknown SPIs are ignored.
	ReleaseSPI(spi uint32)
	// IKESPI puts the worker's number into random, so that IKE messages to that SPI (as responder) reach that worker.
	IKESPI(worker int, random uint64) uint64

	// Install adds a generation. The first one of an ID is used in both directions at once. A later one (rekey, RFC 7296 2.8) is accepted
	// inbound at once while the older generation stays in use outbound until SwitchOutbound. Nothing is changed on error.
	Install(sa ChildSA) error
	// SwitchOutbound makes the generation with that inbound SPI the one that is sent with.
	SwitchOutbound(id ChildID, inboundSPI uint32) error
	// Move sends the outbound packets of all ids to another path from now on: all or none on error, and the same result when repeated.
	// Sequence numbers go on; inbound packets are accepted from every path before and after. SAs of the same Move share Target.Limit.
	Move(to Target, ids ...ChildID) error
	// DeleteSA ends one generation: outbound at once, inbound after grace. Late packets within grace are still delivered.
	DeleteSA(id ChildID, inboundSPI uint32, grace time.Duration) error
	// Delete ends all generations of id in the same way. The id may be installed anew at once.
	Delete(id ChildID, grace time.Duration) error
	// Handle gives what a Writer needs. It stays good over rekeys and moves, until Delete.
	Handle(id ChildID) (Handle, error)
	Stats(id ChildID) (Stats, error)

	// NewWriter makes a writer for one goroutine.
	NewWriter() Writer
	// SendIKE sends an IKE message; the non-ESP marker is added here when path.NATT.
	SendIKE(path Path, message []byte) error
	// SendKeepalive sends a NAT keepalive (RFC 3948 2.3), which only the party behind the NAT needs to.
	SendKeepalive(path Path) error
	// Close ends all SAs and waits until nothing calls the Sink any more. It must not be called from within the Sink.
	Close() error
}

// Handle stands for a child SA in a Writer.
type Handle interface{ ID() ChildID }

// Writer protects and sends inner packets. It belongs to one goroutine. Packets are copied by Write and leave in batches: at Flush, or
// earlier when the batch is full.
type Writer interface {
	// Write takes one inner IP packet, given in two parts (head is the inner IP and GRE header, say; either may be empty). It keeps neither.
	// Errors: ErrNoOutbound, ErrExhausted, ErrHeld, ErrTooLong; the packet is dropped and counted then.
	Write(h Handle, head, payload []byte) error
	// Flush sends what was written. The error is the last of the batch; packets that the system refused are counted in Totals.
	Flush() error
}

// Inbound is an inner packet that was decrypted, authenticated, replay-checked and selector-checked.
type Inbound struct {
	ID      ChildID
	Context any    // of the ChildSA
	SPI     uint32 // the generation that it came through
	Packet  []byte // inner IPv4 or IPv6 packet of exactly its stated length; may be changed in place
}

// Receiver takes inner packets for one receiving goroutine of the data plane.
type Receiver interface {
	// Inbound gets a batch in order of arrival. Nothing of it may be kept after return: copy, or write and flush before returning.
	Inbound(batch []Inbound)
}

// Sink is who a data plane reports to. Its methods are called from several goroutines at a time and must not block.
type Sink interface {
	// NewReceiver is called once by each receiving goroutine, before its first packet, so that a Receiver can own writers and scratch memory
	// without locks.
	NewReceiver() Receiver
	// IKE gets an IKE message without marker, with the path that it came on. The message must not be kept after return.
	IKE(path Path, message []byte)
	// Event gets what the owner must know; see Event.
	Event(ev Event)
}
