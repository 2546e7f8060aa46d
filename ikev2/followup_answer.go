// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// followUp is a CREATE_CHILD_SA exchange of the peer whose additional key exchanges are still to come in
// IKE_FOLLOWUP_KE exchanges (RFC 9370 2.2.4).
type followUp struct {
	sa      *ikeSA
	old     *child // the pair that it rekeys, or nil
	ike     bool   // it rekeys the IKE SA
	link    []byte // what we put into ADDITIONAL_KEY_EXCHANGE last
	methods []suite.GroupID
	secrets [][]byte
	busy    bool // a request is being worked on
	expires time.Time
	// complete makes the SA when all secrets are there; a refusal says why it cannot be any more. drop gives up.
	complete func(secrets [][]byte) *NotifyError
	after    func() // the response; may be nil
	drop     func()
}

const (
	// maxFollowUps bounds the unfinished exchanges of a peer; beyond it CREATE_CHILD_SA is answered TEMPORARY_FAILURE.
	maxFollowUps = 4
	// followUpTime is how long the next IKE_FOLLOWUP_KE is waited for; after it the answer is STATE_NOT_FOUND.
	followUpTime = 60 * time.Second
	linkLen      = 16
)

// expectFollowUp keeps f and returns the notify that leads the peer to it.
func (s *Session) expectFollowUp(f *followUp) *message.Notify {
	f.link = make([]byte, linkLen)
	s.random(f.link)
	f.expires = s.now.Add(followUpTime)
	if !slices.Contains(s.followUps, f) {
		s.followUps = append(s.followUps, f)
	}
	return notify(message.ADDITIONAL_KEY_EXCHANGE, f.link)
}

// dropFollowUps gives up those exchanges of the peer that match.
func (s *Session) dropFollowUps(match func(f *followUp) bool) {
	for _, f := range slices.Clone(s.followUps) {
		if match(f) && s.takeFollowUp(f) {
			f.drop()
		}
	}
}

// takeFollowUp ends the wait for f; false when it has ended already.
func (s *Session) takeFollowUp(f *followUp) bool {
	i := slices.Index(s.followUps, f)
	if i < 0 {
		return false
	}
	s.followUps = slices.Delete(s.followUps, i, i+1)
	return true
}

func (s *Session) followUpsDue() {
	s.dropFollowUps(func(f *followUp) bool { return !f.busy && due(f.expires, s.now) })
}

func (s *Session) followUpsAt() (t time.Time) {
	for _, f := range s.followUps {
		if !f.busy {
			t = earliest(t, f.expires)
		}
	}
	return t
}

// rekeyingPeer tells whether the peer is in the middle of a rekey of the IKE SA.
func (s *Session) rekeyingPeer() bool {
	return slices.ContainsFunc(s.followUps, func(f *followUp) bool { return f.ike })
}

// mustWait tells whether a request of ours cannot be started yet because additional key exchanges are under way: what
// concerns Child SAs must not get lost between two IKE SAs (RFC 7296 2.25). A session that shall be quiet begins nothing
// new; additional key exchanges end what has begun.
func (s *Session) mustWait(r *request) bool {
	if s.quiet != quietNot && r.kind != requestFollowUp {
		return true
	}
	switch r.kind {
	case requestChild, requestDeleteChild:
		return s.rekeyingPeer()
	case requestRekeyIKE:
		return s.following > 0 || s.rekeyingPeer()
	}
	return false
}

// followUpRequest answers an IKE_FOLLOWUP_KE request.
func (s *Session) followUpRequest(sa *ikeSA, in []message.Payload) {
	ke, ok := message.Get[*message.KeyExchange](in)
	if !ok {
		s.invalidSyntax(sa)
		return
	}
	var f *followUp
	if n := message.GetNotify(in, message.ADDITIONAL_KEY_EXCHANGE); n != nil {
		if i := slices.IndexFunc(s.followUps, func(f *followUp) bool { return f.sa == sa && bytes.Equal(f.link, n.Data) }); i >= 0 {
			f = s.followUps[i]
		}
	}
	if f == nil {
		s.respondError(sa, message.STATE_NOT_FOUND)
		return
	}
	group, random := f.methods[0], s.opt.Rand
	if suite.GroupID(ke.Group) != group {
		s.invalidSyntax(sa)
		return
	}
	f.busy = true
	var public, secret []byte
	s.work(func() (err error) {
		public, secret, err = suite.Respond(group, random, ke.Data)
		return err
	}, func(err error) {
		f.busy = false
		switch {
		case err != nil:
			s.invalidSyntax(sa)
			return
		case !slices.Contains(s.followUps, f):
			s.respondError(sa, message.STATE_NOT_FOUND) // it ended meanwhile
			return
		}
		f.methods, f.secrets = f.methods[1:], append(f.secrets, secret)
		out := []message.Payload{&message.KeyExchange{Group: uint16(group), Data: public}}
		if len(f.methods) > 0 {
			s.respond(sa, append(out, s.expectFollowUp(f)))
			return
		}
		s.takeFollowUp(f)
		if refusal := f.complete(f.secrets); refusal != nil {
			f.drop()
			s.respondError(sa, refusal.Type, refusal.Data...)
			return
		}
		s.respond(sa, out)
		if f.after != nil {
			f.after()
		}
	})
}
