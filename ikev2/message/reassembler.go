// SPDX-License-Identifier: Apache-2.0

package message

import (
	"cmp"
	"slices"
	"time"
)

// Bounds of a Reassembler. Only fragments that passed the integrity check are stored, so that
// they bound what an authenticated peer can hold of our memory.
const (
	// MaxFragments is the highest number of fragments of one message.
	MaxFragments = 256
	// MaxPending is how many messages may be incomplete at the same time: one request and one
	// response with a window of 1, and some more for wider windows.
	MaxPending = 4
	// ReassemblyTimeout is how long the fragments of an incomplete message are kept.
	ReassemblyTimeout = 30 * time.Second
)

// Reassembler puts the fragments of the messages of one IKE SA together (RFC 7383 2.6). The zero
// value is ready. Use it so: Wanted, then EncryptedFragment.Decrypt, then Add, then
// DecodePayloads.
type Reassembler struct {
	// Limit is how many messages may be incomplete at the same time, 1 to MaxPending; 0 is MaxPending.
	// Beyond it the oldest one is forgotten.
	Limit int

	pending []*fragmentSet // oldest first
}

type fragmentSet struct {
	id      fragmentedMessage
	started time.Time
	first   PayloadType
	parts   [][]byte // by number - 1; nil when missing
	missing int
	size    int
}

// fragmentedMessage tells messages of one IKE SA apart: both sides count requests and responses.
type fragmentedMessage struct {
	exchange ExchangeType
	response bool
	id       uint32
}

func messageOf(h Header) fragmentedMessage {
	return fragmentedMessage{h.Exchange, h.Response(), h.MessageID}
}

// Wanted says whether a fragment is worth decrypting: it is neither a duplicate nor of an older,
// coarser splitting of the same message, and within the bounds.
func (r *Reassembler) Wanted(h Header, f *EncryptedFragment) bool {
	if f.Total > MaxFragments || f.Number == 0 || f.Number > f.Total {
		return false
	}
	s := r.find(messageOf(h))
	if s == nil || int(f.Total) > len(s.parts) {
		return true
	}
	return int(f.Total) == len(s.parts) && s.parts[f.Number-1] == nil
}

// Add stores the decrypted content of a fragment; plain is kept. When the
// message is complete it returns the encoded payloads, the type of the first of them, and true;
// the fragments are then forgotten. A fragment that is not Wanted changes nothing. A higher Total
// means that the sender split the message anew (for a smaller path MTU) and drops what is there.
func (r *Reassembler) Add(now time.Time, h Header, f *EncryptedFragment, plain []byte) (first PayloadType, whole []byte, complete bool) {
	r.Expire(now)
	if !r.Wanted(h, f) {
		return 0, nil, false
	}
	id := messageOf(h)
	s := r.find(id)
	if s != nil && int(f.Total) > len(s.parts) {
		r.remove(s)
		s = nil
	}
	if s == nil {
		if len(r.pending) > 0 && len(r.pending) >= cmp.Or(r.Limit, MaxPending) {
			r.remove(r.pending[0])
		}
		s = &fragmentSet{id: id, started: now, parts: make([][]byte, f.Total), missing: int(f.Total)}
		r.pending = append(r.pending, s)
	}
	if s.size += len(plain); s.size > MaxLen {
		r.remove(s)
		return 0, nil, false
	}
	if plain == nil {
		plain = []byte{}
	}
	s.parts[f.Number-1] = plain
	s.missing--
	if f.Number == 1 {
		s.first = f.First
	}
	if s.missing > 0 {
		return 0, nil, false
	}
	r.remove(s)
	whole = make([]byte, 0, s.size)
	for _, part := range s.parts {
		whole = append(whole, part...)
	}
	return s.first, whole, true
}

// Expire forgets messages that have been incomplete for ReassemblyTimeout.
func (r *Reassembler) Expire(now time.Time) {
	for len(r.pending) > 0 && now.Sub(r.pending[0].started) >= ReassemblyTimeout {
		r.remove(r.pending[0])
	}
}

// Pending returns how many messages are incomplete.
func (r *Reassembler) Pending() int { return len(r.pending) }

func (r *Reassembler) find(id fragmentedMessage) *fragmentSet {
	for _, s := range r.pending {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (r *Reassembler) remove(s *fragmentSet) {
	if i := slices.Index(r.pending, s); i >= 0 {
		r.pending = slices.Delete(r.pending, i, i+1)
	}
}
