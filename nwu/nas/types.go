// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// Reasons for which a connection ends, for use with errors.Is on what OnClosed gets.
var (
	ErrPeerClosed = errors.New("nas: closed by the peer")
	ErrReset      = errors.New("nas: connection reset or timed out")
	ErrReplaced   = errors.New("nas: replaced by a newer connection of the same UE")
	ErrProtocol   = errors.New("nas: envelope of length zero or too long")
	ErrPanic      = errors.New("nas: defect while handling the connection")
	ErrClosed     = errors.New("nas: closed here")

	// ErrNotConnected and ErrOverflow are returned by Send: the UE has no connection, or too much waits for it already.
	ErrNotConnected = errors.New("nas: no connection")
	ErrOverflow     = errors.New("nas: too much waits to be sent")
)

// Events is told what happens. The calls about one UE address come one after the other and in order, from one of the
// workers; calls about different addresses come at the same time. A call must not block; it may call Send and Disconnect.
type Events interface {
	// OnConnected: a TCP connection with this UE (its inner address) exists. It comes before the first OnNAS.
	OnConnected(ue netip.Addr, c *Conn)
	// OnNAS: one NAS message came. pdu belongs to the receiver.
	OnNAS(ue netip.Addr, pdu []byte)
	// OnClosed: the connection has ended, for one of the reasons above. It comes once for each OnConnected, after all that has come on it and before the
	// OnConnected of a connection that replaces it, and for a Dial that failed.
	OnClosed(ue netip.Addr, c *Conn, e Ended)
}

// Ended says why a connection has ended, and what of that which was sent on it the peer may not have got.
type Ended struct {
	Reason error
	Undelivered
}

// Options say how a transport is made. Out and Events must be given; zero elsewhere takes the default in parentheses.
type Options struct {
	// Addresses are the NAS addresses of the N3IWF (one or two, IPv4 and IPv6). Server only.
	Addresses []netip.Addr
	// Port is the NAS TCP port (20000). Server only.
	Port uint16
	// Out sends one inner IP packet of or to that UE inner address. It is called from several goroutines, must not block,
	// and must not keep packet after return.
	Out    func(ue netip.Addr, packet []byte)
	Events Events
	// MTU is the longest inner packet in octets (1280); the MSS follows from it. An outer path of 1500 octets carries 1406 with
	// any algorithm and family; 1280 also fits behind a relay UE whose PDU session has an MTU of 1400.
	MTU int
	// MaxPDU is the longest NAS message accepted, in octets (8192, at most 65535).
	MaxPDU int
	// MaxPending is how many octets may wait for one UE beyond what TCP has taken (65536).
	MaxPending int
	// MaxHalfOpen is how many TCP handshakes may be under way at a time (1024). Server only.
	MaxHalfOpen int
	// Workers is how many goroutines handle connections (2).
	Workers int
	// KeepAlive is the idle time after which TCP asks for a sign of life (0: never; the IKE SA is supervised instead).
	KeepAlive time.Duration
	// UserTimeout is how long sent octets may stay unacknowledged before the connection ends (2 min).
	UserTimeout time.Duration
	Logger      *slog.Logger
	// LogAttrs tell which UE it is in every line of the log about the one with an inner address. nil: nothing beside the address.
	LogAttrs func(ue netip.Addr) []slog.Attr
}

// Stats are counts since the transport was made.
type Stats struct {
	Connections uint64 // open now
	Connected   uint64 // connections made
	NASIn       uint64 // NAS messages received
	NASOut      uint64 // NAS messages given to TCP
	PacketsIn   uint64
	PacketsOut  uint64
	Rejected    uint64 // packets given to Input that are no IP packets
	Protocol    uint64 // connections ended by a malformed envelope
	Replaced    uint64
	Overflow    uint64 // messages that Send refused because too much waited
	Panics      uint64
}
