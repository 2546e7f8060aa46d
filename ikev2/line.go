// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// child is a Child SA and what is going on with it.
type child struct {
	sa     *ChildSA
	line   *line
	policy []message.Proposal // for its rekeys

	life     term // when it is rekeyed and when it ends
	deleting bool // our Delete is queued or on its way
	// redundant is a pair of the exchange that lost against another rekey of the same pair; the initiator of that
	// exchange deletes it (RFC 7296 2.8.1).
	redundant bool
	rekey     *pendingChild // our rekey of the pair, from the wish to its outcome
	peerRekey *peerRekey    // the peer's rekey of the pair, which the peer deletes then
	rekeys    *child        // the pair that the peer has replaced by this one
}

// line is a Child SA over all its rekeys: pairs with the same purpose, of which one is sent on.
type line struct {
	out *child
}

// addChild takes a Child SA into the session, whose reserved SPI is used now. l is the line that it goes on with, nil
// for a new one.
func (s *Session) addChild(sa *ChildSA, policy []message.Proposal, l *line) *child {
	if i := slices.Index(s.reserved, sa.InboundSPI); i >= 0 {
		s.reserved = slices.Delete(s.reserved, i, i+1)
	}
	c := &child{sa: sa, line: l, policy: policy, life: s.rules.Lifetime.Child.start(s)}
	if l == nil {
		c.line = &line{out: c}
	}
	s.children = append(s.children, c)
	if s.opt.KeyLog != nil {
		s.opt.KeyLog.Child(sa)
	}
	return c
}

// sendOn makes c the pair of its line that is sent on.
func (s *Session) sendOn(c *child) {
	if c.line.out == c {
		return
	}
	c.line.out = c
	s.emit(ChildSwitched{Child: c.sa})
}

// removeChild ends c. What is left of its line is sent on before.
func (s *Session) removeChild(c *child, down ChildDown) {
	i := slices.Index(s.children, c)
	if i < 0 {
		return
	}
	s.children = slices.Delete(s.children, i, i+1)
	c.forgetRekey()
	if p := c.rekey; p != nil && !p.sent && p.spi != 0 {
		s.dropSPI(p.spi) // the rekey waits after TEMPORARY_FAILURE, and there is nothing to rekey any more
		p.spi = 0
	}
	next := s.successor(c)
	down.Child, down.Superseded = c.sa, c.redundant || next != nil
	if next != nil && c.line.out == c {
		s.sendOn(next)
	}
	s.emit(down)
}

// successor is the pair of c's line that goes on when c ends, or nil: what the peer has replaced c by, else the newest.
// What the peer has replaced that one by, in turn, it need not have yet: our answer can be lost (RFC 7296 2.8).
func (s *Session) successor(c *child) (next *child) {
	for _, other := range s.children {
		if other == c || other.line != c.line || other.redundant {
			continue
		}
		next = other
		if other.rekeys == c {
			break
		}
	}
	return next
}

// alive tells whether c is still one of the session's.
func (s *Session) alive(c *child) bool { return slices.Contains(s.children, c) }
