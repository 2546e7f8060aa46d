// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
)

// withFlows is an item of a PDU session set-up with these 5QIs as flows 1, 2 and so on, none with GBR QoS Flow Information.
func withFlows(t *testing.T, w *world, id ngap.PDUSessionID, ambr bool, fiveQIs ...ngap.FiveQI) ngap.PDUSessionResourceSetupItemSUReq {
	item := setupItem(t, w, id)
	transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](item.PDUSessionResourceSetupRequestTransfer)
	require.NoError(t, err)
	one := transfer.QosFlowSetupRequestList[0]
	transfer.QosFlowSetupRequestList = nil
	for i, q := range fiveQIs {
		one.QosFlowIdentifier = ngap.QosFlowIdentifier(i + 1)
		one.QosFlowLevelQosParameters.QosCharacteristics.NonDynamic5QI = &ngap.NonDynamic5QIDescriptor{FiveQI: q}
		transfer.QosFlowSetupRequestList = append(transfer.QosFlowSetupRequestList, one)
	}
	if !ambr {
		transfer.PDUSessionAggregateMaximumBitRate = nil
	}
	item.PDUSessionResourceSetupRequestTransfer, err = ngap.EncodeTransfer(transfer)
	require.NoError(t, err)
	return item
}

// TestQoSFaults: a GBR flow without GBR QoS Flow Information fails by itself, a PDU session with it when all its flows fail; a PDU session with a non-GBR
// flow but without aggregate maximum bit rate fails. The same holds for flows that are added later.
func TestQoSFaults(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	u, _ := w.online(0)
	next[*ngap.PDUSessionResourceSetupResponse](h)
	require.NoError(t, w.core.Send(imsi(0), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceSetupRequest{AMFUENGAPID: amf, RANUENGAPID: ran, PDUSessionResourceSetupListSUReq: ngap.PDUSessionResourceSetupListSUReq{
			withFlows(t, w, 5, true, 9, 1, 82), withFlows(t, w, 6, true, 2, 65), withFlows(t, w, 7, false, 9),
		}}
	}))
	r, _ := next[*ngap.PDUSessionResourceSetupResponse](h)
	require.Len(t, r.PDUSessionResourceSetupListSURes, 1)
	up := r.PDUSessionResourceSetupListSURes[0]
	require.Equal(t, ngap.PDUSessionID(5), up.PDUSessionID)
	transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupResponseTransfer](up.PDUSessionResourceSetupResponseTransfer)
	require.NoError(t, err)
	invalid := ngap.CauseRadioNetworkInvalidQosCombination.Cause()
	require.Equal(t, ngap.QosFlowListWithCause{{QosFlowIdentifier: 2, Cause: invalid}, {QosFlowIdentifier: 3, Cause: invalid}}, transfer.QosFlowFailedToSetupList)
	require.Equal(t, ngap.AssociatedQosFlowList{{QosFlowIdentifier: 1}}, transfer.DLQosFlowPerTNLInformation.AssociatedQosFlowList)
	failed := map[ngap.PDUSessionID]string{}
	for _, item := range r.PDUSessionResourceFailedToSetupListSURes {
		t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](item.PDUSessionResourceSetupUnsuccessfulTransfer)
		require.NoError(w.t, err)
		failed[item.PDUSessionID] = t.Cause.String()
	}
	require.Equal(t, map[ngap.PDUSessionID]string{6: invalid.String(), 7: ngap.CauseProtocolSemanticError.Cause().String()}, failed)

	require.NoError(t, w.core.ModifySession(imsi(0), 1, core.Modification{Set: []core.Flow{{QFI: 8, FiveQI: 1}, {QFI: 9, FiveQI: 8}}}))
	m, _ := next[*ngap.PDUSessionResourceModifyResponse](h)
	require.Len(t, m.PDUSessionResourceModifyListModRes, 1)
	modified, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyResponseTransfer](m.PDUSessionResourceModifyListModRes[0].PDUSessionResourceModifyResponseTransfer)
	require.NoError(t, err)
	require.Equal(t, ngap.QosFlowListWithCause{{QosFlowIdentifier: 8, Cause: invalid}}, modified.QosFlowFailedToAddOrModifyList)
	require.Equal(t, ngap.QosFlowAddOrModifyResponseList{{QosFlowIdentifier: 9}}, modified.QosFlowAddOrModifyResponseList)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestUplinkTunnelMoves: the UPF's end of the tunnel goes elsewhere by UL NG-U UP TNL Modify List, and user data with it; an end that the N3IWF cannot reach
// fails the modification and leaves the tunnel where it was.
func TestUplinkTunnelMoves(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	u, p := w.online(0)
	session := func() n3iwf.SessionView {
		d, ok := w.nf.UE(w.ctx, w.core.State().UEs[0].RANID)
		require.True(t, ok)
		require.Len(t, d.Sessions, 1)
		return d.Sessions[0]
	}
	before := session()
	move := func(ul, dl ngap.UPTransportLayerInformation) {
		transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceModifyRequestTransfer{ULNGUUPTNLModifyList: ngap.ULNGUUPTNLModifyList{
			{ULNGUUPTNLInformation: ul, DLNGUUPTNLInformation: dl},
		}})
		require.NoError(t, err)
		require.NoError(t, w.core.Send(imsi(0), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
			return &ngap.PDUSessionResourceModifyRequest{AMFUENGAPID: amf, RANUENGAPID: ran, PDUSessionResourceModifyListModReq: ngap.PDUSessionResourceModifyListModReq{
				{PDUSessionID: 1, PDUSessionResourceModifyRequestTransfer: transfer},
			}}
		}))
	}
	tunnel := func(addr string, teid uint32) ngap.UPTransportLayerInformation {
		v, err := ngap.NewGTPTunnel(netip.MustParseAddr(addr), teid)
		require.NoError(t, err)
		return v
	}
	parse := func(teid string) uint32 {
		v, err := strconv.ParseUint(teid, 16, 32)
		require.NoError(t, err)
		return uint32(v)
	}
	downlink := tunnel(w.addr(hostN3).String(), parse(before.DownlinkTEID))
	home := tunnel(w.addr(hostCore).String(), parse(before.UplinkTEID))

	move(tunnel("2001:db8::1", 7), downlink) // there is no N3 address of that family
	m, _ := next[*ngap.PDUSessionResourceModifyResponse](h)
	require.Len(t, m.PDUSessionResourceFailedToModifyListModRes, 1)
	bad, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyUnsuccessfulTransfer](m.PDUSessionResourceFailedToModifyListModRes[0].PDUSessionResourceModifyUnsuccessfulTransfer)
	require.NoError(t, err)
	require.True(t, bad.Cause.Is(ngap.CauseTransportTransportResourceUnavailable), bad.Cause.String())
	require.Equal(t, before.UplinkTEID, session().UplinkTEID)
	_, err = p.Ping(w.ctx, 1)
	require.NoError(t, err, "where it was")

	const elsewhere = 0x0abc0de0
	move(tunnel(w.addr(hostOtherAMF).String(), elsewhere), downlink)
	m, _ = next[*ngap.PDUSessionResourceModifyResponse](h)
	require.Len(t, m.PDUSessionResourceModifyListModRes, 1)
	now := session()
	require.Equal(t, []string{w.addr(hostOtherAMF).String(), fmt.Sprintf("%08x", elsewhere)}, []string{now.UPF, now.UplinkTEID})
	require.Equal(t, before.DownlinkTEID, now.DownlinkTEID)

	move(home, downlink)
	next[*ngap.PDUSessionResourceModifyResponse](h)
	_, err = p.Ping(w.ctx, 1)
	require.NoError(t, err, "and back")
	w.sameStory(u)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestRateOfGBRFlow: a GBR flow has its own maximum in each direction, and the UE-AMBR, which is lower, does not count for it.
func TestRateOfGBRFlow(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil, "ambr: 1")
	w.newCoreWorld(func(c *core.Config) { c.DNNs[0].Flows = []core.Flow{{QFI: 1, FiveQI: 1, Guaranteed: 2, Maximum: 4}} })
	u := w.ue(0)
	w.register(u)
	p := probe.New(u, w.session(u), dn)
	got, err := p.Downlink(w.ctx, 2*time.Second, 1000, 2000) // 16 Mbit/s
	require.NoError(t, err)
	require.InDelta(t, 4, got.Mbps, 1, "MFBR downlink")
	got, err = p.Uplink(w.ctx, 2*time.Second, 1000)
	require.NoError(t, err)
	require.Less(t, got.Mbps, 5.0, "MFBR uplink")
	require.Greater(t, got.Mbps, 1.5, "and not the UE-AMBR")
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}
