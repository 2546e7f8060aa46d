// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"sync"
	"sync/atomic"
	"time"
)

// Kinds of a LiveEvent.
const (
	LiveAMFUp       = "amf-up"
	LiveAMFDown     = "amf-down"
	LiveRegistered  = "ue-registered"
	LiveMoved       = "ue-moved"
	LiveGone        = "ue-gone"
	LiveSessionUp   = "session-up"
	LiveSessionDown = "session-down"
	LiveMissed      = "missed" // the watcher was too slow: ask for the present state
)

// LiveEvent tells a watcher what has just changed. It names what to ask for, and does not carry the state itself.
type LiveEvent struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`
	UE      uint32    `json:"ue,omitempty"`
	AMF     string    `json:"amf,omitempty"`
	Session int       `json:"pduSession,omitempty"`
	From    string    `json:"from,omitempty"` // of a move
	To      string    `json:"to,omitempty"`
}

// watchBacklog is how many events may wait for one watcher; then it misses some. Owners never wait for a watcher.
const watchBacklog = 256

// watchers are who wants to know what changes.
type watchers struct {
	count atomic.Int32 // so that publishing to nobody costs nothing
	mu    sync.Mutex
	all   map[*watcher]struct{}
}

type watcher struct {
	events chan LiveEvent
	missed bool
}

// Watch gives what changes from now on, until stop is called. A watcher that does not keep up gets LiveMissed instead of what it
// missed.
func (nf *N3IWF) Watch() (events <-chan LiveEvent, stop func()) {
	w := &watcher{events: make(chan LiveEvent, watchBacklog)}
	h := &nf.watchers
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[*watcher]struct{}{}
	}
	h.all[w] = struct{}{}
	h.count.Add(1)
	return w.events, sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.all, w)
		h.count.Add(-1)
	})
}

func (nf *N3IWF) publish(e LiveEvent) {
	h := &nf.watchers
	if h.count.Load() == 0 {
		return
	}
	e.Time = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.all {
		w.send(e)
	}
}

// send keeps one place for the word that something was missed.
func (w *watcher) send(e LiveEvent) {
	switch free := cap(w.events) - len(w.events); {
	case free > 1 && w.missed:
		w.missed = false
		w.events <- LiveEvent{Time: e.Time, Kind: LiveMissed}
		w.send(e)
	case free > 1:
		w.events <- e
	default:
		w.missed = true
	}
}
