// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// TestInactivityClock: a UE is released when it has been silent for all of timers.inactivity. NAS in either direction begins the period anew, and so does what is being
// set up; the UE's own release is asked for once.
func TestInactivityClock(t *testing.T) {
	const period = 8 * time.Minute
	for _, c := range []struct {
		name     string
		activity func(l *line, u *ue)
	}{
		{"uplink NAS", func(_ *line, u *ue) { u.uplinkNAS([]byte{0x7e}) }},
		{"a PDU session being set up", func(_ *line, u *ue) { u.batches = []*setupBatch{{}} }},
		{"none", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, ues := newLine(t, 1, 1)
			u := ues[0]
			l.o.nf.cfg.Timers.Inactivity = period
			u.watchInactivity()
			start := u.idle.since
			released := func(after time.Duration) bool {
				t.Helper()
				u.lookForActivity(start.Add(after))
				for _, m := range l.said(l.ng, 0) {
					if r, ok := m.(*ngap.UEContextReleaseRequest); ok {
						require.True(t, r.Cause.Is(ngap.CauseRadioNetworkUserInactivity))
						return true
					}
				}
				return false
			}
			require.False(t, released(period-time.Minute))
			if c.activity != nil {
				c.activity(l, u)
				require.False(t, released(period))
				u.batches = nil
				require.False(t, released(2*period-time.Second))
				require.True(t, released(2*period))
			} else {
				require.True(t, released(period))
			}
			require.True(t, u.idle.at.IsZero())
			require.False(t, released(4*period), "it is asked for once")
		})
	}
}
