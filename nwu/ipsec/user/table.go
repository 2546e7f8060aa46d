// SPDX-License-Identifier: Apache-2.0

package user

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// table finds the generation of an inbound SPI. The SPI's upper bits are a slot number, whose upper bits in turn are the worker and then the node
// that has chosen the SPI; the lower bits are random, so that SPIs cannot be guessed and a reused slot gets another SPI. SPIs of other nodes have
// slots of their own, in which SAs that come from there are installed.
type table struct {
	slots      []atomic.Pointer[generation]
	workers    int
	workerBits int
	node       int
	nodeBits   int
	randomBits int
	reserved   *generation // stands in slots that have an SPI but no SA yet
	mu         sync.Mutex  // taking and freeing of slots
	spis       []uint32    // of taken slots
	next       int         // worker for those who do not choose
}

const (
	minSAs = 16
	maxSAs = 1 << 24 // leaves 8 random bits
)

// newTable makes a table with room for sas SAs of each node.
func newTable(workers, sas, node, nodeBits int) *table {
	wb := bits.Len(uint(workers - 1))
	n := max(minSAs, min(sas, maxSAs>>nodeBits))
	slotBits := max(bits.Len(uint(n-1)), wb+2) + nodeBits
	return &table{
		slots: make([]atomic.Pointer[generation], 1<<slotBits), spis: make([]uint32, 1<<slotBits),
		workers: workers, workerBits: wb, node: node, nodeBits: nodeBits, randomBits: 32 - slotBits, reserved: &generation{},
	}
}

// lookup gives the generation with that SPI, or nil.
func (t *table) lookup(spi uint32) *generation {
	g := t.slots[spi>>t.randomBits].Load()
	if g == nil || g.spi != spi {
		return nil
	}
	return g
}

// take reserves an SPI.
func (t *table) take(worker int) (uint32, error) {
	if worker >= t.workers {
		return 0, fmt.Errorf("%w: worker %d of %d", ipsec.ErrInvalid, worker, t.workers)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if worker < 0 {
		worker = t.next
		t.next = (t.next + 1) % t.workers
	}
	perWorker := len(t.slots) >> (t.workerBits + t.nodeBits)
	base := (worker<<t.nodeBits | t.node) * perWorker
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("%w: %w", ipsec.ErrNoSPI, err)
	}
	r := binary.BigEndian.Uint64(b[:])
	start := int(r>>32) & (perWorker - 1)
	// An odd step visits every slot of the worker once, in an order that shows nothing.
	step := int(r)&(perWorker-1) | 1
	for i := range perWorker {
		slot := base + (start+i*step)&(perWorker-1)
		if t.slots[slot].Load() != nil {
			continue
		}
		spi := uint32(slot)<<t.randomBits | uint32(r)&(1<<t.randomBits-1)
		if spi < 256 { // reserved by RFC 4303 2.1
			spi |= 256
			if spi>>t.randomBits != uint32(slot) {
				continue
			}
		}
		t.slots[slot].Store(t.reserved)
		t.spis[slot] = spi
		return spi, nil
	}
	return 0, fmt.Errorf("%w: all %d of worker %d are taken", ipsec.ErrNoSPI, perWorker, worker)
}

// adopt reserves an SPI that another node has chosen.
func (t *table) adopt(spi uint32) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot := spi >> t.randomBits
	if t.slots[slot].Load() != nil {
		return fmt.Errorf("%w: the place of inbound SPI %08x", ipsec.ErrExists, spi)
	}
	t.slots[slot].Store(t.reserved)
	t.spis[slot] = spi
	return nil
}

// put installs g under its SPI, which must be reserved.
func (t *table) put(g *generation) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot := g.spi >> t.randomBits
	switch old := t.slots[slot].Load(); {
	case old == nil || t.spis[slot] != g.spi:
		return fmt.Errorf("%w: inbound SPI %08x was not reserved", ipsec.ErrInvalid, g.spi)
	case old != t.reserved:
		return fmt.Errorf("%w: inbound SPI %08x", ipsec.ErrExists, g.spi)
	}
	t.slots[slot].Store(g)
	return nil
}

// release frees an SPI that is reserved only, or that g has.
func (t *table) release(spi uint32, g *generation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot := spi >> t.randomBits
	if g == nil {
		g = t.reserved
	}
	if t.spis[slot] == spi && t.slots[slot].Load() == g {
		t.slots[slot].Store(nil)
	}
}
