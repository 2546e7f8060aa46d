// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// TestCoreVariants runs a UE's life (registration, two PDU sessions, a move, idle and back, deregistration) with AMFs that have the habits of free5GC and of
// Open5GS, that order IEs at random and accept a registration twice, that send IEs of later releases, and that leave out what is optional. All of it works,
// and nothing of it is answered with an error.
func TestCoreVariants(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, variant := range []string{"free5gc", "open5gs", "shuffled", "extended", "minimal"} {
		t.Run(variant, func(t *testing.T) {
			w := prepareWorld(t, nil)
			w.newCoreWorld(func(c *core.Config) { c.Variant = variant })
			h := listen(w)
			u, p := w.online(0)
			require.NoError(t, w.within(func(ctx context.Context) error {
				_, err := u.EstablishSession(ctx, 2, "internet", nil)
				return err
			}))
			w.agree(u, 0)
			if variant == "open5gs" {
				r, _ := next[*ngap.PDUSessionResourceSetupResponse](h)
				tr, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupResponseTransfer](r.PDUSessionResourceSetupListSURes[0].PDUSessionResourceSetupResponseTransfer)
				require.NoError(t, err)
				require.Equal(t, &ngap.SecurityResult{
					IntegrityProtectionResult: ngap.IntegrityProtectionResultPerformed, ConfidentialityProtectionResult: ngap.ConfidentialityProtectionResultPerformed,
				}, tr.SecurityResult, "it was asked for")
			}
			require.NoError(t, w.core.ModifySession(imsi(0), 1, core.Modification{Set: []core.Flow{{QFI: 9, FiveQI: 7}}}))
			next[*ngap.PDUSessionResourceModifyResponse](h)
			require.NoError(t, w.core.Rename(imsi(0)))
			next[*ngap.UEContextModificationResponse](h)
			require.NoError(t, w.core.ReleaseSession(imsi(0), 2))
			w.agree(u, 0)
			require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(60), w.addr(hostN3IWF)) }))
			_, err := p.Ping(w.ctx, 2)
			require.NoError(t, err)
			require.NoError(t, w.within(func(ctx context.Context) error {
				_, err := u.EstablishSession(ctx, 3, "internet", nil)
				return err
			}))
			require.NoError(t, w.core.ReleaseContext(imsi(0)))
			w.idle()
			w.until("the UE has heard", func() bool { return len(u.State().Children) == 0 })
			require.NoError(t, w.within(u.ServiceRequest), "with both PDU sessions in one INITIAL CONTEXT SETUP REQUEST")
			w.pinged(u, 1)
			w.pinged(u, 3)
			require.NoError(t, w.within(u.Deregister))
			w.empty()
			require.Zero(t, count[*ngap.ErrorIndication](h))
			require.Zero(t, w.nf.Counters().NGAPErrors.Load())
		})
	}
}

// TestSeveralSessionsInOneRequest: PDU SESSION RESOURCE SETUP REQUEST with several items, two of them with the same id, one of a slice that nobody serves, one
// broken and one with a flow that is in it twice: each has its own fate, and the good ones come up. What is changed or released twice in one message is not
// changed, and released once.
func TestSeveralSessionsInOneRequest(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	heard := &numbers{}
	u := w.ue(0, heard.listen)
	w.register(u)
	good := setupItem(t, w, 5)
	broken, other, twice := setupItem(t, w, 7), setupItem(t, w, 8), withFlows(t, w, 9, true, 9, 9, 8)
	broken.PDUSessionResourceSetupRequestTransfer = broken.PDUSessionResourceSetupRequestTransfer[:7]
	other.SNSSAI = ngap.NewSNSSAI(200, nil)
	transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](twice.PDUSessionResourceSetupRequestTransfer)
	require.NoError(t, err)
	transfer.QosFlowSetupRequestList[1].QosFlowIdentifier = 1
	twice.PDUSessionResourceSetupRequestTransfer, err = ngap.EncodeTransfer(transfer)
	require.NoError(t, err)
	list := ngap.PDUSessionResourceSetupListSUReq{good, setupItem(t, w, 6), broken, good, other, twice}
	for i := range list {
		list[i].PDUSessionNASPDU = []byte{numberedNAS, byte(list[i].PDUSessionID)}
	}
	require.NoError(t, w.core.Send(imsi(0), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceSetupRequest{AMFUENGAPID: amf, RANUENGAPID: ran, NASPDU: []byte{numberedNAS, 1}, PDUSessionResourceSetupListSUReq: list}
	}))
	r, _ := next[*ngap.PDUSessionResourceSetupResponse](h)
	require.Equal(t, []byte{1, 6, 9}, heard.until(w, 0), "the message's own NAS and that of the two that came up, not that of the failed ones")
	ids := []ngap.PDUSessionID{}
	for _, item := range r.PDUSessionResourceSetupListSURes {
		ids = append(ids, item.PDUSessionID)
	}
	require.Equal(t, []ngap.PDUSessionID{6, 9}, ids)
	up, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupResponseTransfer](r.PDUSessionResourceSetupListSURes[1].PDUSessionResourceSetupResponseTransfer)
	require.NoError(t, err)
	require.Equal(t, ngap.AssociatedQosFlowList{{QosFlowIdentifier: 3}}, up.DLQosFlowPerTNLInformation.AssociatedQosFlowList)
	multiple := ngap.CauseRadioNetworkMultipleQosFlowIDInstances.Cause()
	require.Equal(t, ngap.QosFlowListWithCause{{QosFlowIdentifier: 1, Cause: multiple}}, up.QosFlowFailedToSetupList)
	require.Len(t, r.PDUSessionResourceFailedToSetupListSURes, 3)
	causes := map[ngap.PDUSessionID]string{}
	for _, item := range r.PDUSessionResourceFailedToSetupListSURes {
		tr, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](item.PDUSessionResourceSetupUnsuccessfulTransfer)
		require.NoError(t, err)
		causes[item.PDUSessionID] = tr.Cause.String()
	}
	require.Equal(t, map[ngap.PDUSessionID]string{
		5: ngap.CauseRadioNetworkMultiplePDUSessionIDInstances.Cause().String(), 7: ngap.CauseProtocolTransferSyntaxError.Cause().String(),
		8: ngap.CauseRadioNetworkSliceNotSupported.Cause().String(),
	}, causes)
	w.until("two PDU sessions", func() bool { return w.nf.Status().PDUSessions == 2 && len(u.State().Children) == 3 })

	keep, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceModifyRequestTransfer{})
	require.NoError(t, err)
	change := func(id ngap.PDUSessionID) ngap.PDUSessionResourceModifyItemModReq {
		return ngap.PDUSessionResourceModifyItemModReq{PDUSessionID: id, PDUSessionResourceModifyRequestTransfer: keep}
	}
	require.NoError(t, w.core.Send(imsi(0), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceModifyRequest{AMFUENGAPID: amf, RANUENGAPID: ran, PDUSessionResourceModifyListModReq: ngap.PDUSessionResourceModifyListModReq{
			change(6), change(9), change(6),
		}}
	}))
	m, _ := next[*ngap.PDUSessionResourceModifyResponse](h)
	require.Len(t, m.PDUSessionResourceModifyListModRes, 1)
	require.Equal(t, ngap.PDUSessionID(9), m.PDUSessionResourceModifyListModRes[0].PDUSessionID)
	require.Len(t, m.PDUSessionResourceFailedToModifyListModRes, 1)
	require.Equal(t, ngap.PDUSessionID(6), m.PDUSessionResourceFailedToModifyListModRes[0].PDUSessionID)

	drop, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceReleaseCommandTransfer{Cause: ngap.CauseNasNormalRelease.Cause()})
	require.NoError(t, err)
	end := func(id ngap.PDUSessionID) ngap.PDUSessionResourceToReleaseItemRelCmd {
		return ngap.PDUSessionResourceToReleaseItemRelCmd{PDUSessionID: id, PDUSessionResourceReleaseCommandTransfer: drop}
	}
	require.NoError(t, w.core.Send(imsi(0), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceReleaseCommand{AMFUENGAPID: amf, RANUENGAPID: ran, PDUSessionResourceToReleaseListRelCmd: ngap.PDUSessionResourceToReleaseListRelCmd{
			end(6), end(9), end(6),
		}}
	}))
	l, _ := next[*ngap.PDUSessionResourceReleaseResponse](h)
	require.Len(t, l.PDUSessionResourceReleasedListRelRes, 2)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

func setupItem(t *testing.T, w *world, id ngap.PDUSessionID) ngap.PDUSessionResourceSetupItemSUReq {
	t.Helper()
	tunnel, err := ngap.NewGTPTunnel(w.addr(hostCore), 0xabc000|uint32(id))
	require.NoError(t, err)
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceSetupRequestTransfer{
		PDUSessionAggregateMaximumBitRate: &ngap.PDUSessionAggregateMaximumBitRate{PDUSessionAggregateMaximumBitRateDL: 1e6, PDUSessionAggregateMaximumBitRateUL: 1e6},
		ULNGUUPTNLInformation:             tunnel, PDUSessionType: ngap.PDUSessionTypeIPv4,
		QosFlowSetupRequestList: ngap.QosFlowSetupRequestList{{QosFlowIdentifier: 1, QosFlowLevelQosParameters: ngap.QosFlowLevelQosParameters{
			QosCharacteristics:             ngap.QosCharacteristics{NonDynamic5QI: &ngap.NonDynamic5QIDescriptor{FiveQI: 9}},
			AllocationAndRetentionPriority: ngap.AllocationAndRetentionPriority{PriorityLevelARP: 8},
		}}},
	})
	require.NoError(t, err)
	return ngap.PDUSessionResourceSetupItemSUReq{PDUSessionID: id, SNSSAI: ngap.NewSNSSAI(1, nil), PDUSessionResourceSetupRequestTransfer: transfer}
}
