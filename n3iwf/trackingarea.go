// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// An N3IWF can have several tracking areas, each of several PLMNs (n3iwf.supportedTAs). The one that it gives for a UE is that of the PLMN that the UE
// has selected (TS 23.501 5.3.2.3, TS 38.413 9.3.1.16): the AMF judges by it whether the UE may be there. It stays the same for the life of the UE context,
// wherever the UE moves.

// notServed is why a UE is refused that has selected a PLMN or SNPN that is not in n3iwf.supportedTAs.
const notServed = "the PLMN or SNPN that the UE has selected is not in n3iwf.supportedTAs"

// trackingArea is the tracking area for a new UE: one that broadcasts the selected PLMN, or SNPN, and of several the first one with the most of the
// requested slices. A UE that has selected none gets one of a PLMN that its AMF serves. Nil when there is none.
func (nf *N3IWF) trackingArea(r *amfRequest, amf *amfDescription) (best *ngap.TAI) {
	most := -1
	for _, ta := range nf.served.Load().tas {
		for _, p := range ta.BroadcastPLMNList {
			switch {
			case r.plmn != nil && (p.PLMNIdentity != *r.plmn || !sameNetwork(p.NPNSupport, r.nid)):
				continue
			case r.plmn == nil && amf != nil && !amf.servesAny([]ngap.PLMNIdentity{p.PLMNIdentity}):
				continue
			}
			n := 0
			for _, want := range r.slices {
				if slices.ContainsFunc(p.TAISliceSupportList, func(item ngap.SliceSupportItem) bool { return item.SNSSAI.Equal(want) }) {
					n++
				}
			}
			if n > most {
				best, most = &ngap.TAI{PLMNIdentity: p.PLMNIdentity, TAC: ta.TAC}, n
			}
		}
	}
	return best
}

// locate chooses the tracking area of a new UE. One that registers for an emergency need not be of a network that is served here; it is then in the
// area of one that its AMF serves.
func (u *ue) locate(r *amfRequest) {
	if r.plmn != nil {
		u.tai = u.nf.trackingArea(r, nil)
	}
	if u.tai == nil {
		u.tai = u.nf.trackingArea(&amfRequest{slices: r.slices}, u.ng.about())
	}
}

// location is the UE's outer address for the AMF (TS 38.413 9.3.1.16), with the UE's tracking area.
func (u *ue) location() ngap.UserLocationInformation {
	info, err := ngap.NewUserLocationInformationN3IWF(netip.AddrPortFrom(u.path.Remote.Addr().WithZone(""), u.path.Remote.Port()), u.tai)
	if err != nil {
		u.log.Error("user location", slog.Any("error", err))
	}
	return info
}
