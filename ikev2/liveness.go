// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// heard notes a fresh, authenticated IKE message of the peer that came on path.
func (s *Session) heard(path Path) {
	s.lastHeard = s.now
	if s.probing {
		s.probing = false
		s.emit(Alive{})
	}
	s.followNAT(path)
}

// Traffic tells the session that fresh ESP of the peer arrived on the Child SAs' path, which proves that it is alive.
// ESP that came from elsewhere proves nothing (RFC 4555 3.10).
func (s *Session) Traffic(now time.Time) { s.lastHeard = now }

// LastHeard is when the peer last proved to be alive.
func (s *Session) LastHeard() time.Time { return s.lastHeard }

// Probe checks whether the peer is alive. It ends with Alive, or with Closed when all repetitions are in vain. An
// initiator with MOBIKE compares the addresses that the peer sees with those of the probe before and updates the peer
// when a NAT has changed them (RFC 4555 3.8).
func (s *Session) Probe(now time.Time) Output {
	s.begin(now)
	if s.state == stateEstablished {
		s.probe()
	}
	return s.finish()
}

func (s *Session) probe() {
	s.probing = true
	compare := s.mobike && s.origInitiator
	if !compare && len(s.sa.outstanding) > 0 || s.sa.queued(requestLiveness) {
		return // what is under way proves as much
	}
	s.enqueue(s.livenessRequest(compare), false)
}

func (s *Session) livenessRequest(compare bool) *request {
	return &request{
		kind:     requestLiveness,
		exchange: message.INFORMATIONAL,
		carries:  compare,
		build: func(*request) []message.Payload {
			if !compare {
				return []message.Payload{}
			}
			return s.natNotifies(s.sa.spiI, s.sa.spiR, s.path)
		},
		done: func(r *request, in []message.Payload) {
			if compare {
				s.compareNAT(r, in)
			}
		},
	}
}

// compareNAT looks whether the peer sees us at the same address as before.
func (s *Session) compareNAT(r *request, in []message.Payload) {
	n := message.GetNotify(in, message.NAT_DETECTION_DESTINATION_IP)
	if n == nil || len(r.paths) != 1 || r.paths[0] != s.path {
		return
	}
	if !bytes.Equal(s.natReference, n.Data) {
		// Without a reference (after a rekey of the IKE SA, whose SPIs are in the hash, or on a port that IKE_SA_INIT did
		// not use) the NAT may have changed unseen. An update that changes nothing does no harm.
		s.enqueueUpdate(time.Time{})
	}
	s.natReference = bytes.Clone(n.Data)
}

// referNAT takes the address that the peer sees in an answer on path as the one to compare with later.
func (s *Session) referNAT(in []message.Payload, path Path) {
	if n := message.GetNotify(in, message.NAT_DETECTION_DESTINATION_IP); n != nil && path == s.path {
		s.natReference = bytes.Clone(n.Data)
	}
}

func (s *Session) livenessAt() time.Time {
	if s.rules.Liveness <= 0 || s.probing || len(s.sa.outstanding) > 0 {
		return time.Time{}
	}
	return s.lastHeard.Add(s.rules.Liveness)
}

func (s *Session) livenessDue() {
	if due(s.livenessAt(), s.now) {
		s.probe()
	}
}

func (s *Session) keepaliveAt() time.Time {
	if s.rules.Keepalive <= 0 || !s.nat.BehindNAT || !s.path.NATT {
		return time.Time{}
	}
	return s.lastSent.Add(s.rules.Keepalive)
}

var keepaliveOctet = []byte{0xff}

func (s *Session) keepaliveDue() {
	if due(s.keepaliveAt(), s.now) {
		s.lastSent = s.now
		s.out.Datagrams = append(s.out.Datagrams, Datagram{Path: s.path, Data: keepaliveOctet, Keepalive: true})
	}
}
