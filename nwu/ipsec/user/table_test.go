// SPDX-License-Identifier: Apache-2.0

package user

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

func TestTableFillsUp(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 7, 64} {
		tb := newTable(workers, 64, 0, 0)
		seen := map[uint32]bool{}
		for w := range workers {
			n := 0
			for {
				spi, err := tb.take(w)
				if err != nil {
					require.ErrorIs(t, err, ipsec.ErrNoSPI)
					break
				}
				require.False(t, seen[spi])
				require.Nil(t, tb.lookup(spi), "reserved is not installed")
				seen[spi] = true
				n++
			}
			require.Equal(t, len(tb.slots)>>tb.workerBits, n, "every slot of the worker")
		}
		for spi := range seen {
			g := &generation{spi: spi}
			require.NoError(t, tb.put(g))
			require.ErrorIs(t, tb.put(&generation{spi: spi}), ipsec.ErrExists)
			require.Same(t, g, tb.lookup(spi))
			require.Nil(t, tb.lookup(spi^1))
			tb.release(spi, nil) // not a mere reservation
			require.Same(t, g, tb.lookup(spi))
			tb.release(spi, g)
			require.Nil(t, tb.lookup(spi))
			require.ErrorIs(t, tb.put(g), ipsec.ErrInvalid)
		}
		_, err := tb.take(-1)
		require.NoError(t, err)
	}
}

// A slot that is used again gets another SPI, and SPIs do not come in an order.
func TestSPIsAreUnpredictable(t *testing.T) {
	tb := newTable(1, 1<<18, 0, 0)
	last, ascending, seen := uint32(0), 0, map[uint32]bool{}
	for range 2000 {
		spi, err := tb.take(0)
		require.NoError(t, err)
		if spi > last {
			ascending++
		}
		require.False(t, seen[spi])
		seen[spi], last = true, spi
		tb.release(spi, nil)
	}
	require.InDelta(t, 1000, ascending, 150)
}

// The steering program must agree with the SPIs that the table and IKESPI give.
func TestSteeringProgram(t *testing.T) {
	for _, workers := range []int{2, 3, 4, 5, 64} {
		tb := newTable(workers, 1<<12, 0, 0)
		d := &DataPlane{table: tb, opts: Options{Workers: workers}}
		vm, err := bpf.NewVM(steer(tb.workerBits))
		require.NoError(t, err)
		run := func(b []byte) int {
			n, err := vm.Run(b)
			require.NoError(t, err)
			return n
		}
		for w := range workers {
			for range 50 {
				spi, err := tb.take(w)
				require.NoError(t, err)
				require.Equal(t, w, d.WorkerOf(spi))
				require.Equal(t, w, run(binary.BigEndian.AppendUint32(nil, spi)))
			}
			ike := make([]byte, 32)
			binary.BigEndian.PutUint64(ike[12:], d.IKESPI(w, 0x0123456789abcdef))
			if w > 0 { // an SPI whose upper half is zero looks like none; worker 0 can have it, and any worker takes IKE
				require.Equal(t, w, run(ike))
			}
			initial := make([]byte, 32)
			initial[11] = byte(w)
			require.Equal(t, w, run(initial))
		}
		for n := range 4 {
			require.Zero(t, run(make([]byte, n)))
		}
	}
}
