// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// Session is a PDU session of the UE. Its view for the packet path is replaced as a whole.
type Session struct {
	ue   *UE
	ID   uint8
	view atomic.Pointer[sessionView]
	// prefix is that of IPv6, once the router has advertised it.
	prefix  atomic.Pointer[netip.Addr]
	derived derivedRules
	// accepted: the network has accepted it. Until then it is only what its child SAs are for. It is the owner's.
	accepted bool
}

type sessionView struct {
	addr  netip.Addr
	iid   [8]byte // of IPv6
	rules nas.QoSRules
	flows map[uint8]flow
	// fallback is the default child SA, nil when there is none.
	fallback *flow
	dflt     uint8 // QFI of the default rule
	// reflective is how long a derived rule lives; 0: the network has not asked for reflective QoS.
	reflective time.Duration
}

type flow struct {
	id      ipsec.ChildID
	handle  ipsec.Handle
	carrier gre.Carrier
}

func newSession(u *UE, id uint8) *Session {
	s := &Session{ue: u, ID: id}
	s.view.Store(&sessionView{flows: map[uint8]flow{}})
	return s
}

// change replaces the view; only the owner calls it.
func (s *Session) change(f func(v *sessionView)) {
	old := s.view.Load()
	v := *old
	v.flows = map[uint8]flow{}
	for qfi, f := range old.flows {
		v.flows[qfi] = f
	}
	f(&v)
	s.view.Store(&v)
}

// bind lets the flows of info, and no others, use a child SA. The session's default child SA takes the flows that none lists (TS 24.502 7.5.2).
func (s *Session) bind(id ipsec.ChildID, info *nwu.QoSInfo, h ipsec.Handle, c gre.Carrier) {
	s.change(func(v *sessionView) {
		for qfi, f := range v.flows {
			if f.id == id {
				delete(v.flows, qfi)
			}
		}
		for _, qfi := range info.QFIs {
			v.flows[qfi] = flow{id, h, c}
		}
		if info.Default {
			v.fallback = &flow{id, h, c}
		}
	})
}

// flowOf finds the child SA of a flow.
func (v *sessionView) flowOf(qfi uint8) (flow, bool) {
	f, ok := v.flows[qfi]
	if !ok && v.fallback != nil {
		return *v.fallback, true
	}
	return f, ok
}

func (s *Session) unbind(id ipsec.ChildID) {
	s.change(func(v *sessionView) {
		for qfi, f := range v.flows {
			if f.id == id {
				delete(v.flows, qfi)
			}
		}
		if v.fallback != nil && v.fallback.id == id {
			v.fallback = nil
		}
	})
}

func (s *Session) accept(addr nas.PDUAddress, rules nas.QoSRules, timer *uint8) {
	s.change(func(v *sessionView) {
		if timer != nil {
			v.reflective = nas.ReflectiveTime(*timer)
		}
		v.addr, v.iid, v.rules = addr.IPv4, addr.InterfaceID, rules
		for _, r := range rules {
			if r.Default && r.QFI != nil {
				v.dflt = *r.QFI
			}
		}
	})
}

// Address is the IPv4 address of the PDU session.
func (s *Session) Address() netip.Addr { return s.view.Load().addr }

// InterfaceID is that of the session's IPv6 link-local address, zero without IPv6.
func (s *Session) InterfaceID() [8]byte { return s.view.Load().iid }

// Classify gives the QoS flow of an uplink packet by the session's rules, those included that reflective QoS has made; 0 when none takes it (TS 24.501
// 6.2.5.1.3).
func (s *Session) Classify(pdu []byte) uint8 {
	qfi, _ := slices.Concat(s.view.Load().rules, s.derived.live(time.Now())).Classify(nas.Uplink, pdu)
	return qfi
}

// QFIs are the QoS flows that have a child SA.
func (s *Session) QFIs() []uint8 {
	var list []uint8
	for qfi := range s.view.Load().flows {
		list = append(list, qfi)
	}
	return list
}

// ErrNoFlow says that the session has no child SA for the QoS flow.
var ErrNoFlow = errors.New("no child SA for the QoS flow")

// Sender sends PDUs of a session. It belongs to one goroutine.
type Sender struct {
	s      *Session
	writer ipsec.Writer
	head   [gre.MaxCarrierLen]byte
	id     uint16
}

// NewSender makes a Sender.
func (s *Session) NewSender() *Sender { return &Sender{s: s, writer: s.ue.dataPlane.NewWriter()} }

// Write queues one PDU on a QoS flow; 0 is that of the default rule.
func (w *Sender) Write(qfi uint8, pdu []byte) error {
	v := w.s.view.Load()
	if qfi == 0 {
		qfi = v.dflt
	}
	f, ok := v.flowOf(qfi)
	if !ok {
		return fmt.Errorf("%w: %d", ErrNoFlow, qfi)
	}
	w.id++
	n := f.carrier.Len()
	f.carrier.Put(w.head[:n], gre.Header{QFI: qfi}, len(pdu), w.id)
	return w.writer.Write(f.handle, w.head[:n], pdu)
}

// WriteInner queues any inner IP packet on the child SA of a QoS flow, for tests of what a faulty UE may send.
func (w *Sender) WriteInner(qfi uint8, packet []byte) error {
	f, ok := w.s.view.Load().flowOf(qfi)
	if !ok {
		return fmt.Errorf("%w: %d", ErrNoFlow, qfi)
	}
	return w.writer.Write(f.handle, packet, nil)
}

// Carry makes the inner IP packet that carries a PDU on a QoS flow.
func (w *Sender) Carry(qfi uint8, pdu []byte) ([]byte, error) {
	f, ok := w.s.view.Load().flowOf(qfi)
	if !ok {
		return nil, fmt.Errorf("%w: %d", ErrNoFlow, qfi)
	}
	b := make([]byte, f.carrier.Len(), f.carrier.Len()+len(pdu))
	f.carrier.Put(b, gre.Header{QFI: qfi}, len(pdu), 0)
	return append(b, pdu...), nil
}

// Flush sends what was written.
func (w *Sender) Flush() error { return w.writer.Flush() }

// SessionRequest is what a UE asks for. Zero values: DNN and slice are the network's choice, Type is Options.SessionType or IPv4.
type SessionRequest struct {
	ID    uint8 // 1 to 15
	DNN   string
	Slice *nas.SNSSAI
	Type  nas.SessionType
	// Existing is for a PDU session that is there in 3GPP access (TS 24.501 9.11.3.47: existing PDU session); 0 is an initial request. It may
	// be nas.RequestEmergency too.
	Request uint8
}

// EstablishSession asks for a PDU session of Options.SessionType and waits until it is up.
func (u *UE) EstablishSession(ctx context.Context, psi uint8, dnn string, slice *nas.SNSSAI) (*Session, error) {
	return u.Establish(ctx, SessionRequest{ID: psi, DNN: dnn, Slice: slice})
}

// Establish asks for a PDU session and waits until it is up.
func (u *UE) Establish(ctx context.Context, r SessionRequest) (*Session, error) {
	err := u.await(ctx, fmt.Sprintf("PDU session %d", r.ID), func(done chan error) {
		u.waiters.session[r.ID] = done
		kind, request, ssc := cmp.Or(r.Type, u.o.SessionType, nas.SessionIPv4), cmp.Or(r.Request, uint8(nas.RequestInitial)), uint8(1)
		carrier := &nas.ULNASTransport{RequestType: &request, SNSSAI: r.Slice}
		if r.DNN != "" {
			carrier.DNN = new(nas.DNN(r.DNN))
		}
		u.o.Step(fmt.Sprintf("PDU session %d requested", r.ID))
		u.sendSM(r.ID, carrier,
			&nas.EstablishmentRequest{SM: nas.SM{SessionID: r.ID, PTI: u.nextPTI()}, IntegrityRate: [2]byte{0xff, 0xff}, SessionType: &kind, SSCMode: &ssc,
				Capability: []byte{reflectiveQoS}})
	})
	if err != nil {
		return nil, err
	}
	u.post(func() { u.want(r) })
	if s := u.Session(r.ID); s != nil {
		return s, nil
	}
	return nil, errors.New("the PDU session ended at once, or the UE was closed")
}

// want remembers a session, to ask for it again when the UE comes back.
func (u *UE) want(r SessionRequest) {
	if !slices.ContainsFunc(u.wanted, func(w SessionRequest) bool { return w.ID == r.ID }) {
		u.wanted = append(u.wanted, r)
	}
}

// Session gives a PDU session that is there, nil otherwise.
func (u *UE) Session(psi uint8) *Session {
	found := make(chan *Session, 1)
	u.post(func() { found <- u.sessions[psi] })
	select {
	case s := <-found:
		return s
	case <-u.quit:
		return nil
	}
}

// ReleaseSession gives a PDU session up and waits for the network's command.
func (u *UE) ReleaseSession(ctx context.Context, psi uint8) error {
	return u.await(ctx, fmt.Sprintf("release of PDU session %d", psi), func(done chan error) {
		u.waiters.released[psi] = done
		u.sendSM(psi, nil, &nas.ReleaseRequest{SM: nas.SM{SessionID: psi, PTI: u.nextPTI()}})
	})
}

func (u *UE) nextPTI() uint8 {
	u.pti = u.pti%254 + 1
	return u.pti
}
