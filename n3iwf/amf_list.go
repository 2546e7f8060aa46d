// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
)

// amfList are the AMFs of the configuration in force, and those that were taken out of it and still have UEs.
type amfList struct {
	all atomic.Pointer[[]*amf]

	mu      sync.Mutex
	serving context.Context // nil until Serve
}

// leaveEvery is how often an AMF that was taken out of the configuration is looked at: whether it still has UEs.
const leaveEvery = time.Second

func (l *amfList) get() []*amf {
	if all := l.all.Load(); all != nil {
		return *all
	}
	return nil
}

// change replaces the list; mu is held.
func (l *amfList) change(list []*amf) { l.all.Store(&list) }

// setAMFs makes the list that of the configuration: AMFs that are new are connected to, those that are gone get no new UEs, and their
// connection ends with their last UE.
func (nf *N3IWF) setAMFs(want []config.AMF) {
	l := &nf.amfs
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.Clone(l.get())
	for _, a := range list {
		wanted := slices.ContainsFunc(want, func(c config.AMF) bool { return reflect.DeepEqual(c, a.cfg) })
		if was := a.leaving.Swap(!wanted); !was && !wanted {
			a.log.Info("AMF taken out of the configuration: no new UEs; its connection ends with its last one")
			nf.startAMF(a, a.leave)
		}
	}
	for _, c := range want {
		if slices.ContainsFunc(list, func(a *amf) bool { return reflect.DeepEqual(c, a.cfg) }) {
			continue
		}
		a := &amf{nf: nf, cfg: c, log: nf.log.With(slog.String("amf_name", c.Name), slog.Any("amf_addresses", c.Addresses))}
		list = append(list, a)
		nf.startAMF(a, a.serve)
	}
	l.change(list)
}

// serveAMFs begins to connect to the AMFs that are in the list.
func (nf *N3IWF) serveAMFs(ctx context.Context) {
	l := &nf.amfs
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serving = ctx
	for _, a := range l.get() {
		nf.startAMF(a, a.serve)
	}
}

// startAMF runs something of an AMF while the N3IWF serves; mu is held.
func (nf *N3IWF) startAMF(_ *amf, run func(context.Context)) {
	if ctx := nf.amfs.serving; ctx != nil && ctx.Err() == nil {
		nf.running.Go(func() { run(ctx) })
	}
}

// serve connects until ctx ends or the AMF has left.
func (a *amf) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.stop.Store(&cancel)
	a.run(ctx)
}

// leave waits until the AMF has no UE any more, ends its connection and forgets it; unless it comes back before.
func (a *amf) leave(ctx context.Context) {
	tick := time.NewTicker(leaveEvery)
	defer tick.Stop()
	for a.ues(ctx) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !a.leaving.Load() {
			return
		}
	}
	l := &a.nf.amfs
	l.mu.Lock()
	defer l.mu.Unlock()
	if !a.leaving.Load() {
		return
	}
	l.change(slices.DeleteFunc(slices.Clone(l.get()), func(b *amf) bool { return a == b }))
	if stop := a.stop.Load(); stop != nil {
		(*stop)()
	}
	a.log.Info("AMF left")
}

// forNewUEs is the connection while UEs may be given to the AMF, else nil.
func (a *amf) forNewUEs() *ngConnection {
	if a.leaving.Load() {
		return nil
	}
	return a.ng.Load()
}

// ues counts the UEs of the AMF.
func (a *amf) ues(ctx context.Context) (n int) {
	for _, o := range a.nf.owners {
		part, _ := ask(ctx, o, func() (n int, _ struct{}) {
			for _, u := range o.byRANID {
				if u.ng != nil && u.ng.amf == a {
					n++
				}
			}
			return n, struct{}{}
		})
		n += part
	}
	return n
}
