// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"
)

// epoch is when every simulation begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is one simulation: everything that exists in it, and its time.
type world struct {
	seed    uint64
	profile profile
	defect  defect

	now   time.Duration // since epoch
	queue queue

	net      *network
	watch    *watch
	ues      []*ue
	gateways []*gateway
	ends     []*end // of all sessions that are not forgotten yet
	lastID   int

	calm  bool // the storm is over: nothing fails from now on
	log   timeline
	stats stats
	// broken is the first violation; the simulation ends with it.
	broken *violation
}

// stats is what the summary counts.
type stats struct {
	events   int
	virtual  time.Duration
	sessions int
	children int
	moves    int
	rekeys   int
	packets  int
	travels  int
	faults   int
}

func (s *stats) add(o stats) {
	s.events += o.events
	s.virtual += o.virtual
	s.sessions += o.sessions
	s.children += o.children
	s.moves += o.moves
	s.rekeys += o.rekeys
	s.packets += o.packets
	s.travels += o.travels
	s.faults += o.faults
}

// violation is a broken invariant.
type violation struct {
	rule string
	at   time.Duration
	text string
}

func (v *violation) String() string { return fmt.Sprintf("%v %s: %s", v.at, v.rule, v.text) }

// violate notes that an invariant does not hold. Only the first one counts, as the others can follow from it.
func (w *world) violate(rule, format string, args ...any) {
	if w.broken == nil {
		w.broken = &violation{rule: rule, at: w.now, text: fmt.Sprintf(format, args...)}
		w.log.print("VIOLATION %s: %s", rule, w.broken.text)
	}
}

// random returns a source for one purpose. Its numbers do not depend on what else happens in the world.
func (w *world) random(purpose string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// stream is a source of octets for a session.
func (w *world) stream(r *rand.Rand) io.Reader {
	var key [32]byte
	for i := range key {
		key[i] = byte(r.Uint32())
	}
	return rand.NewChaCha8(key)
}

func (w *world) time() time.Time { return epoch.Add(w.now) }

// after runs f when d has passed; at the same moment first come, first served.
func (w *world) after(d time.Duration, f func()) { w.queue.push(w.now+max(d, 0), f) }

// maxEvents bounds one simulation: more means that two nodes keep each other busy for ever.
const maxEvents = 3_000_000

// run lets time pass until end.
func (w *world) run(end time.Duration) {
	for w.broken == nil {
		at, f, ok := w.queue.pop(end)
		if !ok {
			break
		}
		w.now = at
		if w.stats.events++; w.stats.events > maxEvents {
			w.violate("busy", "%d events and no end", maxEvents)
			return
		}
		f()
	}
	if w.broken == nil {
		w.now = end
	}
}

// queue holds what is to happen, as a heap by time and then by order of arrival.
type queue struct {
	heap  []entry
	order uint64
}

type entry struct {
	at    time.Duration
	order uint64
	f     func()
}

func (a entry) before(b entry) bool { return a.at < b.at || a.at == b.at && a.order < b.order }

func (q *queue) push(at time.Duration, f func()) {
	q.order++
	q.heap = append(q.heap, entry{at, q.order, f})
	h := q.heap
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

// pop takes the next entry unless it is later than end.
func (q *queue) pop(end time.Duration) (at time.Duration, f func(), ok bool) {
	h := q.heap
	if len(h) == 0 || h[0].at > end {
		return 0, nil, false
	}
	first := h[0]
	n := len(h) - 1
	h[0], h[n] = h[n], entry{}
	h = h[:n]
	q.heap = h
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < n; c++ {
			if h[c].before(h[least]) {
				least = c
			}
		}
		if least == i {
			return first.at, first.f, true
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
