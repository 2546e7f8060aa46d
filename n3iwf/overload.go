// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"sync"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// overload is what an AMF has asked with OVERLOAD START (TS 38.413 8.7.7), until OVERLOAD STOP. UEs are refused with CONGESTION and a time to stay
// away, never for an emergency.
type overload struct {
	mu      sync.Mutex
	all     *reduction
	bySlice []sliceReduction
	message *ngap.OverloadStart // that asked
}

// reduction says which establishment causes are refused, and how many of a hundred.
type reduction struct {
	action  *ngap.OverloadAction // nil: of all causes but emergency and mobile-terminated
	percent int                  // 100: all
	sum     int                  // of percents since the last refusal
}

type sliceReduction struct {
	slices map[string]bool
	reduction
}

// start replaces what was asked before.
func (o *overload) start(m *ngap.OverloadStart) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all, o.bySlice, o.message = nil, nil, m
	if m.AMFOverloadResponse != nil || m.AMFTrafficLoadReductionIndication != nil || len(m.OverloadStartNSSAIList) == 0 {
		o.all = newReduction(m.AMFOverloadResponse, m.AMFTrafficLoadReductionIndication)
	}
	for _, item := range m.OverloadStartNSSAIList {
		s := sliceReduction{map[string]bool{}, *newReduction(item.SliceOverloadResponse, item.SliceTrafficLoadReductionIndication)}
		for _, slice := range item.SliceOverloadList {
			s.slices[slice.SNSSAI.String()] = true
		}
		o.bySlice = append(o.bySlice, s)
	}
}

func newReduction(response *ngap.OverloadResponse, percent *ngap.TrafficLoadReductionIndication) *reduction {
	r := &reduction{percent: 100}
	if response != nil {
		r.action = response.OverloadAction
	}
	if percent != nil {
		r.percent = int(*percent)
	}
	return r
}

func (o *overload) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all, o.bySlice, o.message = nil, nil, nil
}

// asked is the message that is in force, nil for none.
func (o *overload) asked() *ngap.OverloadStart {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.message
}

// refuses decides on a UE that comes for a cause and wants the slices. A slice's overload concerns UEs that want no other slice.
func (o *overload) refuses(cause ngap.RRCEstablishmentCause, slices []ngap.SNSSAI) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all != nil && o.all.refuses(cause) {
		return true
	}
	for i := range o.bySlice {
		if s := &o.bySlice[i]; s.only(slices) && s.refuses(cause) {
			return true
		}
	}
	return false
}

func (s *sliceReduction) only(slices []ngap.SNSSAI) bool {
	for _, wanted := range slices {
		if !s.slices[wanted.String()] {
			return false
		}
	}
	return len(slices) > 0
}

// refuses counts a UE that the reduction concerns. Refusals are spread evenly.
func (r *reduction) refuses(cause ngap.RRCEstablishmentCause) bool {
	if !r.concerns(cause) {
		return false
	}
	if r.sum += r.percent; r.sum >= 100 {
		r.sum -= 100
		return true
	}
	return false
}

// concerns maps Overload Action to the causes that it refuses (TS 38.413 9.3.1.105).
func (r *reduction) concerns(cause ngap.RRCEstablishmentCause) bool {
	switch cause {
	case ngap.RRCEstablishmentCauseEmergency, ngap.RRCEstablishmentCauseMtAccess:
		return false
	}
	if r.action == nil {
		return true
	}
	data := cause == ngap.RRCEstablishmentCauseMoData || cause == ngap.RRCEstablishmentCauseMoSMS || cause == ngap.RRCEstablishmentCauseMoVoiceCall ||
		cause == ngap.RRCEstablishmentCauseMoVideoCall
	switch *r.action {
	case ngap.OverloadActionRejectNonEmergencyMoDt:
		return data
	case ngap.OverloadActionRejectRrcCrSignalling:
		return data || cause == ngap.RRCEstablishmentCauseMoSignalling
	case ngap.OverloadActionPermitHighPrioritySessionsAndMobileTerminatedServicesOnly:
		return cause != ngap.RRCEstablishmentCauseHighPriorityAccess && cause != ngap.RRCEstablishmentCauseMpsPriorityAccess && cause != ngap.RRCEstablishmentCauseMcsPriorityAccess
	}
	return true // emergency and mobile-terminated ones only, or an action that is not known here
}

func (ng *ngConnection) overloadStart(m *ngap.OverloadStart) {
	ng.overload.start(m)
	ng.amf.log.Warn("the AMF is overloaded; some UEs are turned away", slog.String("message", ngap.String(m)))
}

func (ng *ngConnection) overloadStop() {
	ng.overload.stop()
	ng.amf.log.Info("the AMF is not overloaded any more")
}
