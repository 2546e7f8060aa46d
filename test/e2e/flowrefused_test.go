// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestRefusedFlowChanges: the UE refuses a child SA for further flows, or other flows in one that it has. The AMF is told which flows have got no
// resources and why, and UE, N3IWF and core agree on those that there are.
func TestRefusedFlowChanges(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	voice, more := core.Flow{QFI: 5, FiveQI: 1, Guaranteed: 1, Maximum: 2}, core.Flow{QFI: 6, FiveQI: 9}
	for _, tt := range []struct {
		name, policy string
		refuse       func(q *nwu.QoSInfo, change bool) bool
		set          []core.Flow
		remove       []uint8
		done         []int64 // flows of the response's list
		failed       []int64
		left         string
	}{
		{
			name: "one of two child SAs", policy: "perFlow", set: []core.Flow{voice, more},
			refuse: func(q *nwu.QoSInfo, _ bool) bool { return slices.Contains(q.QFIs, 5) },
			done:   []int64{6}, failed: []int64{5}, left: "1,2,3,6",
		},
		{
			name: "the child SA of GBR flows, and not the change of the other", policy: "gbrApart", set: []core.Flow{voice, more},
			refuse: func(_ *nwu.QoSInfo, change bool) bool { return !change },
			done:   []int64{6}, failed: []int64{5}, left: "1,2,3,6",
		},
		{
			name: "other flows in a child SA", policy: "one", set: []core.Flow{voice, more},
			refuse: func(_ *nwu.QoSInfo, change bool) bool { return change },
			failed: []int64{5, 6}, left: "1,2,3",
		},
		{
			// NGAP knows no failure of this: the flow is gone, and what the UE still sends on it is dropped.
			name: "fewer flows in a child SA", policy: "one", remove: []uint8{3},
			refuse: func(_ *nwu.QoSInfo, change bool) bool { return change },
			left:   "1,2",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(c *config.Config) { c.NWu.UserPlane.ChildSAs = tt.policy })
			h := listen(w)
			var refusing atomic.Bool
			notify := func(change bool) func(q *nwu.QoSInfo) message.NotifyType {
				return func(q *nwu.QoSInfo) message.NotifyType {
					if refusing.Load() && tt.refuse(q, change) {
						return nwu.NotifyNoResources
					}
					return 0
				}
			}
			u := w.ue(0, func(o *ue.Options) { o.RefuseChild, o.RefuseChange = notify(false), notify(true) })
			w.register(u)
			w.session(u)
			w.pinged(u, 1)
			w.sameStory(u)
			refusing.Store(true)
			require.NoError(t, w.core.ChangeFlows(imsi(0), 1, tt.set, tt.remove...))
			m, _ := next[*ngap.PDUSessionResourceModifyResponse](h)
			require.Empty(t, m.PDUSessionResourceFailedToModifyListModRes)
			require.Len(t, m.PDUSessionResourceModifyListModRes, 1)
			r, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyResponseTransfer](m.PDUSessionResourceModifyListModRes[0].PDUSessionResourceModifyResponseTransfer)
			require.NoError(t, err)
			var done, failed []int64
			for _, f := range r.QosFlowAddOrModifyResponseList {
				done = append(done, int64(f.QosFlowIdentifier))
			}
			for _, f := range r.QosFlowFailedToAddOrModifyList {
				failed = append(failed, int64(f.QosFlowIdentifier))
				require.True(t, f.Cause.Is(ngap.CauseRadioNetworkRadioResourcesNotAvailable), "%s", f.Cause)
			}
			require.Equal(t, fmt.Sprint(tt.done), fmt.Sprint(done))
			require.Equal(t, fmt.Sprint(tt.failed), fmt.Sprint(failed))
			w.until("the flows that are left", func() bool { return w.core.State().UEs[0].Sessions[0].QFIs == tt.left })
			w.sameStory(u)
			w.pinged(u, 1)
			require.NoError(t, w.within(u.Deregister))
			w.empty()
		})
	}
}
