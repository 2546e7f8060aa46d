// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"math"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// enqueue adds a request of ours, before all others when it is urgent.
func (s *Session) enqueue(r *request, urgent bool) {
	if s.state == stateDeleting && r.kind != requestDeleteIKE {
		// Nothing new comes before the Delete: what goes round, as updates during a path test, would keep it away for ever.
		if r.failed != nil {
			r.failed(ErrDeleted)
		}
		return
	}
	if urgent {
		s.sa.queue = slices.Insert(s.sa.queue, 0, r)
		return
	}
	s.sa.queue = append(s.sa.queue, r)
}

// pump sends queued requests while the window has room.
func (s *Session) pump() {
	if !s.pumping() {
		return
	}
	sa := s.sa
	for i := 0; i < len(sa.queue) && sa.room(); {
		r := sa.queue[i]
		if !r.notBefore.IsZero() && s.now.Before(r.notBefore) || s.mustWait(r) {
			i++
			continue
		}
		if r.kind == requestRekeyIKE && len(sa.outstanding) > 0 {
			return // nothing may be on its way in an IKE SA that is rekeyed (RFC 7296 2.25.2)
		}
		sa.queue = slices.Delete(sa.queue, i, i+1)
		s.start(sa, r)
		if s.state == stateClosed || r.kind == requestRekeyIKE && len(sa.outstanding) > 0 {
			return
		}
	}
}

// room tells whether the peer can take another request: it must have answered all that are a window or more before it
// (RFC 7296 2.3), not only as many.
func (sa *ikeSA) room() bool {
	for _, r := range sa.outstanding {
		if uint64(sa.nextSend) >= uint64(r.mid)+uint64(sa.window) {
			return false
		}
	}
	return true
}

// pumping tells whether requests may be started at all.
func (s *Session) pumping() bool {
	return (s.state == stateEstablished || s.state == stateDeleting) && !s.answering && !s.rekeyBlocks()
}

// rekeyBlocks tells whether our own rekey of the IKE SA keeps all requests back. One that only waits for the additional
// key exchanges of the peer's does not: the peer may need our update to reach us with them. See mustWait for the rest.
func (s *Session) rekeyBlocks() bool {
	return s.ikeRekey.underway() && (s.ikeRekey.waiting == nil || !s.rekeyingPeer())
}

// start gives the request its message ID in sa and sends it for the first time.
func (s *Session) start(sa *ikeSA, r *request) {
	r.sa = sa
	inner := r.build(r)
	if inner == nil || s.state == stateClosed {
		return
	}
	if sa.nextSend == math.MaxUint32 {
		s.close(ErrMessageIDs, false)
		return
	}
	r.mid = sa.nextSend
	if r.datagrams = s.seal(sa, r.exchange, false, r.mid, inner[:len(inner):len(inner)]); r.datagrams == nil {
		return // seal ended the session
	}
	if sa.nextSend++; sa.nextSend >= rekeyAtMessageID && sa == s.sa {
		s.rekeyIKE()
	}
	if s.splittable(r.datagrams) {
		r.inner = inner
	}
	s.launch(sa, r)
}

// launch sends a request whose datagrams are ready and starts its timer.
func (s *Session) launch(sa *ikeSA, r *request) {
	r.sent = s.now
	r.wait = s.rules.Retransmit.First
	r.next = s.now.Add(s.jitter(r.wait))
	if s.test != nil {
		r.next = s.now.Add(testInterval)
	}
	sa.outstanding = append(sa.outstanding, r)
	s.transmit(r)
}

// retransmitAll repeats everything that is not answered yet, because the path is another one now.
func (s *Session) retransmitAll() {
	for sa := range s.eachIKESA() {
		for _, r := range sa.outstanding {
			s.transmit(r)
		}
	}
}

// retransmitDue repeats the requests whose time has come, and ends the session when one was not answered for too long.
// One in an IKE SA that a rekey has left behind ends that one only.
func (s *Session) retransmitDue() {
	for sa := range s.eachIKESA() {
		s.retransmitDueIn(sa)
	}
}

func (s *Session) retransmitDueIn(sa *ikeSA) {
	for _, r := range sa.outstanding {
		if !due(r.next, s.now) {
			continue
		}
		if s.now.Sub(r.sent) >= s.patience(r) {
			if sa != s.sa {
				s.forget(sa)
				return
			}
			reason := ErrTimeout
			if s.state == stateDeleting {
				reason = ErrDeleted
			}
			s.close(reason, false)
			return
		}
		rt := &s.rules.Retransmit
		r.wait = min(time.Duration(float64(r.wait)*rt.Factor), rt.Max)
		r.next = s.now.Add(s.jitter(r.wait))
		r.tries++
		if r.kind == requestSync {
			s.buildSync(r)
		}
		s.shrink(sa, r)
		if s.test != nil {
			r.next = s.now.Add(testInterval)
		} else if s.testByItself(r); s.test != nil {
			continue // has sent it
		}
		s.transmit(r)
	}
}

func (s *Session) patience(r *request) time.Duration {
	if r.giveUp != 0 {
		return r.giveUp
	}
	p := s.rules.Retransmit.GiveUp
	if p == 0 {
		p = 165 * time.Second
		if s.mobike {
			p = 5 * time.Minute
		}
	}
	if s.mobike && !s.origInitiator {
		p = max(p, s.rules.Patience)
	}
	return p
}

func (s *Session) jitter(d time.Duration) time.Duration {
	if s.rules.Retransmit.Jitter <= 0 {
		return d
	}
	var b [2]byte
	s.random(b[:])
	share := float64(uint16(b[0])<<8|uint16(b[1])) / 65536
	return d + time.Duration(float64(d)*s.rules.Retransmit.Jitter*share)
}

// random fills b. A source of randomness that fails leaves no safe way on, so the session would have to stop
// everything it does; the same as crypto/rand does.
func (s *Session) random(b []byte) { mustRead(s.opt.Rand, b) }

// respond answers the request that is being worked on. The datagrams are kept for its retransmissions.
func (s *Session) respond(sa *ikeSA, inner []message.Payload) {
	p := sa.pending
	if p == nil {
		return
	}
	sa.pending = nil
	d := s.seal(sa, p.exchange, true, p.mid, inner)
	if d == nil {
		return
	}
	path := p.path
	if t := sa.find(p.mid); t != nil {
		t.reply = d
		if s.splittable(d) {
			t.inner = inner
		}
		if t.to.Remote.IsValid() {
			path = t.to
		}
	}
	s.send(path, d)
}

// respondError answers with one error notify.
func (s *Session) respondError(sa *ikeSA, t message.NotifyType, data ...byte) {
	s.respond(sa, []message.Payload{notify(t, data)})
}

// seal protects a message, in fragments where it is long and the peer takes them. It returns nil after having closed
// the session: something in the message was too long to be sent at all.
func (s *Session) seal(sa *ikeSA, exchange message.ExchangeType, response bool, mid uint32, inner []message.Payload) [][]byte {
	h := sa.header(exchange, response, mid)
	if s.fragment {
		if d, err := message.SealFragments(h, inner, sa.out, s.messageSize()); err == nil {
			return d
		}
	}
	d, err := message.Seal(nil, h, inner, sa.out)
	if err != nil {
		s.close(err, false)
		return nil
	}
	return [][]byte{d}
}

func notify(t message.NotifyType, data []byte) *message.Notify {
	return &message.Notify{Type: t, Data: data}
}
