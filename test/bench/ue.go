// SPDX-License-Identifier: Apache-2.0

package main

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

// procedureTime bounds every procedure of a UE.
const procedureTime = 20 * time.Second

// simUE is one UE of the fleet, reduced to what a run needs: it registers, has one PDU session, and moves. Unlike the UE of test/lab/ue it
// shares its sockets with all others and gives up at the first thing that is not as expected. All but the fields of the first group belong
// to the shard.
type simUE struct {
	fleet  *fleet
	shard  *shard
	number int
	port   uint16 // of NAT traversal
	nas    *tcp.Client
	// signalling is read by the TCP stack, user by the load generator.
	signalling atomic.Pointer[ipsec.Handle]
	user       atomic.Pointer[userPath]

	session  *ikev2.Session
	deadline time.Time
	outputs  []ikev2.Output
	applying bool
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
}

// child is a child SA; qos is nil for the signalling SA.
type child struct {
	id  ipsec.ChildID
	qos *nwu.QoSInfo
	up  netip.Addr
	nas *tcp.Client
}

// userPath is what the load generator needs of a UE.
type userPath struct {
	handle  ipsec.Handle
	carrier gre.Carrier
	address netip.Addr // of the PDU session
}

// reset makes the UE new; its sequence number, which is the USIM's, stays.
func (u *simUE) reset() {
	u.session, u.deadline, u.outputs, u.waiting = nil, time.Time{}, nil, nil
	u.eap, u.security, u.kN3IWF = eap5g.Peer{}, nil, nil
	u.children = map[ipsec.ChildID]*child{}
	u.place = 0
}

// do begins a procedure in the shard and waits for its end.
func (u *simUE) do(ctx context.Context, what string, begin func() error) error {
	done := make(chan error, 1)
	u.fleet.post(u, func() {
		u.waiting, u.what = done, what
		if err := begin(); err != nil {
			u.fail(err)
		}
	})
	limit := time.NewTimer(procedureTime)
	defer limit.Stop()
	select {
	case err := <-done:
		return err
	case <-limit.C:
		return fmt.Errorf("%s: not done after %v", what, procedureTime)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fail ends the procedure that waits.
func (u *simUE) fail(err error) {
	if u.waiting != nil {
		if err != nil {
			err = fmt.Errorf("%s: %w", u.what, err)
		}
		u.waiting <- err
		u.waiting = nil
	}
}

func (u *simUE) succeed() { u.fail(nil) }

// register runs IKE, EAP-5G and the 5GS registration until Registration Complete is sent.
func (u *simUE) register(ctx context.Context) error {
	return u.do(ctx, "registration", func() error {
		f := u.fleet
		identity := make([]byte, 16)
		_, _ = rand.Read(identity) // never fails
		options := ikev2.Options{
			IKE: f.profile.IKE, ESP: f.profile.ESP, EAP: true, HonestNAT: true, Keepalive: -1, AcceptChild: u.acceptChild,
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
		path := ikev2.Path{Local: netip.AddrPortFrom(f.lab.addr.ue[0], ikePort), Remote: netip.AddrPortFrom(f.lab.addr.n3iwf, ikePort)}
		s, out := ikev2.NewInitiator(time.Now(), options, want, path)
		u.session = s
		f.bySPI.Store(s.SPI(), u)
		u.apply(out)
		return nil
	})
}

// path is that of the NAT-traversal port at the UE's present place.
func (u *simUE) path() ikev2.Path {
	a := &u.fleet.lab.addr
	return ikev2.Path{Local: netip.AddrPortFrom(a.ue[u.place], u.port), Remote: netip.AddrPortFrom(a.n3iwf, nattPort), NATT: true}
}

// move goes to the other local address; it is done when the N3IWF has accepted that and has checked that the UE is there.
func (u *simUE) move(ctx context.Context) error {
	return u.do(ctx, "move", func() error {
		u.place = 1 - u.place
		u.moved, u.checked = false, false
		u.apply(u.session.Move(time.Now(), u.path()))
		return nil
	})
}

// apply does what the session wants. An event may make the session want more, which is done afterwards.
func (u *simUE) apply(out ikev2.Output) {
	u.outputs = append(u.outputs, out)
	if u.applying {
		return
	}
	u.applying = true
	defer func() { u.applying = false }()
	for len(u.outputs) > 0 {
		out := u.outputs[0]
		u.outputs = u.outputs[1:]
		u.deadline = out.Deadline
		for _, w := range out.Work {
			w.Run()
			u.outputs = append(u.outputs, u.session.Done(time.Now(), w))
		}
		for _, ev := range out.Events {
			u.event(ev)
		}
		for _, d := range out.Datagrams {
			_ = u.fleet.dataPlane.SendIKE(ipsec.Path(d.Path), d.Data) // IKE repeats what is lost
		}
	}
	u.outputs = nil
}

func (u *simUE) event(ev ikev2.Event) {
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

func (u *simUE) moveStep() {
	if u.moved && u.checked {
		u.succeed()
	}
}

func (u *simUE) childrenMoved(path ikev2.Path) {
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

func (u *simUE) closed(reason error) {
	for id := range u.children {
		_ = u.fleet.dataPlane.Delete(id, 0) // it may be gone already
	}
	clear(u.children)
	u.signalling.Store(nil)
	u.user.Store(nil)
	u.fail(errors.Join(errors.New("the IKE SA has ended"), reason))
}

// established takes what the N3IWF has assigned; the signalling SA is up by then or comes up in the same output.
func (u *simUE) established(ev ikev2.Established) {
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

func (u *simUE) dialNAS() {
	if !u.netNAS.Addr().IsValid() || u.signalling.Load() == nil {
		return
	}
	if err := u.nas.Dial(u.inner, u.netNAS); err != nil {
		u.fail(err)
	}
}

func (u *simUE) newChild(qos *nwu.QoSInfo) *child {
	u.nextChild++
	return &child{id: ipsec.ChildID(u.number)<<32 | ipsec.ChildID(u.nextChild), qos: qos, nas: u.nas}
}

// acceptChild takes the user-plane child SA that the N3IWF makes (TS 24.502 7.5.2).
func (u *simUE) acceptChild(_ *ikev2.Session, offer *ikev2.ChildOffer) (ikev2.ChildAnswer, error) {
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

func (u *simUE) childUp(ev ikev2.ChildUp) {
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
	u.user.Store(&userPath{handle: h, carrier: carrier, address: u.accepted})
	u.sessionStep()
}
