// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/nas"
)

// What becomes of downlink NAS when the UE's TCP connection breaks while its IKE SA lives: no message is dropped in silence, comes twice, or overtakes
// another one. What TCP had not sent, or not to its end, goes over the next connection, before all that came later. What was sent whole and not
// acknowledged may have arrived or not; sending it again could bring it to the UE twice, so the AMF is told that its delivery is not ensured, which is
// what NAS NON DELIVERY INDICATION says (TS 38.413 8.6.4). What the UE's TCP has acknowledged counts as delivered; that the UE loses it after that
// cannot be known here, and NAS has its own timers for it. Uplink, a message counts when its envelope has come whole; the rest of a broken one is
// forgotten, because the UE sends it again whole.

// nasClosed: a connection is gone; the UE opens a new one while the IKE SA lives.
func (u *ue) nasClosed(c *nas.Conn, ended nas.Ended) {
	u.log.Info("NAS connection closed", slog.Any("reason", ended.Reason), slog.Int("unsure", len(ended.Unsure)), slog.Int("unsent", len(ended.Unsent)))
	latest := u.nasConn == c
	if latest {
		u.nasConn = nil
	}
	u.takeBack(ended.Undelivered, latest)
	if latest && u.departure != nil {
		u.departure.nas = true
		u.leaveLater(0)
	}
}

// takeBack lets what a connection has not sent wait for the next one. When there is a later connection already, which later messages have gone over, it
// is not delivered at all.
func (u *ue) takeBack(lost nas.Undelivered, latest bool) {
	for _, pdu := range lost.Unsure {
		u.nonDelivery(pdu)
	}
	if !latest || u.state != stateUp {
		for _, pdu := range lost.Unsent {
			u.nonDelivery(pdu)
		}
		return
	}
	later := u.nasQueue
	u.nasQueue = nil
	for _, pdu := range append(lost.Unsent, later...) {
		u.waitForNAS(pdu)
	}
}

// waitForNAS keeps a message until the UE has a way for it. The ones that came last are those that find no room.
func (u *ue) waitForNAS(pdu []byte) {
	if len(u.nasQueue) >= u.nf.live().Limits.NASQueue || u.state == stateReleasing {
		u.nonDelivery(pdu)
		return
	}
	u.nasQueue = append(u.nasQueue, pdu)
	u.bePatient()
}

// bePatient gives the UE timers.nasConnection to open a connection for what waits.
func (u *ue) bePatient() {
	if len(u.nasQueue) > 0 && u.state == stateUp && u.nasConn == nil && !u.nasPatience {
		u.nasPatience = true
		u.nf.after(u.nf.live().Timers.NASConnection, func() { u.owner.forUE(u, u.nasImpatient) })
	}
}

// nasImpatient: some message has waited for timers.nasConnection, and the UE has not come back.
func (u *ue) nasImpatient() {
	u.nasPatience = false
	if u.nasConn != nil || u.state != stateUp || u.departure != nil {
		return
	}
	u.log.Warn("the UE does not open its NAS connection again; what waits for it is not delivered", slog.Int("messages", len(u.nasQueue)),
		slog.Duration("after", u.nf.live().Timers.NASConnection.Round(time.Second)))
	u.giveUpNAS()
}

// giveUpNAS tells the AMF of all that the UE will not get any more: what waits, and what its connection has not brought to it.
func (u *ue) giveUpNAS() {
	if u.nasConn != nil {
		lost := u.nasConn.Undelivered()
		for _, pdu := range append(lost.Unsure, lost.Unsent...) {
			u.nonDelivery(pdu)
		}
	}
	queue := u.nasQueue
	u.nasQueue = nil
	for _, pdu := range queue {
		u.nonDelivery(pdu)
	}
}

// nonDelivery tells the AMF that the delivery of a NAS message is not ensured (TS 38.413 8.6.4).
func (u *ue) nonDelivery(pdu []byte) {
	if u.amfID == nil || u.released {
		return
	}
	u.send(&ngap.NASNonDeliveryIndication{
		AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID), NASPDU: pdu, Cause: ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause(),
	})
}
