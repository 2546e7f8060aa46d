// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// standStill waits until all UEs can go on elsewhere, and stops. The result is their contexts, and what lets everything go on.
func (nf *N3IWF) standStill(ctx context.Context, hello successorHello, amfs []*ngConnection) (contexts []*ueContext, thaw func(), err error) {
	deadline := time.Now().Add(hello.Patience)
	released, dropped := false, false
	told := time.Now()
	for {
		late := time.Now().After(deadline)
		busy := nf.quietAll(ctx, late, hello.Patience)
		if len(busy) == 0 {
			var f *frozen
			if f, err = nf.freeze(ctx); err != nil {
				return nil, nil, err
			}
			if contexts, busy = f.contexts(amfs); len(busy) == 0 {
				return contexts, f.thaw, nil
			}
			f.thaw()
		}
		if time.Since(told) > time.Second {
			told = time.Now()
			nf.log.Info("another process waits for what is under way", slog.Any("for", first(busy)), slog.Int("count", len(busy)))
		}
		switch {
		case !late:
		case hello.Force && !released:
			released = true
			nf.log.Warn("UEs that cannot go on in the other process are released", slog.Any("ues", first(busy)), slog.Int("count", len(busy)))
			nf.releaseBusy(busy)
			deadline = time.Now().Add(releaseTries * nf.live().Timers.Release)
		case !dropped && slices.ContainsFunc(busy, func(b obstacle) bool { return b.what == registering }):
			dropped = true // a moment ago
			deadline = time.Now().Add(releaseTries * nf.live().Timers.Release)
		default:
			return nil, nil, fmt.Errorf("%d UEs or connections cannot go on in another process within %s: %s; try again, or let them be released (--force)",
				len(busy), hello.Patience, strings.Join(first(busy), "; "))
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(quietLook):
		}
	}
}

// obstacle is a UE, or with UE 0 something else, that is not ready.
type obstacle struct {
	ue   uint32
	what string
}

func first(list []obstacle) (out []string) {
	for _, b := range list[:min(len(list), namedUEs)] {
		if b.ue == 0 {
			out = append(out, b.what)
			continue
		}
		out = append(out, fmt.Sprintf("UE %d: %s", b.ue, b.what))
	}
	if len(list) > namedUEs {
		out = append(out, "...")
	}
	return out
}

// quietAll asks all UEs to come to rest, and tells those that have not. Late, UEs that have not registered yet are dropped: they begin anew.
func (nf *N3IWF) quietAll(ctx context.Context, late bool, patience time.Duration) (busy []obstacle) {
	for _, o := range nf.owners {
		list, _ := ask(ctx, o, func() (list []obstacle, _ struct{}) {
			for _, u := range o.byRANID {
				o.guarded(u, func() {
					if what := u.comeToRest(late, patience); what != "" {
						list = append(list, obstacle{u.ranID, what})
					}
				})
			}
			return list, struct{}{}
		})
		busy = append(busy, list...)
	}
	slices.SortFunc(busy, func(a, b obstacle) int { return int(a.ue) - int(b.ue) })
	return busy
}

// registering is what keeps a UE that is not up yet.
const registering = "its registration"

// comeToRest says why the UE cannot go on elsewhere yet; "": it can.
func (u *ue) comeToRest(late bool, patience time.Duration) string {
	if u.state != stateUp && u.state != stateReleasing {
		if late {
			u.log.Info("UE has not registered in time for the other process; it begins anew", slog.String("state", u.state.String()))
			u.abandon(ngap.CauseRadioNetworkUnspecified.Cause())
		}
		return registering
	}
	what := u.procedure()
	if what == "" && u.relocation != nil {
		what = "a move that was asked for"
	}
	if what != "" {
		u.endRest() // so that it can come to its end
		return what
	}
	if u.departure == nil {
		u.departure = &departure{inPlace: true, nasUntil: time.Now().Add(patience / 2)}
		u.leaveNAS()
		u.apply(u.session.Quiesce(time.Now()))
	}
	return u.unfinished()
}

// endRest takes comeToRest back.
func (u *ue) endRest() {
	if u.departure == nil || !u.departure.inPlace {
		return
	}
	u.remain()
}

func (nf *N3IWF) unquietAll() {
	if nf.old.heir.Load() == nil {
		nf.eachUE(func(u *ue) { u.endRest() })
	}
}

// releaseBusy releases UEs in good order.
func (nf *N3IWF) releaseBusy(list []obstacle) {
	for _, b := range list {
		o := nf.ownerOfRAN(b.ue)
		o.mail.post(func() {
			if u := o.byRANID[b.ue]; u != nil {
				o.guarded(u, func() {
					u.endRest()
					u.requestRelease(ngap.CauseMiscOmIntervention.Cause())
					u.endIKE()
				})
			}
		})
	}
}

// frozen is an N3IWF that stands still: nothing is received, and the owners do nothing.
type frozen struct {
	nf     *N3IWF
	halted []transport.Heritable
	let    chan struct{} // closed: the owners go on
	once   sync.Once
}

// freeze stops. What has come is dealt with before.
func (nf *N3IWF) freeze(ctx context.Context) (f *frozen, err error) {
	ctx, cancel := context.WithTimeout(ctx, freezeTime)
	defer cancel()
	f = &frozen{nf: nf, let: make(chan struct{})}
	for _, ng := range nf.connectedAMFs() {
		for _, t := range ng.links() {
			h, ok := t.association.(transport.Heritable)
			if !ok {
				continue
			}
			if err := h.Pause(ctx); err != nil {
				f.resume()
				return nil, fmt.Errorf("association with AMF %s: %w", ng.name(), err)
			}
			f.halted = append(f.halted, h)
		}
	}
	nf.old.dispatch.Lock()
	if err := nf.succession.Pause(ctx); err != nil {
		nf.old.dispatch.Unlock()
		f.resume()
		return nil, fmt.Errorf("data plane: %w", err)
	}
	if err := nf.relay.Pause(ctx); err != nil {
		nf.succession.Resume()
		nf.old.dispatch.Unlock()
		f.resume()
		return nil, fmt.Errorf("N3: %w", err)
	}
	if u := nf.userPlane.kernel; u != nil {
		u.Pause()
	}
	arrived := make(chan struct{}, len(nf.owners))
	for _, o := range nf.owners {
		o.mail.post(func() {
			arrived <- struct{}{}
			<-f.let
			if nf.old.heir.Load() != nil { // its UEs are not to be touched any more
				o.mail.close()
				runtime.Goexit()
			}
		})
	}
	for range nf.owners {
		select {
		case <-arrived:
		case <-ctx.Done():
			f.thaw()
			return nil, errors.New("the owners of the UEs do not come to rest")
		}
	}
	return f, nil
}

func (f *frozen) resume() {
	for _, h := range f.halted {
		h.Resume()
	}
}

// thaw lets all go on, or when a successor has begun, come to its end.
func (f *frozen) thaw() {
	f.once.Do(func() {
		if f.nf.old.heir.Load() != nil {
			f.nf.giveUp(f.let)
			return
		}
		close(f.let)
		if u := f.nf.userPlane.kernel; u != nil {
			u.Resume()
		}
		f.nf.relay.Resume()
		f.nf.succession.Resume()
		f.nf.old.dispatch.Unlock()
		f.resume()
	})
}

// contexts are those of all UEs, or what still is under way.
func (f *frozen) contexts(amfs []*ngConnection) (list []*ueContext, busy []obstacle) {
	nf := f.nf
	defer func() {
		if r := recover(); r != nil {
			f.thaw()
			panic(r)
		}
	}()
	if now := nf.connectedAMFs(); !slices.Equal(now, amfs) {
		busy = append(busy, obstacle{0, "an NG connection has been lost or has come back"})
	}
	var up []*ue
	for _, o := range nf.owners {
		for _, u := range o.byRANID {
			c, what := u.bequestInPlace()
			if what != "" {
				busy = append(busy, obstacle{u.ranID, what})
				continue
			}
			list = append(list, c)
			up = append(up, u)
		}
	}
	for _, ng := range amfs {
		if what := ng.restless(); what != "" {
			busy = append(busy, obstacle{0, fmt.Sprintf("AMF %s: %s", ng.name(), what)})
		}
	}
	if len(busy) == 0 {
		for i, u := range up {
			list[i].NASAttempt = nf.nas.Stay(u.nasAddr())
		}
	}
	return list, busy
}

// unfinishedInPlace is unfinished of a UE that may not have been asked to come to rest.
func (u *ue) unfinishedInPlace() string {
	if u.state != stateUp {
		return "its registration or release"
	}
	if u.departure == nil || !u.departure.inPlace {
		return "it has just come"
	}
	return u.unfinished()
}

// bequestInPlace is bequest of a UE that may not be ready. A defect stands in the way of that UE, as anything else would.
func (u *ue) bequestInPlace() (c *ueContext, what string) {
	defer func() {
		if r := recover(); r != nil {
			c, what = nil, u.nf.defect(r).Error()
		}
	}()
	if what = u.unfinishedInPlace(); what != "" {
		return nil, what
	}
	if u.nasConn != nil { // the UE has not closed its side in time
		u.takeBack(u.nasConn.Undelivered(), true)
		u.nasConn = nil
	}
	return u.bequest()
}

// bequest is the UE for the successor; or what stands in the way.
func (u *ue) bequest() (*ueContext, string) {
	session, err := u.session.Snapshot(time.Now(), &u.nf.nodes.sessionKey, sessionBinding(u.ranID))
	if err != nil {
		var busy *ikev2.NotPortableError
		if errors.As(err, &busy) {
			return nil, busy.What
		}
		return nil, err.Error()
	}
	c := u.context(session)
	for id, child := range u.children {
		pairs, err := u.nf.succession.Bequest(id)
		if err != nil {
			return nil, err.Error()
		}
		c.Children = append(c.Children, child.context(pairs))
	}
	return c, ""
}
