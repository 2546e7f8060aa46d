// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/config"
)

// logSettings are what of a log can be changed while it is written.
type logSettings struct {
	level  slog.LevelVar
	asJSON atomic.Bool
}

// set takes what the configuration says, and tells whether the level has changed. The configuration has been validated.
func (s *logSettings) set(c config.Log) (changed bool) {
	s.asJSON.Store(c.Format == "json")
	before := s.level.Level()
	if s.level.UnmarshalText([]byte(c.Level)) != nil {
		s.level.Set(slog.LevelInfo)
	}
	return s.level.Level() != before
}

// newLogger makes the logger that the configuration asks for.
func newLogger(c config.Log, w io.Writer) (*slog.Logger, *logSettings) {
	s := new(logSettings)
	s.set(c)
	options := &slog.HandlerOptions{Level: &s.level}
	return slog.New(formats{slog.NewTextHandler(w, options), slog.NewJSONHandler(w, options), &s.asJSON}), s
}

// formats is a handler that writes as text or JSON, as the switch says at the moment.
type formats struct {
	text, json slog.Handler
	asJSON     *atomic.Bool
}

// Enabled asks either.
func (f formats) Enabled(ctx context.Context, level slog.Level) bool {
	return f.text.Enabled(ctx, level)
}

// Handle writes a record.
func (f formats) Handle(ctx context.Context, r slog.Record) error {
	if f.asJSON.Load() {
		return f.json.Handle(ctx, r)
	}
	return f.text.Handle(ctx, r)
}

// WithAttrs has the same switch.
func (f formats) WithAttrs(attrs []slog.Attr) slog.Handler {
	return formats{f.text.WithAttrs(attrs), f.json.WithAttrs(attrs), f.asJSON}
}

// WithGroup has the same switch.
func (f formats) WithGroup(name string) slog.Handler {
	return formats{f.text.WithGroup(name), f.json.WithGroup(name), f.asJSON}
}
