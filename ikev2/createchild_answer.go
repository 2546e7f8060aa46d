// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// createChildRequest works on a CREATE_CHILD_SA request: a new Child SA, the rekey of one, or of the IKE SA.
func (s *Session) createChildRequest(sa *ikeSA, in []message.Payload) {
	offer, ok1 := message.Get[*message.SecurityAssociation](in)
	ni, ok2 := message.Get[*message.Nonce](in)
	tsi, ok3 := message.Get[*message.TSi](in)
	tsr, ok4 := message.Get[*message.TSr](in)
	if !ok1 || !ok2 || ok3 != ok4 || len(ni.Data) < message.MinNonceLen || len(ni.Data) > message.MaxNonceLen {
		s.invalidSyntax(sa)
		return
	}
	s.adoptUsed(sa)
	if sa != s.sa || s.state != stateEstablished || s.quiet != quietNot {
		s.respondError(sa, message.TEMPORARY_FAILURE)
		return
	}
	if !ok3 {
		s.rekeyIKERequest(offer, ni, in)
		return
	}
	if s.ikeRekey.underway() {
		s.respondError(sa, message.TEMPORARY_FAILURE)
		return
	}
	notifies := message.All[*message.Notify](in)
	o := childOffer{proposals: offer.Proposals, local: tsr.TrafficSelectors, remote: tsi.TrafficSelectors, policy: s.opt.ESP}
	ke, okKE := message.Get[*message.KeyExchange](in)
	if okKE {
		o.group = suite.GroupID(ke.Group)
	}
	nr := s.nonce()
	var old *child
	inherit := o.policy
	var extra []*message.Notify
	if n := message.GetNotify(in, message.REKEY_SA); n != nil {
		if len(n.SPI) != 4 {
			s.invalidSyntax(sa)
			return
		}
		old = s.childByOutbound(binary.BigEndian.Uint32(n.SPI))
		switch {
		case old == nil && s.asking():
			// It may be the pair that we ask for: the peer has it, and its answer was lost or overtaken.
			s.respondError(sa, message.TEMPORARY_FAILURE)
			return
		case old == nil:
			s.deletedEarly(binary.BigEndian.Uint32(n.SPI)) // the peer drops it for this answer
			s.respond(sa, []message.Payload{&message.Notify{Protocol: n.Protocol, SPI: n.SPI, Type: message.CHILD_SA_NOT_FOUND}})
			return
		case old.rekey != nil && old.rekey.following:
			s.respondError(sa, message.TEMPORARY_FAILURE)
			return
		}
		s.dropFollowUps(func(f *followUp) bool { return f.old == old }) // the peer starts over
		switch {
		case old.deleting || old.redundant || old.peerRekey != nil:
			s.respondError(sa, message.TEMPORARY_FAILURE)
			return
		case len(s.children) >= 2*maxChildren:
			s.respondError(sa, message.NO_ADDITIONAL_SAS)
			return
		}
		if err := o.rekeying(s, old, notifies); err != nil {
			refusal := &NotifyError{Type: message.TS_UNACCEPTABLE}
			errors.As(err, &refusal)
			s.respondError(sa, refusal.Type, refusal.Data...)
			return
		}
		inherit = old.policy
	} else {
		answer, err := s.askPolicy(&ChildOffer{LocalTS: o.local, RemoteTS: o.remote, Notifies: notifies})
		if err != nil {
			refusal := &NotifyError{Type: message.NO_ADDITIONAL_SAS}
			errors.As(err, &refusal)
			s.respondError(sa, refusal.Type, refusal.Data...)
			return
		}
		o.local, o.remote, o.tag = orElse(answer.LocalTS, o.local), orElse(answer.RemoteTS, o.remote), answer.Tag
		extra = answer.Notifies
	}
	c, proposal, refusal := s.acceptOffer(o)
	if refusal == nil && len(s.followUps) >= maxFollowUps && c.Suite.Additional != (suite.Additional{}) {
		s.dropSPI(c.InboundSPI)
		refusal = &NotifyError{Type: message.TEMPORARY_FAILURE}
	}
	if refusal != nil {
		s.respondError(sa, refusal.Type, refusal.Data...)
		return
	}
	if old != nil {
		old.rekeyByPeer(bytes.Clone(ni.Data), nr)
	}
	complete := func(secrets [][]byte) *NotifyError {
		if old != nil && (old.deleting || !s.alive(old)) {
			// We deleted it, or completed a rekey of our own, while this answer was made.
			return &NotifyError{Type: message.TEMPORARY_FAILURE}
		}
		c.Path = s.espPath
		s.childKeys(sa, c, secrets[0], ni.Data, nr, secrets[1:]...)
		up := ChildUp{Child: c, Notifies: notifies}
		if old == nil {
			s.addChild(c, inherit, nil)
		} else {
			up.Replaces = old.sa.InboundSPI
			old.succeededBy(s.addChild(c, inherit, old.line))
		}
		s.emit(up)
		return nil
	}
	drop := func() {
		s.dropSPI(c.InboundSPI)
		if old != nil {
			old.peerGaveUp()
		}
	}
	methods := c.Suite.Additional.Methods()
	finish := func(public, secret []byte) {
		parts := childPayloads(c, proposal)
		out := []message.Payload{parts[0], &message.Nonce{Data: nr}}
		if public != nil {
			out = append(out, &message.KeyExchange{Group: uint16(c.Suite.Group), Data: public})
		}
		if len(methods) > 0 {
			if old != nil && old.rekey != nil && old.rekey.following {
				drop() // our own rekey has been answered while this answer was made, and has won
				s.respondError(sa, message.TEMPORARY_FAILURE)
				return
			}
			out = append(out, s.expectFollowUp(&followUp{
				sa: sa, old: old, methods: methods, secrets: [][]byte{secret}, complete: complete, drop: drop,
			}))
		} else if refusal := complete([][]byte{secret}); refusal != nil {
			s.dropSPI(c.InboundSPI)
			s.respondError(sa, refusal.Type)
			return
		}
		s.respond(sa, appendNotifies(append(out, parts[1:]...), extra))
	}
	if c.Suite.Group == suite.GroupNone {
		finish(nil, nil)
		return
	}
	group, random := c.Suite.Group, s.opt.Rand
	var public, secret []byte
	s.work(func() (err error) {
		public, secret, err = suite.Respond(group, random, ke.Data)
		return err
	}, func(err error) {
		if err != nil {
			s.dropSPI(c.InboundSPI)
			s.invalidSyntax(sa)
			return
		}
		finish(public, secret)
	})
}

func (s *Session) askPolicy(offer *ChildOffer) (ChildAnswer, error) {
	if s.opt.AcceptChild == nil || len(s.children) >= maxChildren {
		return ChildAnswer{}, &NotifyError{Type: message.NO_ADDITIONAL_SAS}
	}
	return s.opt.AcceptChild(s, offer)
}

// rekeying gives the new pair the selectors and the tag of the old one, and prefers its algorithms (RFC 7296 2.9.2).
func (o *childOffer) rekeying(s *Session, c *child, notifies []*message.Notify) error {
	old := c.sa
	switch {
	case narrowed(old.LocalTS, o.local) && narrowed(old.RemoteTS, o.remote):
		o.local, o.remote = old.LocalTS, old.RemoteTS
	case narrowed(o.local, old.LocalTS) && narrowed(o.remote, old.RemoteTS):
	case s.opt.AcceptSelectors != nil:
		answer, err := s.opt.AcceptSelectors(s, old, &ChildOffer{LocalTS: o.local, RemoteTS: o.remote, Notifies: notifies})
		if err != nil {
			return err
		}
		o.local, o.remote = orElse(answer.LocalTS, o.local), orElse(answer.RemoteTS, o.remote)
	default:
		return &NotifyError{Type: message.TS_UNACCEPTABLE}
	}
	o.policy = preferred(c.policy, old.Suite.Proposal(0, nil))
	o.tag = old.Tag
	return nil
}
