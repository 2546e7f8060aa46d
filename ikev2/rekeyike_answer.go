// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"encoding/binary"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// rekeyIKERequest answers the peer's rekey of the IKE SA (RFC 7296 2.18). The new one takes over at once with our
// answer, unless a rekey of our own is on its way; the peer deletes the old one.
func (s *Session) rekeyIKERequest(offer *message.SecurityAssociation, ni *message.Nonce, in []message.Payload) {
	sa := s.sa
	ke, ok := message.Get[*message.KeyExchange](in)
	if !ok {
		s.invalidSyntax(sa)
		return
	}
	own := s.ikeRekey
	if !own.underway() {
		own = nil
	}
	// Child SAs that we make, rekey or delete must not be lost between the two; the peer repeats its wish (2.25.2).
	s.dropFollowUps(func(f *followUp) bool { return f.ike }) // the peer starts over
	if sa.childrenUnderway() || s.following > 0 || own != nil && own.peer != nil {
		s.respondError(sa, message.TEMPORARY_FAILURE)
		return
	}
	choice, err := suite.SelectIKE(preferred(s.opt.IKE, sa.suite.Proposal(0, nil)), offer.Proposals, 8, suite.GroupID(ke.Group))
	if err != nil {
		s.respondError(sa, message.NO_PROPOSAL_CHOSEN)
		return
	}
	if g := choice.IKE.Group; g != suite.GroupID(ke.Group) {
		s.respondError(sa, message.INVALID_KE_PAYLOAD, groupData(g)...)
		return
	}
	spi := message.SPI(binary.BigEndian.Uint64(choice.Peer.SPI))
	if spi == 0 {
		s.respondError(sa, message.NO_PROPOSAL_CHOSEN)
		return
	}
	next := &ikeSA{spiI: spi, spiR: s.newSPI(), suite: choice.IKE, window: 1}
	nr, random := s.nonce(), s.opt.Rand
	peer := &peerIKE{sa: next, ni: bytes.Clone(ni.Data), nr: nr}
	if own != nil {
		own.peer = peer
	}
	s.answering = true
	var public, secret []byte
	s.work(func() (err error) {
		public, secret, err = suite.Respond(next.suite.Group, random, ke.Data)
		return err
	}, func(err error) {
		s.answering = false
		if err != nil {
			s.invalidSyntax(sa)
			return
		}
		goOn := func() {
			if own != nil && own.waiting != nil {
				own.waiting()
			}
		}
		complete := func(secrets [][]byte) *NotifyError {
			keys := suite.RekeyIKE(sa.suite.PRF, sa.keys.D, next.suite, secrets[0], peer.ni, nr, next.spiI, next.spiR, secrets[1:]...)
			if err := s.useKeys(next, keys); err != nil {
				s.close(err, false)
				return &NotifyError{Type: message.TEMPORARY_FAILURE}
			}
			peer.ready = true
			if own != nil {
				s.addOther(next)
			} else {
				s.succeed(next)
			}
			return nil
		}
		out := []message.Payload{
			&message.SecurityAssociation{Proposals: []message.Proposal{choice.Answer(next.spiR.Bytes())}},
			&message.Nonce{Data: nr},
			&message.KeyExchange{Group: uint16(next.suite.Group), Data: public},
		}
		if methods := next.suite.Additional.Methods(); len(methods) > 0 {
			if own != nil && own.following {
				own.peer = nil // ours has been answered while this answer was made, and has won
				s.respondError(sa, message.TEMPORARY_FAILURE)
				goOn()
				return
			}
			s.respond(sa, appendNotifies(append(out, s.expectFollowUp(&followUp{
				sa: sa, ike: true, methods: methods, secrets: [][]byte{secret}, complete: complete, after: goOn,
				drop: func() {
					if own != nil && own.peer == peer {
						own.peer = nil
						goOn()
					}
				},
			})), s.tokenNotify(next)))
			return
		}
		if complete([][]byte{secret}) != nil {
			return
		}
		s.respond(sa, appendNotifies(out, s.tokenNotify(next)))
		goOn()
	})
}

// childrenUnderway tells whether a request of ours about Child SAs is not answered yet.
func (sa *ikeSA) childrenUnderway() bool {
	for _, r := range sa.outstanding {
		if r.kind == requestChild || r.kind == requestDeleteChild {
			return true
		}
	}
	return false
}
