// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"iter"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// maxOthers bounds the IKE SAs beside the current one: those that are being deleted, and those that are remembered only
// to answer retransmissions.
const maxOthers = 8

// eachIKESA gives the current IKE SA and those that rekeys have left behind.
func (s *Session) eachIKESA() iter.Seq[*ikeSA] {
	return func(yield func(*ikeSA) bool) {
		if !yield(s.sa) {
			return
		}
		for _, sa := range s.others {
			if !yield(sa) {
				return
			}
		}
	}
}

// succeed makes next the current IKE SA. What waits to be sent is sent there. The old one stays until it is deleted,
// or forgotten because nobody deletes it.
func (s *Session) succeed(next *ikeSA) {
	old := s.sa
	next.queue, old.queue = append(old.queue, next.queue...), nil
	s.sa = next
	next.life = s.rules.Lifetime.IKE.start(s)
	s.others = append(slices.DeleteFunc(slices.Clone(s.others), func(sa *ikeSA) bool { return sa == next }), old)
	next.until, old.until = time.Time{}, s.now.Add(s.patience(&request{}))
	for _, r := range next.queue {
		if r.kind == requestChild {
			r.notBefore = time.Time{} // what the peer was too busy for is done
		}
	}
	s.natReference = nil                   // the hashes are over the SPIs
	s.sync.highest, s.sync.answer = 0, nil // message IDs begin anew
	if own := s.ikeRekey; own != nil && !own.sent {
		s.ikeRekey = nil // the peer did it
	}
	s.emit(SPIChanged{Old: old.local(), New: next.local()})
	s.restate(old)
	s.enqueueWindow()
	for len(s.others) > maxOthers {
		s.forget(s.others[0])
	}
}

// addOther takes an IKE SA into the session that is not the current one, or not yet.
func (s *Session) addOther(sa *ikeSA) {
	sa.until = s.now.Add(s.patience(&request{}))
	s.others = append(s.others, sa)
	s.emit(SPIAdded{SPI: sa.local()})
}

// restate asks again in the new IKE SA what was asked in the old one about paths: there it counts nothing any more.
func (s *Session) restate(old *ikeSA) {
	for _, r := range old.outstanding {
		switch r.kind {
		case requestUpdate:
			s.enqueueUpdate(time.Time{})
		case requestRoutability:
			if s.rr.wanted && !s.sa.queued(requestRoutability) {
				s.enqueueRoutability()
			}
		case requestAddresses:
			s.announce()
		case requestSwitch:
			if s.switching.phase == switchAsked {
				s.enqueueSwitch()
			}
		case requestLiveness:
		default:
			continue
		}
		r.void = true
	}
}

// deleteOther deletes an IKE SA that is not the current one, and remembers it so long to answer retransmissions.
func (s *Session) deleteOther(sa *ikeSA, linger time.Duration) {
	s.start(sa, &request{
		kind:     requestDeleteIKE,
		exchange: message.INFORMATIONAL,
		build:    func(*request) []message.Payload { return []message.Payload{deleteIKE()} },
		done: func(*request, []message.Payload) {
			if linger == 0 {
				s.forget(sa)
				return
			}
			sa.until = s.now.Add(linger)
		},
	})
}

// forget ends an IKE SA that is not the current one. Requests of ours that the peer did not answer there are sent in
// the current one.
func (s *Session) forget(sa *ikeSA) {
	i := slices.Index(s.others, sa)
	if i < 0 {
		return
	}
	s.others = slices.Delete(slices.Clone(s.others), i, i+1)
	s.resend(sa)
	s.emit(SPIForgotten{SPI: sa.local()})
}

// resend takes what is not answered in sa to the current IKE SA. Only the answer to our rekey can still come.
func (s *Session) resend(sa *ikeSA) {
	var kept []*request
	for _, r := range sa.outstanding {
		switch r.kind {
		case requestOther, requestNotify:
			s.enqueue(&request{kind: r.kind, exchange: r.exchange, carries: r.carries, build: r.build, done: r.done, failed: r.failed}, false)
		case requestFollowUp:
			r.failed(ErrState)
		case requestRekeyIKE:
			kept = append(kept, r)
		}
	}
	sa.outstanding = kept
}

func (s *Session) forgetDue() {
	for _, sa := range slices.Clone(s.others) {
		if due(sa.until, s.now) {
			s.forget(sa)
		}
	}
}

// deletesIKE tells whether an INFORMATIONAL request deletes its IKE SA.
func deletesIKE(in []message.Payload) bool {
	return slices.ContainsFunc(message.All[*message.Delete](in), func(d *message.Delete) bool { return d.Protocol == message.ProtocolIKE })
}

// deleteIKERequest answers the peer's Delete of an IKE SA. That of the current one ends the session, unless the peer has
// rekeyed it, and deletes it before it answers our own rekey.
func (s *Session) deleteIKERequest(sa *ikeSA) {
	own := s.ikeRekey
	if sa == s.sa && own.underway() && own.peer != nil && own.peer.ready {
		s.adopt(own)
	}
	s.respond(sa, nil)
	if sa == s.sa {
		s.close(ErrDeleted, true)
		return
	}
	if own != nil && own.peer != nil && own.peer.sa == sa {
		own.peer = nil // the peer's exchange has lost
	}
	sa.until = s.now.Add(s.rules.Linger)
	s.resend(sa)
}

// adopt takes the IKE SA of the peer's rekey as the current one before our own, which met it, is answered.
func (s *Session) adopt(own *pendingIKE) {
	own.adopted = true
	s.ikeRekey = nil
	s.succeed(own.peer.sa)
}

// adoptUsed adopts the IKE SA of the peer's rekey when the peer uses it.
func (s *Session) adoptUsed(sa *ikeSA) {
	if own := s.ikeRekey; own.underway() && own.peer != nil && own.peer.ready && own.peer.sa == sa {
		s.adopt(own)
	}
}
