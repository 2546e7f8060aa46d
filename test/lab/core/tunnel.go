// SPDX-License-Identifier: Apache-2.0

package core

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// tunnelsMoved takes the new ends of downlink tunnels from the node and confirms them (TS 38.413 8.2.5). The UPF sends an End Marker on the old tunnel
// before the first packet on the new one.
func (u *ueContext) tunnelsMoved(m *ngap.PDUSessionResourceModifyIndication) {
	confirm := &ngap.PDUSessionResourceModifyConfirm{AMFUENGAPID: u.amfID, RANUENGAPID: u.ranID}
	for _, item := range m.PDUSessionResourceModifyListModInd {
		transfer, err := u.tunnelMoved(uint8(item.PDUSessionID), item.PDUSessionResourceModifyIndicationTransfer)
		if err == nil {
			confirm.PDUSessionResourceModifyListModCfm = append(confirm.PDUSessionResourceModifyListModCfm,
				ngap.PDUSessionResourceModifyItemModCfm{PDUSessionID: item.PDUSessionID, PDUSessionResourceModifyConfirmTransfer: transfer})
			continue
		}
		u.log.Warn("downlink tunnel not moved", slog.Int("pdu_session", int(item.PDUSessionID)), slog.Any("error", err))
		if transfer, err = ngap.EncodeTransfer(&ngap.PDUSessionResourceModifyIndicationUnsuccessfulTransfer{Cause: ngap.CauseRadioNetworkUnknownPDUSessionID.Cause()}); err != nil {
			u.log.Error("transfer", slog.Any("error", err))
			continue
		}
		confirm.PDUSessionResourceFailedToModifyListModCfm = append(confirm.PDUSessionResourceFailedToModifyListModCfm,
			ngap.PDUSessionResourceFailedToModifyItemModCfm{PDUSessionID: item.PDUSessionID, PDUSessionResourceModifyIndicationUnsuccessfulTransfer: transfer})
	}
	u.ran.send(confirm)
}

func (u *ueContext) tunnelMoved(psi uint8, transfer []byte) ([]byte, error) {
	t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyIndicationTransfer](transfer)
	if err != nil {
		return nil, err
	}
	s := u.sessionOf(psi)
	tunnel := t.DLQosFlowPerTNLInformation.UPTransportLayerInformation.GTPTunnel
	if s == nil || !s.active || tunnel == nil {
		return nil, ErrNoSession
	}
	peer, ok := tunnel.TransportLayerAddress.Addr()
	if !ok {
		return nil, ErrNoSession
	}
	if err := s.upf.SendEndMarker(); err != nil {
		u.log.Warn("end marker", slog.Any("error", err))
	}
	s.peer, s.peerTEID = peer, uint32(tunnel.GTPTEID)
	s.upf.SetDownlink(s.peer, s.peerTEID)
	u.log.Info("downlink tunnel moved", slog.Int("pdu_session", int(psi)), slog.String("n3iwf", peer.String()), slog.Int("teid", int(s.peerTEID)))
	uplink, err := ngap.NewGTPTunnel(u.core.net.upf, s.upf.TEID())
	if err != nil {
		return nil, err
	}
	c := &ngap.PDUSessionResourceModifyConfirmTransfer{ULNGUUPTNLInformation: uplink}
	for _, f := range t.DLQosFlowPerTNLInformation.AssociatedQosFlowList {
		c.QosFlowModifyConfirmList = append(c.QosFlowModifyConfirmList, ngap.QosFlowModifyConfirmItem{QosFlowIdentifier: f.QosFlowIdentifier})
	}
	return ngap.EncodeTransfer(c)
}
