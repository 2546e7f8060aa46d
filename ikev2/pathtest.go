// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"net/netip"
	"slices"
	"time"
)

// A test of paths costs at most testDatagrams each testInterval, testRounds times.
const (
	maxPairs      = 16
	testDatagrams = 64
	testInterval  = 2500 * time.Millisecond
	testRounds    = 10
)

// pathTest is an initiator's search for a path that works (RFC 4555 3.10).
type pathTest struct {
	pairs    []Path
	move     bool // to what is found
	deadline time.Time
}

// TestPaths (original initiator) finds out which of several paths works: one request, the outstanding one if there is
// any, goes on all of them at once, at most 16, each 2.5 s, for 25 s at most; one in many fragments goes on some of them
// in turn. It ends with PathTested, whose path answered first; nothing moves by itself. nil pairs are all of our addresses with all of the peer's. The responder
// answers each copy to its source and changes nothing.
func (s *Session) TestPaths(now time.Time, pairs []Path) Output {
	s.begin(now)
	if s.state == stateEstablished && s.origInitiator && s.mobike {
		if pairs == nil {
			pairs = s.pairs()
		}
		s.testPaths(pairs, false)
	}
	return s.finish()
}

func (s *Session) testPaths(pairs []Path, move bool) {
	if len(pairs) == 0 {
		return
	}
	pairs = slices.Clone(pairs[:min(len(pairs), maxPairs)])
	s.test = &pathTest{pairs: pairs, move: move, deadline: s.now.Add(testRounds * testInterval)}
	for _, r := range s.sa.outstanding {
		r.next = s.now.Add(testInterval)
		s.transmit(r)
	}
	if len(s.sa.outstanding) == 0 && !s.sa.queued(requestLiveness) {
		s.enqueue(s.livenessRequest(true), true)
	}
}

// round are the pairs that a request is sent on now, of so many that are outstanding: all, or as many as testDatagrams
// allows, others each time.
func (t *pathTest) round(r *request, outstanding int) []Path {
	n := max(1, testDatagrams/(len(r.datagrams)*max(1, outstanding)))
	if n >= len(t.pairs) {
		return t.pairs
	}
	first := r.tries * n % len(t.pairs)
	return append(slices.Clone(t.pairs[first:]), t.pairs[:first]...)[:n]
}

// pairs are all combinations of our addresses with the peer's, of one IP version each, the present path first.
func (s *Session) pairs() []Path {
	var locals, remotes []netip.Addr
	add := func(list *[]netip.Addr, a netip.Addr) {
		if a = a.Unmap(); a.IsValid() && !slices.Contains(*list, a) {
			*list = append(*list, a)
		}
	}
	if !s.localGone {
		add(&locals, s.path.Local.Addr())
	}
	for _, a := range s.own {
		add(&locals, a)
	}
	add(&remotes, s.path.Remote.Addr())
	for _, a := range s.peerAddrs {
		add(&remotes, a)
	}
	var all []Path
	for _, l := range locals {
		for _, r := range remotes {
			p := Path{Local: netip.AddrPortFrom(l, s.path.Local.Port()), Remote: netip.AddrPortFrom(r, s.path.Remote.Port()), NATT: s.path.NATT}
			if sameFamily(p) && DefaultAcceptPath(p) == nil && len(all) < maxPairs {
				all = append(all, p)
			}
		}
	}
	return all
}

// testByItself starts a test when a request was repeated in vain and there is another path to try.
func (s *Session) testByItself(r *request) {
	if s.opt.TestPathsAfter <= 0 || r.tries < s.opt.TestPathsAfter || !s.mayTest() {
		return
	}
	if pairs := s.pairs(); len(pairs) > 1 || len(pairs) == 1 && pairs[0] != s.path {
		s.testPaths(pairs, true)
	}
}

func (s *Session) mayTest() bool {
	return s.origInitiator && s.mobike && s.test == nil && s.state == stateEstablished
}

// testAnswered ends the test with the first path that a response came back on.
func (s *Session) testAnswered(path Path) {
	t := s.test
	if t == nil || s.state != stateEstablished || !slices.Contains(t.pairs, path) {
		return
	}
	s.test = nil
	s.emit(PathTested{Path: path, Tested: t.pairs})
	if t.move && path != s.path {
		s.move(path)
	}
}

func (s *Session) testDue() {
	if t := s.test; t != nil && due(t.deadline, s.now) {
		s.test = nil
		s.emit(PathTested{Tested: t.pairs})
	}
}
