// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"time"
)

// Path is where IKE messages and ESP packets travel: a value, never an identity.
type Path struct {
	Local, Remote netip.AddrPort
	// NATT is set on the NAT-traversal port (RFC 7296 2.23): IKE messages carry the non-ESP marker there, which the
	// edge adds and removes, and ESP is encapsulated in UDP.
	NATT bool
}

func (p Path) String() string {
	s := p.Local.String() + "-" + p.Remote.String()
	if p.NATT {
		s += "/natt"
	}
	return s
}

// Datagram is one IKE message to be sent. Data has no non-ESP marker and must not be changed nor reused by the
// receiver of the Output: the session keeps it for retransmission.
type Datagram struct {
	Path Path
	Data []byte
	// Keepalive marks a NAT keepalive (RFC 3948 2.3): Data is the single octet 0xFF and gets no non-ESP marker.
	Keepalive bool
}

// Output is what a session wants done. Events are in the order in which they happened.
type Output struct {
	Datagrams []Datagram
	Events    []Event
	Work      []*Work
	// Deadline is when Timeout must be called at the latest; it replaces earlier deadlines. Zero: no timer is running.
	Deadline time.Time
}

// Work is expensive public-key work (Diffie-Hellman, signatures). Call Run on any goroutine, once, then give it back
// to the session's owner for Session.Done. A session accepts everything else in the meantime.
type Work struct {
	session *Session
	run     func() error // must touch nothing of the session but what it captured
	done    func(err error)
	err     error
}

// Run does the work. It may be called on any goroutine.
func (w *Work) Run() { w.err = w.run() }

// Session is the session that the work belongs to, and that Done must be called on.
func (w *Work) Session() *Session { return w.session }

// NATStatus is what NAT detection (RFC 7296 2.23) found out. A peer that forces UDP encapsulation looks as if it were
// behind a NAT.
type NATStatus struct {
	Supported     bool // both sides know NAT traversal
	PeerBehindNAT bool
	BehindNAT     bool
}
