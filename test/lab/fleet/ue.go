// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	tcp "github.com/open-n3iwf/n3iwf/nwu/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// ProcedureTime bounds every procedure of a UE.
const ProcedureTime = 20 * time.Second

// UE is one UE of the fleet. All but the fields of the first group belong to the shard.
type UE struct {
	fleet  *Fleet
	shard  *shard
	number int
	port   uint16 // of NAT traversal
	nas    *tcp.Client
	// signalling is read by the TCP stack, user by the load generator.
	signalling atomic.Pointer[ipsec.Handle]
	user       atomic.Pointer[User]

	session  *ikev2.Session
	deadline time.Time
	outputs  ikev2.Outputs
	waiting  chan error
	what     string

	eap      eap5g.Peer
	sqn      milenage.SQN
	kamf     aka.Key
	kN3IWF   []byte
	security *security.Context

	inner     netip.Addr
	netNAS    netip.AddrPort
	nextChild uint32
	children  map[ipsec.ChildID]*child
	accepted  netip.Addr // of the PDU session

	place          int // index of the local address
	moved, checked bool
	mobike         bool // the N3IWF supports it
	leaving        bool // the UE deregisters, and the end of its IKE SA is the end of that
}

// child is a child SA; qos is nil for the signalling SA.
type child struct {
	id  ipsec.ChildID
	qos *nwu.QoSInfo
	up  netip.Addr
	ue  *UE
}

// qfi is the first QoS flow of a user-plane child SA.
func (c *child) qfi() uint8 {
	if len(c.qos.QFIs) == 0 {
		return 0
	}
	return c.qos.QFIs[0]
}

// User is what it takes to send user data of a UE.
type User struct {
	Handle  ipsec.Handle
	Carrier gre.Carrier
	QFI     uint8      // of the first QoS flow of the child SA
	Address netip.Addr // of the PDU session
}

// Number counts the UEs of the fleet from 0.
func (u *UE) Number() int { return u.number }

// User gives the way for user data, nil without a PDU session.
func (u *UE) User() *User { return u.user.Load() }

// reset makes the UE new; its sequence number, which is the USIM's, stays.
func (u *UE) reset() {
	u.session, u.deadline, u.outputs, u.waiting = nil, time.Time{}, ikev2.Outputs{}, nil
	u.eap, u.security, u.kN3IWF = eap5g.Peer{}, nil, nil
	u.children = map[ipsec.ChildID]*child{}
	u.place, u.leaving = 0, false
}

// do begins a procedure in the shard and waits for its end.
func (u *UE) do(ctx context.Context, what string, begin func() error) error {
	done := make(chan error, 1)
	u.fleet.post(u, func() {
		u.waiting, u.what = done, what
		if err := begin(); err != nil {
			u.fail(err)
		}
	})
	limit := time.NewTimer(ProcedureTime)
	defer limit.Stop()
	select {
	case err := <-done:
		return err
	case <-limit.C:
		return fmt.Errorf("%s: not done after %v", what, ProcedureTime)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fail ends the procedure that waits.
func (u *UE) fail(err error) {
	if u.waiting != nil {
		if err != nil {
			err = fmt.Errorf("%s: %w", u.what, err)
		}
		u.waiting <- err
		u.waiting = nil
	}
}

func (u *UE) succeed() { u.fail(nil) }

// Register runs IKE, EAP-5G and the 5GS registration until Registration Complete is sent.
func (u *UE) Register(ctx context.Context) error {
	return u.do(ctx, "registration", func() error {
		f := u.fleet
		identity := make([]byte, 16)
		_, _ = rand.Read(identity) // never fails
		options := ikev2.Options{
			IKE: f.o.Profile.IKE, ESP: f.o.Profile.ESP, EAP: true, HonestNAT: true, Keepalive: -1, AcceptChild: u.acceptChild,
			NewChildSPI:     func() (uint32, error) { return f.dataPlane.NewInboundSPI(0) },
			ReleaseChildSPI: f.dataPlane.ReleaseSPI,
			Identity:        ikev2.Identity{Type: message.ID_KEY_ID, Data: identity},
		}
		all := []message.TrafficSelector{{EndPort: 65535, Start: netip.IPv4Unspecified(), End: netip.AddrFrom4([4]byte{255, 255, 255, 255})}}
		want := ikev2.InitiatorOptions{
			Child:    ikev2.ChildRequest{LocalTS: all, RemoteTS: all, Tag: u.newChild(nil)},
			Config:   &message.Configuration{Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{{Type: message.INTERNAL_IP4_ADDRESS}}},
			NATTPath: u.path(),
		}
		path := ikev2.Path{Local: netip.AddrPortFrom(f.o.Places[0].Addr(), f.o.LocalIKE), Remote: netip.AddrPortFrom(f.o.N3IWF, f.o.IKEPort)}
		s, out := ikev2.NewInitiator(time.Now(), options, want, path)
		u.session = s
		f.bySPI.Store(s.SPI(), u)
		u.apply(out)
		return nil
	})
}

// path is that of the NAT-traversal port at the UE's present place.
func (u *UE) path() ikev2.Path {
	o := &u.fleet.o
	local := o.Places[u.place]
	if u.place == 0 {
		local = netip.AddrPortFrom(local.Addr(), u.port)
	}
	return ikev2.Path{Local: local, Remote: netip.AddrPortFrom(o.N3IWF, o.NATTPort), NATT: true}
}

// Move goes to the other place (RFC 4555 3.5); it is done when the N3IWF has accepted that, and with AwaitCheck when it has checked that the
// UE is there.
func (u *UE) Move(ctx context.Context) error {
	return u.do(ctx, "move", func() error {
		if !u.mobike {
			return errors.New("the N3IWF has not sent MOBIKE_SUPPORTED")
		}
		u.place = 1 - u.place
		u.moved, u.checked = false, false
		u.apply(u.session.Move(time.Now(), u.path()))
		return nil
	})
}

// apply does what the session wants. An event may make the session want more, which is done afterwards.
func (u *UE) apply(out ikev2.Output) {
	u.outputs.Do(out, u.carryOut)
}

func (u *UE) carryOut(out ikev2.Output) {
	u.deadline = out.Deadline
	for _, w := range out.Work {
		w.Run()
		u.apply(u.session.Done(time.Now(), w))
	}
	for _, ev := range out.Events {
		u.event(ev)
	}
	for _, d := range out.Datagrams {
		_ = u.fleet.dataPlane.SendIKE(ipsec.Path(d.Path), d.Data) // IKE repeats what is lost
	}
}

func (u *UE) event(ev ikev2.Event) {
	switch ev := ev.(type) {
	case ikev2.EAPReceived:
		u.receiveEAP(ev.Packet)
	case ikev2.Established:
		u.established(ev)
	case ikev2.ChildUp:
		u.childUp(ev)
	case ikev2.ChildSwitched:
		if c, ok := ev.Child.Tag.(*child); ok {
			_ = u.fleet.dataPlane.SwitchOutbound(c.id, ev.Child.InboundSPI) // it may be gone already
		}
	case ikev2.ChildDown:
		if c, ok := ev.Child.Tag.(*child); ok && ev.Superseded {
			_ = u.fleet.dataPlane.DeleteSA(c.id, ev.Child.InboundSPI, time.Second)
		} else if ok {
			delete(u.children, c.id)
			_ = u.fleet.dataPlane.Delete(c.id, 0) // it may be gone already
		}
	case ikev2.SPIAdded:
		u.fleet.bySPI.Store(ev.SPI, u)
	case ikev2.SPIChanged:
		u.fleet.bySPI.Store(ev.New, u)
	case ikev2.SPIForgotten:
		u.fleet.bySPI.Delete(ev.SPI)
	case ikev2.ChildrenMoved:
		u.childrenMoved(ev.Path)
	case ikev2.MoveDone:
		u.moved = true
		u.moveStep()
	case ikev2.RoutabilityAnswered:
		u.checked = true
		u.moveStep()
	case ikev2.MoveRefused:
		u.fail(ev.Err)
	case ikev2.Closed:
		u.closed(ev.Reason)
	}
}

func (u *UE) moveStep() {
	if u.moved && (u.checked || !u.fleet.o.AwaitCheck) {
		u.succeed()
	}
}

func (u *UE) childrenMoved(path ikev2.Path) {
	ids := make([]ipsec.ChildID, 0, len(u.children))
	for id := range u.children {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return
	}
	if err := u.fleet.dataPlane.Move(ipsec.Target{Path: ipsec.Path(path), Limit: ipsec.Unlimited}, ids...); err != nil {
		u.fail(err)
	}
}

func (u *UE) closed(reason error) {
	for id := range u.children {
		_ = u.fleet.dataPlane.Delete(id, 0) // it may be gone already
	}
	clear(u.children)
	u.signalling.Store(nil)
	u.user.Store(nil)
	if u.leaving {
		u.succeed()
		return
	}
	u.fail(errors.Join(errors.New("the IKE SA has ended"), reason))
}

// established takes what the N3IWF has assigned; the signalling SA is up by then or comes up in the same output.
func (u *UE) established(ev ikev2.Established) {
	u.mobike = ev.MOBIKE
	if ev.Config != nil {
		for _, a := range ev.Config.Attributes {
			if a.Type == message.INTERNAL_IP4_ADDRESS && len(a.Value) == 4 {
				u.inner = netip.AddrFrom4([4]byte(a.Value))
			}
		}
	}
	var addr netip.Addr
	var port uint16
	for _, n := range ev.Notifies {
		switch {
		case n.Type == nwu.NotifyNASIP4Address:
			addr, _ = netip.AddrFromSlice(n.Data)
		case n.Type == nwu.NotifyNASTCPPort && len(n.Data) == 2:
			port = binary.BigEndian.Uint16(n.Data)
		}
	}
	u.netNAS = netip.AddrPortFrom(addr, port)
	u.fleet.byInner.Store(u.inner, u)
	u.dialNAS()
}

// nasClosed opens the connection again that the N3IWF has closed in good order, as one does that hands the UE on (TS 24.502 8.2.2).
func (u *UE) nasClosed(why error) {
	if errors.Is(why, tcp.ErrPeerClosed) && u.session.Established() {
		u.dialNAS()
		return
	}
	u.fail(why)
}

func (u *UE) dialNAS() {
	if !u.netNAS.Addr().IsValid() || u.signalling.Load() == nil {
		return
	}
	if err := u.nas.Dial(u.inner, u.netNAS); err != nil {
		u.fail(err)
	}
}

func (u *UE) newChild(qos *nwu.QoSInfo) *child {
	u.nextChild++
	return &child{id: ipsec.ChildID(u.number)<<32 | ipsec.ChildID(u.nextChild), qos: qos, ue: u}
}

// acceptChild takes the user-plane child SA that the N3IWF makes (TS 24.502 7.5.2).
func (u *UE) acceptChild(_ *ikev2.Session, offer *ikev2.ChildOffer) (ikev2.ChildAnswer, error) {
	c := u.newChild(&nwu.QoSInfo{})
	for _, n := range offer.Notifies {
		switch n.Type {
		case nwu.Notify5GQoSInfo:
			q, err := nwu.ParseQoSInfo(n.Data)
			if err != nil {
				return ikev2.ChildAnswer{}, &ikev2.NotifyError{Type: message.INVALID_SYNTAX}
			}
			*c.qos = q
		case nwu.NotifyUPIP4Address:
			c.up, _ = netip.AddrFromSlice(n.Data)
		}
	}
	return ikev2.ChildAnswer{Tag: c}, nil
}

func (u *UE) childUp(ev ikev2.ChildUp) {
	sa := ev.Child
	c, ok := sa.Tag.(*child)
	if !ok {
		u.fail(errors.New("child SA without purpose"))
		return
	}
	d := u.fleet.dataPlane
	err := d.Install(ipsec.ChildSA{
		ID: c.id, InboundSPI: sa.InboundSPI, OutboundSPI: sa.OutboundSPI,
		Algorithms:  ipsec.Algorithms{Encr: uint16(sa.Suite.Encr.ID), Integ: uint16(sa.Suite.Integ)},
		InboundKeys: ipsec.Keys(sa.InboundKeys), OutboundKeys: ipsec.Keys(sa.OutboundKeys),
		ESN: sa.Suite.ESN, Target: ipsec.Target{Path: ipsec.Path(sa.Path), Limit: ipsec.Unlimited}, Context: c,
	})
	if err != nil {
		u.fail(err)
		return
	}
	if ev.Replaces != 0 {
		return
	}
	u.children[c.id] = c
	h, err := d.Handle(c.id)
	if err != nil {
		u.fail(err)
		return
	}
	if c.qos == nil {
		u.signalling.Store(&h)
		u.dialNAS()
		return
	}
	carrier, err := gre.NewCarrier(u.inner, c.up, 0)
	if err != nil {
		u.fail(err)
		return
	}
	u.user.Store(&User{Handle: h, Carrier: carrier, QFI: c.qfi(), Address: u.accepted})
	u.sessionStep()
}
