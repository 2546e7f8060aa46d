// SPDX-License-Identifier: Apache-2.0

package nwu

import "time"

// gprsTimer3Units are the units of GPRS timer 3 (TS 24.008 clause 10.5.7.4a), finest first, with their code in bits 8 to 6.
var gprsTimer3Units = [...]struct {
	unit time.Duration
	code byte
}{
	{2 * time.Second, 3}, {30 * time.Second, 4}, {time.Minute, 5}, {10 * time.Minute, 0}, {time.Hour, 1}, {10 * time.Hour, 2}, {320 * time.Hour, 6},
}

// BackoffTimer codes the data of N3GPP_BACKOFF_TIMER: the smallest value that is not shorter than d, at most 31 times 320 hours.
func BackoffTimer(d time.Duration) []byte {
	for _, u := range gprsTimer3Units {
		if n := (d + u.unit - 1) / u.unit; n <= 31 {
			return []byte{1, u.code<<5 | byte(max(n, 0))}
		}
	}
	return []byte{1, 6<<5 | 31}
}

// ParseBackoffTimer reads the data of N3GPP_BACKOFF_TIMER. It is not ok when the data is malformed or the timer is deactivated.
func ParseBackoffTimer(b []byte) (d time.Duration, ok bool) {
	if len(b) < 2 || int(b[0]) != len(b)-1 {
		return 0, false
	}
	for _, u := range gprsTimer3Units {
		if u.code == b[1]>>5 {
			return time.Duration(b[1]&31) * u.unit, true
		}
	}
	return 0, false
}
