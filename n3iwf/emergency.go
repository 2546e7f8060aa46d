// SPDX-License-Identifier: Apache-2.0

package n3iwf

import "github.com/open-n3iwf/n3iwf/ngap"

// An emergency (establishment cause of TS 24.502 9.3.2.2.2.3) is served whatever else is the case: limits.maxUEs, an AMF's overload, the PLMN and SNPN that an
// AMF serves, its wish for no new UEs and the slices of this N3IWF do not count (TS 23.501 5.16.4), and the UE may move as often as it must, behind relay UEs as well (TS 23.304 5.4.4.3). What
// comes before the UE has said so are the half-open limits, which nwu.ike.halfOpen.exemptPrefixes keep away from relays' networks.

// isEmergency notes that the UE registers for an emergency.
func (u *ue) isEmergency() {
	u.emergency = true
	u.session.LimitMoves(-1)
	u.log.Info("emergency registration")
}

// forEmergency are all AMFs that are connected.
func (nf *N3IWF) forEmergency() (list []*ngConnection) {
	for _, a := range nf.amfs.get() {
		if ng := a.forNewUEs(); ng != nil {
			list = append(list, ng)
		}
	}
	return list
}

func (r *amfRequest) isEmergency() bool { return r.cause == ngap.RRCEstablishmentCauseEmergency }
