// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"slices"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// Reflective QoS (TS 24.501 6.2.5.1.4): a downlink packet whose GRE header has RQI makes the UE send the answers over the same QoS flow. The rule that it
// derives ends when the RQ timer has run out without another such packet.

// reflectiveQoS is the bit of 5GSM capability that says that the UE can do so (TS 24.501 9.11.4.1).
const reflectiveQoS = 1

// maxDerived bounds the derived rules of a session; the one that would end first goes.
const maxDerived = 64

// derivedRules are those of a session. The receiving goroutine makes them, senders use them.
type derivedRules struct {
	mu    sync.Mutex
	rules []derivedRule
}

type derivedRule struct {
	rule  nas.QoSRule
	until time.Time
}

// derive takes a packet with RQI.
func (d *derivedRules) derive(pdu []byte, qfi uint8, now time.Time, timer time.Duration) {
	rule, ok := nas.DeriveRule(pdu, qfi)
	if !ok || timer == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	same := func(o derivedRule) bool {
		return slices.EqualFunc(o.rule.Filters[0].Components, rule.Filters[0].Components, func(a, b nas.FilterComponent) bool {
			return a.Type == b.Type && slices.Equal(a.Value, b.Value)
		})
	}
	d.rules = slices.DeleteFunc(d.rules, same)
	if len(d.rules) >= maxDerived {
		d.rules = d.rules[1:]
	}
	d.rules = append(d.rules, derivedRule{rule, now.Add(timer)})
}

// live gives the rules that have not ended.
func (d *derivedRules) live(now time.Time) (list nas.QoSRules) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = slices.DeleteFunc(d.rules, func(o derivedRule) bool { return !o.until.After(now) })
	for _, o := range d.rules {
		list = append(list, o.rule)
	}
	return list
}
