// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// A UE without user data and NAS for timers.inactivity is released with cause user-inactivity (AN release, TS 23.502 4.12.4.2): it stays registered, and
// comes back with a Service Request when it has something to send. There is no paging over untrusted access, so this is off by default.

// inactivity is how long a UE has been silent, as far as is known: its traffic is looked at a few times in the period.
type inactivity struct {
	period  time.Duration
	at      time.Time // next look; zero: never
	since   time.Time // of the latest activity that was noticed
	packets uint64    // of user data, by then
	nas     bool      // NAS since the last look
}

// inactivityLooks is how often a period the traffic is looked at.
const inactivityLooks = 8

func (u *ue) watchInactivity() {
	period := u.nf.live().Timers.Inactivity
	now := time.Now()
	u.idle = inactivity{period: period, since: now, packets: u.userPackets()}
	if period != 0 {
		u.idle.at = now.Add(period / inactivityLooks)
	}
	u.reschedule()
}

// userPackets counts those of all PDU sessions.
func (u *ue) userPackets() (n uint64) {
	for _, s := range u.sessions {
		if s.relay != nil {
			t := s.relay.Stats()
			n += t.Uplink.Packets + t.Downlink.Packets
		}
	}
	return n
}

// lookForActivity releases a UE that has been silent for the whole period.
func (u *ue) lookForActivity(now time.Time) {
	i := &u.idle
	if u.state != stateUp || u.releaseTry > 0 {
		i.at = time.Time{}
		return
	}
	if n := u.userPackets(); n != i.packets || i.nas || len(u.batches) > 0 {
		i.since, i.packets, i.nas = now, n, false
	}
	if now.Sub(i.since) < i.period {
		i.at = now.Add(i.period / inactivityLooks)
		return
	}
	i.at = time.Time{}
	u.requestRelease(ngap.CauseRadioNetworkUserInactivity.Cause())
}
