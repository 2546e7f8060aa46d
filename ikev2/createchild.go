// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// busyLimit is how long a peer may go on answering TEMPORARY_FAILURE before the session ends (RFC 7296 2.25.1).
const busyLimit = 5 * time.Minute

// pendingChild is a Child SA that we ask for.
type pendingChild struct {
	req       ChildRequest
	spi       uint32
	ni        []byte
	proposals []message.Proposal // as offered
	policy    []message.Proposal
	group     suite.GroupID
	key       *suite.KeyExchange
	since     time.Time // of the first TEMPORARY_FAILURE
	regrouped bool
}

// CreateChild asks the peer for a Child SA. It ends with ChildUp or ChildFailed. Requests wait for each other when the
// peer's window is full, and are repeated after TEMPORARY_FAILURE.
func (s *Session) CreateChild(now time.Time, req ChildRequest) Output {
	s.begin(now)
	if s.state != stateEstablished {
		s.emit(ChildFailed{Tag: req.Tag, Err: ErrState})
		return s.finish()
	}
	p := &pendingChild{req: req, policy: s.espPolicy(req.ESP)}
	p.group, _ = firstGroup(p.policy)
	s.withKey(p, func() { s.enqueueChild(p, time.Time{}) })
	return s.finish()
}

// withKey generates the key for p's key exchange, if there is one, and goes on with then.
func (s *Session) withKey(p *pendingChild, then func()) {
	if p.group == suite.GroupNone {
		then()
		return
	}
	group, random := p.group, s.opt.Rand
	s.work(func() (err error) {
		p.key, err = suite.GenerateKey(group, random)
		return err
	}, func(err error) {
		if err != nil {
			s.failChild(p, err)
			return
		}
		then()
	})
}

func (s *Session) enqueueChild(p *pendingChild, notBefore time.Time) {
	r := s.childRequest(p)
	r.notBefore = notBefore
	s.enqueue(r, false)
}

func (s *Session) childRequest(p *pendingChild) *request {
	return &request{
		kind:     requestChild,
		exchange: message.CREATE_CHILD_SA,
		carries:  p,
		build:    func(*request) []message.Payload { return s.childProposal(p) },
		done:     func(_ *request, in []message.Payload) { s.childResponse(p, in) },
		failed:   func(err error) { s.emit(ChildFailed{Tag: p.req.Tag, Err: err}) },
	}
}

func (s *Session) failChild(p *pendingChild, err error) {
	if p.spi != 0 {
		s.dropSPI(p.spi)
	}
	s.emit(ChildFailed{Tag: p.req.Tag, Err: err})
}

func (s *Session) childProposal(p *pendingChild) []message.Payload {
	if p.spi == 0 {
		spi, err := s.newChildSPI()
		if err != nil {
			s.failChild(p, err)
			return nil
		}
		p.spi = spi
	}
	p.ni = s.nonce()
	p.proposals = suite.Offer(p.policy, spiBytes(p.spi))
	out := []message.Payload{
		&message.SecurityAssociation{Proposals: p.proposals},
		&message.Nonce{Data: p.ni},
	}
	if p.key != nil {
		out = append(out, &message.KeyExchange{Group: uint16(p.group), Data: p.key.Public()})
	}
	out = append(out, &message.TSi{TrafficSelectors: p.req.LocalTS}, &message.TSr{TrafficSelectors: p.req.RemoteTS})
	return appendNotifies(out, p.req.Notifies)
}

func (s *Session) childResponse(p *pendingChild, in []message.Payload) {
	c, err := s.childAnswer(in, p.proposals, p.req.LocalTS, p.req.RemoteTS, false)
	var refused *NotifyError
	switch {
	case errors.As(err, &refused) && refused.Type == message.TEMPORARY_FAILURE:
		if p.since.IsZero() {
			p.since = s.now
		}
		if s.now.Sub(p.since) >= busyLimit {
			s.failChild(p, err)
			s.abort(ErrBusy)
			return
		}
		s.enqueueChild(p, s.now.Add(s.backOff()))
		return
	case errors.As(err, &refused) && refused.Type == message.INVALID_KE_PAYLOAD && len(refused.Data) == 2 && !p.regrouped:
		g := suite.GroupID(binary.BigEndian.Uint16(refused.Data))
		if offersGroup(p.policy, g) {
			p.group, p.regrouped = g, true
			s.withKey(p, func() { s.enqueueChild(p, time.Time{}) })
			return
		}
	}
	nr, okNonce := message.Get[*message.Nonce](in)
	ke, okKE := message.Get[*message.KeyExchange](in)
	if err == nil {
		switch {
		case !okNonce || len(nr.Data) < message.MinNonceLen || len(nr.Data) > message.MaxNonceLen:
			err = ErrSyntax
		case (c.Suite.Group != suite.GroupNone) != okKE || (okKE && (suite.GroupID(ke.Group) != c.Suite.Group || c.Suite.Group != p.group)):
			err = ErrSyntax
		}
	}
	if err != nil {
		s.failChild(p, err)
		if _, accepted := message.Get[*message.SecurityAssociation](in); accepted {
			s.enqueueDelete([]uint32{p.spi}) // the peer believes that it is up
		}
		return
	}
	c.InboundSPI, c.Tag = p.spi, p.req.Tag
	up := func(secret []byte) {
		c.Path = s.espPath
		s.childKeys(c, secret, p.ni, nr.Data)
		s.addChild(c)
		s.emit(ChildUp{Child: c, Notifies: message.All[*message.Notify](in)})
	}
	if !okKE {
		up(nil)
		return
	}
	var secret []byte
	s.work(func() (err error) {
		secret, err = p.key.Shared(ke.Data)
		return err
	}, func(err error) {
		if err != nil {
			s.failChild(p, err)
			s.enqueueDelete([]uint32{p.spi})
			return
		}
		up(secret)
	})
}

// backOff is the wait after TEMPORARY_FAILURE: 5 to 15 s.
func (s *Session) backOff() time.Duration {
	var b [2]byte
	s.random(b[:])
	return 5*time.Second + time.Duration(binary.BigEndian.Uint16(b[:]))*10*time.Second/65536
}

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
	if sa != s.sa || s.state != stateEstablished || s.quiet != quietNot {
		s.respondError(sa, message.TEMPORARY_FAILURE)
		return
	}
	if !ok3 {
		s.rekeyIKERequest(offer, ni, in)
		return
	}
	notifies := message.All[*message.Notify](in)
	o := childOffer{proposals: offer.Proposals, local: tsr.TrafficSelectors, remote: tsi.TrafficSelectors, policy: s.opt.ESP}
	ke, okKE := message.Get[*message.KeyExchange](in)
	if okKE {
		o.group = suite.GroupID(ke.Group)
	}
	var replaces uint32
	var extra []*message.Notify
	if n := message.GetNotify(in, message.REKEY_SA); n != nil {
		if len(n.SPI) != 4 {
			s.invalidSyntax(sa)
			return
		}
		old := s.childByOutbound(binary.BigEndian.Uint32(n.SPI))
		switch {
		case old == nil:
			s.respond(sa, []message.Payload{&message.Notify{Protocol: n.Protocol, SPI: n.SPI, Type: message.CHILD_SA_NOT_FOUND}})
			return
		case old.deleting:
			s.respondError(sa, message.TEMPORARY_FAILURE)
			return
		}
		if refusal := o.rekeying(old.sa, s.opt.ESP); refusal != nil {
			s.respondError(sa, refusal.Type, refusal.Data...)
			return
		}
		replaces = old.sa.InboundSPI
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
	if refusal != nil {
		s.respondError(sa, refusal.Type, refusal.Data...)
		return
	}
	finish := func(public, secret []byte) {
		nr := s.nonce()
		c.Path = s.espPath
		s.childKeys(c, secret, ni.Data, nr)
		parts := childPayloads(c, proposal)
		out := []message.Payload{parts[0], &message.Nonce{Data: nr}}
		if public != nil {
			out = append(out, &message.KeyExchange{Group: uint16(c.Suite.Group), Data: public})
		}
		s.addChild(c)
		s.emit(ChildUp{Child: c, Replaces: replaces, Notifies: notifies})
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
func (o *childOffer) rekeying(old *ChildSA, policy []message.Proposal) *NotifyError {
	switch {
	case narrowed(old.LocalTS, o.local) && narrowed(old.RemoteTS, o.remote):
		o.local, o.remote = old.LocalTS, old.RemoteTS
	case narrowed(o.local, old.LocalTS) && narrowed(o.remote, old.RemoteTS):
	default:
		return &NotifyError{Type: message.TS_UNACCEPTABLE}
	}
	same := old.Suite
	same.Group = suite.GroupNone
	o.policy = append([]message.Proposal{same.Proposal(0, nil)}, policy...)
	o.tag = old.Tag
	return nil
}
