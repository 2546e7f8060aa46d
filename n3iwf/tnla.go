// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// tnla is a TNL association with an AMF (TS 23.501 5.21.1): that of the configuration, or one that the AMF asked for. It is made again whenever it is
// lost, as long as another one keeps the NG interface alive.
type tnla struct {
	ng     *ngConnection
	remote []netip.Addr
	port   uint16
	ctx    context.Context
	remove context.CancelFunc

	// Under ng.mu.
	weight uint8
	usage  ngap.TNLAssociationUsage
	link   *tnlaLink // nil while it is down
}

// tnlaLink is one life of the association.
type tnlaLink struct {
	association transport.Association
	wake        chan struct{} // there is something in outbox
	outbox      []outgoing    // oldest first; under ng.mu
	moved       int           // of those, that came from an association that was lost; likewise
	aborting    bool          // likewise
}

// outgoing is one NGAP message on its way to the association.
type outgoing struct {
	ranID uint32
	ofUE  bool
	pdu   []byte
}

const (
	// firstWeight is the weight factor of an association that the AMF has not said one of.
	firstWeight = 255
	// outboxSize is how many messages may wait for the association before it is aborted: owners must never wait for an AMF that takes nothing.
	outboxSize = 4096
	// maxTNLAs is maxnoofTNLAssociations of TS 38.413 9.4.7.
	maxTNLAs = 32
)

var errRemoved = errors.New("removed on the AMF's order")

// add notes an association that is to be kept.
func (ng *ngConnection) add(remote []netip.Addr, port uint16, weight uint8, usage ngap.TNLAssociationUsage) *tnla {
	t := &tnla{ng: ng, remote: remote, port: port, weight: weight, usage: usage}
	t.ctx, t.remove = context.WithCancel(ng.ctx)
	ng.mu.Lock()
	ng.tnlas = append(ng.tnlas, t)
	ng.mu.Unlock()
	return t
}

// tnlaTo finds the association with an AMF address; port 0 is any.
func (ng *ngConnection) tnlaTo(addresses []netip.Addr, port uint16) *tnla {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	for _, t := range ng.tnlas {
		if (port == 0 || port == t.port) && slices.ContainsFunc(addresses, func(a netip.Addr) bool { return slices.Contains(t.remote, a) }) {
			return t
		}
	}
	return nil
}

// attach begins a life of the association.
func (t *tnla) attach(association transport.Association) {
	t.ng.mu.Lock()
	t.link = &tnlaLink{association: association, wake: make(chan struct{}, 1)}
	t.ng.mu.Unlock()
}

// detach ends it: UEs that were bound to it use another one with their next message, and so does what was not handed to SCTP, before anything that comes
// later. It tells false when there is no other association.
//
// What SCTP has taken and the AMF has not acknowledged may have arrived or not: neither the kernel nor the AMF can say which. It is not repeated, since
// NAS and NGAP procedures that come twice do more harm than those that get no answer, which have their timers.
func (t *tnla) detach() bool {
	ng := t.ng
	ng.mu.Lock()
	old := t.link
	t.link = nil
	for id, to := range ng.bound {
		if to == t {
			delete(ng.bound, id)
		}
	}
	left := slices.ContainsFunc(ng.tnlas, func(other *tnla) bool { return other.link != nil })
	var waiting []outgoing
	for _, m := range old.outbox {
		to := ng.anyTNLALocked(m.ofUE)
		if m.ofUE {
			to = ng.routeLocked(m.ranID)
		}
		if to == nil || !to.postLocked(m, true) {
			waiting = append(waiting, m)
		}
	}
	ng.mu.Unlock()
	ng.giveBack(waiting)
	return left
}

// giveBack lets UEs keep what the last association has not sent, until their AMF is back.
func (ng *ngConnection) giveBack(unsent []outgoing) {
	byUE := map[uint32][]ngap.Message{}
	for _, m := range unsent {
		if pdu, err := ngap.Decode(m.pdu); err == nil && m.ofUE {
			byUE[m.ranID] = append(byUE[m.ranID], pdu.Message)
		}
	}
	for ranID, messages := range byUE {
		o := ng.amf.nf.ownerOfRAN(ranID)
		o.mail.post(func() {
			if u := o.byRANID[ranID]; u != nil && u.ng == ng && !u.released {
				o.guarded(u, func() {
					u.amfLost()
					if u.held != nil {
						u.held.waiting = append(messages, u.held.waiting...)
					}
				})
			}
		})
	}
}

// keep serves the association, which is up when it is given, and makes it again, until it is removed or the NG interface is gone.
func (t *tnla) keep(association transport.Association) {
	ng, backOff := t.ng, t.ng.amf.nf.live().N2.BackOff
	wait := backOff.Initial
	for {
		if association != nil {
			err := t.run(association)
			left := t.detach()
			if !left {
				ng.end(err)
			}
			if t.ctx.Err() != nil || ng.amf.nf.old.heir.Load() != nil {
				return
			}
			ng.amf.log.Warn("TNL association lost; its UEs use another one", slog.Any("peer", t.remote), slog.Any("error", err))
			wait = backOff.Initial
		}
		select {
		case <-t.ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait/2+1)):
		}
		wait = min(2*wait, backOff.Max)
		var err error
		if association, err = t.dial(t.ctx); err != nil {
			ng.amf.log.Warn("no TNL association", slog.Any("peer", t.remote), slog.Any("error", err))
			association = nil
			continue
		}
		if ng.amf.nf.old.heir.Load() != nil { // it makes its own
			ng.amf.hangUp(association)
			return
		}
		t.attach(association)
	}
}

// dial opens the association and makes it one of this node (TS 38.413 8.7.2.2).
func (t *tnla) dial(ctx context.Context) (transport.Association, error) {
	return t.ng.amf.dial(ctx, t.remote, t.port)
}

// dial opens a further association.
func (a *amf) dial(ctx context.Context, remote []netip.Addr, port uint16) (transport.Association, error) {
	ctx, cancel := context.WithTimeout(ctx, ngSetupTimeout)
	defer cancel()
	o := a.transportOptions(remote)
	for i := range o.Remote {
		o.Remote[i] = netip.AddrPortFrom(o.Remote[i].Addr(), port)
	}
	association, err := transport.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := a.introduce(ctx, association); err != nil {
		a.hangUp(association)
		return nil, err
	}
	return association, nil
}

// run sends and receives until the association ends.
func (t *tnla) run(association transport.Association) error {
	t.ng.mu.Lock()
	link := t.link
	t.ng.mu.Unlock()
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		t.ng.sendAll(ctx, link)
	}()
	defer func() {
		cancel()
		<-sent
		t.ng.amf.hangUp(association)
	}()
	for {
		m, err := association.Receive(ctx)
		if err != nil {
			if t.ctx.Err() != nil && t.ng.ctx.Err() == nil {
				return errRemoved
			}
			return err
		}
		t.ng.amf.nf.deliver(t, m)
	}
}

// sendAll sends what the owners have put out, in order. What the association does not take stays in front.
func (ng *ngConnection) sendAll(ctx context.Context, l *tnlaLink) {
	log := ng.amf.log
	for {
		ng.mu.Lock()
		var m outgoing
		some := len(l.outbox) > 0
		if some {
			m = l.outbox[0]
		}
		ng.mu.Unlock()
		if !some {
			select {
			case <-ctx.Done():
				return
			case <-l.wake:
			}
			continue
		}
		err := l.association.Send(ctx, l.stream(m), m.pdu)
		switch {
		case err == nil:
		case errors.Is(err, transport.ErrStream), errors.Is(err, transport.ErrMessageSize):
			log.Error("NGAP message not sent", slog.Any("error", err))
		case ctx.Err() != nil:
			return
		default:
			log.Warn("NGAP message not sent; the association is aborted", slog.Any("error", err))
			l.abort(log)
			return
		}
		ng.mu.Lock()
		if l.outbox = l.outbox[1:]; len(l.outbox) == 0 {
			l.outbox, l.moved = nil, 0
		}
		ng.mu.Unlock()
	}
}

func (l *tnlaLink) abort(log *slog.Logger) {
	if err := l.association.Abort("no progress"); err != nil {
		log.Warn("abort", slog.Any("error", err))
	}
}

// stream is that of a UE (TS 38.412 7: a UE stays on one stream), or the one of what is about no UE.
func (l *tnlaLink) stream(m outgoing) uint16 {
	if n := l.association.Streams(); m.ofUE && n > 1 {
		return uint16(1 + int(m.ranID)%(n-1))
	}
	return transport.NonUEStream
}

// write sends a message; false when the association is down.
func (t *tnla) write(ranID uint32, ofUE bool, message ngap.Message) bool {
	b, ok := t.ng.encode(message)
	if !ok {
		return true
	}
	if !t.post(outgoing{ranID, ofUE, b}) {
		return false
	}
	t.ng.amf.nf.counters.countSent(message)
	return true
}

func (t *tnla) post(m outgoing) bool {
	t.ng.mu.Lock()
	defer t.ng.mu.Unlock() // a link takes nothing any more once it is detached
	return t.postLocked(m, false)
}

// postLocked puts a message out. Those of an association that was lost find room in any case.
func (t *tnla) postLocked(m outgoing, moved bool) bool {
	l := t.link
	if l == nil {
		return false
	}
	n := len(l.outbox) - l.moved
	switch {
	case moved:
		l.moved++
	case n >= 2*outboxSize:
		return false
	case n >= outboxSize && !l.aborting:
		l.aborting = true
		log := t.ng.amf.log
		log.Error("the AMF takes no messages; the association is aborted", slog.Int("waiting", len(l.outbox)))
		go l.abort(log)
	}
	l.outbox = append(l.outbox, m)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return true
}

// bindTNLA notes where the AMF sends for a UE: what the UE sends goes there too (TS 23.501 5.21.1.2).
func (ng *ngConnection) bindTNLA(ranID uint32, t *tnla) {
	ng.mu.Lock()
	ng.bound[ranID] = t
	ng.mu.Unlock()
}

// unbindTNLA frees a UE from its association.
func (ng *ngConnection) unbindTNLA(ranID uint32) {
	ng.mu.Lock()
	delete(ng.bound, ranID)
	ng.mu.Unlock()
}

// routeLocked gives the association of a UE: the one that it is bound to, else one by the weights, to which it is bound from then on. Those of weight 0 are
// not for the first message of a UE, so that they come last.
func (ng *ngConnection) routeLocked(ranID uint32) *tnla {
	if t := ng.bound[ranID]; t != nil && t.link != nil {
		return t
	}
	t := byWeight(ng.tnlas, rand.IntN)
	if t != nil {
		ng.bound[ranID] = t
	}
	return t
}

// byWeight draws one of the associations that are up and may carry UEs.
func byWeight(all []*tnla, draw func(int) int) *tnla {
	var usable []*tnla
	total := 0
	for _, t := range all {
		if t.link != nil && t.usage != ngap.TNLAssociationUsageNonUe {
			usable = append(usable, t)
			total += int(t.weight)
		}
	}
	switch {
	case len(usable) == 0:
		for _, t := range all { // one against its purpose is better than none
			if t.link != nil {
				return t
			}
		}
		return nil
	case total == 0:
		return usable[0]
	}
	n := draw(total)
	for _, t := range usable {
		if n -= int(t.weight); n < 0 {
			return t
		}
	}
	return nil
}

// anyTNLA gives an association that is up, for a purpose where there is a choice.
func (ng *ngConnection) anyTNLA(ofUE bool) *tnla {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	return ng.anyTNLALocked(ofUE)
}

func (ng *ngConnection) anyTNLALocked(ofUE bool) *tnla {
	against := ngap.TNLAssociationUsageUe
	if ofUE {
		against = ngap.TNLAssociationUsageNonUe
	}
	var last *tnla
	for _, t := range ng.tnlas {
		if t.link == nil {
			continue
		}
		if t.usage != against {
			return t
		}
		last = t
	}
	return last
}

func (t *tnla) String() string { return fmt.Sprint(t.remote, t.port) }

func (ng *ngConnection) boundTNLA(ranID uint32) *tnla {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	return ng.bound[ranID]
}
