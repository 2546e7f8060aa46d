// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// PDU Session Resource Notify (TS 38.413 8.2.4): what the N3IWF tells the AMF of PDU sessions and QoS flows that it lost without having been asked.

// notifyReleased tells the AMF that the N3IWF gave up a PDU session.
func (u *ue) notifyReleased(s *pduSession, cause ngap.Cause) {
	u.nf.counters.SessionsLost.Add(cause.String())
	u.log.Warn("PDU session lost", slog.Int("pdu_session", int(s.id)), slog.String("cause", cause.String()))
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceNotifyReleasedTransfer{Cause: cause})
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
		return
	}
	u.notify(&ngap.PDUSessionResourceNotify{
		PDUSessionResourceReleasedListNot: ngap.PDUSessionResourceReleasedListNot{{PDUSessionID: s.id, PDUSessionResourceNotifyReleasedTransfer: transfer}},
	})
}

func (u *ue) notify(m *ngap.PDUSessionResourceNotify) {
	if u.amfID == nil || u.released {
		return
	}
	location := u.location()
	m.AMFUENGAPID, m.RANUENGAPID, m.UserLocationInformation = *u.amfID, ngap.RANUENGAPID(u.ranID), &location
	u.send(m)
}
