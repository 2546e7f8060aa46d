// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// reroute sends the UE's first message to an AMF of another set, as the first AMF wants (TS 38.413 8.6.5, TS 23.502 4.2.2.2.3).
func (u *ue) reroute(m *ngap.RerouteNASRequest) {
	initial := u.initial
	if initial == nil {
		u.log.Warn("REROUTE NAS REQUEST for a UE that has gone on; ignored")
		u.send(&ngap.ErrorIndication{
			AMFUENGAPID: u.amfID, RANUENGAPID: new(ngap.RANUENGAPID(u.ranID)), Cause: new(ngap.CauseProtocolMessageNotCompatibleWithReceiverState.Cause()),
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
	u.log.Info("UE rerouted", slog.String("from", u.ng.name()), slog.String("to", to.name()))
	if u.amfID != nil {
		u.ng.unbind(*u.amfID, u.ranID)
		u.amfID = nil
	}
	u.ng, u.initial = to, &again
	u.awaitAMF()
	u.send(&again)
}

// rerouteTo finds an AMF of the set that serves the UE's PLMN.
func (u *ue) rerouteTo(set ngap.AMFSetID, plmn *ngap.PLMNIdentity, nid *ngap.NID) *ngConnection {
	var candidates []*ngConnection
	for _, a := range u.nf.amfs.get() {
		ng := a.forNewUEs()
		if ng == nil || ng == u.ng || plmn != nil && ng.about().serves(*plmn, nid) == nil {
			continue
		}
		for _, item := range ng.about().guamis {
			if item.GUAMI.AMFSetID == set {
				candidates = append(candidates, ng)
				break
			}
		}
	}
	return byCapacity(candidates, true, func(n int) int { return int(u.ranID) % n })
}
