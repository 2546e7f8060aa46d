// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"encoding/binary"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// intermediate is what a handshake keeps of its IKE_INTERMEDIATE exchanges (RFC 9242), which carry one additional key
// exchange each (RFC 9370 2.2.2) between IKE_SA_INIT and IKE_AUTH.
type intermediate struct {
	methods []suite.GroupID // of ADDKE1 to ADDKE7, as agreed
	done    int             // how many of them

	// authI and authR are IntAuth_i and IntAuth_r so far.
	authI, authR []byte
	// received is what AUTH covers of the peer's message that is being worked on; first is the first fragment of one
	// that is being put together.
	received []byte
	first    *message.EncryptedFragment
}

// intAuth is what AUTH covers beyond RFC 7296 2.15 (RFC 9242 3.3.2); nothing without IKE_INTERMEDIATE exchanges.
func (im *intermediate) intAuth() []byte {
	if im.done == 0 {
		return nil
	}
	b := append(bytes.Clone(im.authI), im.authR...)
	// The message ID of the first IKE_AUTH exchange: it comes right after them.
	return binary.BigEndian.AppendUint32(b, uint32(im.done)+1)
}

// cover adds a message to IntAuth. It must run before the message's key exchange changes the keys.
func (s *Session) cover(byInitiator bool, octets []byte) {
	im, sa := &s.hs.intermediate, s.sa
	if byInitiator {
		im.authI = sa.suite.PRF.Sum(sa.keys.PI, im.authI, octets)
	} else {
		im.authR = sa.suite.PRF.Sum(sa.keys.PR, im.authR, octets)
	}
}

// coverOwn is cover for a message that we have just sent.
func (s *Session) coverOwn(response bool, mid uint32, inner []message.Payload) {
	octets, err := message.IntAuthOctets(s.sa.header(message.IKE_INTERMEDIATE, response, mid), inner)
	if err != nil {
		s.close(err, false)
		return
	}
	s.cover(s.origInitiator, octets)
}

// mixKey makes the keys anew with the secret of an additional key exchange (RFC 9370 2.2.2).
func (s *Session) mixKey(secret []byte) {
	sa, hs := s.sa, s.hs
	hs.intermediate.done++
	sa.keepProtectors()
	keys := suite.RekeyIKE(sa.suite.PRF, sa.keys.D, sa.suite, secret, hs.ni, hs.nr, sa.spiI, sa.spiR)
	if err := s.useKeys(sa, keys); err != nil {
		s.close(err, false)
	}
}

// keepProtectors makes the messages so far repeatable in other fragments, although the keys change.
func (sa *ikeSA) keepProtectors() {
	for i := range sa.taken {
		if t := &sa.taken[i]; t.out == nil {
			t.in, t.out = sa.in, sa.out
		}
	}
	sa.fragments = nil
}

// nextExchange (initiator) goes on after IKE_SA_INIT or an IKE_INTERMEDIATE: with the next additional key exchange, or
// with IKE_AUTH.
func (s *Session) nextExchange() {
	im := &s.hs.intermediate
	if im.done == len(im.methods) {
		s.firstAuth()
		return
	}
	group, random := im.methods[im.done], s.opt.Rand
	var key *suite.KeyExchange
	s.work(func() (err error) {
		key, err = suite.GenerateKey(group, random)
		return err
	}, func(err error) {
		if err != nil {
			s.close(err, false)
			return
		}
		s.sendIntermediate(key)
	})
}

func (s *Session) sendIntermediate(key *suite.KeyExchange) {
	inner := []message.Payload{&message.KeyExchange{Group: uint16(key.Group()), Data: key.Public()}}
	r := &request{
		exchange: message.IKE_INTERMEDIATE,
		build:    func(*request) []message.Payload { return inner },
		done:     func(_ *request, in []message.Payload) { s.intermediateResponse(key, in) },
	}
	s.start(s.sa, r)
	if s.state != stateClosed {
		s.coverOwn(false, r.mid, inner)
	}
}

func (s *Session) intermediateResponse(key *suite.KeyExchange, in []message.Payload) {
	if n := message.ErrorNotify(in); n != nil {
		s.close(received(n), true)
		return
	}
	ke, ok := message.Get[*message.KeyExchange](in)
	if !ok || suite.GroupID(ke.Group) != key.Group() {
		s.close(ErrSyntax, true)
		return
	}
	s.cover(false, s.hs.intermediate.received)
	var secret []byte
	s.work(func() (err error) {
		secret, err = key.Shared(ke.Data)
		return err
	}, func(err error) {
		if err != nil {
			s.close(err, true)
			return
		}
		if s.mixKey(secret); s.state != stateClosed {
			s.nextExchange()
		}
	})
}

// intermediateRequest (responder) works on an IKE_INTERMEDIATE request. One that we did not agree to ends the IKE SA,
// and so does a wrong one: nothing of it is authenticated before IKE_AUTH, so that there is no way on.
func (s *Session) intermediateRequest(in []message.Payload) {
	sa, im := s.sa, &s.hs.intermediate
	ke, ok := message.Get[*message.KeyExchange](in)
	if !ok || im.done == len(im.methods) || suite.GroupID(ke.Group) != im.methods[im.done] {
		s.invalidSyntax(sa)
		return
	}
	s.cover(true, im.received)
	group, random := im.methods[im.done], s.opt.Rand
	var public, secret []byte
	s.work(func() (err error) {
		public, secret, err = suite.Respond(group, random, ke.Data)
		return err
	}, func(err error) {
		if err != nil {
			s.invalidSyntax(sa)
			return
		}
		inner := []message.Payload{&message.KeyExchange{Group: uint16(group), Data: public}}
		s.coverOwn(true, sa.pending.mid, inner)
		if s.respond(sa, inner); s.state != stateClosed {
			s.mixKey(secret)
		}
	})
}

// noteIntermediate keeps what AUTH covers of a message of the peer that was opened: in one piece (whole), or with its
// last missing fragment.
func (s *Session) noteIntermediate(h message.Header, whole *message.Encrypted, plain []byte) (err error) {
	if h.Exchange != message.IKE_INTERMEDIATE || s.hs == nil {
		return nil
	}
	im := &s.hs.intermediate
	if whole != nil {
		im.received, err = whole.IntAuthOctets(plain)
		return err
	}
	if im.first == nil {
		return message.ErrIntegrity
	}
	im.received, err = im.first.IntAuthOctets(plain)
	im.first = nil
	return err
}

// noteFirstFragment keeps the first fragment of an IKE_INTERMEDIATE message for noteIntermediate.
func (s *Session) noteFirstFragment(h message.Header, f *message.EncryptedFragment, data []byte) {
	if h.Exchange != message.IKE_INTERMEDIATE || s.hs == nil || f.Number != 1 {
		return
	}
	if m, err := message.Decode(bytes.Clone(data)); err == nil {
		s.hs.intermediate.first = m.Payloads[len(m.Payloads)-1].(*message.EncryptedFragment)
	}
}
