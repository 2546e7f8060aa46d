// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// unknown is an extension that nobody knows.
func unknown(c aper.Criticality) *aper.Unmodelled {
	return &aper.Unmodelled{IEs: []aper.RawIE{{ID: 60000, Criticality: c, Value: []byte{1}}}}
}

// TestUnknownInside: an extension that nobody knows inside an element of a message, or inside the transfer of a PDU session, with each criticality. Reject in
// the message ends the procedure, in a transfer that PDU session alone, and the unsuccessful transfer names it; notify in the message is reported in the
// response; all else is passed over. A transfer without an element that must be there fails its PDU session in the same way.
func TestUnknownInside(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	u := w.ue(0)
	w.register(u)
	setUp := func(items ...ngap.PDUSessionResourceSetupItemSUReq) {
		require.NoError(t, w.core.Send(imsi(0), func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.PDUSessionResourceSetupRequest{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceSetupListSUReq: items}
		}))
	}
	notUnderstood := func(c aper.Criticality) ngap.CriticalityDiagnosticsIEList {
		return ngap.CriticalityDiagnosticsIEList{{IECriticality: c, IEID: 60000, TypeOfError: ngap.TypeOfErrorNotUnderstood}}
	}
	up := 0

	for _, c := range []aper.Criticality{aper.Reject, aper.Notify, aper.Ignore} {
		item := setupItem(t, w, ngap.PDUSessionID(5+c))
		item.SNSSAI.IEExtensions = unknown(c)
		h.forget()
		setUp(item)
		if c == aper.Reject {
			e, _ := next[*ngap.ErrorIndication](h)
			require.True(t, e.Cause.Is(ngap.CauseProtocolAbstractSyntaxErrorReject), ngap.String(e))
			require.Equal(t, ngap.ProcedurePDUSessionResourceSetup, *e.CriticalityDiagnostics.ProcedureCode)
			require.Equal(t, notUnderstood(c), e.CriticalityDiagnostics.IEsCriticalityDiagnostics)
			continue
		}
		r, _ := next[*ngap.PDUSessionResourceSetupResponse](h)
		require.Len(t, r.PDUSessionResourceSetupListSURes, 1)
		up++
		if c == aper.Notify {
			require.Equal(t, notUnderstood(c), r.CriticalityDiagnostics.IEsCriticalityDiagnostics)
		} else {
			require.Nil(t, r.CriticalityDiagnostics)
		}
		require.Zero(t, count[*ngap.ErrorIndication](h))
	}

	decode := func(item ngap.PDUSessionResourceSetupItemSUReq) *ngap.PDUSessionResourceSetupRequestTransfer {
		transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](item.PDUSessionResourceSetupRequestTransfer)
		require.NoError(t, err)
		return transfer
	}
	var items []ngap.PDUSessionResourceSetupItemSUReq
	for _, c := range []aper.Criticality{aper.Reject, aper.Notify, aper.Ignore} {
		item := setupItem(t, w, ngap.PDUSessionID(10+c))
		transfer := decode(item)
		transfer.QosFlowSetupRequestList[0].QosFlowLevelQosParameters.AllocationAndRetentionPriority.IEExtensions = unknown(c)
		var err error
		item.PDUSessionResourceSetupRequestTransfer, err = ngap.EncodeTransfer(transfer)
		require.NoError(t, err)
		items = append(items, item)
	}
	needed := []ngap.ProtocolIEID{ngap.IDULNGUUPTNLInformation, ngap.IDPDUSessionType, ngap.IDQosFlowSetupRequestList}
	for i, id := range needed {
		item := setupItem(t, w, ngap.PDUSessionID(20+i))
		raw := &ngap.MessageIEs{}
		_, err := aper.Decode(item.PDUSessionResourceSetupRequestTransfer, raw)
		require.NoError(t, err)
		raw.Unmodelled.IEs = slices.DeleteFunc(raw.Unmodelled.IEs, func(ie aper.RawIE) bool { return ie.ID == uint16(id) })
		item.PDUSessionResourceSetupRequestTransfer, err = aper.Encode(&ngap.MessageIEs{Unmodelled: &aper.Unmodelled{IEs: raw.Unmodelled.IEs}})
		require.NoError(t, err)
		items = append(items, item)
	}
	h.forget()
	setUp(items...)
	r, _ := next[*ngap.PDUSessionResourceSetupResponse](h)
	require.Len(t, r.PDUSessionResourceSetupListSURes, 2)
	up += 2
	require.Len(t, r.PDUSessionResourceFailedToSetupListSURes, 1+len(needed))
	for i, item := range r.PDUSessionResourceFailedToSetupListSURes {
		why, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](item.PDUSessionResourceSetupUnsuccessfulTransfer)
		require.NoError(t, err)
		require.True(t, why.Cause.Is(ngap.CauseProtocolAbstractSyntaxErrorReject), why.Cause.String())
		want := notUnderstood(aper.Reject)
		if i > 0 {
			want = ngap.CriticalityDiagnosticsIEList{{IECriticality: aper.Reject, IEID: needed[i-1], TypeOfError: ngap.TypeOfErrorMissing}}
		}
		require.Equal(t, want, why.CriticalityDiagnostics.IEsCriticalityDiagnostics)
	}
	require.Zero(t, count[*ngap.ErrorIndication](h))

	// The same in a modification.
	change, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceModifyRequestTransfer{QosFlowAddOrModifyRequestList: ngap.QosFlowAddOrModifyRequestList{
		{QosFlowIdentifier: 1, IEExtensions: unknown(aper.Reject)},
	}})
	require.NoError(t, err)
	require.NoError(t, w.core.Send(imsi(0), func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
		return &ngap.PDUSessionResourceModifyRequest{AMFUENGAPID: a, RANUENGAPID: r, PDUSessionResourceModifyListModReq: ngap.PDUSessionResourceModifyListModReq{
			{PDUSessionID: items[2].PDUSessionID, PDUSessionResourceModifyRequestTransfer: change},
		}}
	}))
	m, _ := next[*ngap.PDUSessionResourceModifyResponse](h)
	require.Len(t, m.PDUSessionResourceFailedToModifyListModRes, 1)
	why, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyUnsuccessfulTransfer](m.PDUSessionResourceFailedToModifyListModRes[0].PDUSessionResourceModifyUnsuccessfulTransfer)
	require.NoError(t, err)
	require.Equal(t, notUnderstood(aper.Reject), why.CriticalityDiagnostics.IEsCriticalityDiagnostics)
	w.until("the PDU sessions", func() bool { return w.nf.Status().PDUSessions == up && len(u.State().Children) == 1+up })
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}
