// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"container/heap"
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// owner is the goroutine that alone touches the state of its UEs. There are as many as the data plane has workers, and a UE's IKE and
// ESP packets come through the worker of the same number.
type owner struct {
	nf        *N3IWF
	index     int
	mail      *mailbox
	responder *ikev2.Responder
	ues       map[message.SPI]*ue // by our IKE SPI
	byRANID   map[uint32]*ue
	lingering map[message.SPI]*ikev2.Session // closed, still answering retransmissions
	timers    timerHeap
	departed  map[uint32]*departed // offered to other nodes, by RAN-UE-NGAP-ID
	entering  *entering            // the UE that is being made from a context
	nextID    uint32
	done      chan struct{} // closed when run has ended
}

func newOwner(nf *N3IWF, index int) *owner {
	return &owner{nf: nf, index: index, mail: newMailbox(ownerBacklog), ues: map[message.SPI]*ue{}, byRANID: map[uint32]*ue{}, lingering: map[message.SPI]*ikev2.Session{}, departed: map[uint32]*departed{}, done: make(chan struct{})}
}

// ownerBacklog is how many IKE messages may wait for one owner; at 10,000 messages a second it is less than half a second of work.
const ownerBacklog = 4096

// run works until ctx ends. What is posted afterwards is dropped.
func (o *owner) run(ctx context.Context) {
	defer close(o.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var spare []func()
	for {
		timer.Reset(o.untilNext(time.Now()))
		select {
		case <-ctx.Done():
			o.mail.close()
			return
		case <-timer.C:
		case <-o.mail.wake:
		}
		tasks := o.mail.take(spare)
		for _, task := range tasks {
			o.guarded(nil, task)
		}
		spare = tasks
		o.expire(time.Now())
	}
}

// guarded runs one task. A panic ends at most the UE that caused it.
func (o *owner) guarded(u *ue, task func()) {
	defer func() {
		if r := recover(); r != nil {
			o.panicked(u, r)
		}
	}()
	task()
}

func (o *owner) panicked(u *ue, reason any) {
	o.nf.counters.Panics.Add(1)
	log := o.nf.log
	if u != nil {
		log = u.log
	}
	log.Error("defect in the handling of a UE; the UE is dropped, others go on", slog.Any("panic", reason), slog.String("stack", string(debug.Stack())))
	if u == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			log.Error("defect while dropping the UE", slog.Any("panic", r))
			o.forget(u)
		}
	}()
	u.abandon(ngap.CauseRadioNetworkUnspecified.Cause())
}

// forUE posts a task about a UE of this owner.
func (o *owner) forUE(u *ue, task func()) bool {
	return o.mail.post(func() {
		if !u.gone {
			o.guarded(u, task)
		}
	})
}

// forget removes the UE from the tables.
func (o *owner) forget(u *ue) {
	u.gone = true
	u.endTrace()
	if u.admitted {
		u.admitted = false
		o.nf.admitted.Add(-1)
	}
	delete(o.ues, u.spi)
	for _, spi := range u.formerSPIs {
		delete(o.ues, spi)
	}
	delete(o.byRANID, u.ranID)
	o.nf.publish(LiveEvent{Kind: LiveGone, UE: u.ranID})
	o.schedule(u, time.Time{})
}

// newRANID gives a RAN-UE-NGAP-ID: the node, then a number whose remainder by the number of owners is this owner.
func (o *owner) newRANID() uint32 {
	n := uint64(len(o.nf.owners))
	room := uint64(1) << (32 - o.nf.nodes.bits)
	for {
		o.nextID++
		id := uint32(uint64(o.nf.nodes.node)*room + uint64(o.nextID)%(room/n)*n + uint64(o.index))
		if _, taken := o.byRANID[id]; !taken {
			return id
		}
	}
}

// ownerOfRAN is the owner that a RAN-UE-NGAP-ID leads to, whichever node has chosen it; ownerOfSPI the one of an IKE SPI.
func (nf *N3IWF) ownerOfRAN(ranID uint32) *owner {
	number := uint64(ranID) & (1<<(32-nf.nodes.bits) - 1)
	return nf.owners[number%uint64(len(nf.owners))]
}

func (nf *N3IWF) ownerOfSPI(spi message.SPI) *owner { return nf.owners[int(uint8(spi))%len(nf.owners)] }

// timerHeap orders UEs by when they want to be woken.
type timerHeap []*ue

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].wakeAt.Before(h[j].wakeAt) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}
func (h *timerHeap) Push(x any) {
	u := x.(*ue)
	u.heapIndex = len(*h)
	*h = append(*h, u)
}
func (h *timerHeap) Pop() any {
	old := *h
	u := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	u.heapIndex = -1
	return u
}

// schedule sets when the UE is woken; zero is never.
func (o *owner) schedule(u *ue, at time.Time) {
	switch {
	case at.IsZero():
		if u.heapIndex >= 0 {
			heap.Remove(&o.timers, u.heapIndex)
		}
	case u.heapIndex >= 0:
		u.wakeAt = at
		heap.Fix(&o.timers, u.heapIndex)
	default:
		u.wakeAt = at
		heap.Push(&o.timers, u)
	}
}

func (o *owner) untilNext(now time.Time) time.Duration {
	if len(o.timers) == 0 {
		return time.Hour
	}
	return max(0, o.timers[0].wakeAt.Sub(now))
}

func (o *owner) expire(now time.Time) {
	for len(o.timers) > 0 && !o.timers[0].wakeAt.After(now) {
		u := o.timers[0]
		o.schedule(u, time.Time{})
		o.guarded(u, func() { u.timeout(now) })
	}
}
