// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// writeWill collects what a successor needs beside the UEs, while all stands still.
func (nf *N3IWF) writeWill(amfs []*ngConnection) (w *will, files []*os.File, err error) {
	w = &will{SessionKey: nf.nodes.sessionKey[:], UserPlane: nf.userPlane.status().Kind}
	estate, err := nf.succession.Bequeath()
	if err != nil {
		return nil, nil, err
	}
	w.DataPlane, w.Files = estate.State, len(estate.Files)
	files = append(files, estate.Files...)
	for _, s := range estate.Sockets {
		w.Sockets = append(w.Sockets, socketWill{s.Socket.Kind, s.Socket.Local, len(s.Files)})
		files = append(files, s.Files...)
	}
	n3, err := nf.relay.Bequeath()
	if err != nil {
		return nil, files, err
	}
	w.TEIDs = n3.TEIDs
	for _, group := range n3.Sockets {
		w.N3 = append(w.N3, len(group))
		files = append(files, group...)
	}
	for _, ng := range amfs {
		a, more, err := ng.will()
		files = append(files, more...)
		if err != nil {
			return nil, files, err
		}
		w.AMFs = append(w.AMFs, a)
	}
	for _, o := range nf.owners {
		w.NextIDs = append(w.NextIDs, o.nextID)
	}
	return w, files, nil
}

// links are the associations that are up, with their places.
func (ng *ngConnection) links() (list []*tnlaLink) {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	for _, t := range ng.tnlas {
		if t.link != nil {
			list = append(list, t.link)
		}
	}
	return list
}

// tnlaWills describes the associations; up are those that are up, nil for the others.
func (ng *ngConnection) tnlaWills() (list []tnlaWill, up []*tnlaLink) {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	for _, t := range ng.tnlas {
		w := tnlaWill{Remote: t.remote, Port: t.port, Weight: t.weight, Usage: t.usage, Up: t.link != nil}
		if t.link != nil {
			_, w.File = t.link.association.(transport.Heritable)
		}
		list = append(list, w)
		up = append(up, t.link)
	}
	return list, up
}

// restless says what the NG connection has under way, while all stands still; what it has to send it sends.
func (ng *ngConnection) restless() string {
	if !ng.updating.TryLock() {
		return "AMF CONFIGURATION UPDATE"
	}
	ng.updating.Unlock()
	for until := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		ng.mu.Lock()
		resets, updating, waiting := len(ng.resets), ng.update.waiting, 0
		for _, t := range ng.tnlas {
			if t.link != nil {
				waiting += len(t.link.outbox)
			}
		}
		ng.mu.Unlock()
		switch {
		case resets > 0:
			return "NG RESET is not acknowledged"
		case updating:
			return "RAN CONFIGURATION UPDATE is not answered"
		case waiting == 0:
			return ""
		case time.Now().After(until):
			return "it does not take its messages"
		}
	}
}

// will describes the NG connection.
func (ng *ngConnection) will() (w amfWill, files []*os.File, err error) {
	d := ng.about()
	w = amfWill{AMF: ng.amf.key(), Name: ng.name(), Since: ng.since, Response: ng.response, Refused: ng.updateRefused(), Bound: map[uint32]int{}}
	w.State, err = ngap.Encode(&ngap.NGSetupResponse{AMFName: d.name, ServedGUAMIList: d.guamis, RelativeAMFCapacity: d.capacity, PLMNSupportList: d.plmns})
	if err != nil {
		return w, nil, err
	}
	if m := ng.overload.asked(); m != nil {
		if w.Overload, err = ngap.Encode(m); err != nil {
			return w, nil, err
		}
	}
	var up []*tnlaLink
	w.TNLAs, up = ng.tnlaWills()
	for i, l := range up {
		if !w.TNLAs[i].File {
			continue
		}
		f, err := l.association.(transport.Heritable).File()
		if err != nil {
			return w, files, err
		}
		files = append(files, f)
	}
	ng.mu.Lock()
	defer ng.mu.Unlock()
	for id, to := range ng.bound {
		for i, t := range ng.tnlas {
			if t == to {
				w.Bound[id] = i
			}
		}
	}
	for key, away := range ng.unavailable {
		w.Unavailable = append(w.Unavailable, guamiWill{guamiContext{[3]byte(key.plmn), key.amfID}, string(away.backup), away.timer})
	}
	return w, files, nil
}

// deliver deals with an NGAP message, or lets the successor do so.
func (nf *N3IWF) deliver(t *tnla, m transport.Message) {
	nf.old.dispatch.RLock()
	defer nf.old.dispatch.RUnlock()
	heir := nf.old.heir.Load()
	if heir == nil {
		t.ng.receive(t, m)
		return
	}
	late := lateNGAP{AMF: t.ng.amf.key(), PDU: m.Data}
	t.ng.mu.Lock()
	for i, other := range t.ng.tnlas {
		if other == t {
			late.TNLA = i
		}
	}
	t.ng.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	if err := heir.Say(ctx, sayNGAP, late); err != nil {
		nf.log.Error("NGAP message for the other process is lost", slog.Any("error", err))
	}
}

// giveUp ends what this process has while the successor goes on: associations that were handed on are left, others end in good order, and what they
// still bring is sent on. Then Serve returns.
func (nf *N3IWF) giveUp(owners chan struct{}) {
	var ending sync.WaitGroup
	nf.old.dispatch.Unlock()
	amfs := nf.connectedAMFs()
	for _, ng := range amfs {
		for _, l := range ng.links() {
			ending.Go(func() {
				if h, ok := l.association.(transport.Heritable); ok {
					_ = h.Release() // nothing can go wrong
					return
				}
				ng.amf.hangUp(l.association)
			})
		}
	}
	ending.Wait()
	late := time.AfterFunc(freezeTime, func() { // one that has just been made, or an AMF that does not close its side
		for _, ng := range amfs {
			ng.end(nil)
		}
	})
	for _, ng := range amfs { // until the last message has been sent on
		ng.running.Wait()
	}
	late.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	_ = nf.old.heir.Load().Say(ctx, sayNGAPOver, nil) // when it is still there
	close(owners)
	close(nf.old.gone)
}
