// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"math/rand/v2"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// selectAMF finds the NG connection for a new UE (TS 23.501 6.3.5): the AMF of its GUAMI when that one is there, else one of the same set,
// else by the relative capacities of those that serve the selected PLMN. Nil when there is none.
func (nf *N3IWF) selectAMF(guami *ngap.GUAMI, plmn *ngap.PLMNIdentity) *ngConnection {
	var sameSet, serving []*ngConnection
	for _, a := range nf.amfs {
		ng := a.ng.Load()
		if ng == nil {
			continue
		}
		if guami != nil {
			switch ng.match(*guami) {
			case guamiServed:
				return ng
			case guamiSameSet:
				sameSet = append(sameSet, ng)
			}
		}
		if plmn == nil || ng.serves(*plmn) {
			serving = append(serving, ng)
		}
	}
	if ng := byCapacity(sameSet); ng != nil {
		return ng
	}
	return byCapacity(serving)
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

func (ng *ngConnection) match(g ngap.GUAMI) guamiMatch {
	best := guamiOther
	ng.mu.Lock()
	defer ng.mu.Unlock()
	for _, item := range ng.guamis {
		own := item.GUAMI
		switch {
		case ng.unavailable[keyOf(own)]:
		case keyOf(own) == keyOf(g):
			return guamiServed
		case own.PLMNIdentity == g.PLMNIdentity && own.AMFRegionID == g.AMFRegionID && own.AMFSetID == g.AMFSetID:
			best = guamiSameSet
		}
	}
	return best
}

// setUnavailable notes GUAMIs that the AMF no longer serves (AMF STATUS INDICATION, TS 38.413 8.7.6).
func (ng *ngConnection) setUnavailable(list ngap.UnavailableGUAMIList) {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	for _, item := range list {
		ng.unavailable[keyOf(item.GUAMI)] = true
	}
}

// allUnavailable tells whether the AMF has withdrawn every GUAMI that it serves.
func (ng *ngConnection) allUnavailable() bool {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	for _, item := range ng.guamis {
		if !ng.unavailable[keyOf(item.GUAMI)] {
			return false
		}
	}
	return true
}

// byCapacity draws one by Relative AMF Capacity; an AMF of capacity 0 gets no new UE (TS 38.413 9.3.1.32).
func byCapacity(candidates []*ngConnection) *ngConnection {
	total := 0
	for _, ng := range candidates {
		if !ng.allUnavailable() {
			total += int(ng.capacity)
		}
	}
	if total == 0 {
		return nil
	}
	n := rand.IntN(total)
	for _, ng := range candidates {
		if ng.allUnavailable() {
			continue
		}
		if n -= int(ng.capacity); n < 0 {
			return ng
		}
	}
	return nil
}
