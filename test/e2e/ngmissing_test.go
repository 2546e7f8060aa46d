// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/aper"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// TestNGSetupResponseWithout takes one IE after the other out of NG SETUP RESPONSE. Without AMF Name, Served GUAMI List or PLMN Support List NG Setup has
// failed, and is begun anew; without Relative AMF Capacity, whose criticality is ignore, the AMF is one like any other.
func TestNGSetupResponseWithout(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, func(c *config.Config) {
		c.N2.BackOff.Initial, c.N2.BackOff.Max = 10*time.Millisecond, 20*time.Millisecond
	})
	w.startCoreWith(func(*core.Config) {})
	h := listen(w)
	gone := []ngap.ProtocolIEID{ngap.IDAMFName, ngap.IDServedGUAMIList, ngap.IDPLMNSupportList, ngap.IDRelativeAMFCapacity}
	left := slices.Clone(gone)
	w.core.Alter(func(pdu []byte) [][]byte {
		if p, err := ngap.Decode(pdu); err == nil && p.ProcedureCode == ngap.ProcedureNGSetup && len(left) > 0 {
			id := left[0]
			left = left[1:]
			pdu = core.RewriteIEs(pdu, func(ies []core.IE) []core.IE {
				return slices.DeleteFunc(ies, func(ie core.IE) bool { return ie.ID == uint16(id) })
			})
		}
		return [][]byte{pdu}
	})
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	require.Equal(t, len(gone), count[*ngap.NGSetupRequest](h))
	require.Zero(t, count[*ngap.ErrorIndication](h), "an outcome is not answered")
	for _, id := range gone[:3] {
		w.logged("answer to NG SETUP REQUEST", id.String()+" (reject) missing")
	}
	w.online(0)
}

// TestNGSetupWithoutCommonPLMN: an AMF that answers NG Setup and serves none of the N3IWF's PLMNs is of no use; the operator is told, and it is asked again.
func TestNGSetupWithoutCommonPLMN(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, func(c *config.Config) {
		c.N2.BackOff.Initial, c.N2.BackOff.Max = 10*time.Millisecond, 20*time.Millisecond
	})
	w.startCoreWith(func(*core.Config) {})
	h := listen(w)
	foreign, err := ngap.NewPLMNIdentity("999", "99")
	require.NoError(t, err)
	said := false
	w.core.Alter(func(pdu []byte) [][]byte {
		if p, err := ngap.Decode(pdu); err == nil && !said {
			if m, ok := p.Message.(*ngap.NGSetupResponse); ok {
				said, m.PLMNSupportList[0].PLMNIdentity = true, foreign
				if pdu, err = ngap.Encode(m); err != nil {
					t.Error(err)
				}
			}
		}
		return [][]byte{pdu}
	})
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	require.Equal(t, 2, count[*ngap.NGSetupRequest](h))
	w.logged("no NG connection with this AMF", "serves none of the PLMNs of n3iwf.supportedTAs")
}

// TestMissingElsewhere takes each IE in turn out of the messages of an AMF that a UE's life does not have (that is TestMissingElements). One that must be
// there and whose criticality is reject is answered, by the failure of the procedure where there is one; others are passed over. A UE that is there goes on.
func TestMissingElsewhere(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	u, p := w.online(0)
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceModifyRequestTransfer{})
	require.NoError(t, err)
	unavailable := ngap.UnavailableGUAMIList{{GUAMI: guami(t, "beef01")}}
	nobody := ngap.UEAssociatedLogicalNGConnectionList{{RANUENGAPID: new(ngap.RANUENGAPID(4294967295))}}
	ids, set := []ngap.ProtocolIEID{ngap.IDAMFUENGAPID, ngap.IDRANUENGAPID}, guami(t, "cafe00").AMFSetID
	for _, c := range []struct {
		message func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message
		needed  []ngap.ProtocolIEID
		ofUE    bool
		fails   bool // by a message of its own
	}{
		{func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.PDUSessionResourceModifyRequest{AMFUENGAPID: a, RANUENGAPID: r, RANPagingPriority: new(ngap.RANPagingPriority(1)),
				PDUSessionResourceModifyListModReq: ngap.PDUSessionResourceModifyListModReq{{PDUSessionID: 1, PDUSessionResourceModifyRequestTransfer: transfer}}}
		}, append(ids, ngap.IDPDUSessionResourceModifyListModReq), true, false},
		{func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.UEContextModificationRequest{AMFUENGAPID: a, RANUENGAPID: r, IndexToRFSP: new(ngap.IndexToRFSP(1))}
		}, ids, true, true},
		{func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.UETNLABindingReleaseRequest{AMFUENGAPID: a, RANUENGAPID: r}
		}, ids, true, false},
		{func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
			return &ngap.RerouteNASRequest{AMFUENGAPID: &a, RANUENGAPID: r, NGAPMessage: []byte{1}, AMFSetID: set}
		}, []ngap.ProtocolIEID{ngap.IDRANUENGAPID, ngap.IDNGAPMessage, ngap.IDAMFSetID}, true, false},
		{func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message {
			return &ngap.AMFStatusIndication{UnavailableGUAMIList: unavailable}
		}, []ngap.ProtocolIEID{ngap.IDUnavailableGUAMIList}, false, false},
		{func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message {
			return &ngap.NGReset{Cause: ngap.CauseMiscUnspecified.Cause(), ResetType: ngap.ResetType{PartOfNGInterface: &nobody}}
		}, []ngap.ProtocolIEID{ngap.IDResetType}, false, false},
		{func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message {
			return &ngap.AMFConfigurationUpdate{AMFName: amfName, RelativeAMFCapacity: new(ngap.RelativeAMFCapacity(7))}
		}, nil, false, true},
		{func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message {
			return &ngap.OverloadStart{AMFTrafficLoadReductionIndication: new(ngap.TrafficLoadReductionIndication(1))}
		}, nil, false, false},
	} {
		m := c.message(1, 1)
		_, code := ngap.KindOf(m)
		var all []core.IE
		say := func(change func([]core.IE) []core.IE) {
			w.core.Alter(func(pdu []byte) [][]byte { return [][]byte{core.RewriteIEs(pdu, change)} })
			require.NoError(t, w.core.Send(imsi(0), c.message))
			w.core.Alter(nil)
			require.NoError(t, w.core.Send(imsi(0), func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
				return &ngap.UEContextModificationRequest{AMFUENGAPID: a, RANUENGAPID: r}
			}))
			w.until("the answer to what comes behind "+ngap.Name(m), func() bool { return count[*ngap.UEContextModificationResponse](h) > 0 })
		}
		h.forget()
		say(func(ies []core.IE) []core.IE { all = ies; return ies })
		require.NotEmpty(t, all)
		for i, ie := range all {
			id := ngap.ProtocolIEID(ie.ID)
			what := ngap.Name(m) + " without " + id.String()
			h.forget()
			say(func(ies []core.IE) []core.IE { return slices.Delete(slices.Clone(ies), i, i+1) })
			if !slices.Contains(c.needed, id) {
				require.Empty(t, h.complaints(code), what)
				continue
			}
			w.until("an answer to "+what, func() bool { return len(h.complaints(code)) > 0 })
			complaint := h.complaints(code)[0]
			if _, failure := complaint.(*ngap.ErrorIndication); failure == c.fails && !slices.Contains(ids, id) {
				require.Fail(t, what, ngap.String(complaint))
			}
			amf, ran := ngap.UEIDs(complaint)
			require.Equal(t, c.ofUE && id != ngap.IDAMFUENGAPID, amf != nil, what)
			require.Equal(t, c.ofUE && id != ngap.IDRANUENGAPID, ran != nil, what)
			require.Equal(t, ngap.CriticalityDiagnosticsIEList{{IECriticality: aper.Reject, IEID: id, TypeOfError: ngap.TypeOfErrorMissing}},
				diagnosed(complaint).IEsCriticalityDiagnostics, what)
		}
	}
	require.NoError(t, w.core.SendNode(amfName, &ngap.OverloadStop{}))
	_, err = p.Ping(w.ctx, 1)
	require.NoError(t, err)
	w.sameStory(u)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// forget what has been heard.
func (h *heard) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pdus, h.from = nil, nil
}

// complaints are the messages that say that one of the procedure had an abstract syntax error.
func (h *heard) complaints(code ngap.ProcedureCode) (list []ngap.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, pdu := range h.pdus {
		procedure, cause, ok := ngap.Fault(pdu.Message)
		if ok && procedure == code && cause.Is(ngap.CauseProtocolAbstractSyntaxErrorReject) {
			list = append(list, pdu.Message)
		}
	}
	return list
}

// diagnosed is the Criticality Diagnostics of a complaint.
func diagnosed(m ngap.Message) *ngap.CriticalityDiagnostics {
	switch m := m.(type) {
	case *ngap.ErrorIndication:
		return m.CriticalityDiagnostics
	case *ngap.UEContextModificationFailure:
		return m.CriticalityDiagnostics
	}
	return nil
}
