// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// reload is how the last attempt to reload the configuration ended.
type reload struct {
	at  time.Time
	err error
}

// reloads counts them.
type reloads struct{ taken, refused atomic.Uint64 }

// Prepare implements n3iwf.Part: the listeners, and who is let in by them. Listeners whose address has changed are opened beside those that they replace,
// which end when the change is made: requests come to their end, and streams of events end.
func (s *Server) Prepare(_, next *config.Config) (n3iwf.Change, error) {
	m := &next.Management
	var a *access // nil: the former one stays, for the last requests
	var err error
	if m.Listen != "" {
		a, err = newAccess(*m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	opened, err2 := s.listen(m, s.listeners)
	if err = errors.Join(err, err2); err != nil {
		closeAll(opened)
		unshare(s.listeners)
		return n3iwf.Change{}, err
	}
	undo := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		closeAll(opened)
		unshare(s.listeners)
	}
	return n3iwf.Change{Undo: undo, Commit: func() {
		s.change(m, a, opened)
		s.reload.Store(&reload{at: time.Now()})
		s.reloads.taken.Add(1)
	}}, nil
}

func (s *Server) change(m *config.Management, a *access, opened []*listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a != nil {
		s.access.Store(a)
	}
	wanted := addresses(m)
	stay := opened
	for _, l := range s.listeners {
		if wanted[l.name] == l.at {
			stay = append(stay, l)
		} else {
			s.log.Info("management ends", slog.String("what", l.name), slog.String("address", l.Addr().String()))
			s.stop(l, patience)
		}
	}
	unshare(stay)
	s.listeners = stay
	if s.ctx != nil {
		for _, l := range opened {
			s.start(s.ctx, l)
		}
	}
}

// Refused notes why a configuration was not taken: the former one stays in use.
func (s *Server) Refused(err error) {
	s.reload.Store(&reload{time.Now(), err})
	s.reloads.refused.Add(1)
}
