// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Tally counts by a few words: causes, procedures. The words come from this program's own tables, but to be safe there are at
// most maxWords; the rest counts as "other".
type Tally struct {
	counts sync.Map // string -> *atomic.Uint64
	words  atomic.Int32
}

const maxWords = 256

// Add counts one.
func (t *Tally) Add(word string) {
	if c, ok := t.counts.Load(word); ok {
		c.(*atomic.Uint64).Add(1)
		return
	}
	if t.words.Load() >= maxWords && word != otherWord {
		t.Add(otherWord)
		return
	}
	c, known := t.counts.LoadOrStore(word, new(atomic.Uint64))
	if !known {
		t.words.Add(1)
	}
	c.(*atomic.Uint64).Add(1)
}

const otherWord = "other"

// All calls visit with each word and its count.
func (t *Tally) All(visit func(word string, count uint64)) {
	t.counts.Range(func(word, c any) bool {
		visit(word.(string), c.(*atomic.Uint64).Load())
		return true
	})
}

// A Histogram counts durations in fixed buckets.
type Histogram struct {
	buckets [len(histogramBounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

// histogramBounds are from a millisecond to half a minute: a handshake between two machines of a room, and one through a slow core.
var histogramBounds = [...]time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < len(histogramBounds) && d > histogramBounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// Read gives the number and sum of all durations, and for each upper bound in seconds the number up to it.
func (h *Histogram) Read() (count uint64, sum float64, upTo map[float64]uint64) {
	upTo = make(map[float64]uint64, len(histogramBounds))
	for i := range h.buckets {
		count += h.buckets[i].Load()
		if i < len(histogramBounds) {
			upTo[histogramBounds[i].Seconds()] = count
		}
	}
	return count, time.Duration(h.sum.Load()).Seconds(), upTo
}
