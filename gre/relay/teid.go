// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
)

// A downlink TEID is worker | slot | random, from the top. The worker steers the packet to a socket, the slot is the index of
// the session, the random part (never zero) keeps a stale TEID from hitting the slot's next session.
const (
	randomBits = 10
	slotBits   = 18
	workerBits = 32 - slotBits - randomBits

	// MaxWorkers and MaxSessions are what the TEID can name.
	MaxWorkers  = 1 << workerBits
	MaxSessions = 1 << slotBits

	chunkBits = 10
	chunkSize = 1 << chunkBits
)

// steering is the classic BPF program that picks the socket of a group by the worker in the TEID.
var steering = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 4, Size: 4},
	bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: slotBits + randomBits},
	bpf.RetA{},
}

type chunk [chunkSize]atomic.Pointer[Session]

// table finds sessions by TEID without a lock. Its changes are serialised by the Relay.
type table struct {
	chunks [MaxSessions / chunkSize]atomic.Pointer[chunk]

	used     int // slots that have ever been taken
	freed    []freedSlot
	sessions int
}

// freedSlot is a slot in quarantine.
type freedSlot struct {
	slot uint32
	at   time.Time
}

// lookup gives the session of a TEID, or nil.
func (t *table) lookup(teid uint32) *Session {
	slot := teid >> randomBits & (MaxSessions - 1)
	c := t.chunks[slot>>chunkBits].Load()
	if c == nil {
		return nil
	}
	if s := c[slot&(chunkSize-1)].Load(); s != nil && s.teid == teid {
		return s
	}
	return nil
}

// add gives the session a TEID for that worker. Slots freed less than quarantine ago are not taken.
func (t *table) add(s *Session, worker int, random io.Reader, now time.Time, quarantine time.Duration) error {
	var slot uint32
	switch {
	case len(t.freed) > 0 && now.Sub(t.freed[0].at) >= quarantine:
		slot, t.freed = t.freed[0].slot, t.freed[1:]
	case t.used < MaxSessions:
		slot = uint32(t.used)
		t.used++
	default:
		return fmt.Errorf("%w: %d sessions and %d TEIDs in quarantine", ErrNoTEID, t.sessions, len(t.freed))
	}
	var b [2]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		t.freed = append(t.freed, freedSlot{slot, now})
		return fmt.Errorf("relay: random TEID: %w", err)
	}
	tail := uint32(binary.BigEndian.Uint16(b[:]))%(1<<randomBits-1) + 1
	s.teid = uint32(worker)<<(slotBits+randomBits) | slot<<randomBits | tail
	c := t.chunks[slot>>chunkBits].Load()
	if c == nil {
		c = new(chunk)
		t.chunks[slot>>chunkBits].Store(c)
	}
	c[slot&(chunkSize-1)].Store(s)
	t.sessions++
	return nil
}

// remove takes the session out; its slot stays empty for the quarantine.
func (t *table) remove(s *Session, now time.Time) {
	slot := s.teid >> randomBits & (MaxSessions - 1)
	t.chunks[slot>>chunkBits].Load()[slot&(chunkSize-1)].Store(nil)
	t.freed = append(t.freed, freedSlot{slot, now})
	t.sessions--
}
