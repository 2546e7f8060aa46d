// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// A UE whose AMF is lost is held: its IKE SA, PDU sessions and user data go on, and what is to be said to the AMF waits in order. The wait ends well
// when another AMF of the set takes the UE over, when an association comes back to an AMF that other nodes kept, or when the AMF says in NG Setup that
// it has retained the UEs. It ends badly when NG Setup erases them (TS 38.413 8.7.1.1), or with the hold time.

// hold is what waits for the AMF of one UE.
type hold struct {
	since   time.Time
	waiting []ngap.Message
}

// holdLimit is how many messages of a held UE may wait. A UE with more to say registers anew: dropping some of it would break NAS.
const holdLimit = 256

// connectionLost: all associations of an NG interface instance are gone.
func (nf *N3IWF) connectionLost(ng *ngConnection) {
	nf.log.Warn("NG connection lost; its UEs are held", slog.String("amf", ng.name()), slog.Duration("hold", nf.live().Timers.AMFHold))
	nf.eachUE(func(u *ue) {
		if u.ng == ng && !u.released {
			u.amfLost()
		}
	})
}

// eachUE runs a task for each UE, in its owner.
func (nf *N3IWF) eachUE(task func(u *ue)) {
	for _, o := range nf.owners {
		o.mail.post(func() {
			for _, u := range o.byRANID {
				if !u.gone {
					o.guarded(u, func() { task(u) })
				}
			}
		})
	}
}

// amfLost holds the UE. One that has not come up yet ends: the AMF's part of its authentication is lost.
func (u *ue) amfLost() {
	if u.held != nil {
		return
	}
	if u.state != stateUp || u.amfID == nil {
		u.ng.amf.ended(u.ng, u.logicalConnection())
		u.unbind()
		u.dropSetups()
		u.endAnswering()
		return
	}
	h := &hold{since: time.Now()}
	u.held = h
	u.nf.after(u.nf.live().Timers.AMFHold, func() {
		u.owner.forUE(u, func() {
			if u.held == h {
				u.log.Warn("the AMF has not come back; the UE must register again", slog.Duration("held", time.Since(h.since)))
				u.ng.amf.ended(u.ng, u.logicalConnection())
				u.loseAMF()
			}
		})
	})
}

// loseAMF ends a UE that no AMF knows any more.
func (u *ue) loseAMF() {
	u.held = nil
	u.unbind()
	u.dropSetups()
	u.endAnswering()
}

// ended remembers a UE that has ended while the AMF was away, so that an AMF that comes back with its contexts is told; at once when it has come back
// already.
func (a *amf) ended(lost *ngConnection, connection ngap.UEAssociatedLogicalNGConnectionList) {
	a.endedMu.Lock()
	defer a.endedMu.Unlock()
	if ng := a.ng.Load(); ng != nil && ng != lost {
		if ng.kept {
			ng.resetUEs(ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause(), connection)
		}
		return
	}
	if len(a.endedUEs) < endedLimit {
		a.endedUEs = append(a.endedUEs, connection...)
	}
}

// endedLimit is maxnoofNGConnectionsToReset of TS 38.413 9.4.7.
const endedLimit = 65536

// tellEnded tells an AMF that has kept its contexts which UEs are gone.
func (a *amf) tellEnded(ng *ngConnection) {
	a.endedMu.Lock()
	list := a.endedUEs
	a.endedUEs = nil
	a.endedMu.Unlock()
	if ng.kept && len(list) > 0 {
		ng.resetUEs(ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause(), list)
	}
}

// held tells whether UEs of an earlier connection with the AMF may be here, so that it is worth asking the AMF to retain them.
func (a *amf) held() bool { return a.former != "" }

// reconnected takes the held UEs back that the AMF still knows, and ends the others.
func (nf *N3IWF) reconnected(ng *ngConnection) {
	a := ng.amf
	kept := ng.kept
	nf.eachUE(func(u *ue) {
		switch {
		case u.held == nil || u.ng.amf != a:
		case kept:
			u.adopt(ng)
		default:
			u.log.Info("the AMF has begun anew; the UE must register again")
			u.loseAMF()
		}
	})
}

// adopt binds the UE to another NG connection, of the same AMF or of one that takes it over, with the ids that it has. What waited is sent.
func (u *ue) adopt(ng *ngConnection) {
	u.log.Info("UE goes on with an AMF", slog.String("from", u.ng.name()), slog.String("to", ng.name()), slog.Bool("held", u.held != nil))
	u.ng.unbind(*u.amfID, u.ranID)
	u.ng = ng
	ng.bind(*u.amfID, u.ranID)
	u.freed = false
	u.sendHeld()
}

// sendHeld sends what waited for an AMF.
func (u *ue) sendHeld() {
	h := u.held
	if h == nil {
		return
	}
	u.held = nil
	for _, m := range h.waiting {
		u.send(m)
	}
}

// send sends a message about the UE to its AMF, in order: after what waits for it, and to the AMF that has taken its place.
func (u *ue) send(message ngap.Message) {
	if u.ng == nil {
		return
	}
	if backup, must := u.mustMove(); must && u.amfID != nil && u.state == stateUp {
		if ng := u.successor(backup); ng != nil {
			u.adopt(ng)
		}
	}
	u.freed = false
	if u.held == nil {
		if u.ng.send(u.ranID, message) {
			return
		}
		u.amfLost() // its owner has not heard of it yet
	}
	switch h := u.held; {
	case h == nil:
	case len(h.waiting) >= holdLimit:
		u.log.Warn("the UE has more to say than can wait for its AMF; it must register again")
		u.ng.amf.ended(u.ng, u.logicalConnection())
		u.loseAMF()
	default:
		h.waiting = append(h.waiting, message)
	}
}
