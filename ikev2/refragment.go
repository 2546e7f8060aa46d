// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// A path can carry less than the one before it, and say nothing about it. So a long message that stays without effect
// for smallerAfter repetitions is split anew, into fragments that fit every path of its IP version: the message ID
// stays, the number of fragments grows and tells the receiver to start over (RFC 7383 2.5.2).
const smallerAfter = 2

// What every path carries: IPv4 hosts take datagrams of 576 octets (RFC 1122 3.3.2), IPv6 links 1280 (RFC 8200 5).
// Off go the IP and UDP headers and the non-ESP marker.
const (
	smallIPv4 = 576 - 20 - 8 - 4
	smallIPv6 = 1280 - 40 - 8 - 4
)

// smallSize is the size of an IKE message that path carries in any case.
func (s *Session) smallSize(path Path) int {
	if path.Remote.Addr().Unmap().Is4() {
		return min(smallIPv4, s.rules.FragmentSize)
	}
	return min(smallIPv6, s.rules.FragmentSize)
}

// messageSize is the size of the largest message that is sent whole at present.
func (s *Session) messageSize() int {
	if s.small {
		return s.smallSize(s.path)
	}
	return s.rules.FragmentSize
}

// splittable tells whether the message may have to be split smaller later, so that its payloads are worth keeping.
func (s *Session) splittable(datagrams [][]byte) bool {
	if !s.fragment {
		return false
	}
	for _, d := range datagrams {
		if len(d) > min(smallIPv4, s.rules.FragmentSize) {
			return true
		}
	}
	return false
}

// smaller seals a message anew for path, or returns nil when it fits already. The receiver starts over only for more
// fragments than before, so where the size alone does not make more of them it goes below.
func (s *Session) smaller(out message.Protector, h message.Header, inner []message.Payload, now [][]byte, path Path) [][]byte {
	if !slices.ContainsFunc(now, func(d []byte) bool { return len(d) > s.smallSize(path) }) {
		return nil
	}
	for size := s.smallSize(path); size > smallIPv4/2; size -= 32 {
		d, err := message.SealFragments(h, inner, out, size)
		if err != nil {
			return nil
		}
		if len(d) > len(now) {
			s.small = true
			return d
		}
	}
	return nil
}

// shrink splits a request smaller that the peer has not answered.
func (s *Session) shrink(sa *ikeSA, r *request) {
	if r.inner == nil || r.tries < smallerAfter {
		return
	}
	if d := s.smaller(sa.out, sa.header(r.exchange, false, r.mid), r.inner, r.datagrams, s.path); d != nil {
		r.datagrams, r.inner = d, nil
	}
}

// shrinkReply splits a response smaller that does not seem to arrive.
func (s *Session) shrinkReply(sa *ikeSA, t *taken, path Path) {
	out := sa.out
	if t.out != nil {
		out = t.out
	}
	if d := s.smaller(out, sa.header(t.exchange, true, t.mid), t.inner, t.reply, path); d != nil {
		t.reply, t.inner = d, nil
	}
}
