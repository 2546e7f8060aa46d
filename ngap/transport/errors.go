// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"errors"
	"fmt"
)

// Errors of single calls; the association lives on after them.
var (
	ErrStream      = errors.New("stream was not negotiated for this association")
	ErrMessageSize = errors.New("message is empty or above the size limit")
	// ErrListenerClosed is what Accept returns after Close.
	ErrListenerClosed = errors.New("SCTP listener is closed")
	// ErrKernelUnsupported says that this machine's kernel offers no SCTP.
	ErrKernelUnsupported = errors.New("the kernel has no SCTP")
)

// Reason says why an association ended or was never made.
type Reason uint8

const (
	// ReasonClosed: this side called Close.
	ReasonClosed Reason = iota + 1
	// ReasonAborted: this side called Abort, or gave up on Close.
	ReasonAborted
	// ReasonPeerShutdown: the peer shut down in good order.
	ReasonPeerShutdown
	// ReasonPeerAbort: the peer sent ABORT.
	ReasonPeerAbort
	// ReasonPeerRestart: the peer has set up a new association in the place of
	// this one; it has lost all state (RFC 9260 5.2.2).
	ReasonPeerRestart
	// ReasonPeerGone: no answer on any path within the supervision time.
	ReasonPeerGone
	// ReasonRefused: the peer answered the set-up with ABORT.
	ReasonRefused
	// ReasonNoAnswer: the peer never answered the set-up.
	ReasonNoAnswer
	// ReasonProtocol: the peer broke the protocol so that nothing but an ABORT
	// was left; it has been told.
	ReasonProtocol
	// ReasonSocket: the local socket failed.
	ReasonSocket
)

var reasonNames = map[Reason]string{
	ReasonClosed:       "closed by this side",
	ReasonAborted:      "aborted by this side",
	ReasonPeerShutdown: "shut down by the peer",
	ReasonPeerAbort:    "aborted by the peer",
	ReasonPeerRestart:  "the peer restarted",
	ReasonPeerGone:     "the peer does not answer any more",
	ReasonRefused:      "refused by the peer",
	ReasonNoAnswer:     "the peer does not answer",
	ReasonProtocol:     "the peer violated the protocol",
	ReasonSocket:       "local socket error",
}

func (r Reason) String() string {
	if s, ok := reasonNames[r]; ok {
		return s
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// LossError is why an association is no more (Receive, Send, Err) or was not
// made (Dial).
type LossError struct {
	Reason Reason
	Peer   Addr
	Detail string // for operators: the peer's words, the cause's name
	Err    error  // what the system said, if anything
}

func (e *LossError) Error() string {
	s := fmt.Sprintf("SCTP association with %s: %s", e.Peer, e.Reason)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *LossError) Unwrap() error { return e.Err }
