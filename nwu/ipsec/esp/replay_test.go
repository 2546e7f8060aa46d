// SPDX-License-Identifier: Apache-2.0

package esp

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// model is the window as RFC 4303 defines it, with a map for memory.
type model struct {
	top, size uint64
	seen      map[uint64]bool
}

func (m *model) check(seq uint64) error {
	switch {
	case seq > m.top:
		return nil
	case seq == 0 || seq+m.size <= m.top:
		return ErrOld
	case m.seen[seq]:
		return ErrDuplicate
	}
	return nil
}

func TestWindowAgainstModel(t *testing.T) {
	for _, size := range []int{1, 2, 31, 32, 63, 64, 65, 128, 1000, 1024, 4095, 4096} {
		seed := rand.Uint64()
		t.Logf("window %d, seed %d", size, seed)
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWindow(size)
		m := model{size: uint64(size), seen: map[uint64]bool{}}
		for range 20000 {
			var seq uint64
			switch r.IntN(20) {
			case 0:
				seq = m.top + r.Uint64N(3*uint64(size)+200) // a jump, sometimes beyond the ring
			case 1:
				seq = m.top - min(m.top, uint64(size)) + r.Uint64N(3) // the lower edge
			default:
				seq = m.top + 3 - min(m.top, r.Uint64N(uint64(size)+8))
			}
			want := m.check(seq)
			require.Equal(t, want, w.check(seq), "seq %d, top %d", seq, m.top)
			if want == nil && r.IntN(8) != 0 { // now and then the integrity check fails
				w.mark(seq)
				m.seen[seq] = true
				m.top = max(m.top, seq)
			}
		}
	}
}

// extend must find the true number of every packet that lies within the window or less than 2^32-window ahead.
func TestExtendSequence(t *testing.T) {
	for _, size := range []uint64{1, 64, 1024, 4096} {
		w := newWindow(int(size))
		for _, top := range []uint64{0, 1, size - 1, size, size + 1, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<32 + size - 1, 1<<32 + size, 7<<32 - size/2, 7<<32 + size/2, 1 << 40} {
			w.top = top
			for _, d := range []int64{-int64(size) + 1, -int64(size) / 2, -1, 0, 1, 2, int64(size), 1 << 20, 1<<32 - int64(size) - 1, 1<<32 - int64(size)} {
				seq := int64(top) + d
				if seq < 0 || d <= -int64(size) {
					continue
				}
				require.Equal(t, uint64(seq), w.extend(uint32(seq)), "window %d, top %d, distance %d", size, top, d)
			}
		}
	}
}

// The low half wraps: packets from both sides of the wrap, in and out of order, open; what fell out of the window does not.
func TestExtendedSequenceWrap(t *testing.T) {
	for _, s := range suites {
		out, in := pair(t, s, true, 0, 1024)
		var sc Scratch
		open := func(seq uint64) error {
			_, _, err := in.Open(sealAt(out, seq, []byte("x")), &sc)
			return err
		}
		const wrap = uint64(1) << 32
		require.NoError(t, open(wrap-2000))
		require.NoError(t, open(wrap-3))
		require.NoError(t, open(wrap+5))
		require.NoError(t, open(wrap-1))
		require.NoError(t, open(wrap))
		require.ErrorIs(t, open(wrap), ErrDuplicate)
		require.ErrorIs(t, open(wrap-3), ErrDuplicate)
		require.NoError(t, open(wrap+5-1023))
		// Below the window a number is taken for one of the next round, where the integrity check fails.
		require.ErrorIs(t, open(wrap+5-1024), ErrAuth)
		require.Equal(t, wrap+5, in.Sequence())
	}
}

// A window that goes on elsewhere knows what the first one knew; what it cannot know counts as seen.
func TestWindowGoesOn(t *testing.T) {
	for _, sizes := range [][2]int{{64, 64}, {1024, 1024}, {1000, 1000}, {64, 1024}, {1024, 64}, {1, 4096}} {
		seed := rand.Uint64()
		t.Logf("windows %v, seed %d", sizes, seed)
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWindow(sizes[0])
		for _, rounds := range []int{0, 1, 30, 5000} {
			for range rounds {
				if seq := w.top + 5 - min(w.top, r.Uint64N(20)); w.check(seq) == nil {
					w.mark(seq)
				}
			}
			next := newWindow(sizes[1])
			next.resume(w.export())
			require.Equal(t, w.top, next.top)
			for seq := w.top - min(w.top, 5000); seq <= w.top+3; seq++ {
				if next.check(seq) == nil {
					require.NoError(t, w.check(seq), "seq %d, top %d", seq, w.top)
				}
				if w.check(seq) == nil && (seq > w.top || w.top-seq < uint64(sizes[1])) {
					require.NoError(t, next.check(seq), "seq %d, top %d", seq, w.top)
				}
			}
			if rounds > 0 && sizes[0] == sizes[1] {
				w = next
			}
		}
	}
}
