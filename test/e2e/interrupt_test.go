// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestInterrupted sends each message of an AMF while the UE is being asked for the first or the second child SA of a PDU session, for one more child SA or for
// other flows in the one that it has; and the UE agrees or refuses after that. Whatever becomes of the session, the AMF gets its answer, and UE, N3IWF and
// core agree on what there is; nothing is left when the UE has gone.
func TestInterrupted(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, func(c *config.Config) {
		c.Timers.Release, c.NWu.UserPlane.ChildSAs = 300*time.Millisecond, "perFlow"
	})
	w.newCoreWorld(func(*core.Config) {})
	h := listen(w)
	messages := unexpected(t, w)
	delete(messages, "ErrorIndication that knows no UE") // after which the core that says it would not be there
	phases := []phase{
		{"the default child SA", 1, 0, 0}, {"a second child SA", 2, 0, 0}, {"the default child SA, refused", 1, 0, nwu.NotifyNoResources},
		{"one more child SA", 4, 0, 0}, {"one more child SA, refused", 4, 0, nwu.NotifyNoResources},
		{"other flows", 0, 1, 0}, {"other flows, refused", 0, 1, nwu.NotifyNoResources},
	}
	lives := 0
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		for _, p := range phases {
			w.interrupt(h, p, lives%40, name, messages[name])
			lives++
		}
	}
	t.Logf("%d lives", lives)
}

// phase is a moment when the UE is asked for something.
type phase struct {
	name    string
	child   int // which child SA of the UE's life; 0: none
	change  int // which change of one
	refuses message.NotifyType
}

func (p phase) hold(asked chan<- struct{}, goOn <-chan struct{}, at int) func(*nwu.QoSInfo) message.NotifyType {
	n := 0
	return func(*nwu.QoSInfo) message.NotifyType {
		if n++; n != at {
			return 0
		}
		close(asked)
		<-goOn
		return p.refuses
	}
}

func (w *world) interrupt(h *heard, p phase, i int, name string, m func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message) {
	w.t.Helper()
	what := name + " while the UE is asked for " + p.name
	asked, goOn := make(chan struct{}), make(chan struct{})
	o := w.options(i)
	o.RefuseChild, o.RefuseChange = p.hold(asked, goOn, p.child), p.hold(asked, goOn, p.change)
	u, err := ue.New(o)
	require.NoError(w.t, err)
	w.register(u)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	var running sync.WaitGroup
	if p.child == 1 || p.child == 2 {
		running.Go(func() { _, _ = u.Establish(ctx, ue.SessionRequest{ID: 1}) }) // it may be rejected, or cut short
	} else {
		w.session(u)
		// A child SA for flow 5, and none left for the default one.
		require.NoError(w.t, w.core.ChangeFlows(imsi(i), 1, []core.Flow{{QFI: 5, FiveQI: 9}}, 1))
	}
	<-asked
	h.forget()
	id, word := w.coreUE(i).RANID, ngap.Name(m(0, 0))
	before := tallied(&w.nf.Counters().NGAPReceived, word)
	require.NoError(w.t, w.core.Send(imsi(i), m))
	w.until(what, func() bool { return tallied(&w.nf.Counters().NGAPReceived, word) > before })
	_, _ = w.nf.UE(w.ctx, id) // behind what the UE's owner does with it
	close(goOn)
	answers := count[*ngap.PDUSessionResourceSetupResponse]
	if p.child != 1 && p.child != 2 {
		answers = count[*ngap.PDUSessionResourceModifyResponse]
	}
	w.until("an answer to the core's request, or the end of the UE: "+what, func() bool { return answers(h) > 0 || w.coreUE(i).RANID != id })
	if name == "PDUSessionResourceReleaseCommand" && answers(h) > 0 && p.refuses == 0 && p.child != 0 && p.child != 4 {
		r, _ := next[*ngap.PDUSessionResourceSetupResponse](h)
		require.Len(w.t, r.PDUSessionResourceFailedToSetupListSURes, 1, what)
		why, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](r.PDUSessionResourceFailedToSetupListSURes[0].PDUSessionResourceSetupUnsuccessfulTransfer)
		require.NoError(w.t, err)
		require.True(w.t, why.Cause.Is(ngap.CauseRadioNetworkInteractionWithOtherProcedure), "%s: %s", what, why.Cause)
	}
	if name == "PDUSessionResourceReleaseCommand" && p.child != 1 && p.child != 2 {
		// It brings no NAS, so that the UE keeps the session without user plane.
		w.until("the end of its child SAs: "+what, func() bool {
			s := w.nf.Status()
			return s.ChildSAs == 1 && s.PDUSessions == 0 && s.N3.Sessions == 0 && len(u.State().Children) == 1
		})
	} else {
		w.settled(u, what, fakeSession)
	}
	cancel()
	running.Wait()
	w.releaseAll()
	w.forgotten("a UE after " + what)
	require.NoError(w.t, u.Close())
}
