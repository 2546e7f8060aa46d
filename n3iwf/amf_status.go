// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// withdrawal is what AMF STATUS INDICATION says of a GUAMI (TS 38.413 8.7.6): the AMF will not serve it any more.
type withdrawal struct {
	backup ngap.AMFName // where its UEs go; empty: to another AMF of the set
	// timer: the UEs stay until the AMF frees them one by one, with UE TNLA BINDING RELEASE REQUEST (TS 23.501 5.21.2.2.2). Otherwise they go with
	// their next message.
	timer bool
}

// amfStatus takes GUAMIs out of the choice. Their UEs move as the indication says.
func (ng *ngConnection) amfStatus(m *ngap.AMFStatusIndication) {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	for _, item := range m.UnavailableGUAMIList {
		backup := item.BackupAMFName
		if backup == "" {
			backup = ng.backupOf(item.GUAMI)
		}
		ng.unavailable[keyOf(item.GUAMI)] = withdrawal{backup: backup, timer: item.TimerApproachForGUAMIRemoval != nil}
		ng.amf.log.Warn("the AMF withdraws a GUAMI", slog.String("guami", item.GUAMI.String()), slog.String("backup", string(backup)), slog.Bool("timer", item.TimerApproachForGUAMIRemoval != nil))
	}
}

// backupOf is the backup AMF that NG Setup named for a GUAMI.
func (ng *ngConnection) backupOf(g ngap.GUAMI) ngap.AMFName {
	for _, item := range ng.about().guamis {
		if keyOf(item.GUAMI) == keyOf(g) {
			return item.BackupAMFName
		}
	}
	return ""
}

func (ng *ngConnection) withdrawn(g ngap.GUAMI) (withdrawal, bool) {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	w, ok := ng.unavailable[keyOf(g)]
	return w, ok
}

// allUnavailable tells whether the AMF has withdrawn every GUAMI that it serves.
func (ng *ngConnection) allUnavailable() bool {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	return !slices.ContainsFunc(ng.about().guamis, func(item ngap.ServedGUAMIItem) bool {
		_, gone := ng.unavailable[keyOf(item.GUAMI)]
		return !gone
	}) && len(ng.about().guamis) > 0
}

// mustMove tells whether the UE's next message goes to another AMF, and to which by name, if one was named.
func (u *ue) mustMove() (backup ngap.AMFName, must bool) {
	if u.guami == nil {
		return "", false
	}
	if u.held != nil {
		return u.ng.backupOf(*u.guami), true
	}
	w, gone := u.ng.withdrawn(*u.guami)
	return w.backup, gone && (!w.timer || u.freed)
}

// successor finds the AMF that takes a UE over: the named backup, else the AMF that serves the UE's GUAMI now, else one of the same set (TS 23.501
// 5.21.2.2). Nil when none is connected.
func (u *ue) successor(backup ngap.AMFName) *ngConnection {
	var same, served []*ngConnection
	for _, a := range u.nf.amfs.get() {
		ng := a.forNewUEs()
		if ng == nil || ng == u.ng || ng.allUnavailable() {
			continue
		}
		if backup != "" && ng.about().name == backup {
			return ng
		}
		switch ng.match(*u.guami) {
		case guamiServed:
			served = append(served, ng)
		case guamiSameSet:
			same = append(same, ng)
		}
	}
	if len(served) > 0 {
		return served[0]
	}
	return byCapacity(same, true, func(n int) int { return int(u.ranID) % n })
}
