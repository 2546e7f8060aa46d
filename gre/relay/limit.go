// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"sync/atomic"
	"time"
)

// Limit is a maximum bit rate that the packets of one direction of several flows or sessions share: the UE-AMBR of a UE, or the maximum bit
// rate of a GBR flow. It is a virtual scheduler (the generic cell rate algorithm of ITU-T I.371 annex A): one atomic number, the time when the
// traffic so far would have left at exactly that rate. Packets on several goroutines need no lock. Its methods may be called from any goroutine.
type Limit struct {
	picosPerOctet atomic.Uint64 // 0: no limit
	due           atomic.Int64  // nanoseconds on the clock of the relay's Now
}

const (
	// limitBurst is how far traffic may run ahead of the rate, as the time that the burst takes at the rate: less than the averaging window of
	// GBR flows (2000 ms by default, TS 23.501 5.7.3.6), and enough for what a TCP sender emits at once.
	limitBurst = 100 * time.Millisecond
	// limitLeast is the burst in octets that low rates may have nevertheless: some packets of the largest size.
	limitLeast = 16 << 10
	picos      = 8_000_000_000_000 // in a second, times the bits of an octet
	// maxLimit is the highest rate that is limited; more counts as no limit. NGAP allows 4 Tbit/s, which no path here carries.
	maxLimit = 400_000_000_000
)

// NewLimit makes a limit in bit/s; 0 is no limit.
func NewLimit(bitsPerSecond uint64) *Limit {
	l := &Limit{}
	l.Set(bitsPerSecond)
	return l
}

// Set changes the rate for the packets from now on; 0 is no limit. Another rate begins anew: what was sent ahead of the former one does not count, as
// that may be more than the new one would ever let pass.
func (l *Limit) Set(bitsPerSecond uint64) {
	per := uint64(0)
	if bitsPerSecond > 0 && bitsPerSecond <= maxLimit {
		per = picos / bitsPerSecond
	}
	if l.picosPerOctet.Swap(per) != per {
		l.due.Store(0)
	}
}

// Rate is the limit in bit/s as it is kept, 0 when there is none.
func (l *Limit) Rate() uint64 {
	if p := l.picosPerOctet.Load(); p != 0 {
		return picos / p
	}
	return 0
}

// Pace is what the algorithm works with: the picoseconds that an octet takes, 0 when there is no limit, and how far traffic may run ahead.
func (l *Limit) Pace() (picosPerOctet uint64, ahead time.Duration) {
	per := l.picosPerOctet.Load()
	return per, max(limitBurst, time.Duration(per)*limitLeast/1000)
}

// allow takes a packet of n octets at that time (nanoseconds), or refuses it when the traffic is too far ahead of the rate.
func (l *Limit) allow(now int64, n int) bool {
	per := l.picosPerOctet.Load()
	if per == 0 {
		return true
	}
	// At 1 bit/s and with 2^17 octets this is below 2^60.
	cost := int64(per) * int64(n) / 1000
	ahead := max(int64(limitBurst), int64(per)*limitLeast/1000)
	for {
		due := l.due.Load()
		next := max(due, now)
		if next-now+cost > ahead {
			return false
		}
		if l.due.CompareAndSwap(due, next+cost) {
			return true
		}
	}
}
