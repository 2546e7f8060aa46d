// SPDX-License-Identifier: Apache-2.0

package n3iwf

import "github.com/open-n3iwf/n3iwf/ngap"

// guaranteed tells of a standardised 5QI whether its resource type is GBR or delay-critical GBR (TS 23.501 table 5.7.4-1). The Maximum Data Burst Volume of
// a delay-critical one has a default value there. Other values, which operators give a meaning to, are what the AMF makes of them.
func guaranteed(fiveQI ngap.FiveQI) bool {
	switch {
	case fiveQI >= 1 && fiveQI <= 4, fiveQI >= 65 && fiveQI <= 67, fiveQI >= 71 && fiveQI <= 74, fiveQI == 76: // GBR
		return true
	case fiveQI >= 82 && fiveQI <= 90: // delay-critical GBR
		return true
	}
	return false
}

// flowFault finds what is wrong with the parameters of a QoS flow by themselves (TS 38.413 8.2.1.4, 8.2.3.4, 9.3.1.12): a GBR flow without GBR QoS Flow
// Information, a dynamic 5QI of a GBR flow that does not say whether it is delay critical, a delay-critical one without Maximum Data Burst Volume.
func flowFault(q *ngap.QosFlowLevelQosParameters) (ngap.Cause, bool) {
	gbr, bad := q.GBRQosInformation != nil, false
	if c := q.QosCharacteristics.NonDynamic5QI; c != nil {
		bad = guaranteed(c.FiveQI) && !gbr
	}
	if d := q.QosCharacteristics.Dynamic5QI; d != nil {
		critical := d.DelayCritical != nil && *d.DelayCritical == ngap.DelayCriticalDelayCritical
		bad = gbr && d.DelayCritical == nil || critical && (!gbr || d.MaximumDataBurstVolume == nil)
	}
	if bad {
		return ngap.CauseRadioNetworkInvalidQosCombination.Cause(), true
	}
	return ngap.Cause{}, false
}
