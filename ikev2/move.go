// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Move (original initiator) moves the session to another path: at once what we send, and with UPDATE_SA_ADDRESSES what
// the peer sends (RFC 4555 3.5). It ends with MoveDone or MoveRefused, unless another Move comes first. The present
// path again is allowed, for a NAT that may have changed. Without MOBIKE it changes our own path only.
func (s *Session) Move(now time.Time, path Path) Output {
	s.begin(now)
	if s.state == stateEstablished && s.origInitiator {
		s.move(path)
	}
	return s.finish()
}

func (s *Session) move(path Path) {
	s.test = nil
	s.setPath(path)
	s.moveChildren(path, false)
	s.natRetries, s.localGone = 0, false
	s.retransmitAll()
	if s.mobike {
		s.enqueueUpdate(time.Time{})
	}
}

// enqueueUpdate asks the peer to use the present path. An update that already waits for room in the window will do.
func (s *Session) enqueueUpdate(notBefore time.Time) {
	if s.sa.queued(requestUpdate) {
		return
	}
	r := s.updateRequest()
	r.notBefore = notBefore
	s.enqueue(r, true)
}

func (s *Session) updateRequest() *request {
	return &request{
		kind:     requestUpdate,
		exchange: message.INFORMATIONAL,
		build: func(r *request) []message.Payload {
			r.cookie2 = make([]byte, 16)
			s.random(r.cookie2)
			out := append([]message.Payload{notify(message.UPDATE_SA_ADDRESSES, nil)}, s.natNotifies(s.sa.spiI, s.sa.spiR, s.path)...)
			out = append(append(out, notify(message.COOKIE2, r.cookie2)), s.noNATs()...)
			if len(s.own) > 0 {
				out = append(out, s.addressNotifies()...) // it is relative to the source, which may be another one now
			}
			return out
		},
		done: s.updateResponse,
	}
}

func (s *Session) updateResponse(r *request, in []message.Payload) {
	if !s.cookie2Matches(r, in) {
		return
	}
	if len(r.paths) != 1 || r.paths[0] != s.path {
		// We moved on meanwhile, and the update for the present path is queued; or it went out on several paths of a
		// test, and the peer took one of them. This answer means nothing.
		s.enqueueUpdate(time.Time{})
		return
	}
	n := message.ErrorNotify(in)
	if n != nil && n.Type == message.UNEXPECTED_NAT_DETECTED && s.retryNoNATs(s.enqueueUpdate) {
		return
	}
	if n != nil {
		s.emit(MoveRefused{Path: s.path, Err: received(n)})
		return
	}
	before := s.nat
	s.detectNAT(in, s.sa.spiI, s.sa.spiR, s.path)
	if s.nat != before {
		s.emit(NATChanged{NAT: s.nat})
	}
	if r.sa.lastMove.newer(r.mid) {
		s.referNAT(in, s.path)
	} else {
		s.compareNAT(r, in) // the peer uses the address that a later update had come from (RFC 4555 3.5)
	}
	s.emit(MoveDone{Path: s.path})
}
