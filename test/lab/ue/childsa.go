// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"encoding/binary"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// child is a child SA of the UE; info is nil for the signalling SA.
type child struct {
	id      ipsec.ChildID
	info    *nwu.QoSInfo
	up      netip.Addr // the N3IWF's user-plane address
	current *ikev2.ChildSA
	// For the receiving goroutine; info changes.
	signalling bool
	psi        uint8
	session    atomic.Pointer[Session]
}

func (u *UE) newChild(info *nwu.QoSInfo) *child {
	u.nextChild++
	c := &child{id: u.nextChild, info: info, signalling: info == nil}
	if info != nil {
		c.psi = info.PDUSessionID
	}
	return c
}

// acceptChild takes the user-plane child SAs that the N3IWF makes (TS 24.502 7.5.2).
func (u *UE) acceptChild(_ *ikev2.Session, offer *ikev2.ChildOffer) (ikev2.ChildAnswer, error) {
	var info *nwu.QoSInfo
	var up netip.Addr
	for _, n := range offer.Notifies {
		switch n.Type {
		case nwu.Notify5GQoSInfo:
			q, err := nwu.ParseQoSInfo(n.Data)
			if err != nil {
				return ikev2.ChildAnswer{}, &ikev2.NotifyError{Type: message.NO_ADDITIONAL_SAS} // INVALID_SYNTAX would end the IKE SA
			}
			info = &q
		case nwu.NotifyUPIP4Address, nwu.NotifyUPIP6Address:
			up, _ = netip.AddrFromSlice(n.Data)
		}
	}
	if info == nil || !up.IsValid() {
		return ikev2.ChildAnswer{}, &ikev2.NotifyError{Type: message.NO_ADDITIONAL_SAS}
	}
	if u.o.RefuseChild != nil {
		if why := u.o.RefuseChild(info); why != 0 {
			return ikev2.ChildAnswer{}, &ikev2.NotifyError{Type: why}
		}
	}
	c := u.newChild(info)
	c.up = up
	return ikev2.ChildAnswer{Tag: c}, nil
}

func (u *UE) childUp(ev ikev2.ChildUp) {
	c, ok := ev.Child.Tag.(*child)
	if !ok {
		u.log.Error("child SA without purpose")
		return
	}
	sa := ev.Child
	install := ipsec.ChildSA{
		ID: c.id, InboundSPI: sa.InboundSPI, OutboundSPI: sa.OutboundSPI,
		Algorithms:  ipsec.Algorithms{Encr: uint16(sa.Suite.Encr.ID), Integ: uint16(sa.Suite.Integ)},
		InboundKeys: ipsec.Keys(sa.InboundKeys), OutboundKeys: ipsec.Keys(sa.OutboundKeys),
		ESN: sa.Suite.ESN, DSCP: c.mark(), Target: ipsec.Target{Path: ipsec.Path(sa.Path), Limit: ipsec.Unlimited}, Context: c,
	}
	if err := u.dataPlane.Install(install); err != nil {
		u.log.Error("child SA not installed", slog.Any("error", err))
		return
	}
	if ev.Replaces != 0 {
		return // childSwitched follows
	}
	c.current = sa
	u.children[c.id] = c
	h, err := u.dataPlane.Handle(c.id)
	if err != nil {
		u.log.Error("child SA", slog.Any("error", err))
		return
	}
	if c.info != nil {
		u.bindFlows(c, h)
		u.o.Step("user-plane SA up")
		return
	}
	u.signalling.Store(&h)
	u.o.Step("signalling SA up")
	u.dialNAS()
}

// childSwitched sends on a rekeyed pair from now on.
func (u *UE) childSwitched(ev ikev2.ChildSwitched) {
	c, ok := ev.Child.Tag.(*child)
	if !ok {
		return
	}
	c.current = ev.Child
	if err := u.dataPlane.SwitchOutbound(c.id, c.current.InboundSPI); err != nil {
		u.log.Error("rekeyed child SA not switched", slog.Any("error", err))
	}
}

func (u *UE) childDown(ev ikev2.ChildDown) {
	c, ok := ev.Child.Tag.(*child)
	if !ok {
		return
	}
	u.childRekeyed(ev.Child.InboundSPI)
	if ev.Superseded {
		_ = u.dataPlane.DeleteSA(c.id, ev.Child.InboundSPI, childGrace) // gone already is as good
		return
	}
	delete(u.children, c.id)
	_ = u.dataPlane.Delete(c.id, childGrace)
	if c.info != nil {
		if s := u.sessions[c.info.PDUSessionID]; s != nil {
			s.unbind(c.id)
			u.forgetUnaccepted(s)
		}
	}
}

// forgetUnaccepted drops a PDU session that has no child SA any more and that the network has not accepted.
func (u *UE) forgetUnaccepted(s *Session) {
	for _, c := range u.children {
		if c.info != nil && c.info.PDUSessionID == s.ID {
			return
		}
	}
	if !s.accepted {
		delete(u.sessions, s.ID)
	}
}

// established takes what the N3IWF has assigned.
func (u *UE) established(ev ikev2.Established) {
	u.o.Step("IKE SA authenticated")
	u.mobike = ev.MOBIKE
	if ev.Config != nil {
		for _, a := range ev.Config.Attributes {
			switch {
			case a.Type == message.INTERNAL_IP4_ADDRESS && len(a.Value) == 4:
				u.inner[0] = netip.AddrFrom4([4]byte(a.Value))
			case a.Type == message.INTERNAL_IP6_ADDRESS && len(a.Value) == 17:
				u.inner[1] = netip.AddrFrom16([16]byte(a.Value[:16]))
			}
		}
	}
	var addr netip.Addr
	var port uint16
	for _, n := range ev.Notifies {
		switch n.Type {
		case nwu.NotifyNASIP4Address:
			addr, _ = netip.AddrFromSlice(n.Data)
		case nwu.NotifyNASIP6Address:
			if !addr.IsValid() {
				addr, _ = netip.AddrFromSlice(n.Data)
			}
		case nwu.NotifyNASTCPPort:
			if len(n.Data) == 2 {
				port = binary.BigEndian.Uint16(n.Data)
			}
		}
	}
	u.netNAS = netip.AddrPortFrom(addr, port)
	if u.signalling.Load() != nil {
		u.dialNAS()
	}
}

// dialNAS connects when both the SA and the addresses are known.
func (u *UE) dialNAS() {
	if !u.netNAS.Addr().IsValid() || u.signalling.Load() == nil {
		return
	}
	if u.o.HoldNAS != nil {
		select {
		case <-u.o.HoldNAS:
		default:
			u.running.Go(func() {
				select {
				case <-u.o.HoldNAS:
					u.post(u.dialNAS)
				case <-u.quit:
				}
			})
			return
		}
	}
	if err := u.nas.Dial(u.innerFor(u.netNAS.Addr()), u.netNAS); err != nil {
		u.failRegistration(err)
	}
}

func (u *UE) innerFor(peer netip.Addr) netip.Addr {
	if peer.Is4() {
		return u.inner[0]
	}
	return u.inner[1]
}

// bindFlows lets the QoS flows of a PDU session use a child SA.
func (u *UE) bindFlows(c *child, h ipsec.Handle) {
	s := u.sessions[c.info.PDUSessionID]
	if s == nil {
		s = newSession(u, c.info.PDUSessionID)
		u.sessions[s.ID] = s
	}
	carrier, err := gre.NewCarrier(u.innerFor(c.up), c.up, c.mark())
	if err != nil {
		u.log.Error("user-plane addresses", slog.Any("error", err))
		return
	}
	c.session.Store(s)
	s.bind(c.id, c.info, h, carrier)
}
