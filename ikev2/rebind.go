// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Rebinding is a responder's policy about fresh ESP of the peer that comes from another path than the Child SAs' own: a
// NAT has given the peer another mapping, or somebody forwards its packets.
type Rebinding uint8

const (
	// RebindPort follows a new port of the same address at once, and nothing else.
	RebindPort Rebinding = iota
	// RebindOff waits for the peer's own UPDATE_SA_ADDRESSES, or for its next IKE message where MOBIKE is not in use.
	RebindOff
	// RebindRoutability follows any new path when the peer has answered there.
	RebindRoutability
	// RebindPortRoutability follows a new port at once and a new address when the peer has answered there.
	RebindPortRoutability
)

func (r Rebinding) port() bool  { return r == RebindPort || r == RebindPortRoutability }
func (r Rebinding) proof() bool { return r == RebindRoutability || r == RebindPortRoutability }

// rebindPause is how long after a check without answer the next one may begin: whoever can repeat the peer's packets
// from elsewhere must not make us send more than that.
const rebindPause = 30 * time.Second

// rebinding is the check of a path that ESP came from.
type rebinding struct {
	target    Path      // zero: none
	deadline  time.Time // then the request goes on to the present path, which frees the window
	notBefore time.Time // of the next check
}

// Rebind tells the session that fresh ESP of the peer came from another path than the Child SAs' own. Options.Rebind
// says what follows. An address is never followed without proof, because whoever forwards a packet can make it look as
// if it had changed; the proof is an answer to a request that went to that path only, with COOKIE2 where the peer
// supports MOBIKE.
func (s *Session) Rebind(now time.Time, path Path) Output {
	s.begin(now)
	s.rebind(path)
	return s.finish()
}

func (s *Session) rebind(path Path) {
	p := s.espPath
	if s.state != stateEstablished || s.origInitiator || path == p || p != s.path || !p.NATT || !path.NATT || path.Local != p.Local {
		return
	}
	if path.Remote.Addr() == p.Remote.Addr() && s.rules.Rebind.port() || contains(s.rules.RoutabilityExempt, path.Remote.Addr()) && s.rules.Rebind.proof() {
		if s.mayFollow(path) {
			s.followed = path.Remote
			s.follow(path)
		}
		return
	}
	if s.rules.Rebind.proof() {
		s.checkRebinding(path)
	}
}

// mayFollow asks the policy about another address of the peer. Of another port of the same one it knows nothing new.
func (s *Session) mayFollow(path Path) bool {
	if path.Remote.Addr() == s.path.Remote.Addr() {
		return true
	}
	err := s.acceptPath(path)
	if err != nil {
		s.emit(MoveRejected{Path: path, Err: err})
	}
	return err == nil
}

// follow goes over to a path that needs no word of the peer.
func (s *Session) follow(path Path) {
	s.setPath(path)
	if s.rr.wanted {
		s.checkRoutability() // the path so far was not proven, and so this one is not
	} else {
		s.moveChildren(path, false)
	}
	s.moved = true
	s.afterUpdate()
}

// checkRebinding sends a request to path alone.
func (s *Session) checkRebinding(path Path) {
	b := &s.rebinding
	if b.target.Remote.IsValid() || s.now.Before(b.notBefore) {
		return
	}
	b.notBefore = s.now.Add(rebindPause)
	if err := s.acceptPath(path); err != nil {
		s.emit(MoveRejected{Path: path, Err: err})
		return
	}
	b.target, b.deadline = path, s.now.Add(s.rules.RoutabilityTimeout)
	s.enqueue(s.rebindingRequest(path), true)
}

func (s *Session) rebindingRequest(path Path) *request {
	return &request{
		kind:     requestRebinding,
		exchange: message.INFORMATIONAL,
		carries:  path,
		build: func(r *request) []message.Payload {
			if s.rebinding.target != path {
				return nil
			}
			r.only = &path
			if !s.mobike {
				return []message.Payload{} // it would not know COOKIE2
			}
			r.cookie2 = make([]byte, 16)
			s.random(r.cookie2)
			return append([]message.Payload{notify(message.COOKIE2, r.cookie2)}, s.natNotifies(s.sa.spiI, s.sa.spiR, path)...)
		},
		done: func(r *request, in []message.Payload) {
			if r.cookie2 != nil && !s.cookie2Matches(r, in) || s.rebinding.target != path || len(r.paths) != 1 {
				return
			}
			s.rebinding = rebinding{}
			s.prove(path)
			s.emit(RoutabilityProven{Path: path})
			s.follow(path)
		},
	}
}

// endRebinding lets the request of a check that is over go on to the present path.
func (s *Session) endRebinding() {
	s.rebinding.target, s.rebinding.deadline = Path{}, time.Time{}
	for sa := range s.eachIKESA() {
		for _, r := range sa.outstanding {
			r.only = nil
		}
	}
}

func (s *Session) rebindingDue() {
	if due(s.rebinding.deadline, s.now) {
		path := s.rebinding.target
		s.endRebinding()
		s.emit(RoutabilityFailed{Path: path})
	}
}

// followNAT lets the responder's path follow the peer's latest message where MOBIKE is not in use, the peer is behind a
// NAT and we are not (RFC 7296 2.23), at once or with proof as Options.Rebind says. An initiator knows by itself where
// it is, and its peer only looks as if it were behind a NAT when it forces encapsulation.
func (s *Session) followNAT(path Path) {
	if s.origInitiator || s.mobike || s.state != stateEstablished || !s.nat.PeerBehindNAT || s.nat.BehindNAT || path == s.path {
		return
	}
	// Encapsulated ESP cannot go to port 500, from where strongSwan says its last word when its address has changed.
	if s.path.NATT && !path.NATT {
		return
	}
	if s.rules.Rebind.proof() {
		s.rebind(path)
		return
	}
	if s.mayFollow(path) {
		s.setPath(path)
		s.moveChildren(path, false)
	}
}
