// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// A core may give a UE to another of its AMFs without a word to the N3IWF (TS 23.502 4.2.2.2.3). The new AMF then speaks first, and names the old one.

// oldAMF is the AMF that the sender of a message says the UE comes from (TS 38.413 8.6.2.2, 8.3.1.2); empty: it says nothing.
func oldAMF(m ngap.Message) ngap.AMFName {
	switch m := m.(type) {
	case *ngap.DownlinkNASTransport:
		return m.OldAMF
	case *ngap.InitialContextSetupRequest:
		return m.OldAMF
	}
	return ""
}

// redirected tells whether the message makes the UE that of another AMF: it names the present one.
func (u *ue) redirected(m ngap.Message) bool {
	old := oldAMF(m)
	return old != "" && !u.released && u.ng != nil && u.ng.about().name == old
}

// redirectTo makes the UE that of the AMF at the other end of ng, which calls it amfID.
func (u *ue) redirectTo(ng *ngConnection, amfID *ngap.AMFUENGAPID) {
	u.log.Info("UE redirected to another AMF", slog.String("from", u.ng.name()), slog.String("to", ng.name()))
	u.leaveAMF()
	u.ng, u.amfID, u.freed = ng, amfID, false
	ng.bind(*amfID, u.ranID)
	u.sendHeld()
}
