// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"math/bits"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// The kernel's bitmap is a ring: sequence number s has bit (s-1) mod window. That is the same bit in all windows of one size, and with ESN only while
// the window divides 2^32.

// windowSize is the smallest power of two that holds n packets.
func windowSize(n int) uint32 {
	if n == 0 {
		n = ipsec.DefaultReplayWindow
	}
	return 1 << bits.Len(uint(max(n, 32)-1))
}

func bit(r *xfrm.Replay, seq uint64) (word int, mask uint32) {
	n := uint32(seq-1) % r.Window
	return int(n / 32), 1 << (n % 32)
}

// seen tells whether r has taken seq, or is beyond it.
func seen(r *xfrm.Replay, seq uint64) bool {
	switch {
	case seq > r.In:
		return false
	case r.In-seq >= uint64(r.Window):
		return true
	}
	word, mask := bit(r, seq)
	return word < len(r.Bitmap) && r.Bitmap[word]&mask != 0
}

// merge gives the window of all that either has taken.
func merge(a, b xfrm.Replay) xfrm.Replay {
	m := xfrm.Replay{Window: max(a.Window, b.Window), In: max(a.In, b.In), Out: max(a.Out, b.Out)}
	m.Bitmap = make([]uint32, (m.Window+31)/32)
	for i := uint64(0); i < uint64(m.Window) && i < m.In; i++ {
		if seq := m.In - i; seen(&a, seq) || seen(&b, seq) {
			word, mask := bit(&m, seq)
			m.Bitmap[word] |= mask
		}
	}
	return m
}

// replayOf is the kernel's form of a window that another node has had.
func replayOf(r ipsec.Replay, window uint32) xfrm.Replay {
	k := xfrm.Replay{Window: window, In: r.Top, Bitmap: make([]uint32, (window+31)/32)}
	for i := uint64(0); i < uint64(window) && i < r.Top; i++ {
		// What the other's window did not hold any more was too old there, and is here.
		if word := i / 64; word >= uint64(len(r.Seen)) || r.Seen[word]>>(i%64)&1 != 0 {
			at, mask := bit(&k, r.Top-i)
			k.Bitmap[at] |= mask
		}
	}
	return k
}
