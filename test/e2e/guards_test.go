// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestChildSetupNotAnswered: a UE that does not say whether it takes a child SA keeps all but the PDU session, which fails when timers.childSetup is over. What
// it says later is undone. (UEs that say nothing at all any more are those of TestSilentUE.)
func TestChildSetupNotAnswered(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.Timers.ChildSetup = 300 * time.Millisecond })
	h := listen(w)
	asked, goOn := make(chan struct{}), make(chan struct{})
	u := w.ue(0, func(o *ue.Options) { o.RefuseChild = phase{}.hold(asked, goOn, 1) })
	w.register(u)
	var establishing sync.WaitGroup
	var err error
	establishing.Go(func() {
		err = w.within(func(ctx context.Context) error {
			_, err := u.EstablishSession(ctx, 1, "internet", nil)
			return err
		})
	})
	<-asked
	r, _ := next[*ngap.PDUSessionResourceSetupResponse](h)
	require.Len(t, r.PDUSessionResourceFailedToSetupListSURes, 1)
	why, decodeErr := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](r.PDUSessionResourceFailedToSetupListSURes[0].PDUSessionResourceSetupUnsuccessfulTransfer)
	require.NoError(t, decodeErr)
	require.True(t, why.Cause.Is(ngap.CauseRadioNetworkFailureInRadioInterfaceProcedure), why.Cause.String())
	close(goOn) // too late: the child SA is deleted
	establishing.Wait()
	require.ErrorContains(t, err, "rejected")
	w.sameStory(u)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestContextSetupSaidAgain: an AMF that has no answer to INITIAL CONTEXT SETUP REQUEST may say it again, as free5GC's does when NAS is late. The UE goes on with
// the key of the first one, which its IKE SA has already, and the AMF gets one answer; a UE that says nothing is given up in the time of the first one.
func TestContextSetupSaidAgain(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.Timers.ContextSetup, c.Timers.EAPStep = 3*time.Second, 3*time.Second })
	h := listen(w)
	again := func(i int, to stage) *puppetLife {
		l := w.puppet(i, h)
		l.reach(to)
		if to == atChallenge {
			c := w.coreUE(i)
			require.NoError(t, w.core.SendNode(amfName, unexpected(t, w)["InitialContextSetupRequest"](ngap.AMFUENGAPID(c.AMFID), ngap.RANUENGAPID(c.RANID))))
			return l
		}
		other := *l.withheld
		other.SecurityKey[0] ^= 1
		require.NoError(t, w.core.Send(imsi(i), func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message { return &other }))
		w.behind(h, i)
		return l
	}
	l := again(0, atSuccess)
	l.reach(atRegistered)
	require.Equal(t, 1, count[*ngap.InitialContextSetupResponse](h))
	l.single = true
	l.reach(atIdle)
	require.Zero(t, count[*ngap.InitialContextSetupFailure](h)+count[*ngap.ErrorIndication](h))
	require.NoError(t, l.Close())

	keyed := again(1, atSuccess)
	keyed.Hold(func(*message.Message) bool { return true })
	challenged := again(2, atChallenge) // its answer to the AMF's challenge is awaited
	ids := []uint32{w.coreUE(1).RANID, w.coreUE(2).RANID}
	require.NotContains(t, ids, uint32(0))
	for i, l := range []*puppetLife{keyed, challenged} {
		id := ids[i]
		w.until("the end of a UE that says nothing more", func() bool { return h.releaseCause(id) != nil })
		require.Equal(t, lost, h.releaseCause(id))
		require.Equal(t, 1, count[*ngap.InitialContextSetupFailure](h), "of the first")
		require.NoError(t, l.Close())
	}
	w.forgotten("UEs that say nothing more")
}

// TestRegistrationTakesTooLong: timers.registration bounds all of a registration, whatever the single steps may take.
func TestRegistrationTakesTooLong(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.Timers.Registration, c.Timers.EAPStep = 3*time.Second, time.Hour })
	h := listen(w)
	l := w.puppet(0, h)
	l.reach(atChallenge)
	r, _ := next[*ngap.UEContextReleaseRequest](h)
	require.Equal(t, *lost, r.Cause)
	require.NoError(t, l.Close())
	w.forgotten("a UE that takes its time")
}

// behind waits until the N3IWF has taken what the core has sent about a UE so far.
func (w *world) behind(h *heard, i int) {
	w.t.Helper()
	require.NoError(w.t, w.core.Send(imsi(i), func(a ngap.AMFUENGAPID, r ngap.RANUENGAPID) ngap.Message {
		return &ngap.UEContextModificationRequest{AMFUENGAPID: a, RANUENGAPID: r}
	}))
	next[*ngap.UEContextModificationResponse](h)
}

// TestCrossingResets: an NG RESET of the AMF that comes while one of the N3IWF waits for its answer is acknowledged, and so is that of the N3IWF.
func TestCrossingResets(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	u, _ := w.online(0)
	theirs, err := ngap.Encode(&ngap.NGReset{Cause: ngap.CauseMiscUnspecified.Cause(), ResetType: ngap.ResetType{NGInterface: new(ngap.ResetAllResetAll)}})
	require.NoError(t, err)
	w.core.Alter(func(pdu []byte) [][]byte {
		if p, err := ngap.Decode(pdu); err == nil {
			if _, answer := p.Message.(*ngap.NGResetAcknowledge); answer {
				return [][]byte{theirs, pdu}
			}
		}
		return [][]byte{pdu}
	})
	require.True(t, w.nf.ResetAMF(amfName))
	next[*ngap.NGReset](h)
	a, _ := next[*ngap.NGResetAcknowledge](h)
	require.Empty(t, a.UEAssociatedLogicalNGConnectionList)
	w.core.Alter(nil)
	w.forgotten("a UE that both have reset")
	require.Zero(t, count[*ngap.NGReset](h), "the answer counts")
	require.NoError(t, u.Close())
	w.online(1)
}
