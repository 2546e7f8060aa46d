// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Quick crash detection (RFC 6290). Who has a long-term secret gives its peer, under protection, a token of each IKE SA.
// After a restart it knows no SA any more, but can make the token again from the SPIs of the first message that comes
// for one of them; and the peer, seeing it, drops the dead SA at once instead of after minutes of retransmissions.
//
// Whoever can make somebody say the token of a live SA ends that SA. So nobody else may have the secret, and a node of
// a cluster must not say tokens of SAs that live at another node: either each node has a secret of its own, or
// Options.Elsewhere tells which SPIs are another node's. A session that was handed on with Export is such a case too.

// Bounds of TOKEN_SECRET_DATA in octets (RFC 6290 4.1), and how many tokens of one message are looked at.
const (
	minToken  = 16
	maxToken  = 128
	maxTokens = 4
)

// crashToken is the token of an IKE SA (RFC 6290 5.1), with an HMAC as the hash. It says which of the two SPIs is ours:
// else a message that names the peer's SPI as ours, for which no session is found, would be answered with the token of
// the live SA.
func crashToken(secret []byte, initiator bool, spiI, spiR message.SPI) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("open-n3iwf QCD token"))
	mac.Write(spiI.Bytes())
	mac.Write(spiR.Bytes())
	if initiator {
		mac.Write([]byte("initiator"))
	}
	return mac.Sum(nil)
}

// tokenNotify is our token of sa, or nothing.
func (s *Session) tokenNotify(sa *ikeSA) []*message.Notify {
	if s.opt.CrashSecret == nil {
		return nil
	}
	return []*message.Notify{{Protocol: message.ProtocolIKE, Type: message.QUICK_CRASH_DETECTION, Data: crashToken(s.opt.CrashSecret, sa.initiator, sa.spiI, sa.spiR)}}
}

// learnToken takes the peer's token of sa from a protected message.
func (sa *ikeSA) learnToken(notifies []*message.Notify) {
	for _, n := range notifies {
		if n.Type == message.QUICK_CRASH_DETECTION && len(n.Data) >= minToken && len(n.Data) <= maxToken {
			sa.peerToken = append([]byte(nil), n.Data...)
		}
	}
}

// enqueueToken tells the peer the token of an IKE SA that we made by a rekey (RFC 6290 4.3); a responder's is in its
// answer.
func (s *Session) enqueueToken() {
	if n := s.tokenNotify(s.sa); n != nil {
		s.enqueue(s.tokenRequest(), false)
	}
}

func (s *Session) tokenRequest() *request {
	return &request{
		kind: requestToken, exchange: message.INFORMATIONAL,
		build: func(*request) []message.Payload { return appendNotifies(nil, s.tokenNotify(s.sa)) },
		done:  func(*request, []message.Payload) {},
	}
}

// crashed looks whether an unprotected message shows that the peer has lost sa (RFC 6290 4.5), and ends the session if
// so. Without the right token such a message means nothing.
func (s *Session) crashed(sa *ikeSA, data []byte) {
	if sa.peerToken == nil || s.state == stateClosed {
		return
	}
	m, err := message.Decode(data)
	if err != nil || (message.GetNotify(m.Payloads, message.INVALID_IKE_SPI) == nil && message.GetNotify(m.Payloads, message.INVALID_SPI) == nil) {
		return
	}
	looked := 0
	for _, n := range message.All[*message.Notify](m.Payloads) {
		if n.Type != message.QUICK_CRASH_DETECTION {
			continue
		}
		if looked++; looked > maxTokens {
			return
		}
		if hmac.Equal(n.Data, sa.peerToken) {
			s.close(ErrPeerRestarted, true)
			return
		}
	}
}

// protected tells whether the first payload of an IKE message is already the encrypted one.
func protected(data []byte) bool {
	first := message.PayloadType(data[16])
	return first == message.PayloadSK || first == message.PayloadSKF
}

// token is our token for a request to an IKE SA that does not exist here, or nothing when it can exist elsewhere.
func (r *Responder) token(h message.Header, data []byte) []*message.Notify {
	local := h.InitiatorSPI
	if h.FromInitiator() {
		local = h.ResponderSPI
	}
	opt := r.policy.Load()
	if opt.CrashSecret == nil || !protected(data) || local == 0 || (opt.Elsewhere != nil && opt.Elsewhere(local)) {
		return nil
	}
	return []*message.Notify{{Protocol: message.ProtocolIKE, Type: message.QUICK_CRASH_DETECTION, Data: crashToken(opt.CrashSecret, !h.FromInitiator(), h.InitiatorSPI, h.ResponderSPI)}}
}
