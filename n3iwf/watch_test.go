// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWatch(t *testing.T) {
	nf := &N3IWF{}
	nf.publish(LiveEvent{Kind: LiveGone}) // nobody listens
	first, stopFirst := nf.Watch()
	second, stopSecond := nf.Watch()
	nf.publish(LiveEvent{Kind: LiveMoved, UE: 7})
	require.Equal(t, uint32(7), (<-first).UE)
	require.Equal(t, LiveMoved, (<-second).Kind)
	stopSecond()
	stopSecond() // twice is once
	nf.publish(LiveEvent{Kind: LiveAMFUp})
	require.Equal(t, LiveAMFUp, (<-first).Kind)
	require.Empty(t, second)
	stopFirst()
	require.Zero(t, nf.watchers.count.Load())
}

// A watcher that sleeps holds nobody up, and learns that it missed something.
func TestWatchTooSlow(t *testing.T) {
	nf := &N3IWF{}
	events, stop := nf.Watch()
	defer stop()
	for i := range 3 * watchBacklog {
		nf.publish(LiveEvent{Kind: LiveMoved, UE: uint32(i + 1)})
	}
	var last LiveEvent
	for n := len(events); n > 0; n-- {
		last = <-events
	}
	require.Equal(t, uint32(watchBacklog-1), last.UE)
	nf.publish(LiveEvent{Kind: LiveGone, UE: 9})
	require.Equal(t, LiveMissed, (<-events).Kind)
	require.Equal(t, LiveGone, (<-events).Kind)
}
