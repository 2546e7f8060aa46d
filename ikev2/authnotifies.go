// SPDX-License-Identifier: Apache-2.0

package ikev2

import "github.com/open-n3iwf/n3iwf/ikev2/message"

// authAbilities are the notifies about extensions in our IKE_AUTH request, or in the response that ends IKE_AUTH. A
// responder has learned the initiator's before.
func (s *Session) authAbilities() []*message.Notify {
	out := s.tokenNotify(s.sa)
	for _, n := range s.announceSync() {
		if s.origInitiator || (n.Type == message.IKEV2_MESSAGE_ID_SYNC_SUPPORTED && s.sync.messageIDs) ||
			(n.Type == message.IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED && s.sync.replay) {
			out = append(out, n)
		}
	}
	return out
}

// learnAuthAbilities takes the peer's.
func (s *Session) learnAuthAbilities(notifies []*message.Notify) {
	s.learnSync(notifies)
	s.sa.learnToken(notifies)
}
