// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
)

// TestDownlinkGap measures the longest silence of the downlink around each of 20 moves, under each policy of return routability, and shows it as a
// histogram. It asserts no time, as that is the machine's affair, but that user data came on every new path.
func TestDownlinkGap(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, policy := range []string{"after", "before"} {
		w := newWorld(t, func(c *config.Config) { c.NWu.MOBIKE.ReturnRoutability, c.NWu.MOBIKE.ProvenFor = policy, 0 })
		u, p := w.online(0)
		finish := w.traffic(p, 1000)
		w.answered(p, 20)
		const moves = 20
		for i := range moves {
			require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30+i%2), w.addr(hostN3IWF)) }))
			require.NoError(t, w.within(func(ctx context.Context) error { _, err := u.Arrived(ctx); return err }))
			w.answered(p, 10)
		}
		sent, lost := finish()
		require.Zero(t, lost, "of %d", sent)
		var back []time.Duration
		for _, q := range p.Packets() {
			back = append(back, q.Back)
		}
		slices.Sort(back)
		bounds := []time.Duration{2, 5, 10, 20, 50, 1000}
		histogram := make([]int, len(bounds))
		for i := 1; i < len(back); i++ {
			gap := back[i] - back[i-1]
			j := slices.IndexFunc(bounds, func(b time.Duration) bool { return gap < b*time.Millisecond })
			require.GreaterOrEqual(t, j, 0, "a second of silence")
			histogram[j]++
		}
		line := ""
		for i, b := range bounds {
			line += fmt.Sprintf(" <%dms:%d", b, histogram[i])
		}
		t.Logf("policy %s: %d moves, %d packets, gaps between answers:%s", policy, moves, sent, line)
		require.EqualValues(t, moves, w.nf.Counters().Moves.Load())
	}
}
