// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"errors"
	"time"
)

// ErrMoveRate is why a move is refused that comes too soon after many others.
var ErrMoveRate = errors.New("ikev2: the peer moves too often")

// moveCount counts the moves of the minute that began at since.
type moveCount struct {
	since time.Time
	moves int
}

// LimitMoves replaces Options.MovesPerMinute for this session; negative: no limit, as for an emergency call.
func (s *Session) LimitMoves(perMinute int) { s.moveLimit = perMinute }

// acceptPath decides whether the session may move to path: by what the path is, by the owner's policy, and by how often
// it has moved.
func (s *Session) acceptPath(path Path) error {
	if err := DefaultAcceptPath(path); err != nil {
		return err
	}
	if s.opt.AcceptPath != nil {
		if err := s.opt.AcceptPath(s, path); err != nil {
			return err
		}
	}
	limit := s.moveLimit
	if limit == 0 {
		limit = s.rules.MovesPerMinute
	}
	if limit <= 0 || path == s.path {
		return nil
	}
	c := &s.moveCount
	if s.now.Sub(c.since) >= time.Minute {
		*c = moveCount{since: s.now}
	}
	if c.moves >= limit {
		return ErrMoveRate
	}
	c.moves++
	return nil
}
