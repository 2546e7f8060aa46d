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
// the session, the random part (never zero) keeps a stale TEID from hitting the slot's next session. The upper bits of the slot are
// the node that has chosen the TEID: sessions of other nodes that go on here under their TEID have places of their own.
const (
	randomBits = 10
	slotBits   = 18
	workerBits = 32 - slotBits - randomBits

	// MaxWorkers and MaxSessions are what the TEID can name.
	MaxWorkers  = 1 << workerBits
	MaxSessions = 1 << slotBits
	// MaxNodeBits leaves room for 4096 sessions of each node.
	MaxNodeBits = 6

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

	node     uint32 // first slot of this node
	room     int    // slots of each node
	used     int    // slots that have ever been taken
	freed    []freedSlot
	kept     map[uint32]bool // slots of a predecessor's sessions that have not come yet
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
	case t.used < t.room:
		slot = t.node + uint32(t.used)
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
	t.place(slot).Store(s)
	t.sessions++
	return nil
}

// place is where a slot's session stands.
func (t *table) place(slot uint32) *atomic.Pointer[Session] {
	c := t.chunks[slot>>chunkBits].Load()
	if c == nil {
		c = new(chunk)
		t.chunks[slot>>chunkBits].Store(c)
	}
	return &c[slot&(chunkSize-1)]
}

// adopt gives the session a TEID that another node has chosen, or a predecessor of this one.
func (t *table) adopt(s *Session, teid uint32) error {
	slot := teid >> randomBits & (MaxSessions - 1)
	if slot-t.node < uint32(t.room) && !t.kept[slot] || teid&(1<<randomBits-1) == 0 {
		return fmt.Errorf("%w: TEID %#x is not of another node", ErrInvalid, teid)
	}
	if t.place(slot).Load() != nil {
		return fmt.Errorf("%w: the place of TEID %#x is taken", ErrNoTEID, teid)
	}
	delete(t.kept, slot)
	s.teid = teid
	t.place(slot).Store(s)
	t.sessions++
	return nil
}

// remove takes the session out; its slot stays empty for the quarantine.
func (t *table) remove(s *Session, now time.Time) {
	slot := s.teid >> randomBits & (MaxSessions - 1)
	t.place(slot).Store(nil)
	if slot-t.node < uint32(t.room) {
		t.freed = append(t.freed, freedSlot{slot, now})
	}
	t.sessions--
}
