// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"errors"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// LocalSPI reads from an IKE datagram the SPI of the IKE SA at the receiver's side: the key of its session. It is 0
// for an IKE_SA_INIT request, which belongs to Responder.Init. ok is false when the datagram has no IKE header.
func LocalSPI(datagram []byte) (spi message.SPI, ok bool) {
	h, err := message.DecodeHeader(datagram)
	var version *message.UnsupportedVersion
	if err != nil && !errors.As(err, &version) {
		return 0, false
	}
	if h.FromInitiator() {
		return h.ResponderSPI, true
	}
	return h.InitiatorSPI, true
}

// Receive takes a datagram of the peer, without the non-ESP marker. Datagrams that are not the peer's, replayed or out
// of order change nothing. The session keeps nothing of data after the call.
func (s *Session) Receive(now time.Time, path Path, data []byte) Output {
	s.begin(now)
	s.receive(path, data)
	return s.finish()
}

func (s *Session) receive(path Path, data []byte) {
	h, err := message.DecodeHeader(data)
	if err != nil {
		return // another version or garbage: Responder.Unknown is for that
	}
	sa := s.find(h)
	if sa == nil || h.FromInitiator() == sa.initiator {
		return
	}
	if h.Exchange == message.IKE_SA_INIT {
		if h.Response() && s.state == stateInit && s.origInitiator {
			s.initResponse(path, data)
		}
		return
	}
	if sa.in == nil {
		return
	}
	if !protected(data) {
		s.crashed(sa, data)
		return
	}
	if h.Response() {
		s.receiveResponse(sa, h, path, data)
	} else {
		s.receiveRequest(sa, h, path, data)
	}
}

// find returns the IKE SA that the message belongs to.
func (s *Session) find(h message.Header) *ikeSA {
	for sa := range s.eachIKESA() {
		if h.InitiatorSPI != sa.spiI {
			continue
		}
		if h.ResponderSPI == sa.spiR || (s.state == stateInit && sa.initiator && h.Exchange == message.IKE_SA_INIT) {
			return sa
		}
	}
	return nil
}

func (s *Session) receiveRequest(sa *ikeSA, h message.Header, path Path, data []byte) {
	if s.syncRequest(sa, h, path, data) {
		return
	}
	if t := sa.find(h.MessageID); t != nil {
		s.repeat(sa, t, path, data)
		return
	}
	if s.state == stateClosed || !sa.fits(h.MessageID) {
		return
	}
	in, sum, total, err := s.open(sa, h, data)
	if errors.Is(err, errIncomplete) || errors.Is(err, message.ErrIntegrity) {
		return
	}
	if s.state < stateEstablished && s.origInitiator && !endsEarly(h.Exchange, in) {
		// The responder is up already and its last IKE_AUTH response is still on its way: it was lost, or overtaken.
		// Without an answer the request comes again, when there is an IKE SA to work on it.
		return
	}
	// From here on it is the peer's own message.
	sa.take(h, sum, total)
	s.heard(path)
	if sa.pending != nil {
		sa.held = append(sa.held, held{h, path, in, err})
		return
	}
	s.begun(sa, h, path, in, err)
}

// begun works on a fresh, authentic request; err says what is wrong with its content.
func (s *Session) begun(sa *ikeSA, h message.Header, path Path, in []message.Payload, err error) {
	sa.pending = &pendingRequest{exchange: h.Exchange, mid: h.MessageID, path: path}
	var critical *message.UnsupportedCritical
	switch {
	case errors.As(err, &critical):
		s.respondError(sa, message.UNSUPPORTED_CRITICAL_PAYLOAD, byte(critical.Type))
		if h.Exchange == message.IKE_AUTH || h.Exchange == message.IKE_INTERMEDIATE {
			s.close(err, true)
		}
	case err != nil:
		s.invalidSyntax(sa)
	default:
		s.request(sa, h.Exchange, in)
	}
}

// invalidSyntax answers a malformed request of the peer itself, which ends the IKE SA (RFC 7296 2.21.3).
func (s *Session) invalidSyntax(sa *ikeSA) {
	s.respondError(sa, message.INVALID_SYNTAX)
	s.close(ErrSyntax, true)
}

// request works on a fresh request of the peer.
func (s *Session) request(sa *ikeSA, exchange message.ExchangeType, in []message.Payload) {
	switch {
	case exchange == message.IKE_AUTH && s.state == stateAuth && !s.origInitiator:
		s.authRequest(in)
	case exchange == message.IKE_INTERMEDIATE && s.state == stateAuth && !s.origInitiator && s.hs.phase == phaseFirst:
		s.intermediateRequest(in)
	case exchange == message.INFORMATIONAL && s.state >= stateEstablished:
		s.informationalRequest(sa, in)
	case exchange == message.CREATE_CHILD_SA && s.state >= stateEstablished:
		s.createChildRequest(sa, in)
	case exchange == message.IKE_FOLLOWUP_KE && s.state >= stateEstablished:
		s.followUpRequest(sa, in)
	case exchange == message.INFORMATIONAL && s.state == stateAuth:
		// Before authentication is over only its end can be told.
		s.earlyInformational(sa, in)
	default:
		s.invalidSyntax(sa)
	}
}

func (s *Session) receiveResponse(sa *ikeSA, h message.Header, path Path, data []byte) {
	var r *request
	i := 0
	for ; i < len(sa.outstanding); i++ {
		if o := sa.outstanding[i]; o.mid == h.MessageID && o.exchange == h.Exchange {
			r = o
			break
		}
	}
	if r == nil {
		return
	}
	in, _, _, err := s.open(sa, h, data)
	if errors.Is(err, errIncomplete) || errors.Is(err, message.ErrIntegrity) {
		return
	}
	sa.outstanding = append(sa.outstanding[:i], sa.outstanding[i+1:]...)
	s.heard(path)
	if err != nil {
		// Malformed, or with a critical payload that we do not know: there is no way to tell the peer (2.21.3).
		if r.failed != nil {
			r.failed(ErrSyntax)
		}
		s.close(ErrSyntax, true)
		return
	}
	r.answered = path
	if !r.void {
		r.done(r, in)
	}
	if message.GetNotify(in, message.INVALID_SYNTAX) != nil && s.state >= stateEstablished {
		s.close(ErrSyntax, true) // the peer found our request malformed, and has dropped the IKE SA without another word (2.21.3)
		return
	}
	s.testAnswered(path)
}

var errIncomplete = errors.New("more fragments to come")

// open decrypts a message, or its last missing fragment. sum is the hash that recognises a retransmission: of the
// datagram, and of the first fragment of a message in several, total of them (RFC 7383 2.6.1).
func (s *Session) open(sa *ikeSA, h message.Header, data []byte) (in []message.Payload, sum uint64, total uint16, err error) {
	m, err := message.Decode(data)
	if err != nil || len(m.Payloads) == 0 {
		return nil, 0, 0, message.ErrIntegrity // not protected, so from anybody
	}
	switch p := m.Payloads[len(m.Payloads)-1].(type) {
	case *message.Encrypted:
		plain, err := p.Decrypt(sa.in)
		if err != nil {
			return nil, 0, 0, err
		}
		if err := s.noteIntermediate(h, p, plain); err != nil {
			return nil, 0, 0, err
		}
		in, err = message.DecodePayloads(p.First, plain)
		return in, hash(data), 0, err
	case *message.EncryptedFragment:
		if !s.fragment {
			return nil, 0, 0, errIncomplete
		}
		if sa.fragments == nil {
			sa.fragments = new(message.Reassembler)
			if s.state < stateEstablished {
				sa.fragments.Limit = 1 // a stranger's
			}
		}
		sa.fragments.Expire(s.now)
		if !sa.fragments.Wanted(h, p) {
			return nil, 0, 0, errIncomplete
		}
		plain, err := p.Decrypt(sa.in)
		if err != nil {
			return nil, 0, 0, err
		}
		if p.Number == 1 && !h.Response() {
			sa.noteFirst(h.MessageID, hash(data))
		}
		s.noteFirstFragment(h, p, data)
		first, whole, complete := sa.fragments.Add(s.now, h, p, plain)
		if !complete {
			return nil, 0, 0, errIncomplete
		}
		if sa.fragments.Pending() == 0 {
			sa.fragments = nil
		}
		if err := s.noteIntermediate(h, nil, whole); err != nil {
			return nil, 0, 0, err
		}
		in, err = message.DecodePayloads(first, whole)
		return in, sa.dropFirst(h.MessageID), p.Total, err
	}
	return nil, 0, 0, message.ErrIntegrity
}

func (sa *ikeSA) noteFirst(mid uint32, sum uint64) {
	sa.dropFirst(mid)
	if len(sa.first) == maxWindow {
		sa.first = slices.Delete(sa.first, 0, 1)
	}
	sa.first = append(sa.first, firstFragment{mid, sum})
}

func (sa *ikeSA) dropFirst(mid uint32) (sum uint64) {
	if i := slices.IndexFunc(sa.first, func(f firstFragment) bool { return f.mid == mid }); i >= 0 {
		sum = sa.first[i].sum
		sa.first = slices.Delete(sa.first, i, i+1)
	}
	return sum
}
