// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestLife: how a UE's connections begin and end, by its own will, the network's or nobody's. UE, N3IWF and core agree after each.
func TestLife(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for name, run := range map[string]func(*testing.T){
		"service request": testServiceRequest, "inactivity": testInactivity, "register again": testRegisterAgain, "another device": testSameIdentity,
		"between accesses": testBetweenAccesses, "emergency": testEmergency, "refused child SAs": testRefusedChildren, "slice not served": testForeignSlice,
	} {
		t.Run(name, run)
	}
}

// pinged: the session carries user data.
func (w *world) pinged(u *ue.UE, psi uint8) {
	w.t.Helper()
	s := u.Session(psi)
	require.NotNil(w.t, s)
	w.until("an answer to a ping", func() bool {
		_, err := probe.New(u, s, dn).Ping(w.ctx, 1)
		return err == nil
	})
}

func (w *world) idle() {
	w.t.Helper()
	w.until("an N3IWF without UEs", func() bool { return w.nf.Status().UEs == 0 && w.nf.Status().ChildSAs == 0 })
	w.until("a core with an idle UE", func() bool { return w.connected() == 0 && len(w.core.State().Idle) == 1 })
}

func testServiceRequest(t *testing.T) {
	w := newWorld(t, nil)
	u := w.ue(0)
	w.register(u)
	first := w.establish(u, ue.SessionRequest{ID: 1})
	w.establish(u, ue.SessionRequest{ID: 2})
	address := first.Address()
	w.pinged(u, 1)
	w.sameStory(u)
	for range 3 {
		require.NoError(t, w.core.ReleaseContext(imsi(0)))
		w.idle()
		w.until("the UE has heard", func() bool { return len(u.State().Children) == 0 })
		require.Len(t, u.State().Sessions, 2, "the PDU sessions stay")
		require.NoError(t, w.within(u.ServiceRequest))
		w.sameStory(u)
		require.Equal(t, address, u.Session(1).Address())
		w.pinged(u, 1)
		w.pinged(u, 2)
	}
	// One while the UE is connected, over NAS.
	require.NoError(t, w.within(u.ServiceRequest))
	w.sameStory(u)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

func testInactivity(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Timers.Inactivity = time.Second })
	u := w.ue(0)
	w.register(u)
	p := probe.New(u, w.session(u), dn)
	end := w.traffic(p, 20)
	w.answered(p, 60) // 3 s
	require.Equal(t, 1, w.nf.Status().UEs, "a UE with traffic stays")
	end()
	w.logged("n3iwf", "release requested", "user-inactivity")
	w.idle()
	require.EqualValues(t, 1, tallied(&w.nf.Counters().ReleasedFor, ngap.CauseRadioNetworkUserInactivity.Cause().String()))
	require.Equal(t, 1, words(&w.nf.Counters().ReleasedFor), "counted once, by the cause of who began")
	w.until("the UE has heard", func() bool { return len(u.State().Children) == 0 })
	require.NoError(t, w.within(u.ServiceRequest))
	w.pinged(u, 1)
	w.sameStory(u)
}

// testRegisterAgain: the UE has forgotten its IKE SA and registers anew with its NAS context; the core lets go of the old one, and so does the N3IWF.
func testRegisterAgain(t *testing.T) {
	w := newWorld(t, nil)
	u, _ := w.online(0, func(o *ue.Options) { o.InitialContact = true })
	require.NoError(t, w.within(u.Vanish))
	require.NoError(t, w.within(u.RegisterAgain))
	w.sameStory(u)
	require.Empty(t, u.State().Sessions, "an initial registration begins without PDU sessions")
	w.session(u)
	w.pinged(u, 1)
	w.sameStory(u)
	require.NoError(t, w.within(u.Vanish))
	require.NoError(t, w.within(u.ServiceRequest), "or it comes back with a service request")
	w.sameStory(u)
	w.pinged(u, 1)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// testSameIdentity: a subscriber registers without the context, as after a restart.
func testSameIdentity(t *testing.T) {
	w := newWorld(t, nil)
	u, _ := w.online(0)
	require.NoError(t, u.Close())
	again := w.ue(0)
	w.register(again)
	w.sameStory(again)
	w.session(again)
	w.pinged(again, 1)
	w.sameStory(again)
}

// testBetweenAccesses: a PDU session goes to 3GPP access and comes back with the request type "existing PDU session" and its address.
func testBetweenAccesses(t *testing.T) {
	w := newWorld(t, nil)
	u, _ := w.online(0)
	address := u.Session(1).Address()
	require.NoError(t, w.core.MoveTo3GPP(imsi(0), 1))
	w.until("no user plane here", func() bool { return w.nf.Status().PDUSessions == 0 && len(u.State().Children) == 1 })
	require.Len(t, w.core.State().UEs[0].Sessions, 1, "the session lives on")
	s := w.establish(u, ue.SessionRequest{ID: 1, DNN: "internet", Request: nas.RequestExisting})
	require.Equal(t, address, s.Address())
	w.pinged(u, 1)
	w.sameStory(u)
	_, err := u.Establish(w.ctx, ue.SessionRequest{ID: 7, Request: nas.RequestExisting})
	require.ErrorContains(t, err, "rejected", "there is none with that identity")
	w.sameStory(u)
}

// testEmergency: neither limits.maxUEs nor anything else of the N3IWF keeps an emergency out.
func testEmergency(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Limits.MaxUEs = 1 })
	first := w.ue(0)
	w.register(first)
	var away *ue.BackoffError
	require.ErrorAs(t, w.within(w.ue(1).Register), &away)
	u := w.ue(2, func(o *ue.Options) { o.Emergency = true })
	w.register(u)
	w.establish(u, ue.SessionRequest{ID: 1, Request: nas.RequestEmergency})
	w.pinged(u, 1)
	w.sameStory(first, u)
	require.NoError(t, w.within(u.Deregister))
	w.sameStory(first)
}

// testRefusedChildren: what the UE may answer to a child SA, and what becomes of the PDU session.
func testRefusedChildren(t *testing.T) {
	w := newWorld(t, func(c *config.Config) {
		c.NWu.UserPlane.ChildSAs = "perFlow"
	})
	h := listen(w)
	for i, why := range []message.NotifyType{nwu.NotifyNoResources, message.NO_ADDITIONAL_SAS, message.NO_PROPOSAL_CHOSEN, message.TS_UNACCEPTABLE} {
		refuse := func(*nwu.QoSInfo) bool { return true }
		u := w.ue(i, func(o *ue.Options) {
			o.RefuseChild = func(q *nwu.QoSInfo) message.NotifyType {
				if refuse(q) {
					return why
				}
				return 0
			}
		})
		w.register(u)
		h.forget()
		err := w.within(func(ctx context.Context) error {
			_, err := u.Establish(ctx, ue.SessionRequest{ID: 1})
			return err
		})
		require.ErrorContains(t, err, "rejected", why.String())
		r, _ := next[*ngap.PDUSessionResourceSetupResponse](h)
		require.Len(t, r.PDUSessionResourceFailedToSetupListSURes, 1)
		bad, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](r.PDUSessionResourceFailedToSetupListSURes[0].PDUSessionResourceSetupUnsuccessfulTransfer)
		require.NoError(t, err)
		require.True(t, bad.Cause.Is(ngap.CauseRadioNetworkRadioResourcesNotAvailable), bad.Cause.String())
		w.sameStory(u)
		require.Empty(t, w.core.State().UEs[0].Sessions)
		// Only a child SA beside the default one is refused: its flow goes through the default one.
		u2 := w.ue(10+i, func(o *ue.Options) {
			o.RefuseChild = func(q *nwu.QoSInfo) message.NotifyType {
				if !q.Default {
					return why
				}
				return 0
			}
		})
		w.register(u2)
		w.establish(u2, ue.SessionRequest{ID: 1})
		w.pinged(u2, 1)
		require.NoError(t, probe.EchoOnFlow(u2.Session(1), dn, 3))
		w.sameStory(u, u2)
		require.NoError(t, w.within(u.Deregister))
		require.NoError(t, w.within(u2.Deregister))
		w.empty()
	}
}

// testForeignSlice: the core has a slice that this N3IWF does not serve, which is no obstacle to an emergency alone.
func testForeignSlice(t *testing.T) {
	w := prepareWorld(t, func(c *config.Config) {
		for i := range c.N3IWF.SupportedTAs[0].PLMNs {
			c.N3IWF.SupportedTAs[0].PLMNs[i].Slices = []config.SNSSAI{{SST: 2}}
		}
	})
	w.startCore()
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	u := w.ue(0)
	w.register(u)
	err := w.within(func(ctx context.Context) error {
		_, err := u.Establish(ctx, ue.SessionRequest{ID: 1})
		return err
	})
	require.ErrorContains(t, err, "rejected")
	w.logged("core", "slice-not-supported")
	w.sameStory(u)
	caller := w.ue(1, func(o *ue.Options) { o.Emergency = true })
	w.register(caller)
	w.establish(caller, ue.SessionRequest{ID: 1, Request: nas.RequestEmergency})
	w.pinged(caller, 1)
	w.sameStory(u, caller)
}
