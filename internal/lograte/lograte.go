// SPDX-License-Identifier: Apache-2.0

// Package lograte keeps a log from being flooded by those who can provoke its lines: strangers who send datagrams, and UEs. A Handler lets so many
// records of one message a second through to the handler behind it and counts the others; the first line of that message afterwards says how many
// were left out, and so does a line of its own when no such line comes. Each message has its own count, so that a flood of one hides no other.
package lograte

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxMessages bounds the messages that are told apart; what comes beyond shares one count. A program's messages are constants, so that this is
// reached by a defect only.
const maxMessages = 1024

// LeftOut is the attribute that says how many records of a message were not let through before this one.
const LeftOut = "left_out"

// NewHandler limits what goes to next: perSecond records of one message and level in each second; 0 is no limit. Time is that of the records.
func NewHandler(next slog.Handler, perSecond int) *Handler {
	return &Handler{next: next, counts: &counts{limit: perSecond, of: map[key]*count{}}}
}

// Handler is a slog.Handler that limits rates.
type Handler struct {
	next   slog.Handler
	counts *counts // shared by all handlers that WithAttrs and WithGroup have made of one
}

type key struct {
	level   slog.Level
	message string
}

// count is what came of one message since start.
type count struct {
	start       time.Time
	passed, out int
	last        slog.Handler // the handler of the last record that was left out
}

type counts struct {
	limit int
	mu    sync.Mutex
	of    map[key]*count
	swept time.Time
}

// SetLimit changes the limit, also of the handlers that WithAttrs and WithGroup have made of this one.
func (h *Handler) SetLimit(perSecond int) {
	h.counts.mu.Lock()
	defer h.counts.mu.Unlock()
	h.counts.limit = perSecond
}

// Enabled asks the handler behind.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs shares its counts with h.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{next: h.next.WithAttrs(attrs), counts: h.counts}
}

// WithGroup shares its counts with h.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{next: h.next.WithGroup(name), counts: h.counts}
}

// Handle passes a record on or counts it.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	pass, out, overdue := h.counts.take(h.next, r)
	for _, o := range overdue {
		if err := o.next.Handle(ctx, o.record); err != nil {
			return err
		}
	}
	if !pass {
		return nil
	}
	if out > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int(LeftOut, out))
	}
	return h.next.Handle(ctx, r)
}

// late is a line about what was left out.
type late struct {
	next   slog.Handler
	record slog.Record
}

// window is the time in which the records of a message are counted.
const window = time.Second

// take counts a record. It tells whether it passes, how many were left out before it, and what is to be said of other messages.
func (c *counts) take(next slog.Handler, r slog.Record) (pass bool, out int, overdue []late) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := key{r.Level, r.Message}
	n := c.of[k]
	if n == nil {
		if len(c.of) >= maxMessages {
			k = key{r.Level, ""}
			n = c.of[k]
		}
		if n == nil {
			n = &count{start: r.Time}
			c.of[k] = n
		}
	}
	if r.Time.Sub(n.start) >= window {
		out = n.out
		*n = count{start: r.Time}
	}
	if c.limit <= 0 || n.passed < c.limit {
		n.passed++
		pass = true
	} else {
		n.out++
		n.last = next
	}
	if r.Time.Sub(c.swept) >= window {
		c.swept = r.Time
		overdue = c.sweep(r.Time)
	}
	return pass, out, overdue
}

// sweep says what was left out of messages that have not come again, and forgets them.
func (c *counts) sweep(now time.Time) (overdue []late) {
	for k, n := range c.of {
		if now.Sub(n.start) < 2*window {
			continue
		}
		if n.out > 0 {
			r := slog.NewRecord(now, k.level, k.message, 0)
			r.AddAttrs(slog.Int(LeftOut, n.out))
			overdue = append(overdue, late{n.last, r})
		}
		delete(c.of, k)
	}
	return overdue
}
