// SPDX-License-Identifier: Apache-2.0

package ikev2

import "time"

// Lifetimes are local: the peer has its own, and neither tells the other (RFC 7296 2.8). Where both rekey, the one with
// the shorter time does it.
type Lifetimes struct {
	IKE, Child Lifetime
}

// Lifetime is that of an SA of one kind.
type Lifetime struct {
	// Soft is the age at which we rekey, Hard that at which the SA ends whatever became of the rekey; 0: never. Soft
	// should leave enough of Hard for a peer that answers TEMPORARY_FAILURE for minutes.
	Soft, Hard time.Duration
	// Jitter is the share by which Soft is changed at random, up or down, so that the SAs that came up together are not
	// rekeyed together; default 0.1, negative: none.
	Jitter float64
}

// rekeyAtMessageID is the message ID whose use starts a rekey of the IKE SA: long before they are used up.
const rekeyAtMessageID = 1 << 31

// term is when an SA is rekeyed and when it ends; zero times: never.
type term struct {
	soft, hard time.Time
}

func (l Lifetime) start(s *Session) term {
	var out term
	if l.Soft > 0 {
		var b [2]byte
		s.random(b[:])
		share := float64(int16(uint16(b[0])<<8|uint16(b[1]))) / 32768
		switch {
		case l.Jitter < 0:
			share = 0
		case l.Jitter > 0:
			share *= min(l.Jitter, 1)
		default:
			share *= 0.1
		}
		out.soft = s.now.Add(l.Soft + time.Duration(float64(l.Soft)*share))
	}
	if l.Hard > 0 {
		out.hard = s.now.Add(l.Hard)
	}
	return out
}

// again sets the time of another try after a rekey that failed: some tries fit into what is left.
func (l *term) again(now time.Time, of Lifetime) {
	if of.Soft <= 0 {
		return
	}
	wait := of.Soft / 10
	if !l.hard.IsZero() {
		wait = l.hard.Sub(now) / 4
	}
	l.soft = now.Add(max(wait, 30*time.Second))
}

// lifetimesAt is when the next SA is to be rekeyed or ends.
func (s *Session) lifetimesAt() time.Time {
	t := earliest(s.sa.life.soft, s.sa.life.hard)
	for _, c := range s.children {
		t = earliest(t, earliest(c.life.soft, c.life.hard))
	}
	return t
}

func (s *Session) lifetimesDue() {
	if due(s.sa.life.hard, s.now) {
		s.abort(ErrLifetime)
		return
	}
	if l := &s.sa.life; due(l.soft, s.now) {
		l.soft = time.Time{}
		s.rekeyIKE()
	}
	for _, c := range s.children {
		if due(c.life.soft, s.now) {
			c.life.soft = time.Time{}
			s.rekeyChild(c)
		}
		if due(c.life.hard, s.now) {
			c.life.hard = time.Time{}
			s.expireChild(c)
		}
	}
}

// Expire tells the session that a Child SA, given by its inbound SPI, has carried as many octets or packets as it may:
// soft, so that it is rekeyed, or hard, so that it ends. A rekey that is on its way may still come first.
func (s *Session) Expire(now time.Time, inbound uint32, hard bool) Output {
	s.begin(now)
	if c := s.childByInbound(inbound); c != nil && s.state == stateEstablished {
		if hard {
			s.expireChild(c)
		} else {
			s.rekeyChild(c)
		}
	}
	return s.finish()
}

// expireChild ends one pair for good. What has replaced it goes on, and is sent on from now: nothing may go out on this
// pair any more, and the peer drops it when our Delete arrives, long before we know when the answer gets lost.
func (s *Session) expireChild(c *child) {
	switch {
	case c.deleting:
	case c.rekey != nil && c.rekey.sent:
		c.rekey.expired = true
	default:
		if next := s.successor(c); next != nil && c.line.out == c && !next.deleting {
			s.sendOn(next)
		}
		s.enqueueDelete([]uint32{c.sa.InboundSPI})
	}
}
