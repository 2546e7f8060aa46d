// SPDX-License-Identifier: Apache-2.0

package ipsec

import "sync/atomic"

// Room is what may still be sent to an unproven path, in octets of ESP packets (outer headers not counted). All SAs that
// name the same one share it. It is safe for concurrent use; the nil Room has no end.
type Room struct{ left atomic.Int64 }

// NewRoom returns a room of so many octets, and nil, which has no end, for Unlimited.
func NewRoom(octets int64) *Room {
	if octets < 0 {
		return nil
	}
	r := &Room{}
	r.left.Store(octets)
	return r
}

// Take takes n octets, all or none.
func (r *Room) Take(n int) bool {
	if r == nil {
		return true
	}
	if r.left.Add(-int64(n)) < 0 {
		r.left.Add(int64(n))
		return false
	}
	return true
}

// Grow adds octets.
func (r *Room) Grow(octets int64) { r.left.Add(octets) }

// Left returns how many octets are left; Unlimited for the nil Room.
func (r *Room) Left() int64 {
	if r == nil {
		return Unlimited
	}
	return max(0, r.left.Load())
}
