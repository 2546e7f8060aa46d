// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// TestUnexpectedDuringFlowChange lets a UE do what is not expected while the N3IWF waits for its answer to a change of QoS flows: to CREATE_CHILD_SA for a
// further flow, or to INFORMATIONAL that binds it to the child SA that there is (TS 24.502 7.5, 7.6).
func TestUnexpectedDuringFlowChange(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, policy := range []string{"perFlow", "one"} {
		t.Run(policy, func(t *testing.T) {
			w := prepareWorld(t, func(c *config.Config) {
				c.NWu.UserPlane.ChildSAs, c.NWu.IKE.Retransmission.Initial = policy, 20*time.Second
			})
			w.newCoreWorld(func(c *core.Config) { c.DNNs[0].Flows = c.DNNs[0].Flows[:2] })
			h := listen(w)
			neighbour, pr := w.online(0)
			for i, r := range flowRows(policy == "one") {
				ok := t.Run(r.does, func(t *testing.T) {
					before := w.t
					w.t = t
					defer func() { w.t = before }()
					h.forget()
					l := w.puppet(1+i, h, neighbour)
					l.single = policy == "one"
					l.reach(atSession)
					l.Hold(func(*message.Message) bool { return true })
					require.NoError(t, w.core.ChangeFlows(imsi(l.i), puppetSession, []core.Flow{{QFI: 6, FiveQI: 9}}))
					l.hear()
					l.Hold(nil)
					l.play(r, atSession, pr)
				})
				if !ok {
					t.FailNow()
				}
			}
		})
	}
}

// flowRows are what the UE does before it answers, or as its answer. single: its PDU session has one child SA.
func flowRows(single bool) []row {
	accept := func(l *puppetLife) {
		l.w.t.Helper()
		require.NoError(l.w.t, l.Accept(l.request))
	}
	deleted := func(l *puppetLife, of ...childOf) {
		l.w.t.Helper()
		var own []uint32
		for _, o := range of {
			own = append(own, o(l).Own)
		}
		l.ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: own})
		l.DropChildren(own...)
	}
	// modified: the AMF hears of the new flow, and then the session has these flows.
	modified := func(l *puppetLife, done bool, flows ...int) {
		l.w.t.Helper()
		r, _ := next[*ngap.PDUSessionResourceModifyResponse](l.heard)
		require.Len(l.w.t, r.PDUSessionResourceModifyListModRes, 1, ngap.String(r))
		m, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyResponseTransfer](r.PDUSessionResourceModifyListModRes[0].PDUSessionResourceModifyResponseTransfer)
		require.NoError(l.w.t, err)
		if done {
			require.Len(l.w.t, m.QosFlowAddOrModifyResponseList, 1)
			require.Empty(l.w.t, m.QosFlowFailedToAddOrModifyList)
		} else {
			require.Empty(l.w.t, m.QosFlowAddOrModifyResponseList)
			require.Len(l.w.t, m.QosFlowFailedToAddOrModifyList, 1)
			require.Equal(l.w.t, ngap.CauseRadioNetworkRadioResourcesNotAvailable.Cause(), m.QosFlowFailedToAddOrModifyList[0].Cause)
		}
		l.agree(atSession)
		for _, c := range l.w.core.State().UEs {
			if c.IMSI == imsi(l.i) {
				d, ok := l.w.nf.UE(l.w.ctx, c.RANID)
				require.True(l.w.t, ok)
				var has []int
				for _, f := range d.Sessions[0].Flows {
					has = append(has, f.QFI)
				}
				slices.Sort(has)
				require.Equal(l.w.t, flows, has)
			}
		}
	}
	// lostMeanwhile: the session has gone, and so the change has failed.
	lostMeanwhile := func(l *puppetLife) {
		l.w.t.Helper()
		r, _ := next[*ngap.PDUSessionResourceModifyResponse](l.heard)
		require.Len(l.w.t, r.PDUSessionResourceFailedToModifyListModRes, 1, ngap.String(r))
		m, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyUnsuccessfulTransfer](r.PDUSessionResourceFailedToModifyListModRes[0].PDUSessionResourceModifyUnsuccessfulTransfer)
		require.NoError(l.w.t, err)
		require.Equal(l.w.t, ngap.CauseRadioNetworkUnknownPDUSessionID.Cause(), m.Cause)
		l.await(awaiting[*nas.ReleaseCommand])
		l.at = atRegistered
	}
	rows := []row{
		{"agrees", nil, func(l *puppetLife) {
			accept(l)
			modified(l, true, 1, 2, 6)
		}, nil},
		{"refuses", nil, func(l *puppetLife) {
			require.NoError(l.w.t, l.Reply(l.request, &message.Notify{Type: message.NO_ADDITIONAL_SAS}))
			modified(l, false, 1, 2)
		}, nil},
		{"finds it malformed", nil, func(l *puppetLife) {
			require.NoError(l.w.t, l.Reply(l.request, &message.Notify{Type: message.INVALID_SYNTAX}))
		}, byIKE},
		{"deletes the default child SA and agrees", nil, func(l *puppetLife) {
			deleted(l, defaultOf)
			accept(l)
			lostMeanwhile(l)
		}, nil},
		{"deletes the default child SA and refuses", nil, func(l *puppetLife) {
			deleted(l, defaultOf)
			require.NoError(l.w.t, l.Reply(l.request, &message.Notify{Type: message.NO_ADDITIONAL_SAS}))
			lostMeanwhile(l)
		}, nil},
		{"deletes the signalling SA and agrees", nil, func(l *puppetLife) {
			deleted(l, signallingOf)
			accept(l)
			l.do(l.Gone)
		}, lost},
		{"deletes the IKE SA", nil, func(l *puppetLife) { require.Empty(l.w.t, says(l.ask(message.INFORMATIONAL, deleteAll))) }, byIKE},
		{"gives the PDU session up and agrees", nil, func(l *puppetLife) {
			require.NoError(l.w.t, l.ReleaseSession(puppetSession))
			l.w.until("the end of the PDU session at the N3IWF", func() bool { return l.w.nf.Status().PDUSessions == 1 })
			accept(l)
			lostMeanwhile(l)
		}, nil},
		{"gives the PDU session up and refuses", nil, func(l *puppetLife) {
			require.NoError(l.w.t, l.ReleaseSession(puppetSession))
			l.w.until("the end of the PDU session at the N3IWF", func() bool { return l.w.nf.Status().PDUSessions == 1 })
			require.NoError(l.w.t, l.Reply(l.request, &message.Notify{Type: message.NO_ADDITIONAL_SAS}))
			lostMeanwhile(l)
		}, nil},
		{"rekeys the default child SA and agrees", nil, func(l *puppetLife) {
			l.do(func(ctx context.Context) error { return l.RekeyChild(ctx, defaultOf(l)) })
			accept(l)
			modified(l, true, 1, 2, 6)
		}, nil},
		{"is released by the AMF", nil, func(l *puppetLife) {
			require.NoError(l.w.t, l.w.core.ReleaseContext(imsi(l.i)))
			accept(l)
			l.do(l.Gone)
			l.at = atIdle
		}, nil},
	}
	if single {
		return rows
	}
	return append(rows,
		row{"deletes an additional child SA and agrees", nil, func(l *puppetLife) {
			deleted(l, additionalOf)
			accept(l)
			modified(l, true, 1, 2, 6)
		}, nil},
		row{"deletes all child SAs of the session and agrees", nil, func(l *puppetLife) {
			deleted(l, additionalOf, defaultOf)
			accept(l)
			lostMeanwhile(l)
		}, nil},
		row{"deletes what is only being made", nil, func(l *puppetLife) {
			answer, err := l.ChildAnswer(l.request.Payloads)
			require.NoError(l.w.t, err)
			require.Empty(l.w.t, says(l.ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{spiOf(answer)}})))
			require.NoError(l.w.t, l.Reply(l.request, answer...))
			modified(l, false, 1, 2)
		}, nil},
	)
}
