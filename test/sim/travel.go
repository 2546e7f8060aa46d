// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// maxAway is how long a session is nowhere at most, between its export and its import.
const maxAway = 2500 * time.Millisecond

var transferKey = ikev2.TransferKey{1: 1}

func marshalTag(tag any) ([]byte, error) { return json.Marshal(tag) }

func unmarshalTag(data []byte) (any, error) {
	var tag int
	err := json.Unmarshal(data, &tag)
	return tag, err
}

// travel exports a session in the middle of whatever it does and imports it a little later, as when a node's program is
// replaced. The data plane goes on meanwhile.
func (e *end) travel(rng *rand.Rand) {
	if !e.up {
		return
	}
	if one(rng, 2) {
		e.leave()
		return
	}
	e.take(e.s.Quiesce(e.w.time()))
	e.w.after(time.Duration(1+rng.IntN(20))*time.Second, func() {
		if !e.gone && !e.away {
			e.take(e.s.Resume(e.w.time())) // nothing when it has travelled
		}
	})
}

// leave exports the session if that can be now.
func (e *end) leave() {
	w := e.w
	if !e.up || e.away {
		return
	}
	spis := e.s.LocalSPIs()
	reserved := e.s.ReservedSPIs()
	blob, err := e.s.Export(w.time(), &transferKey, []byte(e.name))
	if err != nil {
		return
	}
	w.log.print("%-10s exported", e.name)
	e.up, e.away, e.timer = false, true, never
	// The length of the blob would do for this, but for ML-KEM, which has a randomness of its own.
	w.after(time.Duration(w.random("away "+e.name+w.now.String()).Int64N(int64(maxAway))), func() {
		if e.gone {
			return
		}
		var out ikev2.Output
		if e.gateway {
			e.s, out, err = e.owner.(*gateway).front.Import(w.time(), &transferKey, []byte(e.name), blob)
		} else {
			opt := e.owner.(*ue).opt
			opt.Rand = w.stream(w.random(e.name + w.now.String()))
			e.s, out, err = ikev2.ImportSession(w.time(), opt, &transferKey, []byte(e.name), blob)
		}
		if err != nil {
			w.violate("travel", "%s cannot be imported: %v", e.name, err)
			return
		}
		if !slices.Equal(spis, e.s.LocalSPIs()) || !slices.Equal(reserved, e.s.ReservedSPIs()) {
			w.violate("travel", "%s comes back with other SPIs", e.name)
		}
		w.log.print("%-10s imported", e.name)
		w.stats.travels++
		e.up, e.away = true, false
		w.watch.sameChildren(e)
		for _, c := range e.s.Children() {
			if c.Path != e.path {
				w.violate("travel", "%s: child %08x comes back on %v, it was on %v", e.name, c.InboundSPI, c.Path, e.path)
			}
		}
		e.take(out)
	})
}
