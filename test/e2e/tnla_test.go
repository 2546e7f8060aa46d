// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// hostFurtherN2 is a further N2 address of the core.
const hostFurtherN2 = 9

func endpoint(t *testing.T, a netip.Addr) ngap.CPTransportLayerInformation {
	addr, err := ngap.NewTransportLayerAddress(a)
	require.NoError(t, err)
	return ngap.CPTransportLayerInformation{EndpointIPAddress: &addr}
}

// boundTo is the association that the core sends to a UE on, by the N3IWF's end.
func (w *world) boundTo(i int) string {
	for _, u := range w.core.State().UEs {
		if u.IMSI == imsi(i) {
			return u.Association
		}
	}
	return ""
}

// TestTNLAssociations: the AMF adds an association, takes the weight of the first one away, so that new UEs come on the added one, and removes it; UEs
// that were bound to it go on, and so they do when one is lost. One that cannot be set up is reported, the last one stays.
func TestTNLAssociations(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil)
	w.newCoreWorld(func(c *core.Config) { c.Associations = []string{w.addr(hostFurtherN2).String() + ":38412"} })
	h := listen(w)
	first, p := w.online(0)
	finish := w.traffic(p, 100)
	before := w.boundTo(0)

	weight := ngap.TNLAddressWeightFactor(0)
	further, nobody := endpoint(t, w.addr(hostFurtherN2)), endpoint(t, w.addr(hostOtherAMF))
	require.NoError(t, w.core.SendNode(amfName, &ngap.AMFConfigurationUpdate{
		AMFTNLAssociationToAddList: ngap.AMFTNLAssociationToAddList{
			{AMFTNLAssociationAddress: further, TNLAddressWeightFactor: 10}, {AMFTNLAssociationAddress: nobody, TNLAddressWeightFactor: 10},
		},
		AMFTNLAssociationToUpdateList: ngap.AMFTNLAssociationToUpdateList{{AMFTNLAssociationAddress: endpoint(t, w.addr(hostCore)), TNLAddressWeightFactor: &weight}},
	}))
	a, _ := next[*ngap.AMFConfigurationUpdateAcknowledge](h)
	require.Equal(t, ngap.AMFTNLAssociationSetupList{{AMFTNLAssociationAddress: further}}, a.AMFTNLAssociationSetupList)
	require.Len(t, a.AMFTNLAssociationFailedToSetupList, 1)
	require.Equal(t, nobody, a.AMFTNLAssociationFailedToSetupList[0].TNLAssociationAddress)
	require.True(t, a.AMFTNLAssociationFailedToSetupList[0].Cause.Is(ngap.CauseTransportTransportResourceUnavailable))
	require.Equal(t, 2, w.core.Associations(amfName))

	for i := 1; i <= 4; i++ { // weight 0 is not for the first message of a UE
		w.online(i)
		require.NotEqual(t, before, w.boundTo(i))
	}
	require.Equal(t, before, w.boundTo(0), "a UE stays where it is")

	// The added one is lost: its UEs go on over the first one, and it comes back.
	w.core.Drop(amfName, w.addr(hostFurtherN2))
	w.logged("n3iwf", "TNL association lost") // what is under way as it is lost is lost with it, and NAS says it again only after seconds
	second := w.ues[1]
	require.NoError(t, w.within(func(ctx context.Context) error {
		_, err := second.EstablishSession(ctx, 2, "internet", nil)
		return err
	}))
	w.agree(second, 1)
	w.until("both associations", func() bool { return w.core.Associations(amfName) == 2 })

	// It is removed for good; then the AMF wants the last one removed, which stays.
	require.NoError(t, w.core.SendNode(amfName, &ngap.AMFConfigurationUpdate{
		AMFTNLAssociationToRemoveList: ngap.AMFTNLAssociationToRemoveList{{AMFTNLAssociationAddress: further}},
	}))
	next[*ngap.AMFConfigurationUpdateAcknowledge](h)
	w.until("one association", func() bool { return w.core.Associations(amfName) == 1 })
	require.NoError(t, w.core.SendNode(amfName, &ngap.AMFConfigurationUpdate{
		AMFTNLAssociationToRemoveList: ngap.AMFTNLAssociationToRemoveList{{AMFTNLAssociationAddress: endpoint(t, w.addr(hostCore))}},
	}))
	next[*ngap.AMFConfigurationUpdateAcknowledge](h)
	w.logged("n3iwf", "it stays")
	for i, u := range w.ues[1:5] {
		require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
		w.agree(u, i+1)
	}
	sent, lost := finish()
	require.Zero(t, lost, "of %d packets", sent)
	require.NoError(t, w.within(first.Deregister))
}

// TestFirstTNLAssociationLost: the association of NG Setup is lost while another one is there; it is made again without NG Setup, which would erase
// the UEs.
func TestFirstTNLAssociationLost(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil)
	w.newCoreWorld(func(c *core.Config) { c.Associations = []string{w.addr(hostFurtherN2).String() + ":38412"} })
	h := listen(w)
	u, _ := w.online(0)
	require.NoError(t, w.core.SendNode(amfName, &ngap.AMFConfigurationUpdate{AMFTNLAssociationToAddList: ngap.AMFTNLAssociationToAddList{
		{AMFTNLAssociationAddress: endpoint(t, w.addr(hostFurtherN2)), TNLAddressWeightFactor: 1},
	}}))
	next[*ngap.AMFConfigurationUpdateAcknowledge](h)
	w.core.Drop(amfName, w.addr(hostCore))
	r, _ := next[*ngap.RANConfigurationUpdate](h)
	require.NotNil(t, r.GlobalRANNodeID)
	w.until("both associations", func() bool { return w.core.Associations(amfName) == 2 })
	require.Zero(t, count[*ngap.NGSetupRequest](h))
	require.Equal(t, 1, w.nf.Status().AMFs)
	w.agree(u, 0)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestConfigurationUpdate: what an AMF says anew counts; an update that leaves no common PLMN is refused and changes nothing.
func TestConfigurationUpdate(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	foreign, err := ngap.NewPLMNIdentity("999", "99")
	require.NoError(t, err)
	own, err := ngap.NewPLMNIdentity("001", "02")
	require.NoError(t, err)
	support := func(p ngap.PLMNIdentity) ngap.PLMNSupportList {
		return ngap.PLMNSupportList{{PLMNIdentity: p, SliceSupportList: ngap.SliceSupportList{{SNSSAI: ngap.NewSNSSAI(1, nil)}}}}
	}
	require.NoError(t, w.core.SendNode(amfName, &ngap.AMFConfigurationUpdate{PLMNSupportList: support(foreign)}))
	f, _ := next[*ngap.AMFConfigurationUpdateFailure](h)
	require.True(t, f.Cause.Is(ngap.CauseMiscUnknownPLMNOrSNPN))
	capacity := ngap.RelativeAMFCapacity(7)
	require.NoError(t, w.core.SendNode(amfName, &ngap.AMFConfigurationUpdate{
		AMFName: "renamed", RelativeAMFCapacity: &capacity, PLMNSupportList: support(own), ServedGUAMIList: ngap.ServedGUAMIList{{GUAMI: guami(t, "cafe77")}},
	}))
	next[*ngap.AMFConfigurationUpdateAcknowledge](h)
	v := w.nf.AMFs(w.ctx)[0]
	require.Equal(t, "renamed", v.Name)
	require.Equal(t, 7, v.Capacity)
	require.Equal(t, []string{"001/02"}, v.PLMNs)
	require.Len(t, v.GUAMIs, 1)
	require.Contains(t, v.GUAMIs[0], "cafe77")
}

// TestAMFReturns: an AMF that has crashed and kept its contexts takes the UEs back (UE Retention Information); user data flows all the time, and what
// UE and N3IWF have said meanwhile arrives, once and in order. From one that has not kept them the UEs go.
func TestAMFReturns(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for name, retain := range map[string]bool{"with its contexts": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := prepareWorld(t, nil)
			w.newCoreWorld(func(c *core.Config) { c.Retain = retain })
			h := listen(w)
			u, p := w.online(0)
			finish := w.traffic(p, 100)
			w.core.Drop(amfName, netip.Addr{})
			w.logged("n3iwf", "its UEs are held")
			if !retain {
				w.noUEs()
				finish()
				w.online(1)
				return
			}
			require.NoError(t, w.within(func(ctx context.Context) error { // it waits for the AMF
				_, err := u.EstablishSession(ctx, 2, "internet", nil)
				return err
			}))
			s, _ := next[*ngap.NGSetupRequest](h)
			require.NotNil(t, s.UERetentionInformation)
			w.agree(u, 0)
			require.Len(t, u.State().Sessions, 2)
			sent, lost := finish()
			require.Zero(t, lost, "of %d packets", sent)
			require.NoError(t, w.within(u.Deregister))
			w.empty()
		})
	}
}

// TestAMFFailover: an AMF of a set crashes and stays away; its UEs go on with the other one, with their next message.
func TestAMFFailover(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newAMFSet(t, func(c *config.Config) {
		c.N2.BackOff = config.BackOff{Initial: time.Hour, Max: time.Hour}
	}, func(c *core.Config) { c.AMFs[0].Capacity, c.Retain = 0, true })
	h := listen(w)
	u, p := w.online(0)
	finish := w.traffic(p, 100)
	w.core.Drop(amfName, netip.Addr{})
	w.until("one AMF", func() bool { return w.nf.Status().AMFs == 1 })
	h.mu.Lock()
	h.pdus, h.from = nil, nil
	h.mu.Unlock()
	require.NoError(t, w.within(func(ctx context.Context) error {
		_, err := u.EstablishSession(ctx, 2, "internet", nil)
		return err
	}))
	_, at := next[*ngap.UplinkNASTransport](h)
	require.Equal(t, "lab-amf-2", at)
	w.agree(u, 0)
	sent, lost := finish()
	require.Zero(t, lost, "of %d packets", sent)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}
