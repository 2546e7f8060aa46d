// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// manySlices are as many as a list of slices may have, the one that the UEs want among them.
func manySlices() (list ngap.SliceSupportList) {
	for i := range 1024 {
		sd := ngap.SD{byte(i >> 8), byte(i), 1}
		list = append(list, ngap.SliceSupportItem{SNSSAI: ngap.NewSNSSAI(uint8(2+i%250), &sd)})
	}
	list[1023].SNSSAI = ngap.NewSNSSAI(1, nil)
	return list
}

// TestFullListsOfTheNode: lists of the greatest length that the protocol allows in NG Setup, AMF Configuration Update and Overload Start: what stands at their
// end counts as much as what stands at their beginning.
func TestFullListsOfTheNode(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil)
	w.startCoreWith(func(*core.Config) {})
	own, plmn := guami(t, "cafe00"), guami(t, "cafe00").PLMNIdentity
	served, plmns := ngap.ServedGUAMIList{}, ngap.PLMNSupportList{}
	for i := range 255 {
		served = append(served, ngap.ServedGUAMIItem{GUAMI: guami(t, fmt.Sprintf("01%04x", i)), BackupAMFName: "a backup"})
	}
	served = append(served, ngap.ServedGUAMIItem{GUAMI: own})
	for i := range 11 {
		p, err := ngap.NewPLMNIdentity("999", fmt.Sprintf("%02d", i))
		require.NoError(t, err)
		plmns = append(plmns, ngap.PLMNSupportItem{PLMNIdentity: p, SliceSupportList: ngap.SliceSupportList{{SNSSAI: ngap.NewSNSSAI(1, nil)}}})
	}
	plmns = append(plmns, ngap.PLMNSupportItem{PLMNIdentity: plmn, SliceSupportList: manySlices()})
	w.core.Alter(func(pdu []byte) [][]byte {
		if p, err := ngap.Decode(pdu); err == nil {
			if m, ok := p.Message.(*ngap.NGSetupResponse); ok {
				m.ServedGUAMIList, m.PLMNSupportList = served, plmns
				if b, err := ngap.Encode(m); err == nil {
					pdu = b
				}
			}
		}
		return [][]byte{pdu}
	})
	h := listen(w)
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	w.core.Alter(nil)
	u, p := w.online(0)

	address, err := ngap.NewTransportLayerAddress(w.addr(hostCore))
	require.NoError(t, err)
	end := ngap.CPTransportLayerInformation{EndpointIPAddress: &address}
	nobody, err := ngap.NewTransportLayerAddress(w.addr(hostOtherAMF))
	require.NoError(t, err)
	nowhere := ngap.CPTransportLayerInformation{EndpointIPAddress: &nobody}
	slices.Reverse(served)
	slices.Reverse(plmns)
	update := &ngap.AMFConfigurationUpdate{ServedGUAMIList: served, PLMNSupportList: plmns}
	for range 32 {
		update.AMFTNLAssociationToAddList = append(update.AMFTNLAssociationToAddList, ngap.AMFTNLAssociationToAddItem{AMFTNLAssociationAddress: end, TNLAddressWeightFactor: 9})
		update.AMFTNLAssociationToUpdateList = append(update.AMFTNLAssociationToUpdateList, ngap.AMFTNLAssociationToUpdateItem{AMFTNLAssociationAddress: end})
		update.AMFTNLAssociationToRemoveList = append(update.AMFTNLAssociationToRemoveList, ngap.AMFTNLAssociationToRemoveItem{AMFTNLAssociationAddress: nowhere})
	}
	require.NoError(t, w.core.SendNode(amfName, update))
	a, _ := next[*ngap.AMFConfigurationUpdateAcknowledge](h)
	require.Len(t, a.AMFTNLAssociationSetupList, 32)
	require.Empty(t, a.AMFTNLAssociationFailedToSetupList)
	w.register(w.ue(1))

	start := &ngap.OverloadStart{}
	for i := range 1023 {
		start.OverloadStartNSSAIList = append(start.OverloadStartNSSAIList, ngap.OverloadStartNSSAIItem{SliceOverloadList: ngap.SliceOverloadList{
			{SNSSAI: ngap.NewSNSSAI(uint8(2+i%250), &ngap.SD{1, byte(i >> 8), byte(i)})},
		}})
	}
	last := ngap.OverloadStartNSSAIItem{}
	for _, item := range manySlices() {
		last.SliceOverloadList = append(last.SliceOverloadList, ngap.SliceOverloadItem{SNSSAI: item.SNSSAI})
	}
	start.OverloadStartNSSAIList = append(start.OverloadStartNSSAIList, last)
	require.NoError(t, w.core.SendNode(amfName, start))
	w.logged("n3iwf", "the AMF is overloaded")
	require.Error(t, w.within(w.ue(2).Register), "its only slice is the last one of the last entry")
	require.NoError(t, w.core.SendNode(amfName, &ngap.OverloadStop{}))
	w.logged("n3iwf", "not overloaded any more")
	w.register(w.ue(3))
	_, err = p.Ping(w.ctx, 1)
	require.NoError(t, err)
	require.NoError(t, w.within(u.Deregister))
	require.Zero(t, count[*ngap.ErrorIndication](h))
}

// TestFullListsOfAUE: the greatest number of PDU sessions in INITIAL CONTEXT SETUP REQUEST, of slices that are allowed, of QoS flows and tunnels in a set-up and
// in a modification.
func TestFullListsOfAUE(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	tunnel, err := ngap.NewGTPTunnel(w.addr(hostCore), 0xabcdef)
	require.NoError(t, err)
	local, err := ngap.NewGTPTunnel(w.addr(hostN3), 1)
	require.NoError(t, err)
	w.core.Alter(func(pdu []byte) [][]byte {
		p, err := ngap.Decode(pdu)
		if err != nil {
			return [][]byte{pdu}
		}
		m, ok := p.Message.(*ngap.InitialContextSetupRequest)
		if !ok {
			return [][]byte{pdu}
		}
		for i := range 256 {
			item := setupItem(t, w, ngap.PDUSessionID(i))
			m.PDUSessionResourceSetupListCxtReq = append(m.PDUSessionResourceSetupListCxtReq, ngap.PDUSessionResourceSetupItemCxtReq{
				PDUSessionID: item.PDUSessionID, SNSSAI: item.SNSSAI, PDUSessionResourceSetupRequestTransfer: item.PDUSessionResourceSetupRequestTransfer,
			})
		}
		for len(m.AllowedNSSAI) < 8 {
			m.AllowedNSSAI = append(m.AllowedNSSAI, ngap.AllowedNSSAIItem{SNSSAI: ngap.NewSNSSAI(uint8(100+len(m.AllowedNSSAI)), nil)})
		}
		m.UEAggregateMaximumBitRate = &ngap.UEAggregateMaximumBitRate{UEAggregateMaximumBitRateDL: 1e9, UEAggregateMaximumBitRateUL: 1e9}
		b, err := ngap.Encode(m)
		if err != nil {
			return nil
		}
		return [][]byte{b}
	})
	u := w.ue(0)
	w.register(u)
	w.core.Alter(nil)
	r, _ := next[*ngap.InitialContextSetupResponse](h)
	most := w.cfg.Limits.PDUSessionsPerUE
	require.Len(t, r.PDUSessionResourceSetupListCxtRes, most, "as many as a UE may have")
	require.Len(t, r.PDUSessionResourceFailedToSetupListCxtRes, 256-most)
	drop, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceReleaseCommandTransfer{Cause: ngap.CauseNasNormalRelease.Cause()})
	require.NoError(t, err)
	release := ngap.PDUSessionResourceToReleaseListRelCmd{}
	for i := range 256 {
		release = append(release, ngap.PDUSessionResourceToReleaseItemRelCmd{PDUSessionID: ngap.PDUSessionID(i), PDUSessionResourceReleaseCommandTransfer: drop})
	}
	require.NoError(t, w.core.Send(imsi(0), func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceReleaseCommand{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceToReleaseListRelCmd: release}
	}))
	l, _ := next[*ngap.PDUSessionResourceReleaseResponse](h)
	require.Len(t, l.PDUSessionResourceReleasedListRelRes, 256)

	item := setupItem(t, w, 5)
	transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](item.PDUSessionResourceSetupRequestTransfer)
	require.NoError(t, err)
	one := transfer.QosFlowSetupRequestList[0]
	transfer.QosFlowSetupRequestList = nil
	for qfi := range 64 {
		one.QosFlowIdentifier = ngap.QosFlowIdentifier(qfi)
		transfer.QosFlowSetupRequestList = append(transfer.QosFlowSetupRequestList, one)
	}
	for range 3 {
		transfer.AdditionalULNGUUPTNLInformation = append(transfer.AdditionalULNGUUPTNLInformation, ngap.UPTransportLayerInformationItem{NGUUPTNLInformation: tunnel})
	}
	item.PDUSessionResourceSetupRequestTransfer, err = ngap.EncodeTransfer(transfer)
	require.NoError(t, err)
	require.NoError(t, w.core.Send(imsi(0), func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceSetupRequest{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceSetupListSUReq: ngap.PDUSessionResourceSetupListSUReq{item}}
	}))
	s, _ := next[*ngap.PDUSessionResourceSetupResponse](h)
	require.Len(t, s.PDUSessionResourceSetupListSURes, 1)
	up, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupResponseTransfer](s.PDUSessionResourceSetupListSURes[0].PDUSessionResourceSetupResponseTransfer)
	require.NoError(t, err)
	require.Len(t, up.DLQosFlowPerTNLInformation.AssociatedQosFlowList, 64)

	change := &ngap.PDUSessionResourceModifyRequestTransfer{}
	for qfi := range 64 { // all but one of them go, and one that is not there
		change.QosFlowToReleaseList = append(change.QosFlowToReleaseList, ngap.QosFlowWithCauseItem{QosFlowIdentifier: ngap.QosFlowIdentifier(qfi), Cause: ngap.CauseNasNormalRelease.Cause()})
	}
	change.QosFlowToReleaseList[40].QosFlowIdentifier = 39
	for range 4 {
		change.ULNGUUPTNLModifyList = append(change.ULNGUUPTNLModifyList, ngap.ULNGUUPTNLModifyItem{ULNGUUPTNLInformation: tunnel, DLNGUUPTNLInformation: local})
	}
	b, err := ngap.EncodeTransfer(change)
	require.NoError(t, err)
	require.NoError(t, w.core.Send(imsi(0), func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceModifyRequest{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceModifyListModReq: ngap.PDUSessionResourceModifyListModReq{
			{PDUSessionID: 5, PDUSessionResourceModifyRequestTransfer: b},
		}}
	}))
	m, _ := next[*ngap.PDUSessionResourceModifyResponse](h)
	require.Len(t, m.PDUSessionResourceModifyListModRes, 1)
	d, ok := w.nf.UE(w.ctx, w.coreUE(0).RANID)
	require.True(t, ok)
	require.Len(t, d.Sessions[0].Flows, 1)
	require.Equal(t, 40, d.Sessions[0].Flows[0].QFI)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	require.Zero(t, count[*ngap.ErrorIndication](h))
}
