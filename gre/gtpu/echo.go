// SPDX-License-Identifier: Apache-2.0

package gtpu

import "time"

// EchoTimers are the times of path supervision. The names T3 and N3 are those of TS 29.281 12.
type EchoTimers struct {
	Interval time.Duration // between requests of a path that answers; TS 29.281 7.2.1 forbids less than 60 s. Negative: none are sent
	T3       time.Duration // wait for a response
	N3       int           // requests without response until the path is down
}

// DefaultEchoTimers are used for fields that are zero.
var DefaultEchoTimers = EchoTimers{Interval: 60 * time.Second, T3: 3 * time.Second, N3: 5}

// Echo supervises the path to one peer. It does no I/O: ask Tick at the deadline that it gave, and tell it of responses.
type Echo struct {
	timers   EchoTimers
	sequence uint16
	tries    int       // requests sent since the last response
	deadline time.Time // zero: never
	down     bool
}

// NewEcho starts supervision; the first request is due at once.
func NewEcho(timers EchoTimers, now time.Time) *Echo {
	e := &Echo{}
	e.SetTimers(timers, now)
	return e
}

// SetTimers goes on with other times. A path that is not asked any more is not down.
func (e *Echo) SetTimers(timers EchoTimers, now time.Time) {
	if timers.Interval == 0 {
		timers.Interval = DefaultEchoTimers.Interval
	}
	if timers.T3 <= 0 {
		timers.T3 = DefaultEchoTimers.T3
	}
	if timers.N3 <= 0 {
		timers.N3 = DefaultEchoTimers.N3
	}
	e.timers = timers
	switch {
	case timers.Interval < 0:
		e.deadline, e.tries, e.down = time.Time{}, 0, false
	case e.deadline.IsZero():
		e.deadline = now
	case e.deadline.After(now.Add(timers.Interval)):
		e.deadline = now.Add(timers.Interval)
	}
}

// Tick tells that it is now. When send is true an Echo Request with that sequence number is to be sent; failed is true
// once, when the path goes down. A path that is down is still asked, once an interval.
func (e *Echo) Tick(now time.Time) (send bool, sequence uint16, failed bool) {
	if e.deadline.IsZero() || now.Before(e.deadline) {
		return false, 0, false
	}
	if e.tries >= e.timers.N3 && !e.down {
		e.down = true
		e.deadline = now.Add(e.timers.Interval)
		return false, 0, true
	}
	if e.tries == 0 || e.down {
		e.sequence++ // a retransmission keeps its number
	}
	if !e.down {
		e.tries++
		e.deadline = now.Add(e.timers.T3)
	} else {
		e.deadline = now.Add(e.timers.Interval)
	}
	return true, e.sequence, false
}

// Response tells that an Echo Response came; recovered is true when the path was down. A number that was not the last one
// asked is ignored.
func (e *Echo) Response(now time.Time, sequence uint16) (recovered bool) {
	if sequence != e.sequence || (e.tries == 0 && !e.down) {
		return false
	}
	recovered, e.down, e.tries = e.down, false, 0
	e.deadline = now.Add(e.timers.Interval)
	return recovered
}

// Deadline is when Tick is to be called next; zero: never.
func (e *Echo) Deadline() time.Time { return e.deadline }

// Down tells whether the path is down.
func (e *Echo) Down() bool { return e.down }
