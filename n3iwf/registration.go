// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
)

// Registration via untrusted non-3GPP access (TS 23.502 4.12.2.2): EAP-5G carries NAS between UE and AMF until INITIAL CONTEXT SETUP REQUEST
// brings K_N3IWF, with which both sides authenticate the IKE SA.

// awaitAuth drops a peer that does not go on after IKE_SA_INIT.
func (u *ue) awaitAuth() {
	u.setGuard(u.nf.live().NWu.IKE.HalfOpen.Timeout, "the first IKE_AUTH request", u.endIKE)
}

// startEAP answers the first IKE_AUTH request, which has no AUTH payload.
func (u *ue) startEAP(ikev2.EAPStart) {
	u.trace.begin(spanEAP, spanEAP, spanRegistration)
	u.eap = eap5g.NewServer(uint8(rand.N(256)))
	packet, err := u.eap.Start()
	if err != nil {
		u.failEAP("EAP-5G cannot start", err)
		return
	}
	if path := u.session.Path(); u.nf.forbidden(path.Remote.Addr()) { // the one of IKE_SA_INIT was not
		u.failEAP("it comes from nwu.forbiddenNetworks", nil)
		return
	}
	u.sendEAP(packet)
}

func (u *ue) sendEAP(packet []byte) {
	u.setGuard(u.nf.live().Timers.EAPStep, "the UE's next EAP-5G message", func() {
		u.requestRelease(ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause())
		u.endIKE()
	})
	u.trace.begin(spanEAPRound, spanEAPRound, spanEAP)
	u.apply(u.session.SendEAP(time.Now(), packet))
}

func (u *ue) receiveEAP(packet []byte) {
	if u.eap == nil {
		return
	}
	u.trace.end(spanEAPRound, "")
	ev, err := u.eap.Receive(packet)
	switch ev := ev.(type) {
	case eap5g.NASReceived:
		if ev.First {
			u.initialUEMessage(ev)
			return
		}
		u.awaitAMF()
		u.uplinkNAS(ev.PDU)
		u.continueEAP()
	case eap5g.Acknowledged:
		u.awaitAMF()
		u.continueEAP()
	case eap5g.Stopped:
		u.requestRelease(ngap.CauseNasNormalRelease.Cause())
		u.failEAP("the UE ended EAP-5G", nil)
	default:
		if errors.Is(err, eap5g.ErrIdentifier) || errors.Is(err, eap5g.ErrUnexpected) {
			return // an old packet; the outstanding request goes on
		}
		u.nf.counters.EAPErrors.Add(1)
		u.requestRelease(ngap.CauseRadioNetworkFailureInRadioInterfaceProcedure.Cause())
		u.failEAP("bad EAP packet", err)
	}
}

func (u *ue) awaitAMF() {
	u.setGuard(u.nf.live().Timers.AMFAnswer, "the AMF's next message", func() {
		u.requestRelease(ngap.CauseRadioNetworkFailureInRadioInterfaceProcedure.Cause())
		u.refuse("the AMF does not answer")
	})
}

// initialUEMessage selects the AMF and opens the NGAP association of the UE with its first NAS message.
func (u *ue) initialUEMessage(ev eap5g.NASReceived) {
	if c := ev.AN.EstablishmentCause; c != nil && *c == eap5g.CauseEmergency {
		u.isEmergency()
	}
	if !u.admit() {
		u.refuse("limits.maxUEs UEs are here")
		return
	}
	var plmn *ngap.PLMNIdentity
	if p := ev.AN.SelectedPLMN; p != nil {
		id := ngap.PLMNIdentity(*p)
		plmn = &id
	}
	request := &amfRequest{guami: guamiOf(ev.AN.GUAMI), plmn: plmn, nid: (*ngap.NID)(ev.AN.SelectedNID), cause: establishmentCause(&ev.AN)}
	for _, s := range ev.AN.RequestedNSSAI {
		request.slices = append(request.slices, ngap.NewSNSSAI(s.SST, (*ngap.SD)(s.SD)))
	}
	u.chooseAMF(early{ev, request})
}

// chooseAMF selects the AMF and sends it the UE's first message. It tells false when the UE waits for an AMF.
func (u *ue) chooseAMF(e early) bool {
	ev, request := e.message, e.request
	if request.plmn != nil && !request.isEmergency() && u.nf.trackingArea(request, nil) == nil {
		u.refuse(notServed)
		return true
	}
	var why string
	if u.ng, why = u.nf.selectAMF(request); u.ng == nil {
		switch patience := u.nf.starting(); {
		case why == noAMF && patience > 0:
			u.awaitFirstAMF(e, patience)
			return false
		default:
			u.refuse(why)
			return true
		}
	}
	requested := ngap.UEContextRequestRequested
	u.locate(request)
	u.awaitAMF()
	u.log.Info("UE registers", slog.String("path", u.path.String()), slog.String("amf", u.ng.name()))
	u.logIdentity(ev.PDU)
	u.initial = &ngap.InitialUEMessage{
		RANUENGAPID: ngap.RANUENGAPID(u.ranID), NASPDU: ev.PDU, UserLocationInformation: u.location(), RRCEstablishmentCause: request.cause,
		FiveGSTMSI: temporaryIdentity(ev.PDU), UEContextRequest: &requested, SelectedPLMNIdentity: request.plmn, SelectedNID: request.nid,
	}
	u.traceNAS(u.initial)
	u.send(u.initial)
	return true
}

// admit counts the UE against limits.maxUEs. Before this, the limits of half-open IKE SAs bound what peers can make this N3IWF hold; here is the
// first moment when a UE can be told why it is refused. An emergency is never refused for want of room.
func (u *ue) admit() bool {
	if u.nf.admitted.Add(1) > int64(u.nf.live().Limits.MaxUEs) && !u.emergency {
		u.nf.admitted.Add(-1)
		return false
	}
	u.admitted = true
	return true
}

// establishmentCause is the UE's, in NGAP's values; a UE that gives none wants to signal.
func establishmentCause(an *eap5g.AN) ngap.RRCEstablishmentCause {
	if c := an.EstablishmentCause; c != nil {
		return ngap.RRCEstablishmentCause(c.NGAP())
	}
	return ngap.RRCEstablishmentCauseMoSignalling
}

func guamiOf(g *eap5g.GUAMI) *ngap.GUAMI {
	if g == nil {
		return nil
	}
	return &ngap.GUAMI{
		PLMNIdentity: ngap.PLMNIdentity(g.PLMN), AMFRegionID: ngap.AMFRegionID(g.Region), AMFSetID: ngap.AMFSetID(g.Set), AMFPointer: ngap.AMFPointer(g.Pointer),
	}
}

// continueEAP sends what waits for the UE during EAP-5G, one NAS message a round, then the end of the method.
func (u *ue) continueEAP() {
	switch {
	case u.eap == nil || u.state != stateEAP || !u.eap.CanSend():
	case len(u.nasQueue) > 0 && u.setup == nil:
		pdu := u.nasQueue[0]
		u.nasQueue = u.nasQueue[1:]
		packet, err := u.eap.SendNAS(pdu)
		if err != nil {
			u.requestRelease(ngap.CauseRadioNetworkFailureInRadioInterfaceProcedure.Cause())
			u.failEAP("NAS message does not fit EAP-5G", err)
			return
		}
		u.sendEAP(packet)
	case u.released:
		u.failEAP("released by the AMF", nil)
	case u.setup != nil:
		u.succeedEAP()
	}
}

// succeedEAP ends the method: the AMF has authenticated the UE and given the key.
func (u *ue) succeedEAP() {
	packet, err := u.eap.Success()
	if err != nil {
		u.failEAP("EAP-5G cannot end", err)
		return
	}
	u.trace.end(spanEAP, "")
	u.trace.begin(spanSignalling, spanSignalling, spanContextSetup)
	u.state = stateKeyed
	u.setGuard(u.nf.live().Timers.ContextSetup, "the UE's AUTH after EAP-Success", func() {
		u.contextSetupFailed(ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause())
	})
	u.apply(u.session.EAPSuccess(time.Now(), packet, u.key))
	clear(u.key)
	u.key = nil
}

// refuse turns a UE away with CONGESTION and a time to stay away (TS 24.502 7.3.2.1).
func (u *ue) refuse(why string) {
	t := u.nf.live().Timers
	backoff := t.UEBackOffMin + rand.N(t.UEBackOffMax-t.UEBackOffMin+1)
	u.failEAP(why, nil,
		&message.Notify{Type: nwu.NotifyCongestion},
		&message.Notify{Type: nwu.NotifyBackoffTimer, Data: nwu.BackoffTimer(backoff)})
}

// failEAP ends EAP-5G without access; the session closes with it.
func (u *ue) failEAP(why string, err error, notifies ...*message.Notify) {
	u.nf.counters.Refused.Add(1)
	u.nf.counters.RefusedFor.Add(why)
	u.trace.fail(why)
	u.trace.end(spanEAP, why)
	said := []any{slog.String("path", u.path.String())}
	if err != nil {
		said = append(said, slog.Any("error", err))
	}
	u.log.Warn("UE refused: "+why, said...)
	u.state = stateReleasing
	if u.releaseTry == 0 || u.released {
		u.clearGuard() // otherwise it waits for the AMF's command
	}
	if packet := u.eap.Failure(); packet != nil {
		u.apply(u.session.EAPFailure(time.Now(), packet, notifies...))
	}
}

// authorize answers the last IKE_AUTH request: both sides have shown that they know K_N3IWF. It assigns the inner addresses and narrows the
// signalling SA to NAS.
func (u *ue) authorize(ev ikev2.AuthRequest) {
	now := time.Now()
	auth := ikev2.Authorization{Tag: &childSA{}}
	reject := func(t message.NotifyType) {
		auth.Refuse = &ikev2.NotifyError{Type: t}
		u.apply(u.session.AuthorizeChild(now, auth))
		u.log.Warn("UE gets no signalling SA", slog.String("notify", t.String()))
		u.trace.fail(t.String())
	}
	switch {
	case u.released: // meanwhile, or its AMF is lost
		reject(message.TEMPORARY_FAILURE)
		return
	case ev.Config == nil:
		reject(message.FAILED_CP_REQUIRED)
		return
	}
	reply := &message.Configuration{Type: message.CFG_REPLY}
	outside := u.assign(&ev, reply, &auth)
	switch {
	case len(reply.Attributes) == 0 && outside:
		reject(message.TS_UNACCEPTABLE)
		return
	case len(reply.Attributes) == 0:
		reject(message.INTERNAL_ADDRESS_FAILURE)
		return
	}
	auth.Config = reply
	port := binary.BigEndian.AppendUint16(nil, u.nf.live().NWu.NAS.Port)
	auth.Notifies = append(auth.Notifies, &message.Notify{Type: nwu.NotifyNASTCPPort, Data: port})
	u.apply(u.session.AuthorizeChild(now, auth))
}

// assign takes an inner address of each family that the UE asks for and that there is a pool for. It tells whether there was one whose NAS the traffic
// selectors of the UE's signalling SA leave out, so that it got none of that family: what they are narrowed to must lie in them (RFC 7296 2.9).
func (u *ue) assign(ev *ikev2.AuthRequest, reply *message.Configuration, auth *ikev2.Authorization) (outside bool) {
	type family struct {
		ask    message.ConfigAttributeType
		pool   *addressPool
		nas    netip.Addr
		notify message.NotifyType
	}
	families := [2]family{
		{message.INTERNAL_IP4_ADDRESS, u.nf.pool4, u.nf.live().NWu.NAS.IPv4, nwu.NotifyNASIP4Address},
		{message.INTERNAL_IP6_ADDRESS, u.nf.pool6, u.nf.live().NWu.NAS.IPv6, nwu.NotifyNASIP6Address},
	}
	for i, f := range families {
		if _, asked := ev.Config.Get(f.ask); !asked || f.pool.empty() || !f.nas.IsValid() {
			continue
		}
		a, err := f.pool.allocate()
		if err != nil {
			u.log.Error("inner addresses are used up", slog.Any("error", err))
			continue
		}
		remote, okRemote := narrow(a, ev.RemoteTS)
		local, okLocal := narrow(f.nas, ev.LocalTS)
		if !okRemote || !okLocal {
			f.pool.release(a)
			outside = true
			continue
		}
		u.inner[i] = a
		reply.Attributes = append(reply.Attributes, addressAttributes(a, f.pool.prefixOf(a))...)
		auth.RemoteTS = append(auth.RemoteTS, remote)
		auth.LocalTS = append(auth.LocalTS, local)
		auth.Notifies = append(auth.Notifies, &message.Notify{Type: f.notify, Data: f.nas.AsSlice()})
	}
	u.nf.byInner.add(u)
	return outside
}

// narrow gives what the widest of the proposed selectors leaves of a host, for TCP at least (RFC 7296 2.9).
func narrow(host netip.Addr, proposed []message.TrafficSelector) (out message.TrafficSelector, ok bool) {
	for _, p := range proposed {
		if !p.Contains(host) || p.Protocol != 0 && p.Protocol != protocolTCP {
			continue
		}
		if wide := p.Protocol == 0 && p.StartPort == 0 && p.EndPort == 65535; !ok || wide {
			p.Start, p.End = host, host
			out, ok = p, true
		}
	}
	return out, ok
}

// addressAttributes gives the CFG_REPLY attributes of an inner address. The mask is that of the pool, so that the UE finds the NAS and
// user-plane addresses on its link.
func addressAttributes(a netip.Addr, prefix netip.Prefix) []message.ConfigAttribute {
	if a.Is6() {
		return []message.ConfigAttribute{{Type: message.INTERNAL_IP6_ADDRESS, Value: append(a.AsSlice(), byte(prefix.Bits()))}}
	}
	mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-prefix.Bits()))
	return []message.ConfigAttribute{
		{Type: message.INTERNAL_IP4_ADDRESS, Value: a.AsSlice()},
		{Type: message.INTERNAL_IP4_NETMASK, Value: mask},
	}
}

func hostSelector(a netip.Addr) message.TrafficSelector {
	return message.TrafficSelector{EndPort: 65535, Start: a, End: a}
}

// established notes that the IKE SA is up; the signalling SA comes with its own event of the same output. Without that SA, because it was refused or the
// UE proposed none that will do, there is no way for NAS, and the IKE SA ends.
func (u *ue) established(ev ikev2.Established) {
	u.path = ev.Path
	if len(u.session.Children()) == 0 {
		u.log.Warn("UE authenticated, but without signalling SA; its IKE SA ends", slog.String("path", u.path.String()))
		u.eap = nil
		u.clearGuard()
		u.contextSetupFailed(ngap.CauseRadioNetworkFailureInRadioInterfaceProcedure.Cause())
		return
	}
	u.notePath(ev.Path, "registered")
	u.noteProof(ev.Path)
	u.state = stateUp
	u.eap = nil
	u.trace.begin(spanNASConnection, spanNASConnection, spanRegistration)
	u.nf.counters.Registered.Add(1)
	u.nf.counters.Handshakes.Observe(time.Since(u.since))
	u.nf.publish(LiveEvent{Kind: LiveRegistered, UE: u.ranID, AMF: u.amfName(), To: u.path.Remote.String()})
	u.log.Info("UE authenticated", slog.String("path", u.path.String()), slog.Bool("mobike", ev.MOBIKE), slog.Duration("after", time.Since(u.since)))
	if u.released {
		u.endIKE()
		return
	}
	u.correctAddresses()
	u.watchInactivity()
	u.setGuard(u.nf.live().Timers.NASConnection, guardNAS, func() {
		u.requestRelease(ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause())
		u.endIKE()
	})
}

// contextSetupFailed tells the AMF and ends the IKE SA.
func (u *ue) contextSetupFailed(cause ngap.Cause) {
	u.trace.fail(cause.String())
	u.trace.end(spanContextSetup, cause.String())
	if u.setup != nil && u.amfID != nil && !u.released {
		u.notSetUp(u.setup, cause)
		u.setup = nil
	}
	u.endIKE()
}

// notSetUp sends INITIAL CONTEXT SETUP FAILURE, with the PDU sessions that were to come up, so that the SMF of each hears of it (TS 38.413 8.3.1.3).
func (u *ue) notSetUp(m *ngap.InitialContextSetupRequest, cause ngap.Cause) {
	failure := &ngap.InitialContextSetupFailure{AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID), Cause: cause}
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceSetupUnsuccessfulTransfer{Cause: cause})
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
	}
	seen := map[ngap.PDUSessionID]bool{}
	for _, item := range m.PDUSessionResourceSetupListCxtReq {
		if !seen[item.PDUSessionID] {
			seen[item.PDUSessionID] = true
			failure.PDUSessionResourceFailedToSetupListCxtFail = append(failure.PDUSessionResourceFailedToSetupListCxtFail,
				ngap.PDUSessionResourceFailedToSetupItemCxtFail{PDUSessionID: item.PDUSessionID, PDUSessionResourceSetupUnsuccessfulTransfer: transfer})
		}
	}
	u.send(failure)
}
