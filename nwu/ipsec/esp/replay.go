// SPDX-License-Identifier: Apache-2.0

package esp

import (
	"math/bits"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// window is the anti-replay window as a ring of words (RFC 6479): moving it forward clears whole words instead of shifting bits. The ring has
// more words than the window needs, so that a word is never shared by both of its ends.
type window struct {
	top  uint64 // highest authenticated sequence number
	size uint64
	ring []uint64
}

func newWindow(size int) window {
	words := 1 << bits.Len(uint(size+63)/64) // a power of two above size/64
	return window{size: uint64(size), ring: make([]uint64, words)}
}

// check tells whether seq may be a new packet's.
func (w *window) check(seq uint64) error {
	switch {
	case seq > w.top:
		return nil
	case seq == 0 || w.top-seq >= w.size:
		return ErrOld
	case w.ring[seq/64&uint64(len(w.ring)-1)]>>(seq%64)&1 != 0:
		return ErrDuplicate
	}
	return nil
}

// mark notes that seq, which check allowed, was authenticated.
func (w *window) mark(seq uint64) {
	mask := uint64(len(w.ring) - 1)
	if seq > w.top {
		from, to := w.top/64, seq/64
		if to-from > mask {
			clear(w.ring)
		} else {
			for i := from + 1; i <= to; i++ {
				w.ring[i&mask] = 0
			}
		}
		w.top = seq
	}
	w.ring[seq/64&mask] |= 1 << (seq % 64)
}

// export gives the window in a form that does not depend on its size.
func (w *window) export() ipsec.Replay {
	r := ipsec.Replay{Top: w.top, Seen: make([]uint64, (w.size+63)/64)}
	for back := range min(w.size, w.top) {
		seq := w.top - back
		if w.ring[seq/64&uint64(len(w.ring)-1)]>>(seq%64)&1 != 0 {
			r.Seen[back/64] |= 1 << (back % 64)
		}
	}
	for back := w.size; back%64 != 0; back++ { // below the window
		r.Seen[back/64] |= 1 << (back % 64)
	}
	return r
}

// resume takes an exported window, of any size. Sequence numbers that it says nothing about count as seen.
func (w *window) resume(r ipsec.Replay) {
	w.top = r.Top
	clear(w.ring)
	for back := range min(w.size, w.top) {
		word, bit := back/64, back%64
		if word >= uint64(len(r.Seen)) || r.Seen[word]>>bit&1 != 0 {
			seq := w.top - back
			w.ring[seq/64&uint64(len(w.ring)-1)] |= 1 << (seq % 64)
		}
	}
}

// extend infers the 64-bit sequence number from its low half (RFC 4303 appendix A2.2).
func (w *window) extend(low uint32) uint64 {
	high, bottom := w.top>>32, uint32(w.top)-uint32(w.size)+1
	if uint32(w.top) >= uint32(w.size)-1 { // the window lies within one 2^32 range
		if low < bottom {
			high++
		}
	} else if low >= bottom && high > 0 { // it reaches back into the one before; there is none before the first
		high--
	}
	return high<<32 | uint64(low)
}
