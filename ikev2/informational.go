// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// deletePatience is how long an unanswered Delete of the IKE SA is repeated.
const deletePatience = 10 * time.Second

// informationalRequest works on an INFORMATIONAL request.
func (s *Session) informationalRequest(sa *ikeSA, in []message.Payload) {
	path := sa.pending.path
	if deletesIKE(in) {
		s.deleteIKERequest(sa)
		return
	}
	s.adoptUsed(sa)
	current := sa == s.sa
	var out []message.Payload
	refused := message.NotifyType(0)
	// An IKE SA that a rekey has left behind does not move anything any more.
	if current && s.mobike && s.state == stateEstablished {
		refused = s.mobikeRequest(in, path)
	}
	to, switchAsked, switchRefused := s.switchAsk(sa, in)
	if switchAsked && !switchRefused {
		sa.find(sa.pending.mid).to = to // the answer goes there, which opens our NAT for the peer
	} else if switchRefused {
		refused = message.UNACCEPTABLE_ADDRESSES
	}
	if refused != 0 {
		out = append(out, notify(refused, nil))
	}
	var natd bool
	var rest []*message.Notify
	for _, n := range message.All[*message.Notify](in) {
		switch n.Type {
		case message.NAT_DETECTION_SOURCE_IP, message.NAT_DETECTION_DESTINATION_IP:
			natd = true
		case message.COOKIE2:
			if len(n.Data) >= 8 && len(n.Data) <= 64 {
				out = append(out, notify(message.COOKIE2, n.Data))
				s.emit(RoutabilityAnswered{Path: path})
			}
		case message.QUICK_CRASH_DETECTION:
			sa.learnToken([]*message.Notify{n})
		case message.REDIRECT:
			s.redirected(n, nil)
		case message.IPSEC_REPLAY_COUNTER_SYNC:
			if s.sync.replay {
				s.skipSequence(n.Data)
			}
		case message.SET_WINDOW_SIZE:
			sa.setWindow(n.Data)
		case message.AUTHENTICATION_FAILED:
			// An initiator that does not believe us says so after IKE_AUTH (RFC 7296 2.21.2).
			s.respond(sa, nil)
			s.close(ErrAuthentication, true)
			return
		case message.UPDATE_SA_ADDRESSES, message.NO_NATS_ALLOWED,
			message.ADDITIONAL_IP4_ADDRESS, message.ADDITIONAL_IP6_ADDRESS, message.NO_ADDITIONAL_ADDRESSES:
		default:
			if switchAsked && n.Type == s.opt.Switch.Notify {
				continue
			}
			if len(rest) < maxNotifies {
				rest = append(rest, n)
			}
		}
	}
	if natd && refused == 0 {
		out = append(out, s.natNotifies(sa.spiI, sa.spiR, path)...)
	}
	var gone []uint32
	for _, d := range message.All[*message.Delete](in) {
		if d.Protocol == message.ProtocolESP {
			gone = append(gone, s.deletedByPeer(d.SPIs)...)
		}
	}
	if len(gone) > 0 {
		out = append(out, &message.Delete{Protocol: message.ProtocolESP, SPIs: gone})
	}
	switch {
	case len(rest) == 0:
	case s.opt.AcceptInfo == nil:
		s.emit(InfoReceived{Notifies: rest})
	default:
		if why := s.opt.AcceptInfo(s, rest); why != 0 {
			out = append(out, notify(why, nil))
		} else {
			s.emit(InfoReceived{Notifies: rest})
		}
	}
	s.respond(sa, out)
	s.afterUpdate()
	if switchAsked && !switchRefused {
		s.emit(SwitchFollowed{Path: to})
		s.move(to)
	}
}

// earlyInformational works on an INFORMATIONAL request before the IKE SA is up: a peer can end it.
func (s *Session) earlyInformational(sa *ikeSA, in []message.Payload) {
	s.respond(sa, nil)
	if endsEarly(message.INFORMATIONAL, in) {
		s.close(ErrDeleted, true)
	}
}

// endsEarly tells whether a request ends an IKE SA that is not up yet.
func endsEarly(exchange message.ExchangeType, in []message.Payload) bool {
	if exchange != message.INFORMATIONAL {
		return false
	}
	for _, d := range message.All[*message.Delete](in) {
		if d.Protocol == message.ProtocolIKE {
			return true
		}
	}
	return message.GetNotify(in, message.AUTHENTICATION_FAILED) != nil
}

// deletedByPeer removes the pairs whose peer's inbound SPIs are given, and returns ours of them for the answer. Pairs
// that we are deleting ourselves are left out of it (RFC 7296 1.4.1).
func (s *Session) deletedByPeer(spis []uint32) (answer []uint32) {
	for _, spi := range spis {
		c := s.childByOutbound(spi)
		if c == nil {
			s.deletedEarly(spi)
			continue
		}
		if !c.deleting {
			answer = append(answer, c.sa.InboundSPI)
		}
		s.removeChild(c, ChildDown{ByPeer: true})
	}
	return answer
}

func (sa *ikeSA) setWindow(data []byte) {
	if len(data) == 4 {
		// It only ever grows (RFC 7296 2.3).
		sa.window = max(sa.window, int(min(binary.BigEndian.Uint32(data), maxWindow)))
	}
}

func deleteIKE() message.Payload { return &message.Delete{Protocol: message.ProtocolIKE} }

// Delete ends the IKE SA: it tells the peer and ends with Closed when the peer has answered, or does not for 10 s. An
// IKE SA that is not up yet just ends.
func (s *Session) Delete(now time.Time) Output {
	s.begin(now)
	switch s.state {
	case stateInit, stateAuth:
		s.close(ErrDeleted, false)
	case stateEstablished:
		for _, r := range s.sa.queue {
			if r.failed != nil {
				r.failed(ErrDeleted)
			}
		}
		s.sa.queue = nil
		// Requests that the peer does not answer must not keep it from hearing this.
		for _, r := range s.sa.outstanding {
			r.giveUp = s.now.Sub(r.sent) + deletePatience
		}
		s.state, s.quiet = stateDeleting, quietNot
		s.enqueue(&request{
			kind:     requestDeleteIKE,
			exchange: message.INFORMATIONAL,
			giveUp:   deletePatience,
			build:    func(*request) []message.Payload { return []message.Payload{deleteIKE()} },
			done:     func(*request, []message.Payload) { s.close(ErrDeleted, false) },
		}, true)
		// Nor may the peer finish a rekey now: in a new IKE SA our Delete would be one of the old one (RFC 7296 2.25.2).
		s.dropFollowUps(func(*followUp) bool { return true })
	}
	return s.finish()
}

// DeleteChild deletes Child SAs by their inbound SPIs, all in one request, with what a rekey under way replaces them by.
// Each ends with ChildDown.
func (s *Session) DeleteChild(now time.Time, inbound ...uint32) Output {
	s.begin(now)
	if s.state == stateEstablished {
		var spis []uint32
		for _, spi := range inbound {
			c := s.childByInbound(spi)
			if c == nil {
				continue
			}
			if c.rekey != nil {
				c.rekey.unwanted = true
			}
			spis = append(spis, spi)
			if r := c.peerRekey; r != nil && r.pair != nil && !r.pair.deleting {
				spis = append(spis, r.pair.sa.InboundSPI)
			}
		}
		if len(spis) > 0 {
			s.enqueueDelete(spis)
		}
	}
	return s.finish()
}

func (s *Session) enqueueDelete(spis []uint32) {
	for _, spi := range spis {
		if c := s.childByInbound(spi); c != nil {
			c.deleting = true
		}
	}
	s.enqueue(s.deleteChildRequest(spis), false)
}

func (s *Session) deleteChildRequest(spis []uint32) *request {
	return &request{
		kind:     requestDeleteChild,
		exchange: message.INFORMATIONAL,
		carries:  spis,
		build: func(*request) []message.Payload {
			return []message.Payload{&message.Delete{Protocol: message.ProtocolESP, SPIs: spis}}
		},
		done: func(*request, []message.Payload) {
			// The answer names the SPIs of the other direction, or ours again, or none: peers differ.
			for _, spi := range spis {
				if c := s.childByInbound(spi); c != nil {
					s.removeChild(c, ChildDown{})
				} else {
					s.dropSPI(spi) // of a pair that only the peer had
				}
			}
		},
	}
}

// Notify sends notifies in an INFORMATIONAL request. It ends with InfoDone.
func (s *Session) Notify(now time.Time, tag any, notifies ...*message.Notify) Output {
	s.begin(now)
	if s.state != stateEstablished {
		s.emit(InfoDone{Tag: tag, Err: ErrState})
		return s.finish()
	}
	s.enqueue(s.notifyRequest(&pendingNotify{tag, notifies}), false)
	return s.finish()
}

// pendingNotify is what the owner wants to be told to the peer.
type pendingNotify struct {
	tag      any
	notifies []*message.Notify
}

func (s *Session) notifyRequest(p *pendingNotify) *request {
	return &request{
		kind:     requestNotify,
		exchange: message.INFORMATIONAL,
		carries:  p,
		build: func(*request) []message.Payload {
			return appendNotifies(make([]message.Payload, 0, len(p.notifies)), p.notifies)
		},
		done: func(_ *request, in []message.Payload) {
			e := InfoDone{Tag: p.tag, Notifies: message.All[*message.Notify](in)}
			if n := message.ErrorNotify(in); n != nil {
				e.Err = received(n)
			}
			s.emit(e)
		},
		failed: func(err error) { s.emit(InfoDone{Tag: p.tag, Err: err}) },
	}
}
