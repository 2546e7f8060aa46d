// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// TestMobilityRestrictions: the AMF applies mobility restrictions, with the N3IWF's own TAI, which it is told for a remote UE behind a relay as for any
// other, and which does not change with the UE's place. The N3IWF ignores a Mobility Restriction List (TS 29.413 5.3), also one that forbids its area;
// the AMF's refusal reaches the UE.
func TestMobilityRestrictions(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil)
	w.relayCore()
	w.startCoreWith(func(c *core.Config) { c.Subscribers[3].Reject = 12 }) // tracking area not allowed
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	plmn, err := ngap.NewPLMNIdentity("001", "01")
	require.NoError(t, err)
	tac := ngap.TAC{0, 0, 1}
	list := &ngap.MobilityRestrictionList{
		ServingPLMN:              plmn,
		ForbiddenAreaInformation: ngap.ForbiddenAreaInformation{{PLMNIdentity: plmn, ForbiddenTACs: ngap.ForbiddenTACs{tac}}},
		ServiceAreaInformation:   ngap.ServiceAreaInformation{{PLMNIdentity: plmn, NotAllowedTACs: ngap.NotAllowedTACs{tac}}},
	}
	var restricted, located atomic.Int64
	w.core.Alter(func(pdu []byte) [][]byte {
		p, err := ngap.Decode(pdu)
		if err != nil {
			return [][]byte{pdu}
		}
		switch m := p.Message.(type) {
		case *ngap.InitialContextSetupRequest:
			m.MobilityRestrictionList = list
		case *ngap.DownlinkNASTransport:
			m.MobilityRestrictionList = list
		default:
			return [][]byte{pdu}
		}
		if b, err := ngap.Encode(p.Message); err == nil {
			pdu = b
			restricted.Add(1)
		}
		return [][]byte{pdu}
	})
	w.core.Watch(func(_ string, pdu *ngap.PDU) {
		location := func(l ngap.UserLocationInformation) {
			if n3iwf := l.UserLocationInformationN3IWF; n3iwf != nil && n3iwf.TAI != nil && *n3iwf.TAI == (ngap.TAI{PLMNIdentity: plmn, TAC: tac}) {
				located.Add(1)
				return
			}
			t.Errorf("location %+v", l)
		}
		switch m := pdu.Message.(type) {
		case *ngap.InitialUEMessage:
			location(m.UserLocationInformation)
		case *ngap.UplinkNASTransport:
			location(m.UserLocationInformation)
		}
	})
	defer w.core.Watch(nil)
	r := w.relay(0, false, "internet")
	u, p := w.online(0, r.behind)
	require.Equal(t, r.session.Address(), w.remote(0).Addr())
	require.Equal(t, w.remote(0).String(), w.coreUE(0).Location, "User Location Information has the relay's address")
	behind := located.Load()
	require.Positive(t, behind)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(10), w.addr(hostN3IWF)) }))
	_, err = p.Ping(w.ctx, 2)
	require.NoError(t, err)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
	w.until("NAS from the other place", func() bool { return located.Load() > behind })
	require.Equal(t, w.addr(10), w.remote(0).Addr())
	w.until("the UE's other place at the AMF", func() bool { return w.coreUE(0).Location == w.remote(0).String() })
	require.GreaterOrEqual(t, restricted.Load(), int64(3))
	require.ErrorContains(t, w.within(w.ue(3, r.behind).Register), "registration rejected")
}
