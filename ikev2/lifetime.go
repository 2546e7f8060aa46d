// SPDX-License-Identifier: Apache-2.0

package ikev2

import "time"

// Expire tells the session that a Child SA, given by its inbound SPI, has carried as many octets or packets as it may:
// soft, so that it is rekeyed, or hard, so that it ends. A rekey that is on its way may still come first.
func (s *Session) Expire(now time.Time, inbound uint32, hard bool) Output {
	s.begin(now)
	if c := s.childByInbound(inbound); c != nil && s.state == stateEstablished {
		if hard {
			s.expireChild(c)
		} else {
			s.rekeyChild(c)
		}
	}
	return s.finish()
}

// expireChild ends one pair for good. What has replaced it goes on.
func (s *Session) expireChild(c *child) {
	switch {
	case c.deleting:
	case c.rekey != nil && c.rekey.sent:
		c.rekey.expired = true
	default:
		s.enqueueDelete([]uint32{c.sa.InboundSPI})
	}
}
