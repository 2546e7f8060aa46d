// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// following is our side of the IKE_FOLLOWUP_KE exchanges (RFC 9370 2.2.4) after a CREATE_CHILD_SA exchange of ours that
// agreed on additional key exchanges: one exchange each, tied together by what the peer puts into
// ADDITIONAL_KEY_EXCHANGE.
type following struct {
	sa      *ikeSA
	methods []suite.GroupID // still to do
	link    []byte
	secrets [][]byte // of the key exchanges so far, that of CREATE_CHILD_SA first
	done    func(secrets [][]byte, err error)
}

// maxLink bounds what we keep of a peer's ADDITIONAL_KEY_EXCHANGE.
const maxLink = 1024

// runFollowUps runs the additional key exchanges that the response in has agreed to, and calls done with all secrets. The
// caller has set s.following already: from the response on a rekey of the same SA by the peer is refused.
func (s *Session) runFollowUps(sa *ikeSA, methods []suite.GroupID, in []message.Payload, secret []byte, done func(secrets [][]byte, err error)) {
	f := &following{sa: sa, methods: methods, secrets: [][]byte{secret}, done: func(secrets [][]byte, err error) {
		s.following--
		done(secrets, err)
	}}
	s.nextFollowUp(f, in)
}

// nextFollowUp starts the exchange after the one whose response is in.
func (s *Session) nextFollowUp(f *following, in []message.Payload) {
	if len(f.methods) == 0 {
		f.done(f.secrets, nil)
		return
	}
	link := message.GetNotify(in, message.ADDITIONAL_KEY_EXCHANGE)
	if link == nil || len(link.Data) > maxLink {
		f.done(nil, ErrSyntax)
		return
	}
	f.link = bytes.Clone(link.Data)
	group, random := f.methods[0], s.opt.Rand
	var key *suite.KeyExchange
	s.work(func() (err error) {
		key, err = suite.GenerateKey(group, random)
		return err
	}, func(err error) {
		if err == nil && (s.sa != f.sa || s.state != stateEstablished) {
			err = ErrState
		}
		if err != nil {
			f.done(nil, err)
			return
		}
		s.sendFollowUp(f, key)
	})
}

func (s *Session) sendFollowUp(f *following, key *suite.KeyExchange) {
	r := &request{
		kind:     requestFollowUp,
		exchange: message.IKE_FOLLOWUP_KE,
		build: func(*request) []message.Payload {
			return []message.Payload{
				&message.KeyExchange{Group: uint16(key.Group()), Data: key.Public()},
				notify(message.ADDITIONAL_KEY_EXCHANGE, f.link),
			}
		},
		done:   func(_ *request, in []message.Payload) { s.followUpResponse(f, key, in) },
		failed: func(err error) { f.done(nil, err) },
	}
	if s.ikeRekey.underway() {
		s.start(f.sa, r) // nothing else is on its way
		return
	}
	s.enqueue(r, true)
}

func (s *Session) followUpResponse(f *following, key *suite.KeyExchange, in []message.Payload) {
	ke, ok := message.Get[*message.KeyExchange](in)
	if !ok || suite.GroupID(ke.Group) != key.Group() {
		err := ErrSyntax
		if n := message.ErrorNotify(in); n != nil {
			err = received(n)
		}
		f.done(nil, err)
		return
	}
	f.methods = f.methods[1:]
	var secret []byte
	s.work(func() (err error) {
		secret, err = key.Shared(ke.Data)
		return err
	}, func(err error) {
		if err != nil {
			f.done(nil, err)
			return
		}
		f.secrets = append(f.secrets, secret)
		s.nextFollowUp(f, in)
	})
}
