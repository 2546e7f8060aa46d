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
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestUEFallsSilent: a UE that stops in the middle is given up when its time is over, and the AMF is told why: in EAP-5G, before its NAS connection, and when it is
// asked for a child SA, where only the PDU session fails.
func TestUEFallsSilent(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	const patience = 300 * time.Millisecond
	released := func(t *testing.T, w *world, h *heard) {
		r, _ := next[*ngap.UEContextReleaseRequest](h)
		require.True(t, r.Cause.Is(ngap.CauseRadioNetworkRadioConnectionWithUeLost), ngap.String(r))
		w.forgotten("a silent UE")
	}
	t.Run("EAP-5G", func(t *testing.T) {
		w := newWorld(t, func(c *config.Config) { c.Timers.EAPStep = patience })
		h := listen(w)
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		said := 0
		u := w.ue(0, func(o *ue.Options) {
			o.TamperEAP = func(packet []byte) []byte {
				if said++; said == 2 {
					<-ctx.Done()
				}
				return packet
			}
		})
		var registering sync.WaitGroup
		registering.Go(func() { _ = u.Register(ctx) }) // in vain
		released(t, w, h)
		cancel()
		registering.Wait()
	})
	t.Run("NAS connection", func(t *testing.T) {
		w := newWorld(t, func(c *config.Config) { c.Timers.NASConnection = patience })
		h := listen(w)
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		u := w.ue(0, func(o *ue.Options) { o.HoldNAS = make(chan struct{}) })
		var registering sync.WaitGroup
		registering.Go(func() { _ = u.Register(ctx) }) // in vain
		released(t, w, h)
		cancel()
		registering.Wait()
	})
	t.Run("child SA", func(t *testing.T) {
		w := newWorld(t, func(c *config.Config) { c.Timers.ChildSetup = patience })
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
	})
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
