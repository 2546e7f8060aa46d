// SPDX-License-Identifier: Apache-2.0

// Package ikev2 is an IKEv2 engine (RFC 7296) with MOBIKE (RFC 4555) for both roles. It does no I/O: a [Session] is
// given datagrams, timer expiries and the wishes of its owner, each with the time, and returns an [Output]: datagrams
// with the path they leave by, events, expensive work to be run elsewhere, and the next deadline. So thousands of
// sessions can be run through loss, reordering and moves in one deterministic test, and a network function can put
// them behind any socket.
//
// A [Responder] stands in front of the responder's sessions and keeps state for a peer only when it must (cookies,
// half-open limits). [NewInitiator] starts a session from the other side. A session is found by its own SPI
// ([Session.SPI]) and never by an address: addresses are a [Path], a value that MOBIKE swaps in one place.
//
// Two roles must not be confused: the original initiator is the peer that started the very first IKE SA and alone may
// move the SAs (RFC 4555 2.1); the initiator of an IKE SA is the one that started its latest rekey and decides which
// keys and flags belong to whom. [Session] holds the first, each of its IKE SAs the second.
//
// A Session is not safe for concurrent use: it has one owner. A Responder is.
package ikev2
