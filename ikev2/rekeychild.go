// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// peerRekey is the peer's rekey of a pair.
type peerRekey struct {
	ni, nr []byte
	pair   *child // the new one; nil while our answer is being made
}

// RekeyChild replaces Child SAs by new ones with other keys (RFC 7296 2.8), given by their inbound SPIs: the new pair
// comes with ChildUp, ChildSwitched and the ChildDown of the old one, or RekeyFailed tells why there is none. What the
// Child SA is for stays: selectors, algorithms if the peer still wants them, Tag. Pairs that are being rekeyed or
// deleted already, by either side, are left alone.
func (s *Session) RekeyChild(now time.Time, inbound ...uint32) Output {
	s.begin(now)
	for _, spi := range inbound {
		if c := s.childByInbound(spi); c != nil && s.state == stateEstablished {
			s.rekeyChild(c)
		}
	}
	return s.finish()
}

func (s *Session) rekeyChild(c *child) {
	if c.rekey != nil || c.peerRekey != nil || c.deleting || c.redundant {
		return
	}
	p := &pendingChild{
		req:     ChildRequest{LocalTS: c.sa.LocalTS, RemoteTS: c.sa.RemoteTS, Tag: c.sa.Tag},
		old:     c,
		rekeys:  c.sa.InboundSPI,
		policy:  preferred(c.policy, c.sa.Suite.Proposal(0, nil)),
		inherit: c.policy,
	}
	g := c.sa.Suite.Group
	if _, some := firstGroup(p.policy); !some && g != suite.GroupNone {
		// The peer's last rekey had a key exchange that our policy does not ask for. It may insist.
		p.policy = suite.WithGroups(p.policy, g, suite.GroupNone)
	}
	p.group, _ = firstGroup(p.policy)
	if offersGroup(p.policy, g) {
		p.group = g // the peer took it before
	}
	c.rekey = p
	s.withKey(p, func() { s.enqueueChild(p, time.Time{}) })
}

// ChildTraffic tells the session that fresh ESP of the peer came on a Child SA, given by its inbound SPI. If the peer has
// made it by a rekey this shows that it has our answer, so that we can send on it before the old one is deleted (RFC 7296
// 2.8).
func (s *Session) ChildTraffic(now time.Time, inbound uint32) Output {
	s.begin(now)
	if c := s.childByInbound(inbound); c != nil && c.rekeys != nil && !c.redundant && !c.deleting {
		s.sendOn(c)
	}
	return s.finish()
}

// rekeyWanted is asked when p is about to be sent: the pair may have ended, or been rekeyed by the peer, while it waited.
func (s *Session) rekeyWanted(p *pendingChild) bool {
	if p.old.rekey == p && !p.old.deleting && !s.rekeyObsolete(p) {
		return true
	}
	s.dropSPI(p.spi)
	if p.old.rekey == p {
		p.old.rekey = nil
	}
	return false
}

// rekeyObsolete tells whether a refusal of p means nothing: the peer has rekeyed or deleted the pair itself, without
// having noticed our exchange (RFC 7296 2.25.1), or the owner does not want it any more.
func (s *Session) rekeyObsolete(p *pendingChild) bool {
	return p.peer != nil || p.unwanted || p.old.peerRekey != nil || !s.alive(p.old)
}

// rekeyFailed ends a rekey that did not come about. The SPI is given back already.
func (s *Session) rekeyFailed(p *pendingChild, err error) {
	old := p.old
	if old.rekey == p {
		old.rekey = nil
	}
	var refused *NotifyError
	switch {
	case s.rekeyObsolete(p):
	case errors.As(err, &refused) && refused.Type == message.CHILD_SA_NOT_FOUND:
		s.removeChild(old, ChildDown{ByPeer: true, Lost: true})
	case p.expired:
		s.enqueueDelete([]uint32{old.sa.InboundSPI})
	default:
		old.life.again(s.now, s.rules.Lifetime.Child)
		s.emit(RekeyFailed{Child: old.sa, Err: err})
	}
}

// wins tells whether a rekey of ours goes on that has been answered with nr: no rekey of the same pair by the peer has
// met it, or that loses and is given up (RFC 7296 2.8.1). With additional key exchanges only the winner goes on.
func (s *Session) wins(p *pendingChild, nr []byte) bool {
	if p.peer == nil {
		return true
	}
	if p.peer.pair != nil || loses(p.ni, nr, p.peer.ni, p.peer.nr) {
		return false
	}
	s.dropFollowUps(func(f *followUp) bool { return f.old == p.old })
	return true
}

// followUpFailed ends a CREATE_CHILD_SA exchange of ours whose additional key exchanges failed. A peer that has lost its
// state, or had no time, is asked once more from the start (RFC 9370 2.2.4).
func (s *Session) followUpFailed(p *pendingChild, err error) {
	var refused *NotifyError
	if errors.As(err, &refused) && (refused.Type == message.STATE_NOT_FOUND || refused.Type == message.TEMPORARY_FAILURE) &&
		!p.restarted && s.state == stateEstablished && (p.old == nil || !p.expired && !s.rekeyObsolete(p)) {
		p.restarted, p.sent = true, false
		s.withKey(p, func() { s.enqueueChild(p, s.now.Add(s.backOff())) })
		return
	}
	s.failChild(p, err)
}

// rekeyed ends a rekey whose new pair is ready (RFC 7296 2.8, 2.8.1).
func (s *Session) rekeyed(p *pendingChild, up ChildUp, nr []byte) {
	old := p.old
	if old.rekey == p {
		old.rekey = nil
	}
	if p.unwanted || p.peer == nil && !s.alive(old) {
		s.deleteUnused(p) // nobody needs it any more
		return
	}
	c := s.addChild(up.Child, p.inherit, old.line)
	up.Replaces = old.sa.InboundSPI
	s.emit(up)
	if p.peer != nil && loses(p.ni, nr, p.peer.ni, p.peer.nr) {
		// The peer's pair survives, and the peer deletes the old one. Ours can be received on until it is gone.
		c.redundant = true
		s.enqueueDelete([]uint32{c.sa.InboundSPI})
		return
	}
	if p.peer != nil && p.peer.pair != nil {
		p.peer.pair.redundant = true
	}
	s.sendOn(c)
	if s.alive(old) && !old.deleting {
		s.enqueueDelete([]uint32{old.sa.InboundSPI})
	}
}

// loses tells whether the exchange with the nonces a and b loses against the one with c and d: it has the lowest of the
// four (RFC 7296 2.8.1). Octets are compared one by one, and a prefix is the lower.
func loses(a, b, c, d []byte) bool {
	low := func(x, y []byte) []byte {
		if bytes.Compare(y, x) < 0 {
			return y
		}
		return x
	}
	return bytes.Compare(low(a, b), low(c, d)) < 0
}

// rekeyByPeer notes that the peer rekeys the pair. A rekey of our own that is on its way has met it.
func (c *child) rekeyByPeer(ni, nr []byte) {
	c.peerRekey = &peerRekey{ni: ni, nr: nr}
	if c.rekey != nil && c.rekey.sent {
		c.rekey.peer = c.peerRekey
	}
}

// peerGaveUp undoes rekeyByPeer: the peer's rekey comes to nothing.
func (c *child) peerGaveUp() {
	if c.rekey != nil && c.rekey.peer == c.peerRekey {
		c.rekey.peer = nil
	}
	c.peerRekey = nil
}

// succeededBy notes the pair that the peer's rekey has made.
func (c *child) succeededBy(next *child) {
	next.rekeys = c
	c.peerRekey.pair = next
}

// forgetRekey undoes succeededBy when the pair is gone: the old one is as before, and so is our own rekey of it.
func (c *child) forgetRekey() {
	old := c.rekeys
	if old == nil || old.peerRekey == nil || old.peerRekey.pair != c {
		return
	}
	if old.rekey != nil && old.rekey.peer == old.peerRekey {
		old.rekey.peer = nil
	}
	old.peerRekey = nil
}

// preferred puts what is in use now before everything else that policy allows: of each proposal of policy that allows
// it a copy that allows nothing else, but all the groups of that proposal.
func preferred(policy []message.Proposal, now message.Proposal) []message.Proposal {
	var out []message.Proposal
	for _, p := range policy {
		only := p
		only.Transforms = nil
		for _, t := range p.Transforms {
			if isKeyExchange(t) || slices.Contains(now.Transforms, t) {
				only.Transforms = append(only.Transforms, t)
			}
		}
		complete := !slices.ContainsFunc(now.Transforms, func(t message.Transform) bool {
			return !isKeyExchange(t) && t.ID != 0 && !slices.Contains(p.Transforms, t)
		})
		if complete && len(only.Transforms) < len(p.Transforms) {
			out = append(out, only)
		}
	}
	return append(out, policy...)
}

// isKeyExchange tells whether t is a group or an additional key exchange: all types above ESN are (RFC 9370 2.2.1).
func isKeyExchange(t message.Transform) bool {
	return t.Type == message.TransformKE || t.Type > message.TransformESN
}
