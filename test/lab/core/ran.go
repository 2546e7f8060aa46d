// SPDX-License-Identifier: Apache-2.0

package core

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// ran is a TNL association of an NG-RAN node: here of an N3IWF.
type ran struct {
	core        *Core
	amf         *amf
	association transport.Association
	log         *slog.Logger
	node        *ranNode // nil before NG Setup
	key         string   // of the node
}

func (g *ran) serve() {
	defer func() { _ = g.association.Close() }() // the peer ended it, or we do
	for {
		m, err := g.association.Receive(g.core.ctx)
		if err != nil {
			g.log.Info("NG connection ended", slog.Any("reason", err))
			g.core.post(g.leave)
			return
		}
		pdu, err := ngap.Decode(m.Data)
		if err != nil {
			g.log.Warn("NGAP message with an error", slog.Any("error", err))
			if reply := ngap.Answer(err); reply != nil {
				g.core.post(func() { g.send(reply) })
			}
			continue
		}
		g.core.post(func() {
			if f := g.core.watch; f != nil {
				f(string(g.amf.name), pdu)
			}
			g.receive(pdu)
		})
	}
}

// send sends a message, of a UE on that UE's stream (TS 38.412 7).
func (g *ran) send(m ngap.Message) {
	g.core.accent(m)
	b, err := ngap.Encode(m)
	if err != nil {
		g.log.Error("NGAP message cannot be encoded", slog.Any("error", err))
		return
	}
	stream := uint16(transport.NonUEStream)
	if _, id := ngap.UEIDs(m); id != nil && g.association.Streams() > 1 {
		stream = uint16(1 + int(*id)%(g.association.Streams()-1))
	}
	pdus := [][]byte{g.core.dress(b)}
	if f := g.core.alter; f != nil {
		pdus = f(pdus[0])
	}
	for _, b := range pdus {
		g.pass(stream, b)
	}
}

// pass sends a message, through another association of the node when this one is ending: the node's UEs are not lost with it (TS 23.501 5.21.1.2).
func (g *ran) pass(stream uint16, pdu []byte) {
	err := g.association.Send(g.core.ctx, stream, pdu)
	if err == nil {
		return
	}
	if g.node != nil {
		for _, other := range g.node.associations {
			if other != g && other.association.Send(g.core.ctx, stream%uint16(other.association.Streams()), pdu) == nil {
				return
			}
		}
	}
	g.log.Warn("NGAP message not sent", slog.Any("error", err))
}

// indicate sends an ERROR INDICATION.
func (g *ran) indicate(amf *ngap.AMFUENGAPID, id *ngap.RANUENGAPID, cause ngap.Cause) {
	g.send(&ngap.ErrorIndication{AMFUENGAPID: amf, RANUENGAPID: id, Cause: &cause})
}

// receive handles a PDU of the N3IWF.
func (g *ran) receive(pdu *ngap.PDU) {
	if m := pdu.NotifyIndication(); m != nil && pdu.Kind == ngap.InitiatingMessage {
		g.send(m)
	}
	switch m := pdu.Message.(type) {
	case *ngap.NGSetupRequest:
		g.setup(m)
		return
	case *ngap.ErrorIndication:
		g.errorIndication(m)
		return
	}
	if m, ok := pdu.Message.(*ngap.RANConfigurationUpdate); ok {
		g.update(m)
		return
	}
	if g.node == nil {
		g.log.Warn("NGAP message before NG Setup", slog.String("message", pdu.Name()))
		g.indicate(nil, nil, ngap.CauseProtocolMessageNotCompatibleWithReceiverState.Cause())
		return
	}
	switch m := pdu.Message.(type) {
	case *ngap.InitialUEMessage:
		g.core.connect(g, m)
		return
	case *ngap.NGReset:
		g.reset(m)
		return
	case *ngap.NGResetAcknowledge, *ngap.AMFConfigurationUpdateAcknowledge, *ngap.AMFConfigurationUpdateFailure:
		g.log.Info("answer of the N3IWF", slog.String("message", ngap.String(pdu.Message)))
		return
	}
	amfID, ranID := ngap.UEIDs(pdu.Message)
	if amfID == nil {
		g.log.Warn("NGAP message ignored", slog.String("message", pdu.Name()))
		return
	}
	u := g.core.ues[*amfID]
	switch {
	case u == nil || !u.of(g):
		g.indicate(amfID, ranID, ngap.CauseRadioNetworkUnknownLocalUENGAPID.Cause())
	case ranID != nil && *ranID != u.ranID:
		g.indicate(amfID, ranID, ngap.CauseRadioNetworkInconsistentRemoteUENGAPID.Cause())
	default:
		u.receive(pdu)
	}
}

// errorIndication takes the N3IWF's word that it does not know a UE (TS 38.413 8.7.5). What either of the ids names ends (TS 38.413 10.6).
func (g *ran) errorIndication(m *ngap.ErrorIndication) {
	cause := "none"
	if m.Cause != nil {
		cause = m.Cause.String()
	}
	g.log.Warn("ERROR INDICATION", slog.String("cause", cause), slog.String("message", ngap.String(m)))
	if g.node == nil || m.Cause == nil || !m.Cause.Is(ngap.CauseRadioNetworkUnknownLocalUENGAPID) && !m.Cause.Is(ngap.CauseRadioNetworkInconsistentRemoteUENGAPID) {
		return
	}
	for id, u := range g.core.ues {
		named := m.AMFUENGAPID != nil && id == *m.AMFUENGAPID || m.RANUENGAPID != nil && u.ranID == *m.RANUENGAPID
		if named && u.node == g.node {
			u.gone()
		}
	}
}

// common says whether the N3IWF serves the core's tracking area.
func (g *ran) common(list ngap.SupportedTAList) bool {
	for _, ta := range list {
		for _, p := range ta.BroadcastPLMNList {
			if ta.TAC == g.core.net.tac && p.PLMNIdentity == g.core.net.plmn {
				return true
			}
		}
	}
	return false
}

// setup answers NG SETUP REQUEST: a tracking area of the N3IWF must be the core's own (TS 38.413 8.7.1).
func (g *ran) setup(m *ngap.NGSetupRequest) {
	n := g.core.net
	if !g.common(m.SupportedTAList) {
		g.log.Warn("NG Setup refused: the node does not serve our tracking area", slog.String("node", string(m.RANNodeName)), slog.String("plmn", n.plmn.String()), slog.String("tac", n.tac.String()))
		wait := ngap.TimeToWaitV1s
		g.send(&ngap.NGSetupFailure{Cause: ngap.CauseMiscUnknownPLMNOrSNPN.Cause(), TimeToWait: &wait})
		return
	}
	retained := m.UERetentionInformation != nil && g.retains(m.GlobalRANNodeID)
	if retained {
		g.rejoin(m.GlobalRANNodeID)
	} else {
		g.begin(m.GlobalRANNodeID)
	}
	g.log.Info("NG Setup", slog.String("node", string(m.RANNodeName)))
	support := ngap.PLMNSupportItem{PLMNIdentity: n.plmn}
	if n.nid != nil {
		support.NPNSupport = &ngap.NPNSupport{SNPN: n.nid}
	}
	for _, s := range n.slices {
		support.SliceSupportList = append(support.SliceSupportList, ngap.SliceSupportItem{SNSSAI: s})
	}
	response := &ngap.NGSetupResponse{
		AMFName: g.amf.name, ServedGUAMIList: ngap.ServedGUAMIList{{GUAMI: g.amf.guami}}, RelativeAMFCapacity: g.amf.capacity,
		PLMNSupportList: ngap.PLMNSupportList{support},
	}
	if retained {
		response.UERetentionInformation = new(ngap.UERetentionInformationUesRetained)
	}
	g.send(response)
	if retained {
		g.resolve()
	}
}

// update answers RAN CONFIGURATION UPDATE (TS 38.413 8.7.2). As the first message of an association it names the node that this one belongs to.
func (g *ran) update(m *ngap.RANConfigurationUpdate) {
	if m.GlobalRANNodeID != nil && !g.join(*m.GlobalRANNodeID) || g.node == nil {
		g.log.Warn("configuration update refused: NG Setup has not been done")
		g.send(&ngap.RANConfigurationUpdateFailure{Cause: ngap.CauseProtocolMessageNotCompatibleWithReceiverState.Cause()})
		return
	}
	if m.SupportedTAList != nil && !g.common(m.SupportedTAList) {
		g.log.Warn("configuration update refused: the node does not serve our tracking area any more")
		g.send(&ngap.RANConfigurationUpdateFailure{Cause: ngap.CauseMiscUnknownPLMNOrSNPN.Cause()})
		return
	}
	g.log.Info("configuration update")
	g.send(&ngap.RANConfigurationUpdateAcknowledge{})
}

// reset drops UE contexts that the N3IWF has lost (TS 38.413 8.7.4).
func (g *ran) reset(m *ngap.NGReset) {
	g.log.Info("NG Reset", slog.String("cause", m.Cause.String()))
	if m.ResetType.PartOfNGInterface == nil {
		g.core.forget(g.node)
		g.send(&ngap.NGResetAcknowledge{})
		return
	}
	list := *m.ResetType.PartOfNGInterface
	for _, item := range list {
		for _, u := range g.core.ues {
			if u.node == g.node && (item.AMFUENGAPID != nil && *item.AMFUENGAPID == u.amfID || item.AMFUENGAPID == nil && item.RANUENGAPID != nil && *item.RANUENGAPID == u.ranID) {
				u.gone()
			}
		}
	}
	g.send(&ngap.NGResetAcknowledge{UEAssociatedLogicalNGConnectionList: list})
}
