// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The first seeds hold all invariants; make sim runs many more.
func TestSeeds(t *testing.T) {
	for seed := uint64(1); seed <= 100; seed++ {
		r := simulate(seed, defect{}, nil, nil)
		require.Nil(t, r.broken, "go run ./test/sim -seed %d -v", seed)
		require.Positive(t, r.stats.sessions, "seed %d", seed)
		require.Positive(t, r.stats.packets, "seed %d", seed)
	}
}

// Seeds that found a defect once hold all invariants, too.
func TestFoundSeeds(t *testing.T) {
	for _, seed := range found {
		require.Nil(t, simulate(seed, defect{}, nil, nil).broken, "go run ./test/sim -seed %d -v", seed)
	}
}

// A seed decides everything: two runs of it have the same timeline, octet by octet, and another seed has another one.
func TestSeedDecidesEverything(t *testing.T) {
	sums := map[uint64]bool{}
	for seed := uint64(1); seed <= 40; seed++ {
		var out bytes.Buffer
		a, b := simulate(seed, defect{}, nil, nil), simulate(seed, defect{}, nil, &out)
		require.Equal(t, a.sum, b.sum, "seed %d", seed)
		require.Equal(t, a.stats, b.stats, "seed %d", seed)
		require.NotEmpty(t, out.String())
		sums[a.sum] = true
	}
	require.Len(t, sums, 40)
}

// The watcher finds each deliberate mistake, in most seeds that give it the chance, and names it.
func TestWatcherFindsDefects(t *testing.T) {
	const seeds = 40
	for _, name := range defectNames() {
		t.Run(name, func(t *testing.T) {
			d := defects[name]
			found := 0
			for seed := uint64(1); seed <= seeds; seed++ {
				r := simulate(seed, d.defect, nil, nil)
				if r.broken == nil {
					continue
				}
				require.Contains(t, d.rules, r.broken.rule, "seed %d: %v", seed, r.broken)
				found++
			}
			require.GreaterOrEqual(t, found, d.least, "of %d seeds", seeds)
		})
	}
}

// A failing schedule gets shorter, still fails, and the text says how to run it.
func TestShrink(t *testing.T) {
	d := defects["keep-child"].defect
	for seed := uint64(1); ; seed++ {
		require.Less(t, seed, uint64(20))
		r := simulate(seed, d, nil, nil)
		if r.broken == nil {
			continue
		}
		ops, text := shrink(r, d, "keep-child")
		require.Less(t, len(ops), len(r.ops))
		require.NotNil(t, simulate(seed, d, ops, nil).broken)
		require.Contains(t, text, "-break keep-child")
		return
	}
}

func TestQueueIsInOrder(t *testing.T) {
	var q queue
	var got []int
	for i, at := range []time.Duration{5, 3, 5, 1, 4, 1, 3} {
		q.push(at, func() { got = append(got, i) })
	}
	for {
		_, f, ok := q.pop(4)
		if !ok {
			break
		}
		f()
	}
	require.Equal(t, []int{3, 5, 1, 6, 4}, got)
	_, _, ok := q.pop(5)
	require.True(t, ok)
}

// The operations that a campaign draws cover everything that can happen.
func TestScheduleHasEverything(t *testing.T) {
	var seen []int
	for seed := uint64(1); seed <= 30; seed++ {
		w := &world{seed: seed}
		p := newProfile(w.random("profile"))
		for _, o := range schedule(&p, w.random("schedule")) {
			if !slices.Contains(seen, o.kind) {
				seen = append(seen, o.kind)
			}
			require.LessOrEqual(t, o.at, p.storm)
		}
	}
	require.Len(t, seen, len(opKinds))
}
