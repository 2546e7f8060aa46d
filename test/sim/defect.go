// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"slices"
)

// defect is a deliberate mistake, to see that the watcher finds it.
type defect struct {
	// reuseSequence: the data plane goes back with its sequence numbers when it moves.
	reuseSequence bool
	// acceptReplay: the data plane has no memory of sequence numbers.
	acceptReplay bool
	// noRoutability: the gateway moves children without the check that its policy wants.
	noRoutability bool
	// keepChild: the data plane goes on with a Child SA that is down.
	keepChild bool
	// ignoreInitialContact: the gateway keeps the sessions that a UE has lost.
	ignoreInitialContact bool
	// onSend changes IKE messages on their way out.
	onSend func(e *end, data []byte) []byte
}

// defects are the deliberate mistakes by name, with the rules of which one must report them, and in how many of 40 seeds at
// least one does (not every storm gives every mistake a chance).
var defects = map[string]struct {
	defect
	rules []string
	least int
}{
	"reuse-sequence":  {defect{reuseSequence: true}, []string{"sequence"}, 30},
	"accept-replay":   {defect{acceptReplay: true}, []string{"replay"}, 15},
	"no-routability":  {defect{noRoutability: true}, []string{"unproven"}, 10},
	"keep-child":      {defect{keepChild: true}, []string{"children"}, 30},
	"ignore-contact":  {defect{ignoreInitialContact: true}, []string{"one session"}, 10},
	"reuse-messageid": {defect{onSend: otherContent()}, []string{"message ID", "IV"}, 30},
}

func defectNames() []string { return slices.Sorted(maps.Keys(defects)) }

// otherContent changes a bit in every copy of a message but the first: what a node does that encrypts a retransmission
// anew.
func otherContent() func(e *end, data []byte) []byte {
	return func(e *end, data []byte) []byte {
		k, ok := contentOf(data)
		if !ok || e.w.watch.contents[k] == 0 {
			return data
		}
		data = slices.Clone(data)
		data[len(data)-1] ^= 1
		return data
	}
}
