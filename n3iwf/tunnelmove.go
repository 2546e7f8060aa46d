// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// tunnelMove is a PDU SESSION RESOURCE MODIFY INDICATION (TS 38.413 8.2.5) that the AMF has not confirmed: the UPF still sends to the node that the UE
// has left, which sends on for the grace time only.
type tunnelMove struct {
	sessions []*pduSession
	again    bool // it was said twice
}

// moveTunnels asks the AMF to let the UPF send to this node from now on. It also tells where the UE is.
func (u *ue) moveTunnels() {
	if len(u.sessions) == 0 || u.nf.live().Cluster.Downlink != "modifyIndication" {
		return
	}
	u.tunnelMove = &tunnelMove{}
	for _, s := range u.sessions {
		u.tunnelMove.sessions = append(u.tunnelMove.sessions, s)
	}
	u.indicate()
}

// indicate sends the indication, and looks after it.
func (u *ue) indicate() {
	t, location := u.tunnelMove, u.location()
	m := &ngap.PDUSessionResourceModifyIndication{AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID), UserLocationInformation: &location}
	for _, s := range t.sessions {
		if u.sessions[s.id] != s {
			continue // it has ended meanwhile
		}
		tunnel, err := ngap.NewGTPTunnel(s.relay.Local(), s.relay.TEID())
		if err != nil {
			u.log.Error("N3 tunnel", slog.Any("error", err))
			continue
		}
		transfer := &ngap.PDUSessionResourceModifyIndicationTransfer{}
		transfer.DLQosFlowPerTNLInformation.UPTransportLayerInformation = tunnel
		for _, f := range s.flows {
			transfer.DLQosFlowPerTNLInformation.AssociatedQosFlowList = append(transfer.DLQosFlowPerTNLInformation.AssociatedQosFlowList,
				ngap.AssociatedQosFlowItem{QosFlowIdentifier: ngap.QosFlowIdentifier(f.qfi)})
		}
		octets, err := ngap.EncodeTransfer(transfer)
		if err != nil {
			u.log.Error("transfer", slog.Any("error", err))
			continue
		}
		m.PDUSessionResourceModifyListModInd = append(m.PDUSessionResourceModifyListModInd,
			ngap.PDUSessionResourceModifyItemModInd{PDUSessionID: s.id, PDUSessionResourceModifyIndicationTransfer: octets})
	}
	if len(m.PDUSessionResourceModifyListModInd) == 0 {
		u.tunnelMove = nil
		return
	}
	u.send(m)
	u.awaitConfirm(t)
}

// awaitConfirm says it once more when the AMF does not answer, and then gives the PDU sessions up, so that the UE asks for new ones. An AMF that is lost
// has time.
func (u *ue) awaitConfirm(t *tunnelMove) {
	time.AfterFunc(u.nf.live().Timers.AMFAnswer, func() {
		u.owner.forUE(u, func() {
			switch {
			case u.tunnelMove != t:
			case u.held != nil:
				u.awaitConfirm(t)
			case t.again:
				u.tunnelsStay("no answer of the AMF")
			default:
				t.again = true
				u.indicate()
			}
		})
	})
}

// modifyConfirm: the UPF sends to this node's end of the tunnels from now on, but for those that it could not move (TS 38.413 8.2.5).
func (u *ue) modifyConfirm(m *ngap.PDUSessionResourceModifyConfirm) {
	u.tunnelMove = nil
	for _, item := range m.PDUSessionResourceFailedToModifyListModCfm {
		if s := u.sessions[item.PDUSessionID]; s != nil {
			u.sessionBroken(s, "the core has not moved its downlink tunnel to this node")
		}
	}
}

// indicationRefused tells whether an ERROR INDICATION is the answer to the indication.
func (u *ue) indicationRefused(m *ngap.ErrorIndication) bool {
	d := m.CriticalityDiagnostics
	return u.tunnelMove != nil && (d == nil || d.ProcedureCode == nil || *d.ProcedureCode == ngap.ProcedurePDUSessionResourceModifyIndication)
}

// tunnelsStay gives up the PDU sessions whose tunnels end at another node.
func (u *ue) tunnelsStay(why string) {
	t := u.tunnelMove
	u.tunnelMove = nil
	for _, s := range t.sessions {
		if u.sessions[s.id] == s {
			u.sessionBroken(s, "the core has not moved its downlink tunnel to this node: "+why)
		}
	}
}
