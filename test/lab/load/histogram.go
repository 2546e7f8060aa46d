// SPDX-License-Identifier: Apache-2.0

package load

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/report"
)

// subBuckets divide each octave of the histogram, so that a quantile is at most 1/16 too high.
const (
	subBits    = 4
	subBuckets = 1 << subBits
)

// histogram counts durations in microseconds, in buckets that grow with them. It may be written from many goroutines.
type histogram struct {
	buckets [40 * subBuckets]atomic.Uint64
	longest atomic.Int64
}

func bucketOf(us uint64) int {
	if us < subBuckets {
		return int(us)
	}
	shift := bits.Len64(us) - subBits - 1
	return min((shift+1)<<subBits+int(us>>shift)-subBuckets, 40*subBuckets-1)
}

// upper is the first number of microseconds above a bucket.
func upper(bucket int) uint64 {
	if bucket < subBuckets {
		return uint64(bucket) + 1
	}
	shift := bucket>>subBits - 1
	return uint64(subBuckets+bucket&(subBuckets-1)+1) << shift
}

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(uint64(max(0, d.Microseconds())))].Add(1)
	for {
		old := h.longest.Load()
		if int64(d) <= old || h.longest.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// latency summarises what was counted.
func (h *histogram) latency() report.Latency {
	var counts [len(h.buckets)]uint64
	total := uint64(0)
	for i := range h.buckets {
		counts[i] = h.buckets[i].Load()
		total += counts[i]
	}
	l := report.Latency{Count: int(total), Max: time.Duration(h.longest.Load())}
	quantile := func(q float64) time.Duration {
		sum := uint64(0)
		for i, n := range counts {
			if sum += n; n > 0 && float64(sum) >= q*float64(total) {
				return min(time.Duration(upper(i))*time.Microsecond, l.Max)
			}
		}
		return l.Max
	}
	l.P50, l.P90, l.P99 = quantile(0.5), quantile(0.9), quantile(0.99)
	// The picture has a bar an octave.
	for octave := 0; octave < len(counts)/subBuckets; octave++ {
		n := uint64(0)
		for _, c := range counts[octave*subBuckets : (octave+1)*subBuckets] {
			n += c
		}
		if n > 0 {
			l.Octaves = append(l.Octaves, report.Octave{Below: time.Duration(upper((octave+1)*subBuckets-1)) * time.Microsecond, Count: int(n)})
		}
	}
	return l
}
