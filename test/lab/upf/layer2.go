// SPDX-License-Identifier: Apache-2.0

package upf

import "github.com/open-n3iwf/n3iwf/gre/gtpu"

const ethernetLen = 14 // two addresses and the EtherType

// uplink2 gives a PDU back that is no IP packet: the host that an Ethernet frame is for answers with the same content.
func (w *worker) uplink2(s *Session, qfi uint8, pdu []byte) {
	if s.config.Layer2 == Ethernet && len(pdu) < ethernetLen {
		s.drop(MalformedIP)
		return
	}
	s.count.up.add(len(pdu))
	w.u.count.up.add(len(pdu))
	d := s.downlink.Load()
	if d == nil {
		s.drop(NoDownlink)
		return
	}
	b := w.sender.Reserve(gtpu.GPDUHeaderLen + len(pdu))
	if b == nil {
		s.drop(TooLong)
		return
	}
	answer := b[gtpu.GPDUHeaderLen:]
	copy(answer, pdu)
	if s.config.Layer2 == Ethernet {
		copy(answer[:6], pdu[6:12])
		copy(answer[6:12], pdu[:6])
	}
	gtpu.PutDownlink(b, d.teid, s.flow(qfi), s.config.RQI, len(pdu))
	w.sender.Commit(&d.to, len(b))
	s.count.down.add(len(pdu))
	w.u.count.down.add(len(pdu))
}
