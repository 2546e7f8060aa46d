// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// childSA is what a child SA is for, over all its rekeys. It is the Tag of the IKE session's child.
type childSA struct {
	id      ipsec.ChildID
	session *pduSession // nil: the signalling SA
	qfis    []uint8
	key     flowKey
	dflt    bool // the session's default child SA
	up      netip.Addr
	longest int            // inner packet that the relay was told to send
	current *ikev2.ChildSA // the pair that is sent on; nil until the child SA is up
	release *sessionRelease
	remake  bool        // the UE had lost it, and it is being made anew
	change  *flowUpdate // that it is being made for
}

// signallingContext marks inbound packets of signalling SAs for the NAS stack.
type signallingContext struct{}

const (
	protocolTCP = 6
	protocolGRE = 47
	// childGrace is how long late packets of a deleted SA are still taken (facts: 5 s after a rekey).
	childGrace = 5 * time.Second
)

// childUp installs a child SA, new or rekeyed.
func (u *ue) childUp(ev ikev2.ChildUp) {
	c, ok := ev.Child.Tag.(*childSA)
	if !ok {
		u.log.Error("child SA without purpose; deleted", slog.Uint64("spi", uint64(ev.Child.InboundSPI)))
		u.apply(u.session.DeleteChild(time.Now(), ev.Child.InboundSPI))
		return
	}
	if c.id == 0 {
		u.nextChild++
		c.id = ipsec.ChildID(u.ranID)<<32 | ipsec.ChildID(u.nextChild)
	}
	sa := u.ipsecChild(c, ev.Child)
	if err := u.nf.dataPlane.Install(sa); err != nil {
		u.log.Error("child SA not installed", slog.Any("error", err))
		u.apply(u.session.DeleteChild(time.Now(), ev.Child.InboundSPI))
		if ev.Replaces == 0 {
			u.childLost(c)
		}
		return
	}
	u.nf.counters.ChildSAs.Add(1)
	if ev.Replaces != 0 {
		u.nf.counters.ChildRekeys.Add(1)
		return // childSwitched follows
	}
	c.current = ev.Child
	u.children[c.id] = c
	if c.session != nil {
		u.sessionChildUp(c)
		return
	}
	u.signalling = c.id
	u.trace.end(spanSignalling, "")
	if h, err := u.nf.dataPlane.Handle(c.id); err == nil {
		u.signallingHandle.Store(&h)
	}
	u.signallingUp()
}

// ipsecChild says to the data plane what IKE has agreed. The inner addresses are checked against what the UE was assigned
// (RFC 4301 5.2), whatever selectors the UE proposed.
func (u *ue) ipsecChild(c *childSA, sa *ikev2.ChildSA) ipsec.ChildSA {
	out := ipsec.ChildSA{
		ID: c.id, InboundSPI: sa.InboundSPI, OutboundSPI: sa.OutboundSPI,
		Algorithms:  ipsec.Algorithms{Encr: uint16(sa.Suite.Encr.ID), Integ: uint16(sa.Suite.Integ)},
		InboundKeys: ipsec.Keys(sa.InboundKeys), OutboundKeys: ipsec.Keys(sa.OutboundKeys),
		ESN: sa.Suite.ESN, Lifetime: ipsec.Lifetime(u.nf.live().NWu.ESP.Volume), ReplayWindow: u.nf.live().NWu.ESP.ReplayWindow, Target: u.targetOfNew(sa.Path),
	}
	if c.session == nil {
		out.Context = signallingContext{}
		for _, nasAddr := range nasAddresses(&u.nf.live().NWu) {
			if a := u.innerFor(nasAddr.Is4()); a.IsValid() {
				out.Local = append(out.Local, ipsec.HostSelector(nasAddr, protocolTCP))
				out.Remote = append(out.Remote, ipsec.HostSelector(a, protocolTCP))
			}
		}
		return out
	}
	out.Context, out.DSCP = c.session.relay, c.key.marking()
	out.Local = []ipsec.Selector{ipsec.HostSelector(c.up, protocolGRE)}
	out.Remote = []ipsec.Selector{ipsec.HostSelector(u.innerFor(c.up.Is4()), protocolGRE)}
	return out
}

// childFailed: the UE does not want a child SA, or did not answer in time.
func (u *ue) childFailed(ev ikev2.ChildFailed) {
	c, ok := ev.Tag.(*childSA)
	if !ok {
		return
	}
	var refusal *ikev2.NotifyError
	if errors.As(ev.Err, &refusal) {
		u.log.Warn("the UE refused a child SA", slog.String("notify", refusal.Type.String()))
	}
	u.childLost(c)
}

// childLost goes on without a child SA that does not come up.
func (u *ue) childLost(c *childSA) {
	if c.session == nil {
		u.contextSetupFailed(ngap.CauseRadioNetworkFailureInRadioInterfaceProcedure.Cause())
		return
	}
	u.sessionChildFailed(c)
}

// childSwitched sends on a rekeyed pair from now on.
func (u *ue) childSwitched(ev ikev2.ChildSwitched) {
	c, ok := ev.Child.Tag.(*childSA)
	if !ok || c.current == nil {
		return
	}
	c.current = ev.Child
	if err := u.nf.dataPlane.SwitchOutbound(c.id, c.current.InboundSPI); err != nil {
		u.log.Error("rekeyed child SA not switched", slog.Any("error", err))
	}
}

// childDown removes a child SA, or one of its pairs that a rekey has superseded.
func (u *ue) childDown(ev ikev2.ChildDown) {
	c, ok := ev.Child.Tag.(*childSA)
	if !ok || c.current == nil {
		return
	}
	if ev.Superseded {
		if err := u.nf.dataPlane.DeleteSA(c.id, ev.Child.InboundSPI, childGrace); err != nil {
			u.log.Debug("old SA", slog.Any("error", err))
		}
		return
	}
	u.removeChild(c)
	switch {
	case c.session != nil && ev.Lost && c.session.active && !c.session.removing:
		u.remakeChild(c)
	case c.session != nil:
		u.sessionChildDown(c)
	case u.state == stateUp:
		// Without signalling SA there is no way for NAS.
		u.requestRelease(ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause())
		u.endIKE()
	}
}

func (u *ue) removeChild(c *childSA) {
	c.current = nil
	delete(u.children, c.id)
	if err := u.nf.dataPlane.Delete(c.id, childGrace); err != nil {
		u.log.Debug("child SA", slog.Any("error", err))
	}
}

// signallingUp answers INITIAL CONTEXT SETUP REQUEST once NAS has its SA (TS 38.413 8.3.1); PDU sessions in it are set up first.
func (u *ue) signallingUp() {
	if u.setup == nil || u.amfID == nil {
		return
	}
	setup, place := u.setup, u.setupPlace
	u.setup, u.setupPlace = nil, nil
	requests := make([]sessionRequest, 0, len(setup.PDUSessionResourceSetupListCxtReq))
	for _, item := range setup.PDUSessionResourceSetupListCxtReq {
		requests = append(requests, sessionRequest{id: item.PDUSessionID, nas: item.NASPDU, snssai: item.SNSSAI, transfer: item.PDUSessionResourceSetupRequestTransfer})
	}
	u.setupSessions(requests, place, func(b *setupBatch) {
		response := &ngap.InitialContextSetupResponse{AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID)}
		for _, ok := range b.done {
			response.PDUSessionResourceSetupListCxtRes = append(response.PDUSessionResourceSetupListCxtRes,
				ngap.PDUSessionResourceSetupItemCxtRes{PDUSessionID: ok.id, PDUSessionResourceSetupResponseTransfer: ok.transfer})
		}
		for _, bad := range b.failed {
			response.PDUSessionResourceFailedToSetupListCxtRes = append(response.PDUSessionResourceFailedToSetupListCxtRes,
				ngap.PDUSessionResourceFailedToSetupItemCxtRes{PDUSessionID: bad.id, PDUSessionResourceSetupUnsuccessfulTransfer: bad.transfer})
		}
		u.send(response)
		u.trace.end(spanContextSetup, "")
		u.trace.registered(u)
	})
}

// acceptChild is asked about child SAs that a UE wants to make: only the N3IWF makes them (TS 24.502 7.5.2).
func acceptChild(*ikev2.Session, *ikev2.ChildOffer) (ikev2.ChildAnswer, error) {
	return ikev2.ChildAnswer{}, &ikev2.NotifyError{Type: message.NO_ADDITIONAL_SAS}
}
