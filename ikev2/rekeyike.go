// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// pendingIKE is our rekey of the IKE SA, from the wish to its outcome.
type pendingIKE struct {
	sa        *ikeSA // that is rekeyed; nil before the request is built
	spi       message.SPI
	ni, nr    []byte
	proposals []message.Proposal // as offered
	policy    []message.Proposal
	group     suite.GroupID
	key       *suite.KeyExchange
	since     time.Time // of the first TEMPORARY_FAILURE
	regrouped bool
	sent      bool     // on its way, or its answer is being worked on
	peer      *peerIKE // the peer's rekey of the same IKE SA that came meanwhile
	waiting   func()   // what to do when our answer to the peer's rekey is made
	following bool     // the peer agreed, and additional key exchanges are under way
	restarted bool     // after the peer had lost the state of the additional key exchanges
	adopted   bool     // the peer's IKE SA is in use already: ours is to be deleted
}

// peerIKE is the peer's rekey of the IKE SA.
type peerIKE struct {
	sa     *ikeSA
	ni, nr []byte
	ready  bool // our answer is made
}

func (p *pendingIKE) underway() bool { return p != nil && p.sent }

// RekeyIKE replaces the IKE SA by a new one with other keys (RFC 7296 2.18). Both roles may: who did not start the
// first IKE SA becomes the initiator of the new one, but what belongs to the original initiator, as moving, stays with
// it. Child SAs, addresses, and requests that wait go on in the new one. It ends with SPIChanged, or RekeyFailed.
func (s *Session) RekeyIKE(now time.Time) Output {
	s.begin(now)
	s.rekeyIKE()
	return s.finish()
}

func (s *Session) rekeyIKE() {
	if s.state != stateEstablished || s.ikeRekey != nil {
		return
	}
	p := &pendingIKE{policy: preferred(s.opt.IKE, s.sa.suite.Proposal(0, nil)), group: s.sa.suite.Group}
	if !offersGroup(p.policy, p.group) {
		p.group, _ = firstGroup(p.policy)
	}
	s.ikeRekey = p
	s.ikeKey(p, func() { s.enqueueRekeyIKE(p, time.Time{}) })
}

// ikeKey generates the key for p's key exchange and goes on with then.
func (s *Session) ikeKey(p *pendingIKE, then func()) {
	group, random := p.group, s.opt.Rand
	s.work(func() (err error) {
		p.key, err = suite.GenerateKey(group, random)
		return err
	}, func(err error) {
		if err != nil {
			s.ikeRekeyFailed(p, err)
			return
		}
		then()
	})
}

func (s *Session) enqueueRekeyIKE(p *pendingIKE, notBefore time.Time) {
	s.enqueue(&request{
		kind:      requestRekeyIKE,
		exchange:  message.CREATE_CHILD_SA,
		notBefore: notBefore,
		build: func(r *request) []message.Payload {
			if s.ikeRekey != p || s.state != stateEstablished {
				return nil // the peer was faster
			}
			p.sa, p.sent = r.sa, true
			if p.spi == 0 {
				p.spi = s.newSPI()
			}
			p.ni = s.nonce()
			p.proposals = suite.Offer(p.policy, p.spi.Bytes())
			return []message.Payload{
				&message.SecurityAssociation{Proposals: p.proposals},
				&message.Nonce{Data: p.ni},
				&message.KeyExchange{Group: uint16(p.group), Data: p.key.Public()},
			}
		},
		done: func(_ *request, in []message.Payload) { s.rekeyIKEResponse(p, in) },
	}, false)
}

func (s *Session) rekeyIKEResponse(p *pendingIKE, in []message.Payload) {
	answer, ok1 := message.Get[*message.SecurityAssociation](in)
	nr, ok2 := message.Get[*message.Nonce](in)
	ke, ok3 := message.Get[*message.KeyExchange](in)
	if n := message.ErrorNotify(in); n != nil && !ok1 {
		s.rekeyIKERefused(p, received(n))
		return
	}
	if !ok1 || !ok2 || !ok3 || len(nr.Data) < message.MinNonceLen || len(nr.Data) > message.MaxNonceLen {
		s.ikeRekeyFailed(p, ErrSyntax)
		return
	}
	choice, err := suite.AcceptIKE(p.proposals, answer.Proposals, 8)
	if err == nil && (choice.IKE.Group != p.group || suite.GroupID(ke.Group) != p.group) {
		err = ErrSyntax
	}
	var spi message.SPI
	if err == nil {
		if spi = message.SPI(binary.BigEndian.Uint64(choice.Peer.SPI)); spi == 0 {
			err = ErrSyntax
		}
	}
	if err != nil {
		s.ikeRekeyFailed(p, err)
		return
	}
	p.nr = nr.Data
	next := &ikeSA{initiator: true, spiI: p.spi, spiR: spi, suite: choice.IKE, window: 1}
	up := func(secrets [][]byte, err error) {
		p.following = false
		if err == nil {
			keys := suite.RekeyIKE(p.sa.suite.PRF, p.sa.keys.D, next.suite, secrets[0], p.ni, p.nr, next.spiI, next.spiR, secrets[1:]...)
			err = s.useKeys(next, keys)
		}
		if err != nil {
			s.ikeRekeyFailed(p, err)
			return
		}
		next.learnToken(message.All[*message.Notify](in))
		s.settleIKE(p, next, nil)
	}
	methods := next.suite.Additional.Methods()
	if len(methods) > 0 {
		if p.adopted || p.peer != nil && (p.peer.ready || loses(p.ni, p.nr, p.peer.ni, p.peer.nr)) {
			// The peer's rekey goes on, ours does not: there is no IKE SA of ours yet.
			s.ikeRekeyFailed(p, ErrState)
			return
		}
		p.following = true
		s.following++
		s.dropFollowUps(func(f *followUp) bool { return f.ike })
	}
	var secret []byte
	s.work(func() (err error) {
		secret, err = p.key.Shared(ke.Data)
		return err
	}, func(err error) {
		switch {
		case len(methods) == 0:
			up([][]byte{secret}, err)
		case err != nil:
			s.following--
			up(nil, err)
		default:
			s.runFollowUps(p.sa, methods, in, secret, func(secrets [][]byte, err error) {
				if refused := (*NotifyError)(nil); errors.As(err, &refused) && refused.Type == message.STATE_NOT_FOUND && !p.restarted {
					p.restarted, p.following, p.sent = true, false, false
					s.ikeKey(p, func() { s.enqueueRekeyIKE(p, s.now.Add(s.backOff())) })
					return
				}
				up(secrets, err)
			})
		}
	})
}

// rekeyIKERefused works on an error notify in answer to p.
func (s *Session) rekeyIKERefused(p *pendingIKE, refused *NotifyError) {
	switch {
	case p.peer != nil || p.adopted:
	case refused.Type == message.TEMPORARY_FAILURE:
		if p.since.IsZero() {
			p.since = s.now
		}
		if s.now.Sub(p.since) >= busyLimit {
			s.abort(ErrBusy)
			return
		}
		p.sent = false
		s.enqueueRekeyIKE(p, s.now.Add(s.backOff()))
		return
	case refused.Type == message.INVALID_KE_PAYLOAD && len(refused.Data) == 2 && !p.regrouped:
		g := suite.GroupID(binary.BigEndian.Uint16(refused.Data))
		if offersGroup(p.policy, g) {
			p.group, p.regrouped, p.sent = g, true, false
			s.ikeKey(p, func() { s.enqueueRekeyIKE(p, time.Time{}) })
			return
		}
	}
	s.ikeRekeyFailed(p, refused)
}

func (s *Session) ikeRekeyFailed(p *pendingIKE, err error) { s.settleIKE(p, nil, err) }

// settleIKE ends our rekey of the IKE SA, with the new one or the error that there is instead, against a rekey of the
// peer's that came meanwhile (RFC 7296 2.8.1).
func (s *Session) settleIKE(p *pendingIKE, mine *ikeSA, err error) {
	if p.peer != nil && !p.peer.ready {
		p.waiting = func() { s.settleIKE(p, mine, err) }
		return
	}
	if s.ikeRekey == p {
		s.ikeRekey = nil
	}
	switch {
	case mine == nil && p.adopted:
	case mine == nil && p.peer != nil:
		// The peer did not notice our exchange, or refused it for its own.
		s.succeed(p.peer.sa)
	case mine == nil:
		if s.state == stateEstablished {
			s.sa.life.again(s.now, s.rules.Lifetime.IKE)
			s.emit(RekeyFailed{Err: err})
		}
	case p.adopted || p.peer != nil && loses(p.ni, p.nr, p.peer.ni, p.peer.nr):
		s.addOther(mine)
		if !p.adopted {
			s.succeed(p.peer.sa)
		}
		s.deleteOther(mine, 0)
	default:
		linger := time.Duration(0)
		if p.peer != nil {
			linger = s.rules.Linger // the peer may still ask for our answer to its own rekey, to delete what came of it
		}
		s.succeed(mine)
		s.enqueueToken()
		s.deleteOther(p.sa, linger)
	}
}
