// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"math/rand/v2"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// amfRequest is what a new UE says that the choice of its AMF depends on (TS 23.501 6.3.5).
type amfRequest struct {
	guami  *ngap.GUAMI
	plmn   *ngap.PLMNIdentity
	nid    *ngap.NID // of the SNPN that the UE has selected
	slices []ngap.SNSSAI
	cause  ngap.RRCEstablishmentCause
}

// selectAMF finds the NG connection for a new UE: the AMF of its GUAMI when that one is there, else one of the same set, else by the relative
// capacities of those that serve the selected PLMN and the most of the requested slices. An AMF that is overloaded is left out as it has asked
// (TS 38.413 8.7.7). Nil, and why, when there is none.
func (nf *N3IWF) selectAMF(r *amfRequest) (*ngConnection, string) {
	var up []*ngConnection
	for _, a := range nf.amfs.get() {
		if ng := a.forNewUEs(); ng != nil && (r.plmn == nil || ng.about().serves(*r.plmn, r.nid) != nil) {
			up = append(up, ng)
		}
	}
	if len(up) == 0 && r.isEmergency() {
		up = nf.forEmergency()
	}
	if len(up) == 0 {
		return nil, noAMF
	}
	var served, sameSet, best []*ngConnection
	most := 0
	for _, ng := range up {
		if r.guami != nil {
			switch ng.match(*r.guami) {
			case guamiServed:
				served = append(served, ng)
			case guamiSameSet:
				sameSet = append(sameSet, ng)
			}
		}
		n := ng.about().countSlices(r)
		if n > most {
			best, most = nil, n
		}
		if n == most {
			best = append(best, ng)
		}
	}
	for i, candidates := range [][]*ngConnection{served, sameSet, best, up} {
		if ng := drawAMF(candidates, r, i == 0); ng != nil {
			return ng, ""
		}
	}
	if r.isEmergency() { // better an AMF that wants no new UE than none
		if ng := drawAMF(up, r, true); ng != nil {
			return ng, ""
		}
	}
	return nil, "the AMFs that serve this UE are overloaded or take no new UE"
}

// drawAMF draws one by Relative AMF Capacity among those that are not overloaded for this UE. An AMF of capacity 0 gets no new UE (TS 38.413 9.3.1.32)
// but those that it served before.
func drawAMF(candidates []*ngConnection, r *amfRequest, known bool) *ngConnection {
	for {
		ng := byCapacity(candidates, known, rand.IntN)
		if ng == nil || !ng.overload.refuses(r.cause, r.slices) {
			return ng
		}
		var others []*ngConnection
		for _, other := range candidates {
			if other != ng {
				others = append(others, other)
			}
		}
		candidates = others
	}
}

// countSlices is how many of the requested slices the AMF supports in the selected PLMN or SNPN, or in any one.
func (d *amfDescription) countSlices(r *amfRequest) (n int) {
	for _, want := range r.slices {
		if d.hasSlice(r, want) {
			n++
		}
	}
	return n
}

func (d *amfDescription) hasSlice(r *amfRequest, want ngap.SNSSAI) bool {
	for _, p := range d.plmns {
		if r.plmn != nil && (p.PLMNIdentity != *r.plmn || !sameNetwork(p.NPNSupport, r.nid)) {
			continue
		}
		for _, s := range p.SliceSupportList {
			if s.SNSSAI.Equal(want) {
				return true
			}
		}
		for _, s := range p.ExtendedSliceSupportList {
			if s.SNSSAI.Equal(want) {
				return true
			}
		}
	}
	return false
}

// guamiKey is a GUAMI as a map key.
type guamiKey struct {
	plmn  ngap.PLMNIdentity
	amfID uint32
}

func keyOf(g ngap.GUAMI) guamiKey { return guamiKey{g.PLMNIdentity, g.AMFID()} }

type guamiMatch int

const (
	guamiOther guamiMatch = iota
	guamiSameSet
	guamiServed
)

// match tells whether the AMF serves the GUAMI, or is of its set.
func (ng *ngConnection) match(g ngap.GUAMI) guamiMatch {
	best := guamiOther
	ng.mu.Lock()
	defer ng.mu.Unlock()
	for _, item := range ng.about().guamis {
		own := item.GUAMI
		if _, gone := ng.unavailable[keyOf(own)]; gone {
			continue
		}
		switch {
		case keyOf(own) == keyOf(g):
			return guamiServed
		case own.PLMNIdentity == g.PLMNIdentity && own.AMFRegionID == g.AMFRegionID && own.AMFSetID == g.AMFSetID:
			best = guamiSameSet
		}
	}
	return best
}

// byCapacity draws one by Relative AMF Capacity of those that have a GUAMI left; with known an AMF of capacity 0 counts too.
func byCapacity(candidates []*ngConnection, known bool, draw func(int) int) *ngConnection {
	total := 0
	weights := make([]int, len(candidates))
	for i, ng := range candidates {
		if ng.allUnavailable() {
			continue
		}
		weights[i] = int(ng.about().capacity)
		if known {
			weights[i] = max(weights[i], 1)
		}
		total += weights[i]
	}
	if total == 0 {
		return nil
	}
	n := draw(total)
	for i, ng := range candidates {
		if n -= weights[i]; n < 0 {
			return ng
		}
	}
	return nil
}
