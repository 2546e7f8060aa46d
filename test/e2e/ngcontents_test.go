// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestNGSetupRetries: an AMF that refuses NG Setup is asked again no sooner than its Time To Wait, or without one than the back-off, which grows.
func TestNGSetupRetries(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, c := range []struct {
		name  string
		waits bool
		least []time.Duration // between two requests; the world's back-off is 100 ms to 400 ms, of which at least half is waited
	}{
		{"Time To Wait", true, []time.Duration{time.Second}},
		{"back-off", false, []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := prepareWorld(t, nil)
			w.startCoreWith(func(c *core.Config) { c.TAC = "000009" })
			if !c.waits {
				w.core.Alter(func([]byte) [][]byte {
					b, err := ngap.Encode(&ngap.NGSetupFailure{Cause: ngap.CauseMiscUnknownPLMNOrSNPN.Cause()})
					if err != nil {
						return nil
					}
					return [][]byte{b}
				})
			}
			var mu sync.Mutex
			var at []time.Time // before the answer
			w.core.Watch(func(_ string, pdu *ngap.PDU) {
				if _, ok := pdu.Message.(*ngap.NGSetupRequest); ok {
					mu.Lock()
					at = append(at, time.Now())
					mu.Unlock()
				}
			})
			w.startN3IWF()
			w.until("the requests", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(at) > len(c.least)
			})
			mu.Lock()
			defer mu.Unlock()
			for i, least := range c.least {
				require.GreaterOrEqual(t, at[i+1].Sub(at[i]), least, "request %d", i+2)
			}
			require.Zero(t, w.nf.Status().AMFs)
			w.logged("no NG connection with this AMF", "misc/unknown-PLMN-or-SNPN", "supportedTAs")
		})
	}
}

// TestContextSetupFailure: INITIAL CONTEXT SETUP FAILURE follows when the UE does not come up with the key that the AMF has given: it has another one, or
// says nothing more; or when the request lacks the UE-AMBR. It names each PDU session of the request, with a cause for its SMF.
func TestContextSetupFailure(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, impatient)
	w.newCoreWorld(func(*core.Config) {})
	h := listen(w)
	forged := unexpected(t, w)
	sessions := func(m ngap.Message, ids ...ngap.PDUSessionID) ngap.Message {
		request := m.(*ngap.InitialContextSetupRequest)
		request.UEAggregateMaximumBitRate = &ngap.UEAggregateMaximumBitRate{UEAggregateMaximumBitRateDL: 1e6, UEAggregateMaximumBitRateUL: 1e6}
		for _, id := range ids {
			item := setupItem(t, w, id)
			request.PDUSessionResourceSetupListCxtReq = append(request.PDUSessionResourceSetupListCxtReq, ngap.PDUSessionResourceSetupItemCxtReq{
				PDUSessionID: id, SNSSAI: item.SNSSAI, PDUSessionResourceSetupRequestTransfer: item.PDUSessionResourceSetupRequestTransfer,
			})
		}
		return request
	}
	lost := ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause()
	for i, c := range []struct {
		name, message string
		before        int
		ids           []ngap.PDUSessionID
		cause         ngap.Cause
	}{
		{"the UE has its own key", "InitialContextSetupRequest", 3, nil, lost},
		{"it has none yet", "InitialContextSetupRequest", 1, nil, lost},
		{"with PDU sessions, one of them twice", "InitialContextSetupRequest", 3, []ngap.PDUSessionID{5, 6, 5}, lost},
		{"without UE-AMBR", "InitialContextSetupRequest without UE-AMBR", 3, []ngap.PDUSessionID{fakeSession}, ngap.CauseProtocolSemanticError.Cause()},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := 0
			w.core.Alter(func(pdu []byte) [][]byte { // in place of what it has to say
				amf, ran, ok := ueIDs(pdu)
				if !ok {
					return [][]byte{pdu}
				}
				if at++; at != c.before {
					return [][]byte{pdu}
				}
				m := forged[c.message](amf, ran)
				if c.ids != nil && c.message == "InitialContextSetupRequest" {
					m = sessions(m, c.ids...)
				}
				b, err := ngap.Encode(m)
				if err != nil {
					return nil
				}
				return [][]byte{b}
			})
			u, came := w.life(w.ctx, i, c.name)
			require.Equal(t, "nothing", came)
			f, _ := next[*ngap.InitialContextSetupFailure](h)
			require.Equal(t, c.cause.String(), f.Cause.String())
			var named []ngap.PDUSessionID
			for _, item := range f.PDUSessionResourceFailedToSetupListCxtFail {
				named = append(named, item.PDUSessionID)
				why, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](item.PDUSessionResourceSetupUnsuccessfulTransfer)
				require.NoError(t, err)
				require.Equal(t, c.cause.String(), why.Cause.String())
			}
			require.Equal(t, slices.Compact(slices.Sorted(slices.Values(c.ids))), named)
			w.core.Alter(nil)
			w.forgotten("a UE that does not come up")
			require.NoError(t, u.Close())
		})
	}
}

// TestContentsOfUEMessages: what the N3IWF says of a UE in the first message about it, in the request for its release and in the last message.
func TestContentsOfUEMessages(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, impatient)
	h := listen(w)
	u, _ := w.online(0)
	plmn, err := ngap.NewPLMNIdentity("001", "01")
	require.NoError(t, err)
	located := func(l *ngap.UserLocationInformation, port uint16) {
		t.Helper()
		require.NotNil(t, l)
		require.NotNil(t, l.UserLocationInformationN3IWF)
		a, ok := l.UserLocationInformationN3IWF.IPAddress.Addr()
		require.True(t, ok)
		require.Equal(t, netip.AddrPortFrom(w.addr(10), port), netip.AddrPortFrom(a, uint16(l.UserLocationInformationN3IWF.PortNumber)))
		require.Equal(t, &ngap.TAI{PLMNIdentity: plmn, TAC: ngap.TAC{0, 0, 1}}, l.UserLocationInformationN3IWF.TAI)
	}
	first, _ := next[*ngap.InitialUEMessage](h)
	require.Equal(t, ngap.RRCEstablishmentCauseMoSignalling, first.RRCEstablishmentCause)
	require.Equal(t, new(ngap.UEContextRequestRequested), first.UEContextRequest)
	require.Equal(t, &plmn, first.SelectedPLMNIdentity)
	require.Nil(t, first.SelectedNID)
	require.Nil(t, first.FiveGSTMSI, "the UE has no temporary identity yet")
	require.Nil(t, first.AMFSetID, "nobody has rerouted it")
	located(&first.UserLocationInformation, w.uePort())

	require.NoError(t, w.core.ReleaseContext(imsi(0)))
	last, _ := next[*ngap.UEContextReleaseComplete](h)
	require.Equal(t, first.RANUENGAPID, last.RANUENGAPID)
	require.Equal(t, ngap.PDUSessionResourceListCxtRelCpl{{PDUSessionID: 1}}, last.PDUSessionResourceListCxtRelCpl)
	located(last.UserLocationInformation, w.uePort()+1)
	w.noUEs()
	require.NoError(t, w.within(u.ServiceRequest))
	again, _ := next[*ngap.InitialUEMessage](h)
	amf := guami(t, "cafe00")
	require.NotNil(t, again.FiveGSTMSI)
	require.Equal(t, []any{amf.AMFSetID, amf.AMFPointer}, []any{again.FiveGSTMSI.AMFSetID, again.FiveGSTMSI.AMFPointer}, "which the AMF has given it")
	require.NotZero(t, again.FiveGSTMSI.FiveGTMSI)
	require.NoError(t, w.within(u.Deregister))
	w.empty()

	other, _ := w.online(1, func(o *ue.Options) { o.Emergency = true })
	first, _ = next[*ngap.InitialUEMessage](h)
	require.Equal(t, ngap.RRCEstablishmentCauseEmergency, first.RRCEstablishmentCause)
	require.NoError(t, other.Close()) // without a word
	request, _ := next[*ngap.UEContextReleaseRequest](h)
	require.True(t, request.Cause.Is(ngap.CauseRadioNetworkRadioConnectionWithUeLost))
	require.Equal(t, ngap.PDUSessionResourceListCxtRelReq{{PDUSessionID: 1}}, request.PDUSessionResourceListCxtRelReq)
	w.noUEs()
}

// TestSliceOfNoAMF: a UE that requests only slices that no AMF has goes to one of its PLMN all the same (TS 23.501 6.3.5): only an AMF can tell it why, here by
// 5GMM cause 62, which comes through EAP-5G; nothing of the UE is left.
func TestSliceOfNoAMF(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil)
	w.newCoreWorld(func(c *core.Config) { c.Subscribers[0].Reject = 62 })
	h := listen(w)
	u := w.ue(0, func(o *ue.Options) { o.Subscriber.Slices = []nas.SNSSAI{{SST: 9}} })
	require.ErrorContains(t, w.within(u.Register), "registration rejected: 5GMM cause "+nas.Cause(62).String())
	require.Equal(t, 1, count[*ngap.InitialUEMessage](h))
	w.empty()
	w.online(1)
}
