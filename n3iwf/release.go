// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// requestRelease asks the AMF to release the UE context (TS 38.413 8.3.2). The command that answers it, or its absence, ends the context.
func (u *ue) requestRelease(cause ngap.Cause) {
	u.dropSetups()
	if u.released || u.ng == nil {
		return
	}
	if u.amfID == nil {
		// The AMF has not answered yet, so that there is no connection that a request could name; a reset can.
		u.ng.resetUEs(cause, u.logicalConnection())
		u.unbind()
		return
	}
	u.giveUpNAS()
	request := &ngap.UEContextReleaseRequest{AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID), Cause: cause}
	for id := range u.sessions {
		request.PDUSessionResourceListCxtRelReq = append(request.PDUSessionResourceListCxtRelReq, ngap.PDUSessionResourceItemCxtRelReq{PDUSessionID: id})
	}
	if u.releaseTry == 0 {
		u.nf.counters.ReleasedFor.Add(cause.String())
	}
	u.log.Info("release requested", slog.String("cause", cause.String()))
	u.send(request)
	u.releaseTry++
	u.setGuard(u.nf.live().Timers.Release, "UE CONTEXT RELEASE COMMAND", func() {
		if u.releaseTry < 2 {
			u.requestRelease(cause)
			return
		}
		if u.held == nil && !u.released { // otherwise the AMF would keep what is gone here
			u.ng.resetUEs(cause, u.logicalConnection())
		}
		u.unbind()
		u.endIKE()
	})
}

// releaseCommand ends the context on the AMF's order (TS 38.413 8.3.3). The answer does not wait for the UE.
func (u *ue) releaseCommand(cause ngap.Cause) {
	if u.released || u.amfID == nil {
		return
	}
	complete := &ngap.UEContextReleaseComplete{AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID)}
	location := u.location()
	complete.UserLocationInformation = &location
	for id := range u.sessions {
		complete.PDUSessionResourceListCxtRelCpl = append(complete.PDUSessionResourceListCxtRelCpl, ngap.PDUSessionResourceItemCxtRelCpl{PDUSessionID: id})
	}
	if u.releaseTry == 0 { // otherwise it counts as what was asked for
		u.nf.counters.ReleasedFor.Add(cause.String())
	}
	u.log.Info("UE released by the AMF", slog.String("cause", cause.String()))
	u.send(complete)
	u.unbind()
	u.dropSetups()
	u.dropSessions()
	switch {
	case u.state == stateEAP && (len(u.nasQueue) > 0 || u.eap != nil && !u.eap.CanSend()):
		// A NAS reject is on its way in EAP-5G; the UE answers it, and then the method fails.
		u.continueEAP()
	default:
		u.endAnswering()
	}
}

// unbind forgets the NGAP association: messages for it are answered as for an unknown UE from now on.
func (u *ue) unbind() {
	u.released = true
	u.leaveAMF()
}

// leaveAMF forgets that the UE is one of its AMF, which may not have given it an id yet.
func (u *ue) leaveAMF() {
	if u.amfID != nil {
		u.ng.unbind(*u.amfID, u.ranID)
	} else {
		u.ng.unbindTNLA(u.ranID)
	}
}

// endIKE deletes the IKE SA, or closes a session that has none yet. Closed follows.
func (u *ue) endIKE() {
	if u.session.Closed() {
		u.owner.forget(u) // only the AMF was still to answer
		return
	}
	if u.state == stateEAP && u.eap != nil {
		u.failEAP("released", nil)
		return
	}
	if u.state != stateReleasing {
		u.state = stateReleasing
	}
	u.apply(u.session.Delete(time.Now()))
}

// endAnswering ends the IKE SA of a UE that its AMF does not know any more. One that is still registering and whose next IKE_AUTH request is on its way, the
// answer to EAP-5G or its AUTH, gets the refusal as the response to that, as there is no other message that could bring it; what guards that request stays.
func (u *ue) endAnswering() {
	if u.state == stateEAP && u.eap != nil && !u.eap.CanSend() || u.state == stateKeyed {
		return
	}
	u.clearGuard()
	u.endIKE()
}

// abandon drops a UE whose state cannot be trusted any more.
func (u *ue) abandon(cause ngap.Cause) {
	u.requestRelease(cause)
	u.owner.linger(u.session)
	u.cleanUp()
}

// closed is the end of the IKE session, whoever ended it.
func (u *ue) closed(ev ikev2.Closed) {
	u.log.Info("IKE SA ended", slog.Any("reason", ev.Reason), slog.Bool("by_peer", ev.ByPeer), slog.String("path", u.path.String()))
	u.nf.counters.IKEClosed.Add(1)
	u.trace.fail(fmt.Sprintf("IKE SA ended: %v", ev.Reason))
	u.relocationClosed()
	sessions := u.sessions
	if !u.released && u.setup != nil && u.amfID != nil {
		u.notSetUp(u.setup, ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause())
	}
	if !u.released && u.releaseTry == 0 {
		cause := ngap.CauseRadioNetworkRadioConnectionWithUeLost
		if ev.ByPeer {
			cause = ngap.CauseRadioNetworkReleaseDueToNgranGeneratedReason
		}
		u.requestRelease(cause.Cause())
	}
	u.owner.linger(u.session)
	for _, s := range sessions {
		u.dropSession(s)
	}
	u.freeNWu()
	if u.released || u.ng == nil {
		u.owner.forget(u)
		return
	}
	u.state = stateReleasing // until the AMF's command, or its guard
}

// cleanUp frees all that a UE holds and forgets it.
func (u *ue) cleanUp() {
	u.relocationClosed()
	if !u.released && u.ng != nil {
		u.unbind()
	}
	u.dropSessions()
	u.freeNWu()
	u.owner.forget(u)
}

func (u *ue) dropSessions() {
	for _, s := range u.sessions {
		u.dropSession(s)
	}
}

// freeNWu gives back child SAs, NAS connection and inner addresses.
func (u *ue) freeNWu() {
	for id, c := range u.children {
		c.current = nil
		if err := u.nf.dataPlane.Delete(id, 0); err != nil {
			u.log.Debug("child SA", slog.Any("error", err))
		}
	}
	clear(u.children)
	u.signallingHandle.Store(nil)
	u.nasConn = nil
	u.nf.byInner.remove(u)
	for i, pool := range []*addressPool{u.nf.pool4, u.nf.pool6} {
		if u.inner[i].IsValid() {
			u.nf.nas.Disconnect(u.inner[i])
			pool.release(u.inner[i])
			u.nf.nodes.freed(u.inner[i])
			u.inner[i] = netip.Addr{}
		}
	}
}

// releaseSessions handles PDU SESSION RESOURCE RELEASE COMMAND (TS 23.502 4.12.7): forwarding stops at once; NAS and answer follow when the
// UE has confirmed that the child SAs are gone.
func (u *ue) releaseSessions(m *ngap.PDUSessionResourceReleaseCommand) {
	r := &sessionRelease{nas: m.NASPDU}
	if len(r.nas) > 0 {
		r.place = u.reserveNAS()
	}
	var children []*childSA
	for _, item := range m.PDUSessionResourceToReleaseListRelCmd {
		if slices.Contains(r.ids, item.PDUSessionID) {
			continue // TS 38.413 8.2.2.4: a repeated one is ignored
		}
		r.ids = append(r.ids, item.PDUSessionID)
		s := u.sessions[item.PDUSessionID]
		if s == nil {
			continue // an unknown one counts as released
		}
		s.removing = true
		u.dropSession(s)
		for _, c := range s.children {
			if c.current != nil { // otherwise the UE is still asked for it, and it goes when it comes up
				children = append(children, c)
				r.waiting++
				c.release = r
			}
		}
	}
	u.dropChildren(children...)
	if r.waiting == 0 {
		u.finishRelease(r)
	}
}

// sessionRelease is a release that waits for the UE.
type sessionRelease struct {
	ids     []ngap.PDUSessionID
	nas     ngap.NASPDU
	place   *nasPlace
	waiting int
}

func (u *ue) releaseProgress(c *childSA) {
	r := c.release
	if r == nil {
		return
	}
	c.release = nil
	if r.waiting--; r.waiting == 0 {
		u.finishRelease(r)
	}
}

func (u *ue) finishRelease(r *sessionRelease) {
	u.deliverAt(r.place, r.nas)
	if u.released || u.amfID == nil {
		return
	}
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceReleaseResponseTransfer{})
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
		return
	}
	location := u.location()
	response := &ngap.PDUSessionResourceReleaseResponse{AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID), UserLocationInformation: &location}
	var list []int // the log takes a list of octets for text
	for _, id := range r.ids {
		list = append(list, int(id))
		response.PDUSessionResourceReleasedListRelRes = append(response.PDUSessionResourceReleasedListRelRes,
			ngap.PDUSessionResourceReleasedItemRelRes{PDUSessionID: id, PDUSessionResourceReleaseResponseTransfer: transfer})
	}
	u.log.Info("PDU sessions released", slog.Any("pdu_sessions", list))
	u.send(response)
}

// childIDs lists the child SAs in the data plane.
func (u *ue) childIDs() []ipsec.ChildID {
	ids := make([]ipsec.ChildID, 0, len(u.children))
	for id := range u.children {
		ids = append(ids, id)
	}
	return ids
}
