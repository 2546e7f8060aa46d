// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// The access network enforces the UE-AMBR over all flows of a UE that are not GBR, and the maximum bit rate of each GBR flow (TS 23.501 5.7.1.8,
// 5.7.2.6); the session AMBR is the UPF's affair. The user-space relay drops what exceeds them.

// ueRates are the UE-AMBR in bit/s and the limits that all its PDU sessions share.
type ueRates struct {
	downlink, uplink uint64
	limits           relay.Rates
}

// setAggregateRate takes the UE-AMBR of INITIAL CONTEXT SETUP REQUEST, PDU SESSION RESOURCE SETUP REQUEST, DOWNLINK NAS TRANSPORT or UE CONTEXT
// MODIFICATION REQUEST; nil leaves it as it is. It holds for the packets of all sessions from now on.
func (u *ue) setAggregateRate(r *ngap.UEAggregateMaximumBitRate) {
	if r == nil {
		return
	}
	u.setRates(uint64(r.UEAggregateMaximumBitRateDL), uint64(r.UEAggregateMaximumBitRateUL))
}

func (u *ue) setRates(downlink, uplink uint64) {
	u.rates.downlink, u.rates.uplink = downlink, uplink
	l := u.limits()
	l.Downlink.Set(downlink)
	l.Uplink.Set(uplink)
}

// limits are made with the first use.
func (u *ue) limits() relay.Rates {
	if u.rates.limits.Downlink == nil {
		u.rates.limits = relay.Rates{Uplink: relay.NewLimit(0), Downlink: relay.NewLimit(0)}
	}
	return u.rates.limits
}
