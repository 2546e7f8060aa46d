// SPDX-License-Identifier: Apache-2.0

// Package halt stops the goroutines that read from sockets between two reads, so that the sockets, with what waits in them, can be handed on to another
// process: what was not read before is read there. It costs nothing while nobody is stopped, as it uses the read deadline.
package halt

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// Gate stops the readers of one socket. The zero value is of no use; see New.
type Gate struct {
	deadline func(time.Time) error

	mu      sync.Mutex
	readers int
	waiting int
	changed chan struct{} // closed and replaced with each change of readers or waiting
	open    chan struct{} // nil: the gate is open; closed when it opens
	closed  bool
	used    bool // it has been shut
}

// New makes a Gate, open or shut, for a socket whose read deadline that function sets.
func New(deadline func(time.Time) error, shut bool) *Gate {
	g := &Gate{deadline: deadline, changed: make(chan struct{}), used: shut}
	if shut {
		g.open = make(chan struct{})
		_ = deadline(past) // of a socket that cannot wait; reading it fails, too
	}
	return g
}

// past is before any reading.
var past = time.Unix(1, 0)

// Enter is called once by each goroutine that is going to read, before it reads, and Leave when it reads no more.
func (g *Gate) Enter() { g.count(1, 0) }

// Leave is the end of what Enter began.
func (g *Gate) Leave() { g.count(-1, 0) }

func (g *Gate) count(readers, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.readers += readers
	g.waiting += waiting
	close(g.changed)
	g.changed = make(chan struct{})
}

// Passed tells whether the error of a read is for the reader. It is not when the Gate is, or was, shut: then Passed has waited until the Gate is open
// again, and the reader reads once more.
func (g *Gate) Passed(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	g.mu.Lock()
	open, closed, used := g.open, g.closed, g.used
	g.mu.Unlock()
	switch {
	case closed, !used: // somebody else's deadline
		return true
	case open == nil: // it was opened a moment ago
		return false
	}
	g.count(0, 1)
	<-open
	g.count(0, -1)
	return false
}

// Shut returns when all readers wait in Passed. It is called by one goroutine at a time; on an error, of ctx, the Gate stays open.
func (g *Gate) Shut(ctx context.Context) error {
	g.mu.Lock()
	if g.open == nil && !g.closed {
		g.open, g.used = make(chan struct{}), true
		_ = g.deadline(past) // it fails when the socket is closed: then nobody reads
	}
	g.mu.Unlock()
	for {
		g.mu.Lock()
		still, changed := g.waiting == g.readers || g.closed, g.changed
		g.mu.Unlock()
		if still {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			g.Open()
			return ctx.Err()
		}
	}
}

// Open lets the readers go on.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		_ = g.deadline(time.Time{}) // as above
		close(g.open)
		g.open = nil
	}
}

// Close is called after the socket was closed: readers that wait find that out by reading.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	close(g.changed)
	g.changed = make(chan struct{})
	g.mu.Unlock()
	g.Open()
}
