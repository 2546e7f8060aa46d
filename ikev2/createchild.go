// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// busyLimit is how long a peer may go on answering TEMPORARY_FAILURE before the session ends (RFC 7296 2.25.1).
const busyLimit = 5 * time.Minute

// pendingChild is a Child SA that we ask for, new or to replace another.
type pendingChild struct {
	req       ChildRequest
	old       *child // the pair that it rekeys; nil: a new one
	rekeys    uint32 // its inbound SPI, or 0
	inherit   []message.Proposal
	spi       uint32
	ni        []byte
	proposals []message.Proposal // as offered
	policy    []message.Proposal
	group     suite.GroupID
	key       *suite.KeyExchange
	since     time.Time // of the first TEMPORARY_FAILURE
	regrouped bool
	sent      bool       // on its way, or its answer is being worked on
	peer      *peerRekey // the peer's rekey of the same pair that came meanwhile
	unwanted  bool       // the owner deleted the pair meanwhile
	expired   bool       // the pair's hard lifetime ended meanwhile
	restarted bool       // after the peer had lost the state of the additional key exchanges
	following bool       // the peer agreed, and additional key exchanges are under way
	gone      []uint32   // see deletedEarly
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
	p.inherit = p.policy
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
	s.computing = append(s.computing, p)
	s.work(func() (err error) {
		p.key, err = suite.GenerateKey(group, random)
		return err
	}, func(err error) {
		s.computed(p)
		if err != nil {
			s.failChild(p, err)
			return
		}
		then()
	})
}

// computed ends the time in which public-key work for p is under way.
func (s *Session) computed(p *pendingChild) {
	s.computing = slices.DeleteFunc(s.computing, func(a *pendingChild) bool { return a == p })
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
		build: func(*request) []message.Payload {
			if p.old != nil && !s.rekeyWanted(p) {
				return nil
			}
			out := s.childProposal(p)
			p.sent = out != nil
			return out
		},
		done: func(r *request, in []message.Payload) { s.childResponse(r.sa, p, in) },
		failed: func(err error) {
			if p.old == nil {
				s.emit(ChildFailed{Tag: p.req.Tag, Err: err})
			}
		},
	}
}

func (s *Session) failChild(p *pendingChild, err error) {
	if p.spi != 0 {
		s.dropSPI(p.spi)
	}
	if p.old != nil {
		s.rekeyFailed(p, err)
		return
	}
	s.emit(ChildFailed{Tag: p.req.Tag, Err: err})
}

// deleteUnused deletes the pair that the peer has made for p and that we never take up. Its SPI stays reserved until the
// peer has answered: the Delete can wait for long, and must not meet another pair that has got the same SPI meanwhile.
func (s *Session) deleteUnused(p *pendingChild) {
	s.enqueueDelete([]uint32{p.spi})
	p.spi = 0
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
	var out []message.Payload
	if p.old != nil {
		out = append(out, &message.Notify{
			Protocol: message.ProtocolESP, SPI: spiBytes(p.old.sa.InboundSPI), Type: message.REKEY_SA,
		})
	}
	out = append(out, &message.SecurityAssociation{Proposals: p.proposals}, &message.Nonce{Data: p.ni})
	if p.key != nil {
		out = append(out, &message.KeyExchange{Group: uint16(p.group), Data: p.key.Public()})
	}
	out = append(out, &message.TSi{TrafficSelectors: p.req.LocalTS}, &message.TSr{TrafficSelectors: p.req.RemoteTS})
	return appendNotifies(out, p.req.Notifies)
}

func (s *Session) childResponse(sa *ikeSA, p *pendingChild, in []message.Payload) {
	c, err := s.childAnswer(in, p.proposals, p.req.LocalTS, p.req.RemoteTS, false)
	var refused *NotifyError
	switch {
	case err != nil && p.old != nil && (p.expired || s.rekeyObsolete(p)):
		s.failChild(p, err)
		return
	case errors.As(err, &refused) && refused.Type == message.TEMPORARY_FAILURE:
		if p.since.IsZero() {
			p.since = s.now
		}
		if s.now.Sub(p.since) >= busyLimit {
			s.failChild(p, err)
			s.abort(ErrBusy)
			return
		}
		p.sent = false
		s.enqueueChild(p, s.now.Add(s.backOff()))
		return
	case errors.As(err, &refused) && refused.Type == message.INVALID_KE_PAYLOAD && len(refused.Data) == 2 && !p.regrouped:
		g := suite.GroupID(binary.BigEndian.Uint16(refused.Data))
		if offersGroup(p.policy, g) {
			p.group, p.regrouped, p.sent = g, true, false
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
		if _, accepted := message.Get[*message.SecurityAssociation](in); accepted {
			s.deleteUnused(p) // the peer believes that it is up
		}
		s.failChild(p, err)
		return
	}
	c.InboundSPI, c.Tag = p.spi, p.req.Tag
	up := func(secret []byte, more ...[]byte) {
		if slices.Contains(p.gone, c.OutboundSPI) {
			s.failChild(p, ErrDeleted)
			return
		}
		c.Path = s.espPath
		s.childKeys(sa, c, secret, p.ni, nr.Data, more...)
		up := ChildUp{Child: c, Notifies: message.All[*message.Notify](in)}
		if p.old != nil {
			s.rekeyed(p, up, nr.Data)
			return
		}
		s.addChild(c, p.inherit, nil)
		s.emit(up)
	}
	if !okKE {
		up(nil)
		return
	}
	methods := c.Suite.Additional.Methods()
	if len(methods) > 0 {
		if p.old != nil && !s.wins(p, nr.Data) {
			// The peer rekeys the same pair, and its exchange goes on. There is no SA of ours yet.
			s.failChild(p, ErrState)
			return
		}
		p.following = true
		s.following++
	}
	var secret []byte
	s.computing = append(s.computing, p)
	s.work(func() (err error) {
		secret, err = p.key.Shared(ke.Data)
		return err
	}, func(err error) {
		switch {
		case err == nil && len(methods) > 0:
			s.runFollowUps(sa, methods, in, secret, func(secrets [][]byte, err error) {
				s.computed(p)
				p.following = false
				switch {
				case err != nil && s.state == stateClosed:
					if p.old == nil {
						s.emit(ChildFailed{Tag: p.req.Tag, Err: err})
					}
					return
				case err != nil:
					s.followUpFailed(p, err)
					return
				}
				up(secrets[0], secrets[1:]...)
			})
		case err == nil:
			s.computed(p)
			up(secret)
		case len(methods) > 0:
			s.computed(p)
			p.following = false
			s.following--
			s.failChild(p, err) // the peer will forget it
		default:
			s.computed(p)
			s.deleteUnused(p)
			s.failChild(p, err)
		}
	})
}

// maxGone bounds the SPIs of pendingChild.gone: more than a peer can have chosen for the requests that it takes at once.
const maxGone = 4 * maxWindow

// deletedEarly notes that the peer deletes a pair that we do not know. It may be one that we asked for: the peer deleted
// it before we had its answer, which was lost or overtaken. When that comes the pair is over already.
func (s *Session) deletedEarly(spi uint32) {
	for p := range s.asked() {
		if len(p.gone) < maxGone {
			p.gone = append(p.gone, spi)
		}
	}
}

// asked gives the Child SAs that the peer may have while we do not.
func (s *Session) asked() iter.Seq[*pendingChild] {
	return func(yield func(*pendingChild) bool) {
		for sa := range s.eachIKESA() {
			for _, r := range sa.outstanding {
				if p, ok := r.carries.(*pendingChild); ok && !yield(p) {
					return
				}
			}
		}
		for _, p := range s.computing {
			if p.sent && !yield(p) {
				return
			}
		}
	}
}

func (s *Session) asking() bool {
	for range s.asked() {
		return true
	}
	return false
}

// backOff is the wait after TEMPORARY_FAILURE: 5 to 15 s.
func (s *Session) backOff() time.Duration {
	var b [2]byte
	s.random(b[:])
	return 5*time.Second + time.Duration(binary.BigEndian.Uint16(b[:]))*10*time.Second/65536
}
