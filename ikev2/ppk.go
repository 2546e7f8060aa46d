// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// PPKIDType is the kind of a PPKID (RFC 8784 5.1).
type PPKIDType uint8

// Kinds of PPK identities.
const (
	PPKOpaque PPKIDType = 1 // means something to its maker only
	PPKFixed  PPKIDType = 2 // names one key, on both sides
)

// PPKID names a post-quantum preshared key.
type PPKID struct {
	Type PPKIDType
	Data []byte
}

// PPKPolicy is the use of post-quantum preshared keys (RFC 8784): a second secret that both sides know, mixed into the
// keys of Child SAs, rekeyed IKE SAs and AUTH, so that who breaks the key exchange later still reads nothing.
type PPKPolicy struct {
	// ID (initiator) names the key that we propose.
	ID PPKID
	// Secret returns the key of that name for peer, or false when we have none. peer.Data is nil when an initiator did not
	// say whom it wants. It should have at least 256 bits of entropy.
	Secret func(id PPKID, peer Identity) ([]byte, bool)
	// Mandatory refuses peers that do not use one. Otherwise the session comes up without it.
	Mandatory bool
}

// ppkState is what a handshake knows of PPKs.
type ppkState struct {
	peer    bool   // the peer sent USE_PPK
	used    bool   // the keys hold one
	without []byte // initiator: our AUTH data without one
	mixed   *suite.IKEKeys
}

// maxPPKID bounds the names that are looked up.
const maxPPKID = 255

// usePPK tells whether both sides can use a PPK.
func (s *Session) usePPK() bool { return s.opt.PPK != nil && s.hs.ppk.peer }

// takePPK (responder) decides about the PPK from the IKE_AUTH request that holds the initiator's AUTH payload. It
// returns the payload to be checked: with the key that both have, the keys of the IKE SA hold it from now on; without,
// it is the initiator's other proof. false: authentication failed. (RFC 8784 3, table 2.)
func (s *Session) takePPK(auth *message.Authentication, in []message.Payload) (*message.Authentication, bool) {
	policy := s.opt.PPK
	if !s.usePPK() {
		return auth, policy == nil || !policy.Mandatory
	}
	n := message.GetNotify(in, message.PPK_IDENTITY)
	if n == nil {
		return auth, !policy.Mandatory
	}
	if len(n.Data) > 1 && len(n.Data) <= 1+maxPPKID {
		id := PPKID{Type: PPKIDType(n.Data[0]), Data: bytes.Clone(n.Data[1:])}
		if secret, ok := policy.Secret(id, identityOf(s.hs.idI)); ok {
			s.sa.keys = s.sa.keys.WithPPK(s.sa.suite.PRF, secret)
			s.hs.ppk.used = true
			return auth, true
		}
	}
	without := message.GetNotify(in, message.NO_PPK_AUTH)
	if without == nil || policy.Mandatory {
		return nil, false
	}
	return &message.Authentication{Method: auth.Method, Data: without.Data}, true
}

// mixedKeys (initiator) are the keys of the IKE SA with our PPK in them, or without one where none is used. A missing
// secret ends the session: it is our own configuration.
func (s *Session) mixedKeys() (*suite.IKEKeys, bool) {
	if !s.usePPK() {
		return s.sa.keys, true
	}
	if mixed := s.hs.ppk.mixed; mixed != nil {
		return mixed, true
	}
	secret, ok := s.opt.PPK.Secret(s.opt.PPK.ID, identityOf(s.hs.idR))
	if !ok {
		s.close(ErrPPK, false)
		return nil, false
	}
	s.hs.ppk.mixed = s.sa.keys.WithPPK(s.sa.suite.PRF, secret)
	return s.hs.ppk.mixed, true
}

// makePPKProof (initiator) makes our AUTH payload with the PPK, and where it is optional the one without, too.
func (s *Session) makePPKProof(then func()) {
	keys, ok := s.mixedKeys()
	if !ok {
		return
	}
	s.makeProofWith(keys, func(method message.AuthMethod, proof []byte) {
		hs := s.hs
		hs.method, hs.proof = method, proof
		if !s.usePPK() || s.opt.PPK.Mandatory {
			then()
			return
		}
		s.makeProofWith(s.sa.keys, func(_ message.AuthMethod, proof []byte) {
			hs.ppk.without = proof
			then()
		})
	})
}

// ppkNotifies (initiator) go with our AUTH payload; without is the AUTH data that needs no PPK.
func (s *Session) ppkNotifies(without []byte) []message.Payload {
	if !s.usePPK() {
		return nil
	}
	id := s.opt.PPK.ID
	out := []message.Payload{notify(message.PPK_IDENTITY, append([]byte{byte(id.Type)}, id.Data...))}
	if !s.opt.PPK.Mandatory {
		out = append(out, notify(message.NO_PPK_AUTH, without))
	}
	return out
}

// settlePPK (initiator) takes the PPK into the keys when the responder says with its AUTH payload that it did. false:
// it did not, and it is mandatory; the session has ended.
func (s *Session) settlePPK(in []message.Payload) bool {
	if !s.usePPK() {
		return true
	}
	if message.GetNotify(in, message.PPK_IDENTITY) == nil {
		if s.opt.PPK.Mandatory {
			s.refusePeer(ErrPPK)
			return false
		}
		return true
	}
	keys, ok := s.mixedKeys()
	if ok {
		s.sa.keys, s.hs.ppk.used = keys, true
	}
	return ok
}
