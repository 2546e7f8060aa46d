// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// What an owner asks of its session. Each wish must come to an end in time; the watcher looks at that.

func anyTS() []message.TrafficSelector { return []message.TrafficSelector{message.AnyIPv4} }

// probe asks whether the peer is alive.
func (e *end) probe() {
	if e.up {
		if e.probing == never {
			e.probing = e.w.now
		}
		e.take(e.s.Probe(e.w.time()))
	}
}

// delete ends the session.
func (e *end) delete() {
	if e.gone || e.closed || e.deleting != never {
		return
	}
	if e.away {
		e.w.after(maxAway, e.delete)
		return
	}
	e.up, e.deleting = false, e.w.now
	e.take(e.s.Delete(e.w.time()))
}

// create asks for one of the children that are this side's to make, if there is none.
func (e *end) create(rng *rand.Rand) {
	if !e.up {
		return
	}
	purpose := ueFrom + rng.IntN(2)
	if e.gateway {
		purpose = gatewayFrom + rng.IntN(2)
	}
	if e.creating[purpose] != never || len(e.live(purpose)) > 0 {
		return
	}
	e.creating[purpose] = e.w.now
	e.take(e.s.CreateChild(e.w.time(), ikev2.ChildRequest{
		LocalTS: anyTS(), RemoteTS: anyTS(), Tag: purpose,
		Notifies: []*message.Notify{{Type: purposeNotify, Data: []byte{byte(purpose)}}},
	}))
}

// acceptChild lets a peer have the children that are its to make.
func acceptChild(_ *ikev2.Session, offer *ikev2.ChildOffer) (ikev2.ChildAnswer, error) {
	for _, n := range offer.Notifies {
		if n.Type == purposeNotify && len(n.Data) == 1 && n.Data[0] < purposes {
			return ikev2.ChildAnswer{Tag: int(n.Data[0])}, nil
		}
	}
	return ikev2.ChildAnswer{}, &ikev2.NotifyError{Type: message.NO_ADDITIONAL_SAS}
}

// deleteChild deletes one of the children but the first.
func (e *end) deleteChild(rng *rand.Rand) {
	var some []*generation
	for _, g := range e.generations {
		if g.purpose != purposeFirst {
			some = append(some, g)
		}
	}
	if e.up && len(some) > 0 {
		e.deleteOne(pick(rng, some...))
	}
}

func (e *end) deleteOne(g *generation) {
	g.line.doomed = true
	e.take(e.s.DeleteChild(e.w.time(), g.spiIn))
}

// notify tells the peer something, sometimes something long.
func (e *end) notify(rng *rand.Rand) {
	if !e.up {
		return
	}
	e.w.lastID++
	tag := e.w.lastID
	e.notifying[tag] = e.w.now
	n := &message.Notify{Type: purposeNotify + 1, Data: make([]byte, 1+rng.IntN(60))}
	if rng.IntN(5) == 0 {
		n.Data = make([]byte, 1500+rng.IntN(3000))
	}
	e.take(e.s.Notify(e.w.time(), tag, n))
}

// rekeyChild rekeys one of the children.
func (e *end) rekeyChild(rng *rand.Rand) {
	if e.up && len(e.generations) > 0 {
		e.take(e.s.RekeyChild(e.w.time(), pick(rng, e.generations...).spiIn))
	}
}

// rekeyIKE rekeys the IKE SA.
func (e *end) rekeyIKE() {
	if e.up {
		e.take(e.s.RekeyIKE(e.w.time()))
	}
}

// expire says that one of the children has carried enough, or, hard, too much. Nobody does the latter to the first one,
// which is always there.
func (e *end) expire(rng *rand.Rand, hard bool) {
	if !e.up || len(e.generations) == 0 {
		return
	}
	if g := pick(rng, e.generations...); !hard || g.purpose != purposeFirst {
		g.line.doomed = g.line.doomed || hard
		e.take(e.s.Expire(e.w.time(), g.spiIn, hard))
	}
}
