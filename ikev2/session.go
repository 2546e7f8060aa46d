// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

type state uint8

const (
	stateInit        state = iota // IKE_SA_INIT
	stateAuth                     // IKE_AUTH
	stateEstablished              //
	stateDeleting                 // our Delete of the IKE SA is on its way
	stateClosed                   // only retransmissions are answered
)

// Session is one peer's IKE SA with its Child SAs, through all moves and rekeys. It is not safe for concurrent use.
type Session struct {
	// Owner is free for the owner's use.
	Owner any

	opt           *Options
	rules         *Options   // what of them can change while the session lives; see Follow
	front         *Responder // of a responder's session, until it is no longer half-open
	frontKey      uint64
	source        netip.Prefix // that the front counts the session under
	initReply     []byte       // IKE_SA_INIT response; guarded by the front while the session is half-open
	origInitiator bool         // never changes, also not when the responder rekeys the IKE SA
	state         state
	sa            *ikeSA
	others        []*ikeSA // those that a rekey has left behind, until they are deleted and forgotten
	hs            *handshake
	children      []*child
	computing     []*pendingChild // for which public-key work is under way

	path    Path // of the IKE SA: our requests go here
	espPath Path // of the Child SAs; another one while return routability is pending
	nat     NATStatus
	mobility
	sync     syncing
	redirect redirection

	fragment  bool // both sides support RFC 7383
	small     bool // the present path seems to carry small messages only
	lastHeard time.Time
	probing   bool
	lastSent  time.Time
	answering bool        // the answer to the peer's rekey of the IKE SA is being made
	ikeRekey  *pendingIKE // our rekey of the IKE SA, from the wish to its outcome
	following int         // CREATE_CHILD_SA exchanges of ours that go on in IKE_FOLLOWUP_KE
	followUps []*followUp // those of the peer
	working   int         // public-key works that are not back yet
	quiet     quietness
	expires   time.Time // of the half-open state or of the lingering
	reserved  []uint32  // child SPIs not yet in use

	now time.Time // of the call under way
	out Output    // of the call under way
}

// SPI is our current SPI of the IKE SA: the owner's key to the session.
func (s *Session) SPI() message.SPI { return s.sa.local() }

// SPIs are the current SPIs of the initiator and the responder of the IKE SA.
func (s *Session) SPIs() (initiator, responder message.SPI) { return s.sa.spiI, s.sa.spiR }

// Path is the path of the IKE SA. The Child SAs' can differ, see ChildPath.
func (s *Session) Path() Path { return s.path }

// ChildPath is where the Child SAs send.
func (s *Session) ChildPath() Path { return s.espPath }

// NAT is what NAT detection found out last.
func (s *Session) NAT() NATStatus { return s.nat }

// MOBIKE tells whether both sides support RFC 4555.
func (s *Session) MOBIKE() bool { return s.mobike }

// Established tells whether the IKE SA is up.
func (s *Session) Established() bool { return s.state == stateEstablished }

// Closed tells whether the session has ended.
func (s *Session) Closed() bool { return s.state == stateClosed }

// OriginalInitiator tells whether we started the first IKE SA.
func (s *Session) OriginalInitiator() bool { return s.origInitiator }

// PeerAddresses are the addresses that the peer announced with RFC 4555 3.6, its source address first.
func (s *Session) PeerAddresses() []netip.Addr { return s.peerAddrs }

// Children are the Child SAs that are up.
func (s *Session) Children() []*ChildSA {
	sas := make([]*ChildSA, 0, len(s.children))
	for _, c := range s.children {
		sas = append(sas, c.sa)
	}
	return sas
}

// begin starts a call; every exported method that changes the session runs between begin and finish.
func (s *Session) begin(now time.Time) { s.now = now }

func (s *Session) finish() Output {
	s.resume()
	s.pump()
	s.tellQuiescent()
	out := s.out
	out.Deadline = s.deadline()
	s.out = Output{}
	return out
}

func (s *Session) emit(e Event) { s.out.Events = append(s.out.Events, e) }

func (s *Session) send(path Path, datagrams [][]byte) {
	for _, d := range datagrams {
		s.out.Datagrams = append(s.out.Datagrams, Datagram{Path: path, Data: d})
	}
	s.lastSent = s.now
}

// work hands out public-key work. done runs in Session.Done, and not at all once the session is closed.
func (s *Session) work(run func() error, done func(err error)) {
	s.working++
	s.out.Work = append(s.out.Work, &Work{session: s, run: run, done: done})
}

// Done takes back work that has run.
func (s *Session) Done(now time.Time, w *Work) Output {
	s.begin(now)
	if w.session == s && w.done != nil && s.state != stateClosed {
		done := w.done
		w.done = nil
		s.working--
		done(w.err)
	}
	return s.finish()
}

// Timeout does what is due. Call it at Output.Deadline; earlier calls do no harm.
func (s *Session) Timeout(now time.Time) Output {
	s.begin(now)
	switch {
	case s.state == stateClosed:
	case s.state < stateEstablished && due(s.expires, now):
		s.close(ErrHalfOpenTime, false)
	default:
		s.retransmitDue()
		s.forgetDue()
		s.followUpsDue()
		if s.state == stateEstablished {
			s.mobilityDue()
			s.livenessDue()
			s.keepaliveDue()
			s.lifetimesDue()
		}
	}
	return s.finish()
}

// close ends the session at once. It says nothing to the peer.
func (s *Session) close(reason error, byPeer bool) { s.closeWith(reason, byPeer, nil) }

func (s *Session) closeWith(reason error, byPeer bool, notifies []*message.Notify) {
	if s.state == stateClosed {
		return
	}
	s.state = stateClosed
	for sa := range s.eachIKESA() {
		for _, r := range append(sa.outstanding, sa.queue...) {
			if r.failed != nil {
				r.failed(reason)
			}
		}
		sa.outstanding, sa.queue = nil, nil
	}
	for _, p := range s.computing {
		if p.old == nil {
			s.emit(ChildFailed{Tag: p.req.Tag, Err: reason})
		}
	}
	for _, spi := range s.reserved {
		s.releaseSPI(spi)
	}
	s.reserved, s.children, s.computing, s.hs, s.ikeRekey, s.followUps = nil, nil, nil, nil, nil, nil
	s.leaveFront()
	s.expires = s.now.Add(s.rules.Linger)
	s.emit(Closed{Reason: reason, ByPeer: byPeer, Notifies: notifies})
}

// abort ends an established session for an error and tells the peer once, without waiting for its answer.
func (s *Session) abort(reason error) {
	if s.state == stateEstablished || s.state == stateDeleting {
		if d := s.seal(s.sa, message.INFORMATIONAL, false, s.sa.nextSend, []message.Payload{deleteIKE()}); d != nil {
			s.sa.nextSend++
			s.send(s.path, d)
		}
	}
	s.close(reason, false)
}

func (s *Session) leaveFront() {
	if s.front != nil {
		s.front.forget(s)
		s.front = nil
	}
}

func due(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// deadline is the time of the next thing to do.
func (s *Session) deadline() time.Time {
	if s.state == stateClosed {
		return time.Time{}
	}
	var t time.Time
	if s.state < stateEstablished {
		t = s.expires
	}
	for sa := range s.eachIKESA() {
		for _, r := range sa.outstanding {
			t = earliest(t, r.next)
		}
		t = earliest(t, sa.until)
	}
	if s.state == stateEstablished {
		if s.pumping() && s.sa.room() {
			for _, r := range s.sa.queue {
				if s.mustWait(r) {
					continue
				}
				if r.kind == requestRekeyIKE && len(s.sa.outstanding) > 0 && !s.now.Before(r.notBefore) {
					break // it waits for an answer, and all behind it with it
				}
				t = earliest(t, r.notBefore)
			}
		}
		t = earliest(t, s.followUpsAt())
		t = earliest(t, s.mobilityAt())
		t = earliest(t, s.livenessAt())
		t = earliest(t, s.keepaliveAt())
		t = earliest(t, s.lifetimesAt())
	}
	return t
}
