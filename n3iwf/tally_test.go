// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTallyIsBounded(t *testing.T) {
	var tally Tally
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 1000 {
				tally.Add(fmt.Sprint((i + g) % 500))
			}
		})
	}
	all.Wait()
	words, sum := 0, uint64(0)
	tally.All(func(_ string, n uint64) {
		words++
		sum += n
	})
	require.LessOrEqual(t, words, maxWords+5)
	require.Equal(t, uint64(4000), sum)
}

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, time.Millisecond, 3 * time.Millisecond, time.Second, time.Hour} {
		h.Observe(d)
	}
	count, sum, upTo := h.Read()
	require.Equal(t, uint64(5), count)
	require.InDelta(t, 3601.004, sum, 1e-9)
	require.Equal(t, uint64(2), upTo[0.001])
	require.Equal(t, uint64(3), upTo[0.005])
	require.Equal(t, uint64(4), upTo[1])
	require.Equal(t, uint64(4), upTo[30])
}
