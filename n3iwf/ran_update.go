// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// A reload of n3iwf.name or n3iwf.supportedTAs is told to the AMFs that are connected by RAN Configuration Update (TS 38.413 8.7.2); UEs stay. An AMF
// that refuses goes by the former ones, and the interface with it goes on (8.7.2.3): the operator is told, as new UEs may be refused then.

// ranUpdate is the procedure towards one AMF: one at a time, and another one when something has changed meanwhile.
type ranUpdate struct {
	number  int // of those sent
	waiting bool
	again   bool
	refused string // why the AMF has not taken the latest; empty when it has
}

// updateTime is how long an AMF may take for its answer.
const updateTime = 10 * time.Second

// tellServed tells the AMF what this N3IWF is now.
func (ng *ngConnection) tellServed() {
	ng.mu.Lock()
	u := &ng.update
	if u.waiting {
		u.again = true
		ng.mu.Unlock()
		return
	}
	u.waiting, u.again = true, false
	u.number++
	number := u.number
	ng.mu.Unlock()
	nf := ng.amf.nf
	s := nf.served.Load()
	ng.sendNonUE(&ngap.RANConfigurationUpdate{RANNodeName: s.name, SupportedTAList: s.tas})
	nf.after(updateTime, func() {
		ng.mu.Lock()
		late := u.waiting && u.number == number
		ng.mu.Unlock()
		if late {
			ng.updateAnswered("no answer", 0)
		}
	})
}

// updateAnswered ends the procedure; with a refusal after whose time to wait another try may be made, it is made.
func (ng *ngConnection) updateAnswered(refusal string, wait time.Duration) {
	ng.mu.Lock()
	u := &ng.update
	if !u.waiting {
		ng.mu.Unlock()
		ng.amf.log.Warn("answer to no RAN CONFIGURATION UPDATE; dropped")
		return
	}
	u.waiting, u.refused = false, refusal
	again, number := u.again, u.number
	ng.mu.Unlock()
	switch {
	case again:
		ng.tellServed()
	case refusal == "":
		ng.amf.log.Info("the AMF has taken n3iwf.name and n3iwf.supportedTAs", slog.String("amf", ng.name()))
	default:
		ng.amf.log.Error("the AMF goes by the former n3iwf.name and n3iwf.supportedTAs; correct one side", slog.String("amf", ng.name()), slog.String("cause", refusal))
		if wait == 0 {
			return
		}
		ng.amf.nf.after(wait, func() {
			ng.mu.Lock()
			latest := u.number == number
			ng.mu.Unlock()
			if latest && ng.ctx.Err() == nil {
				ng.tellServed()
			}
		})
	}
}

// updateRefused is why the AMF goes by an earlier configuration, empty when it does not.
func (ng *ngConnection) updateRefused() string {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	return ng.update.refused
}
