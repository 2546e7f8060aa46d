// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// rekeyIKERequest answers the peer's rekey of the IKE SA (RFC 7296 2.18). The new one takes over at once with our
// answer; the peer deletes the old one.
func (s *Session) rekeyIKERequest(offer *message.SecurityAssociation, ni *message.Nonce, in []message.Payload) {
	sa := s.sa
	ke, ok := message.Get[*message.KeyExchange](in)
	if !ok {
		s.invalidSyntax(sa)
		return
	}
	// A request of ours that is under way would be lost between the two; the peer repeats its wish (2.25.2).
	if len(sa.outstanding) > 0 || s.old != nil {
		s.respondError(sa, message.TEMPORARY_FAILURE)
		return
	}
	choice, err := suite.SelectIKE(s.opt.IKE, offer.Proposals, 8, suite.GroupID(ke.Group))
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
	s.rekeying = true
	var public, secret []byte
	s.work(func() (err error) {
		public, secret, err = suite.Respond(next.suite.Group, random, ke.Data)
		return err
	}, func(err error) {
		s.rekeying = false
		if err != nil {
			s.invalidSyntax(sa)
			return
		}
		keys := suite.RekeyIKE(sa.suite.PRF, sa.keys.D, next.suite, secret, ni.Data, nr, next.spiI, next.spiR)
		if err := s.useKeys(next, keys); err != nil {
			s.close(err, false)
			return
		}
		next.queue, sa.queue = sa.queue, nil
		s.sa, s.old = next, sa
		s.natReference = nil // the hashes are over the SPIs
		s.emit(SPIChanged{Old: sa.local(), New: next.local()})
		s.respond(sa, []message.Payload{
			&message.SecurityAssociation{Proposals: []message.Proposal{choice.Answer(next.spiR.Bytes())}},
			&message.Nonce{Data: nr},
			&message.KeyExchange{Group: uint16(next.suite.Group), Data: public},
		})
	})
}

// forgetOld ends the IKE SA that was rekeyed; it still answers retransmissions until the next rekey.
func (s *Session) forgetOld() {
	s.emit(SPIForgotten{SPI: s.old.local()})
	s.old = nil
}
