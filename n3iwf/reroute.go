// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// reroute sends the UE's first message to an AMF of another set, as the first AMF wants (TS 38.413 8.6.5, TS 23.502 4.2.2.2.3).
func (u *ue) reroute(m *ngap.RerouteNASRequest) {
	initial := u.initial
	if initial == nil {
		u.log.Warn("REROUTE NAS REQUEST for a UE that has gone on; ignored")
		u.send(&ngap.ErrorIndication{
			AMFUENGAPID: u.amfID, RANUENGAPID: new(ngap.RANUENGAPID(u.ranID)), Cause: new(ngap.CauseProtocolMessageNotCompatibleWithReceiverState.Cause()),
			CriticalityDiagnostics: &ngap.CriticalityDiagnostics{ // TS 38.413 10.4
				ProcedureCode: new(ngap.ProcedureRerouteNASRequest), TriggeringMessage: new(ngap.TriggeringMessageInitiatingMessage),
			},
		})
		return
	}
	// The message comes back in NGAP Message; where an AMF puts something else there, what was sent is known here.
	if pdu, err := ngap.Decode(m.NGAPMessage); err == nil {
		if back, ok := pdu.Message.(*ngap.InitialUEMessage); ok && back.RANUENGAPID == initial.RANUENGAPID {
			initial = back
		}
	}
	to := u.rerouteTo(m.AMFSetID, initial.SelectedPLMNIdentity, initial.SelectedNID)
	if to == nil {
		u.log.Warn("no AMF of the set is connected that the UE is sent to", slog.Int("amf_set", int(m.AMFSetID)))
		u.unbind()
		u.refuse("no AMF of the UE's set is connected")
		return
	}
	again := *initial
	again.AMFSetID, again.AllowedNSSAI, again.SourceToTargetAMFInformationReroute = &m.AMFSetID, m.AllowedNSSAI, m.SourceToTargetAMFInformationReroute
	again.UserLocationInformation = u.location()
	again.Unmodelled = passedOn(initial.Unmodelled, m.Unmodelled)
	u.log.Info("UE rerouted", slog.String("from", u.ng.name()), slog.String("to", to.name()))
	u.leaveAMF()
	u.ng, u.amfID, u.initial = to, nil, &again
	u.awaitAMF()
	u.send(&again)
}

// passedOn adds what later releases have an N3IWF pass on: Partially Allowed NSSAI, as it came.
func passedOn(initial, request *aper.Unmodelled) *aper.Unmodelled {
	if request == nil {
		return initial
	}
	for _, ie := range request.IEs {
		if ngap.ProtocolIEID(ie.ID) != ngap.IDPartiallyAllowedNSSAI {
			continue
		}
		out := &aper.Unmodelled{}
		if initial != nil {
			*out = *initial
		}
		out.IEs = append(slices.Clip(out.IEs), ie)
		return out
	}
	return initial
}

// rerouteTo finds an AMF of the set that serves the UE's PLMN. A set is one of an AMF region (TS 23.003 2.10.1), so that those of the regions of the AMF that
// sends the UE there come first.
func (u *ue) rerouteTo(set ngap.AMFSetID, plmn *ngap.PLMNIdentity, nid *ngap.NID) *ngConnection {
	regions := map[ngap.AMFRegionID]bool{}
	for _, item := range u.ng.about().guamis {
		regions[item.GUAMI.AMFRegionID] = true
	}
	var near, far []*ngConnection
	for _, a := range u.nf.amfs.get() {
		ng := a.forNewUEs()
		if ng == nil || ng == u.ng || plmn != nil && ng.about().serves(*plmn, nid) == nil {
			continue
		}
		of := func(region func(ngap.AMFRegionID) bool) bool {
			return slices.ContainsFunc(ng.about().guamis, func(item ngap.ServedGUAMIItem) bool {
				return item.GUAMI.AMFSetID == set && region(item.GUAMI.AMFRegionID)
			})
		}
		switch {
		case of(func(r ngap.AMFRegionID) bool { return regions[r] }):
			near = append(near, ng)
		case of(func(ngap.AMFRegionID) bool { return true }):
			far = append(far, ng)
		}
	}
	draw := func(n int) int { return int(u.ranID) % n }
	if to := byCapacity(near, true, draw); to != nil {
		return to
	}
	return byCapacity(far, true, draw)
}
