// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/fleet"
)

// lastAnswers is more than enough for what is under way when the UEs are done.
const lastAnswers = 100 * time.Millisecond

// moves lets UEs, each with its signalling SA and the one of its PDU session, change their address: UPDATE_SA_ADDRESSES, the check of the
// new address with COOKIE2, and only then the switch of the SAs, as the default policy is.
func (b *bench) moves(ctx context.Context) error {
	b.say("%d moves, %d at a time", b.o.moves, b.o.inFlight)
	start := time.Now()
	var took time.Duration
	cpu, err := b.cost("moves", func() error {
		for done := 0; done < b.o.moves; done += len(b.ues) {
			if err := b.all(ctx, b.ues[:min(len(b.ues), b.o.moves-done)], (*fleet.UE).Move); err != nil {
				return fmt.Errorf("after %d moves: %w", done, err)
			}
		}
		took = time.Since(start)
		time.Sleep(lastAnswers) // the N3IWF takes the last answers
		return nil
	})
	if err != nil {
		return err
	}
	b.report.rate(metricMoves, b.o.moves, cpu)
	b.report.note("%d moves in %.2f s; the N3IWF used %.2f s of CPU time", b.o.moves, took.Seconds(), cpu.Seconds())
	return nil
}
