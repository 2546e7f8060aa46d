// SPDX-License-Identifier: Apache-2.0

package lograte

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// lines is a log in memory without times.
type lines struct{ strings.Builder }

func (l *lines) handler() slog.Handler {
	return slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

func record(t *testing.T, h slog.Handler, after time.Duration, level slog.Level, message string) {
	t.Helper()
	require.NoError(t, h.Handle(t.Context(), slog.NewRecord(start.Add(after), level, message, 0)))
}

func TestLimit(t *testing.T) {
	var out lines
	h := NewHandler(out.handler(), 3)
	ue := h.WithAttrs([]slog.Attr{slog.Int("ue", 7)})
	for i := range 10 {
		record(t, ue, time.Duration(i)*time.Millisecond, slog.LevelWarn, "refused")
	}
	record(t, h, 20*time.Millisecond, slog.LevelWarn, "other")
	record(t, h, 20*time.Millisecond, slog.LevelInfo, "refused") // another level is another message
	record(t, ue, time.Second, slog.LevelWarn, "refused")
	record(t, ue, time.Second, slog.LevelWarn, "refused")
	require.Equal(t, []string{
		"level=WARN msg=refused ue=7", "level=WARN msg=refused ue=7", "level=WARN msg=refused ue=7",
		"level=WARN msg=other", "level=INFO msg=refused",
		"level=WARN msg=refused ue=7 left_out=7", "level=WARN msg=refused ue=7", "",
	}, strings.Split(out.String(), "\n"))
}

// TestLate: what was left out is told even when the message does not come again.
func TestLate(t *testing.T) {
	var out lines
	h := NewHandler(out.handler(), 1)
	for range 5 {
		record(t, h, 0, slog.LevelDebug, "flood")
	}
	record(t, h, 2*time.Second, slog.LevelInfo, "later")
	require.Equal(t, "level=DEBUG msg=flood\nlevel=DEBUG msg=flood left_out=4\nlevel=INFO msg=later\n", out.String())
}

func TestNoLimit(t *testing.T) {
	var out lines
	h := NewHandler(out.handler(), 0)
	ue := h.WithAttrs([]slog.Attr{slog.Int("ue", 7)}).WithGroup("g")
	for range 5 {
		record(t, ue, 0, slog.LevelInfo, "flood")
	}
	require.Equal(t, 5, strings.Count(out.String(), "flood"))
	h.SetLimit(6) // those that have passed count
	for range 5 {
		record(t, ue, 0, slog.LevelInfo, "flood")
	}
	require.Equal(t, 6, strings.Count(out.String(), "flood"))
}

// TestBounded: messages that are no constants do not fill the memory.
func TestBounded(t *testing.T) {
	var out lines
	h := NewHandler(out.handler(), 1)
	for i := range 3 * maxMessages {
		record(t, h, 0, slog.LevelWarn, fmt.Sprint("message ", i))
	}
	require.LessOrEqual(t, len(h.counts.of), maxMessages+4)
	require.Equal(t, maxMessages+1, strings.Count(out.String(), "\n"), "the others share one count")
	record(t, h, time.Minute, slog.LevelWarn, "later")
	require.Len(t, h.counts.of, 1)
}

// TestConcurrent: many goroutines lose no count.
func TestConcurrent(t *testing.T) {
	var out lines
	h := NewHandler(out.handler(), 10)
	log := h.WithGroup("g")
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 100 {
				_ = log.Handle(context.Background(), slog.NewRecord(start, slog.LevelWarn, "flood", 0)) // into memory
			}
		})
	}
	running.Wait()
	record(t, h, time.Second, slog.LevelWarn, "flood")
	require.Equal(t, 11, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "left_out=790")
}
