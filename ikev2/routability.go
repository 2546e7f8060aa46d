// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// maxProven bounds the proven addresses that a session remembers.
const maxProven = 8

// routability is the return routability check of the responder (RFC 4555 3.7).
type routability struct {
	wanted   bool // target is not proven yet
	target   Path
	deadline time.Time // of RoutabilityFailed; zero: reported
	opened   bool      // one request was sent to the target beyond its account
}

// provenPath is where the peer showed that it receives.
type provenPath struct {
	remote netip.AddrPort
	until  time.Time
}

func (s *Session) prove(path Path) {
	if s.followed == path.Remote {
		s.followed = netip.AddrPort{}
	}
	s.proven = slices.DeleteFunc(s.proven, func(p provenPath) bool { return p.remote == path.Remote || due(p.until, s.now) })
	if len(s.proven) >= maxProven {
		s.proven = slices.Delete(s.proven, 0, 1)
	}
	s.proven = append(s.proven, provenPath{path.Remote, s.now.Add(s.rules.RoutabilityMemory)})
	s.unproven = slices.DeleteFunc(s.unproven, func(u unproven) bool { return u.addr == path.Remote.Addr() })
}

func (s *Session) isProven(path Path) bool {
	if s.rules.Routability == RoutabilityOff || contains(s.rules.RoutabilityExempt, path.Remote.Addr()) {
		return true
	}
	return slices.ContainsFunc(s.proven, func(p provenPath) bool { return p.remote == path.Remote && !due(p.until, s.now) })
}

// checkRoutability decides what becomes of the Child SAs after the IKE SA has moved.
func (s *Session) checkRoutability() {
	inUse := s.path.Remote == s.espPath.Remote && s.path.Remote != s.followed && !s.rr.wanted
	if inUse || s.isProven(s.path) {
		s.rr = routability{}
		s.moveChildren(s.path, false)
		return
	}
	if s.rules.Routability == RoutabilityAfter {
		s.moveChildren(s.path, true)
	}
	if s.rr.wanted && s.rr.target == s.path {
		return // the check of this very path is queued or on its way
	}
	s.rr = routability{wanted: true, target: s.path, deadline: s.now.Add(s.rules.RoutabilityTimeout)}
	if !s.sa.queued(requestRoutability) {
		s.enqueueRoutability()
	}
}

// enqueueRoutability asks for the proof, before anything else that waits for room in the window.
func (s *Session) enqueueRoutability() { s.enqueue(s.routabilityRequest(), true) }

func (s *Session) routabilityRequest() *request {
	return &request{
		kind:     requestRoutability,
		exchange: message.INFORMATIONAL,
		build: func(r *request) []message.Payload {
			if !s.rr.wanted {
				return nil // the peer went back to a proven path meanwhile
			}
			r.cookie2 = make([]byte, 16)
			s.random(r.cookie2)
			return append([]message.Payload{notify(message.COOKIE2, r.cookie2)}, s.natNotifies(s.sa.spiI, s.sa.spiR, s.path)...)
		},
		done: s.routabilityResponse,
	}
}

func (s *Session) routabilityResponse(r *request, in []message.Payload) {
	if !s.cookie2Matches(r, in) {
		return
	}
	// The answer to a request that was sent to several addresses proves none of them.
	if s.rr.wanted && len(r.paths) == 1 && r.paths[0] == s.rr.target && s.rr.target == s.path {
		s.rr = routability{}
		s.prove(s.path)
		s.emit(RoutabilityProven{Path: s.path})
		s.moveChildren(s.path, false)
		return
	}
	if s.rr.wanted && !s.sa.queued(requestRoutability) {
		s.enqueueRoutability()
	}
}

// cookie2Matches checks the COOKIE2 of a response to a request that had one. Another value, or none, ends the session
// (RFC 4555 4.2.5).
func (s *Session) cookie2Matches(r *request, in []message.Payload) bool {
	n := message.GetNotify(in, message.COOKIE2)
	if n != nil && bytes.Equal(n.Data, r.cookie2) {
		return true
	}
	s.abort(ErrCookie2)
	return false
}

func (s *Session) routabilityDue() {
	if due(s.rr.deadline, s.now) {
		s.rr.deadline = time.Time{}
		s.emit(RoutabilityFailed{Path: s.rr.target})
	}
}
