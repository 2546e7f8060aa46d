// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
)

func somePLMN(t testing.TB, mnc string) ngap.PLMNIdentity {
	p, err := ngap.NewPLMNIdentity("001", mnc)
	require.NoError(t, err)
	return p
}

func someGUAMI(t testing.TB, id string) ngap.GUAMI {
	g, err := ngap.NewGUAMI(somePLMN(t, "01"), id)
	require.NoError(t, err)
	return g
}

// connectAMF adds an AMF to the network function.
func connectAMF(t testing.TB, nf *N3IWF, name, id string, capacity int, mnc string, slices ...uint8) *ngConnection {
	support := ngap.PLMNSupportItem{PLMNIdentity: somePLMN(t, mnc)}
	for _, sst := range slices {
		support.SliceSupportList = append(support.SliceSupportList, ngap.SliceSupportItem{SNSSAI: ngap.NewSNSSAI(sst, nil)})
	}
	a := &amf{nf: nf}
	ng := newNGConnection(a, &amfDescription{
		name: ngap.AMFName(name), capacity: ngap.RelativeAMFCapacity(capacity), plmns: ngap.PLMNSupportList{support}, guamis: ngap.ServedGUAMIList{{GUAMI: someGUAMI(t, id)}},
	})
	a.ng.Store(ng)
	nf.amfs.change(append(nf.amfs.get(), a))
	return ng
}

// TestSelectAMF goes through the order of TS 23.501 6.3.5.
func TestSelectAMF(t *testing.T) {
	nf := &N3IWF{}
	one := connectAMF(t, nf, "one", "cafe01", 10, "01", 1)
	twin := connectAMF(t, nf, "twin", "cafe02", 10, "01", 1)
	other := connectAMF(t, nf, "other", "c0de01", 10, "01", 1, 2, 3)
	far := connectAMF(t, nf, "far", "beef01", 10, "02", 9)
	idle := connectAMF(t, nf, "idle", "dada01", 0, "01", 1, 2, 3, 4)
	plmn, elsewhere := somePLMN(t, "01"), somePLMN(t, "02")
	guami := func(id string) *ngap.GUAMI { g := someGUAMI(t, id); return &g }
	slices := func(list ...uint8) (out []ngap.SNSSAI) {
		for _, sst := range list {
			out = append(out, ngap.NewSNSSAI(sst, nil))
		}
		return out
	}
	signalling := ngap.RRCEstablishmentCauseMoSignalling
	choose := func(r amfRequest) map[*ngConnection]bool {
		t.Helper()
		r.cause = signalling
		seen := map[*ngConnection]bool{}
		for range 200 {
			ng, why := nf.selectAMF(&r)
			require.Equal(t, ng == nil, why != "")
			seen[ng] = true
		}
		return seen
	}
	type set = map[*ngConnection]bool
	require.Equal(t, set{one: true}, choose(amfRequest{guami: guami("cafe01"), plmn: &plmn}), "the AMF of the GUAMI")
	require.Equal(t, set{idle: true}, choose(amfRequest{guami: guami("dada01")}), "also one that takes no new UE")
	require.Equal(t, set{one: true, twin: true}, choose(amfRequest{guami: guami("cafe3f")}), "its set")
	require.Equal(t, set{far: true}, choose(amfRequest{plmn: &elsewhere}), "the selected PLMN")
	require.Equal(t, set{far: true}, choose(amfRequest{guami: guami("cafe01"), plmn: &elsewhere}), "before the GUAMI")
	require.Equal(t, set{other: true}, choose(amfRequest{plmn: &plmn, slices: slices(1, 2)}), "the most slices, but not the one that takes no new UE")
	require.Equal(t, set{one: true, twin: true, other: true}, choose(amfRequest{plmn: &plmn, slices: slices(1)}))
	nobody := somePLMN(t, "03")
	require.Equal(t, set{nil: true}, choose(amfRequest{plmn: &nobody}))

	// Withdrawn and overloaded ones.
	one.amf.log, twin.amf.log = discard, discard
	one.amfStatus(&ngap.AMFStatusIndication{UnavailableGUAMIList: ngap.UnavailableGUAMIList{{GUAMI: someGUAMI(t, "cafe01")}}})
	require.Equal(t, set{twin: true}, choose(amfRequest{guami: guami("cafe01"), plmn: &plmn}))
	twin.overloadStart(&ngap.OverloadStart{AMFOverloadResponse: &ngap.OverloadResponse{OverloadAction: new(ngap.OverloadActionRejectRrcCrSignalling)}})
	require.Equal(t, set{other: true}, choose(amfRequest{guami: guami("cafe01"), plmn: &plmn}), "another set rather than one that is overloaded")
	twin.overloadStop()
	require.Equal(t, set{twin: true}, choose(amfRequest{guami: guami("cafe01"), plmn: &plmn}))
}

// TestSelectAMFInAnEmergency: an AMF that wants no new UE, or that serves another PLMN, is better than none.
func TestSelectAMFInAnEmergency(t *testing.T) {
	nf := &N3IWF{}
	idle := connectAMF(t, nf, "idle", "dada01", 0, "01", 1)
	plmn, other := somePLMN(t, "01"), somePLMN(t, "02")
	for _, p := range []*ngap.PLMNIdentity{nil, &plmn, &other} {
		ng, why := nf.selectAMF(&amfRequest{plmn: p, cause: ngap.RRCEstablishmentCauseMoSignalling})
		require.Nil(t, ng)
		require.NotEmpty(t, why)
		ng, why = nf.selectAMF(&amfRequest{plmn: p, cause: ngap.RRCEstablishmentCauseEmergency})
		require.Equal(t, idle, ng, why)
	}
}

// TestSelectAMFBySlicesOfTheSNPN: the slices that count are those of the network that the UE has selected, of the same PLMN identity or not.
func TestSelectAMFBySlicesOfTheSNPN(t *testing.T) {
	nf := &N3IWF{}
	nid, foreign := ngap.NID(1), ngap.NID(2)
	supports := func(ng *ngConnection, slicesOf map[*ngap.NID]uint8) {
		d := *ng.about()
		d.plmns = nil
		for id, sst := range slicesOf {
			d.plmns = append(d.plmns, ngap.PLMNSupportItem{
				PLMNIdentity: somePLMN(t, "01"), SliceSupportList: ngap.SliceSupportList{{SNSSAI: ngap.NewSNSSAI(sst, nil)}}, NPNSupport: &ngap.NPNSupport{SNPN: id},
			})
		}
		ng.state.Store(&d)
	}
	right, wrong := connectAMF(t, nf, "right", "cafe01", 10, "01"), connectAMF(t, nf, "wrong", "cafe02", 10, "01")
	supports(right, map[*ngap.NID]uint8{&nid: 7})
	supports(wrong, map[*ngap.NID]uint8{&nid: 1, &foreign: 7})
	plmn := somePLMN(t, "01")
	for range 100 {
		ng, why := nf.selectAMF(&amfRequest{plmn: &plmn, nid: &nid, slices: []ngap.SNSSAI{ngap.NewSNSSAI(7, nil)}, cause: ngap.RRCEstablishmentCauseMoSignalling})
		require.Equal(t, right, ng, why)
	}
}

// TestRerouteToSet: an AMF set is one of an AMF region; another region's set of the same number is second best.
func TestRerouteToSet(t *testing.T) {
	nf := &N3IWF{}
	sender := connectAMF(t, nf, "sender", "cafe01", 10, "01")
	far := connectAMF(t, nf, "far", "01ff01", 255, "01")
	u := &ue{nf: nf, ng: sender, ranID: 7}
	set := someGUAMI(t, "01ff01").AMFSetID
	require.Equal(t, far, u.rerouteTo(set, nil, nil))
	near := connectAMF(t, nf, "near", "caff01", 1, "01")
	require.Equal(t, near, u.rerouteTo(set, nil, nil))
	plmn := somePLMN(t, "02")
	require.Nil(t, u.rerouteTo(set, &plmn, nil), "the UE's PLMN")
	require.Nil(t, u.rerouteTo(sender.about().guamis[0].GUAMI.AMFSetID, nil, nil), "not to the one that sends it away")
}

func TestDrawByCapacity(t *testing.T) {
	nf := &N3IWF{}
	list := []*ngConnection{connectAMF(t, nf, "a", "cafe01", 1, "01"), connectAMF(t, nf, "b", "cafe02", 3, "01"), connectAMF(t, nf, "c", "cafe03", 0, "01")}
	drawn := map[*ngConnection]int{}
	for i := range 4 {
		drawn[byCapacity(list, false, func(total int) int { require.Equal(t, 4, total); return i })]++
	}
	require.Equal(t, map[*ngConnection]int{list[0]: 1, list[1]: 3}, drawn)
	require.Nil(t, byCapacity(list[2:], false, nil), "capacity 0: no new UE")
	require.Equal(t, list[2], byCapacity(list[2:], true, func(int) int { return 0 }), "but one of its own")
}

func TestDrawByWeight(t *testing.T) {
	up := &tnlaLink{}
	both, nonUE := ngap.TNLAssociationUsageBoth, ngap.TNLAssociationUsageNonUe
	light, heavy := &tnla{weight: 1, usage: both, link: up}, &tnla{weight: 4, usage: both, link: up}
	zero, down, control := &tnla{usage: both, link: up}, &tnla{weight: 200, usage: both}, &tnla{weight: 200, usage: nonUE, link: up}
	drawn := map[*tnla]int{}
	for i := range 5 {
		drawn[byWeight([]*tnla{zero, down, control, light, heavy}, func(total int) int { require.Equal(t, 5, total); return i })]++
	}
	require.Equal(t, map[*tnla]int{light: 1, heavy: 4}, drawn)
	require.Equal(t, zero, byWeight([]*tnla{down, control, zero}, nil), "weight 0 when there is nothing else")
	require.Equal(t, control, byWeight([]*tnla{down, control}, nil), "better than none")
	require.Nil(t, byWeight([]*tnla{down}, nil))
}

// TestOverloadActions: which establishment causes each action refuses (TS 38.413 9.3.1.105), and the percentage of them.
func TestOverloadActions(t *testing.T) {
	const emergency, high, mt, signalling, data, voice, video, sms, mps, mcs = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
	for action, refused := range map[ngap.OverloadAction][]int{
		ngap.OverloadActionRejectNonEmergencyMoDt:                                    {data, voice, video, sms},
		ngap.OverloadActionRejectRrcCrSignalling:                                     {signalling, data, voice, video, sms},
		ngap.OverloadActionPermitEmergencySessionsAndMobileTerminatedServicesOnly:    {high, signalling, data, voice, video, sms, mps, mcs},
		ngap.OverloadActionPermitHighPrioritySessionsAndMobileTerminatedServicesOnly: {signalling, data, voice, video, sms},
	} {
		var o overload
		o.start(&ngap.OverloadStart{AMFOverloadResponse: &ngap.OverloadResponse{OverloadAction: &action}})
		var got []int
		for cause := emergency; cause <= mcs; cause++ {
			if o.refuses(ngap.RRCEstablishmentCause(cause), nil) {
				got = append(got, cause)
			}
		}
		require.Equal(t, refused, got, fmt.Sprint(action))
		require.NotContains(t, got, mt)
		o.stop()
		require.False(t, o.refuses(data, nil))
	}

	var o overload
	percent := ngap.TrafficLoadReductionIndication(30)
	o.start(&ngap.OverloadStart{AMFTrafficLoadReductionIndication: &percent})
	n := 0
	for range 1000 {
		if o.refuses(signalling, nil) {
			n++
		}
		require.False(t, o.refuses(emergency, nil))
	}
	require.Equal(t, 300, n)

	one, two := ngap.NewSNSSAI(1, nil), ngap.NewSNSSAI(2, nil)
	o.start(&ngap.OverloadStart{OverloadStartNSSAIList: ngap.OverloadStartNSSAIList{{SliceOverloadList: ngap.SliceOverloadList{{SNSSAI: one}}}}})
	require.True(t, o.refuses(signalling, []ngap.SNSSAI{one}))
	require.False(t, o.refuses(signalling, []ngap.SNSSAI{one, two}), "it wants another slice too")
	require.False(t, o.refuses(signalling, nil), "it names no slice")
	require.False(t, o.refuses(emergency, []ngap.SNSSAI{one}))
}

var discard = slog.New(slog.DiscardHandler)

// TestSameNetwork: a UE that has selected an SNPN is of no PLMN's network, and the other way round (TS 23.501 5.30.2.4).
func TestSameNetwork(t *testing.T) {
	one, two := ngap.NID(1), ngap.NID(2)
	snpn := &ngap.NPNSupport{SNPN: &one}
	for _, c := range []struct {
		support *ngap.NPNSupport
		nid     *ngap.NID
		same    bool
	}{
		{nil, nil, true}, {snpn, &one, true},
		{nil, &one, false}, {snpn, nil, false}, {snpn, &two, false}, {&ngap.NPNSupport{}, nil, false}, {&ngap.NPNSupport{}, &one, false},
	} {
		require.Equal(t, c.same, sameNetwork(c.support, c.nid), "%v %v", c.support, c.nid)
	}
}
