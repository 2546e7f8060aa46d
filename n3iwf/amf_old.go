// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// A core may give a UE to another of its AMFs without a word to the N3IWF (TS 23.502 4.2.2.2.3). The new AMF then speaks first, and names the old one if that had
// spoken before.

// redirected tells whether a message of another AMF makes the UE that AMF's: it may be the first one to a UE (TS 38.413 8.6.2.2, 8.3.1.2) and names the UE's
// present AMF as the old one, or the UE has not been spoken to yet: the id that it came with leads to it from any AMF.
func (u *ue) redirected(m ngap.Message) bool {
	var old ngap.AMFName
	switch m := m.(type) {
	case *ngap.DownlinkNASTransport:
		old = m.OldAMF
	case *ngap.InitialContextSetupRequest:
		old = m.OldAMF
	default:
		return false
	}
	if u.released || u.ng == nil {
		return false
	}
	return u.amfID == nil || old != "" && old == u.ng.about().name
}

// redirectTo makes the UE that of the AMF at the other end of ng, which calls it amfID.
func (u *ue) redirectTo(ng *ngConnection, amfID *ngap.AMFUENGAPID) {
	u.log.Info("UE redirected to another AMF", slog.String("from", u.ng.name()), slog.String("to", ng.name()))
	u.leaveAMF()
	u.ng, u.amfID, u.freed = ng, amfID, false
	ng.bind(*amfID, u.ranID)
	u.sendHeld()
}
