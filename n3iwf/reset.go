// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// NG Reset (TS 38.413 8.7.4), both ways. Crossing resets are both acknowledged.

// ngReset: the AMF has lost UE contexts. Here they end too, IKE SAs included, as nobody knows the UEs any more; the answer does not wait for that.
func (ng *ngConnection) ngReset(m *ngap.NGReset, via *tnla) {
	ng.amf.log.Warn("NG RESET by the AMF", slog.String("cause", m.Cause.String()), slog.Bool("all", m.ResetType.PartOfNGInterface == nil))
	ng.dropReset(m)
	if via == nil {
		return // another node answers
	}
	acknowledge := &ngap.NGResetAcknowledge{}
	if m.ResetType.PartOfNGInterface != nil {
		acknowledge.UEAssociatedLogicalNGConnectionList = *m.ResetType.PartOfNGInterface // unknown ones too, in the same order
	}
	ng.answer(via, acknowledge)
}

func (ng *ngConnection) dropReset(m *ngap.NGReset) {
	cause := m.Cause.String()
	drop := func(u *ue) {
		if u.ng == ng && !u.released {
			u.nf.counters.ReleasedFor.Add(cause)
			u.log.Info("UE reset by the AMF", slog.String("cause", cause))
			u.loseAMF()
		}
	}
	if m.ResetType.PartOfNGInterface == nil {
		ng.amf.nf.eachUE(drop)
		return
	}
	for _, item := range *m.ResetType.PartOfNGInterface {
		ranID, known := uint32(0), false
		switch {
		case item.RANUENGAPID != nil:
			ranID, known = uint32(*item.RANUENGAPID), true
		case item.AMFUENGAPID != nil:
			ranID, known = ng.ranID(*item.AMFUENGAPID)
		}
		if !known {
			continue
		}
		o := ng.amf.nf.ownerOfRAN(ranID)
		o.mail.post(func() {
			if u := o.byRANID[ranID]; u != nil {
				o.guarded(u, func() { drop(u) })
			}
		})
	}
}

// logicalConnection names the UE in a reset, by both ids as far as they are known.
func (u *ue) logicalConnection() ngap.UEAssociatedLogicalNGConnectionList {
	return ngap.UEAssociatedLogicalNGConnectionList{{AMFUENGAPID: u.amfID, RANUENGAPID: new(ngap.RANUENGAPID(u.ranID))}}
}

// reset is an NG RESET of this N3IWF that waits for its acknowledgement.
type reset struct {
	message *ngap.NGReset
	again   bool
}

// resetUEs tells the AMF that UE contexts are gone here; with an empty list that all are.
func (ng *ngConnection) resetUEs(cause ngap.Cause, list ngap.UEAssociatedLogicalNGConnectionList) {
	m := &ngap.NGReset{Cause: cause}
	if len(list) > 0 {
		m.ResetType.PartOfNGInterface = &list
	} else {
		m.ResetType.NGInterface = new(ngap.ResetAllResetAll)
	}
	ng.sendReset(&reset{message: m})
}

func (ng *ngConnection) sendReset(r *reset) {
	ng.mu.Lock()
	ng.resets = append(ng.resets, r)
	ng.mu.Unlock()
	ng.sendNonUE(r.message)
	nf := ng.amf.nf
	nf.after(nf.live().Timers.Release, func() {
		if !ng.forgetReset(r) || ng.ctx.Err() != nil {
			return
		}
		if r.again {
			ng.amf.log.Error("the AMF does not acknowledge NG RESET; it may keep UE contexts that are gone here")
			return
		}
		ng.sendReset(&reset{message: r.message, again: true})
	})
}

// forgetReset tells whether the reset was still waiting.
func (ng *ngConnection) forgetReset(r *reset) bool {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	for i, waiting := range ng.resets {
		if waiting == r {
			ng.resets = append(ng.resets[:i:i], ng.resets[i+1:]...)
			return true
		}
	}
	return false
}

func (ng *ngConnection) resetAcknowledged() {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	if len(ng.resets) > 0 {
		ng.resets = ng.resets[1:]
	}
}

// ResetAMF ends all UEs of an AMF, by its name, at once and at both ends. It tells whether there is a connection with such an AMF.
func (nf *N3IWF) ResetAMF(name string) bool {
	ng := nf.connectionTo(name)
	if ng == nil {
		return false
	}
	cause := ngap.CauseMiscOmIntervention.Cause()
	ng.dropReset(&ngap.NGReset{Cause: cause, ResetType: ngap.ResetType{NGInterface: new(ngap.ResetAllResetAll)}})
	ng.resetUEs(cause, nil)
	return true
}
