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

// notifyFlows tells the AMF about QoS flows of a PDU session that goes on: GBR flows with notification control that are fulfilled no more, or again,
// and flows that the N3IWF has released. One of the lists may be empty.
func (u *ue) notifyFlows(s *pduSession, changed ngap.QosFlowNotifyList, released ngap.QosFlowListWithCause) {
	if len(changed)+len(released) == 0 {
		return
	}
	u.log.Warn("QoS flows changed by the N3IWF", slog.Int("pdu_session", int(s.id)), slog.Int("notified", len(changed)), slog.Int("released", len(released)))
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceNotifyTransfer{QosFlowNotifyList: changed, QosFlowReleasedList: released})
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
		return
	}
	u.notify(&ngap.PDUSessionResourceNotify{
		PDUSessionResourceNotifyList: ngap.PDUSessionResourceNotifyList{{PDUSessionID: s.id, PDUSessionResourceNotifyTransfer: transfer}},
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
