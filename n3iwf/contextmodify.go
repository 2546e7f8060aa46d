// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// modifyContext takes what the AMF changes about the UE (TS 38.413 8.3.4): another AMF or another identity of the UE there, and its rates. A new
// Security Key is for an authentication that this IKE SA has behind it; the next one brings its own in INITIAL CONTEXT SETUP REQUEST.
func (u *ue) modifyContext(m *ngap.UEContextModificationRequest) {
	if u.state == stateReleasing {
		u.send(&ngap.UEContextModificationFailure{
			AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID), Cause: ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause(),
		})
		return
	}
	if id := m.NewAMFUENGAPID; id != nil {
		u.log.Info("the AMF renames the UE", slog.Uint64("amf_ue_ngap_id", uint64(*id)))
		t := u.ng.boundTNLA(u.ranID)
		u.ng.unbind(*u.amfID, u.ranID)
		u.amfID = id
		u.ng.bind(*id, u.ranID)
		if t != nil {
			u.ng.bindTNLA(u.ranID, t)
		}
	}
	if m.NewGUAMI != nil {
		u.guami = m.NewGUAMI
	}
	u.setAggregateRate(m.UEAggregateMaximumBitRate)
	location := u.location()
	u.send(&ngap.UEContextModificationResponse{AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID), UserLocationInformation: &location})
}
