// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// flow is traffic in one direction through the N3IWF.
type flow interface {
	// prepare makes the packets of size octets.
	prepare(size int)
	// send sends one burst.
	send() error
	// delivered counts what has come out, since ever.
	delivered() uint64
}

// window says how many packets may be on the way. It grows with every window that comes through and is halved by a loss, so that the
// N3IWF is kept busy but its sockets do not overflow: what is dropped there would cost the N3IWF nothing or something, but count for
// nothing.
type window struct {
	size, min, max, step uint64
	credit               uint64 // delivered since the last growth
}

func newWindow(burst uint64) window {
	return window{size: max(256, burst), min: max(64, burst), max: 4096, step: burst}
}

func (w *window) delivered(n uint64) {
	if w.credit += n; w.credit >= w.size {
		w.credit = 0
		w.size = min(w.max, w.size+w.step)
	}
}

func (w *window) lost() {
	w.credit = 0
	w.size = max(w.min, w.size/2)
}

// stall is the time without any delivery after which all that is on the way counts as lost.
const stall = 20 * time.Millisecond

// loadResult is what a load came to.
type loadResult struct {
	sent, delivered uint64
	took            time.Duration
}

var errNothing = errors.New("no packet came through")

// load sends for d, in bursts of so many packets and in a closed loop, and waits for the last packets.
func load(ctx context.Context, f flow, burst uint64, d time.Duration) (r loadResult, err error) {
	start := time.Now()
	before, progress := f.delivered(), start
	var lost uint64
	w := newWindow(burst)
	for sending := true; ; {
		now := time.Now()
		if got := f.delivered() - before; got > r.delivered {
			w.delivered(got - r.delivered)
			r.delivered, progress, r.took = got, now, now.Sub(start)
		}
		if sending = sending && now.Sub(start) < d; ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		onTheWay := int64(r.sent) - int64(r.delivered) - int64(lost) // negative when something came that was taken for lost
		switch {
		case sending && onTheWay+int64(burst) <= int64(w.size):
			if err := f.send(); err != nil {
				return r, fmt.Errorf("load generator: %w", err)
			}
			r.sent += burst
		case !sending && r.sent == r.delivered, !sending && now.Sub(progress) > stall:
			if r.delivered == 0 {
				return r, errNothing
			}
			return r, nil
		case sending && now.Sub(progress) > stall:
			lost += uint64(max(0, onTheWay))
			progress = now
			w.lost()
		default:
			time.Sleep(20 * time.Microsecond) // leaves the processor to the N3IWF
		}
	}
}
