// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"time"
)

// Follow makes a session of r's that exists work by r's present options, see SetOptions, as far as they are ours alone: Retransmit, Patience, Liveness,
// Lifetime, Keepalive, FragmentSize, Linger, MovesPerMinute, Rebind, and when and for how long return routability is to be proven. What the session has
// agreed on with its peer, and what it will offer to it, stays what it was. An SA's age counts from its beginning, but none ends by this: one that is
// too old by now is rekeyed first, within a tenth of its lifetime, so that many of them are not rekeyed together.
func (s *Session) Follow(now time.Time, r *Responder) Output {
	s.begin(now)
	from, to := s.rules, r.policy.Load().Options
	s.rules = to
	s.sa.life.change(s, from.Lifetime.IKE, to.Lifetime.IKE)
	for _, c := range s.children {
		c.life.change(s, from.Lifetime.Child, to.Lifetime.Child)
	}
	latest := now.Add(to.RoutabilityMemory)
	for i := range s.proven {
		if p := &s.proven[i]; p.until.After(latest) {
			p.until = latest
		}
	}
	return s.finish()
}

// change moves the times of an SA from those of one lifetime to those of another.
func (l *term) change(s *Session, from, to Lifetime) {
	if from == to || s.state != stateEstablished {
		return
	}
	fresh := to.start(s)
	switch {
	case to.Soft <= 0 || from.Soft <= 0:
		l.soft = fresh.soft
	case !l.soft.IsZero(): // else its rekey is under way
		// The former jitter can be longer than the new lifetime.
		if l.soft = earliest(l.soft.Add(to.Soft-from.Soft), fresh.soft); l.soft.Before(s.now) {
			l.soft = s.now.Add(s.upTo(to.Soft / 10))
		}
	}
	switch {
	case to.Hard <= 0 || from.Hard <= 0:
		l.hard = fresh.hard
	case !l.hard.IsZero(): // else it is being deleted
		// What is left after the rekey is due is left to it, whoever is to do it.
		l.hard = later(l.hard.Add(to.Hard-from.Hard), later(l.soft, s.now).Add(to.Hard-max(to.Soft, 0)))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// upTo is a random duration below d.
func (s *Session) upTo(d time.Duration) time.Duration {
	var b [2]byte
	s.random(b[:])
	return time.Duration(float64(d) * float64(binary.BigEndian.Uint16(b[:])) / 65536)
}
