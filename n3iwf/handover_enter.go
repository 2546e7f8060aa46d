// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// takeOffer takes a UE over. The link waits meanwhile: what it brings next can be for that UE, and nodes are moved only as fast as they are taken.
func (n *nodes) takeOffer(node int, sealed []byte) error {
	c, err := openContext(&n.contextKey, node, n.node, sealed)
	if err != nil {
		return err // the other node learns it by hearing nothing: whose context this is, is not known
	}
	o := n.nf.ownerOfRAN(c.RANID)
	done := make(chan struct{})
	if !o.mail.post(func() {
		defer close(done)
		err := errors.New("defect")
		o.guarded(nil, func() { err = o.enter(c, nil) })
		n.answerOffer(o, node, c, err)
	}) {
		return errors.New("this node is shutting down")
	}
	select {
	case <-done:
	case <-o.done:
	}
	return nil
}

func (n *nodes) answerOffer(o *owner, node int, c *ueContext, err error) {
	kind, answer := uint8(nodeAccept), any(nil)
	if err != nil {
		n.nf.counters.HandoverFailed.Add(1)
		n.nf.log.Warn("UE of another node not taken over", slog.Int("node", node), slog.Uint64("ue", uint64(c.RANID)), slog.Any("error", err))
		kind, answer = nodeRefuse, refusal{c.RANID, err.Error()}
	} else {
		u := o.byRANID[c.RANID]
		a := acceptance{RANID: c.RANID, Tunnels: map[uint8]tunnelEnd{}}
		for _, s := range u.sessions {
			a.Tunnels[uint8(s.id)] = tunnelEnd{n.nf.n3Local(s.relay.Local()), s.relay.TEID()}
		}
		answer = a
	}
	b, jerr := json.Marshal(answer)
	if jerr != nil || !n.link.Offer(node, kind, b) {
		n.nf.log.Error("answer about a UE not sent", slog.Int("node", node), slog.Any("error", jerr))
	}
}

// n3Local is the N3 socket of an address.
func (nf *N3IWF) n3Local(a netip.Addr) netip.AddrPort {
	for _, l := range nf.relay.LocalAddr() {
		if l.Addr().Is4() == a.Is4() {
			return netip.AddrPortFrom(a, l.Port())
		}
	}
	return netip.AddrPort{}
}

// entering is a UE that is being made from a context.
type entering struct {
	u        *ue
	children map[ipsec.ChildID]*childSA
}

// Tags of child SAs travel as the ChildID.
func marshalTag(tag any) ([]byte, error) {
	c, ok := tag.(*childSA)
	if !ok || c.id == 0 {
		return nil, fmt.Errorf("a child SA that is not up yet (%T)", tag)
	}
	return json.Marshal(uint64(c.id))
}

func (o *owner) unmarshalTag(data []byte) (any, error) {
	var id uint64
	if err := json.Unmarshal(data, &id); err != nil {
		return nil, err
	}
	if o.entering == nil || o.entering.children[ipsec.ChildID(id)] == nil {
		return nil, fmt.Errorf("child SA %#x is not in the UE's context", id)
	}
	return o.entering.children[ipsec.ChildID(id)], nil
}

// enter makes a UE from a context: of another node, or (back is given) one that another node did not take. On error nothing is left of it.
func (o *owner) enter(c *ueContext, back *departed) (err error) {
	u, err := o.begun(c)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			u.undoEntry()
		}
	}()
	if back != nil {
		u.onDeparted = back.u.onDeparted
	}
	out, err := u.build(c, back)
	if err != nil {
		return err
	}
	u.settle(c, back, out)
	return nil
}

// inherit makes a UE from a context of the process that is taken over from, which has it until begin. On error this process ends, and nothing is undone.
func (o *owner) inherit(c *ueContext) error {
	u, err := o.begun(c)
	if err != nil {
		return err
	}
	u.inherited = true
	out, err := u.build(c, nil)
	if err != nil {
		return err
	}
	u.enroll(c)
	o.nf.heir.entered = append(o.nf.heir.entered, entered{u, c, out})
	return nil
}

// begun is a UE of which nothing is there but what is its own.
func (o *owner) begun(c *ueContext) (*ue, error) {
	nf := o.nf
	if o.byRANID[c.RANID] != nil {
		return nil, fmt.Errorf("UE %d is here already", c.RANID)
	}
	ng := nf.connectionTo(c.AMF)
	if ng == nil {
		return nil, fmt.Errorf("no NG connection with AMF %q", c.AMF)
	}
	u := &ue{
		nf: nf, owner: o, since: c.Since, heapIndex: -1, ranID: c.RANID, amfID: new(ngap.AMFUENGAPID(c.AMFID)), ng: ng, state: stateUp,
		children: map[ipsec.ChildID]*childSA{}, sessions: map[ngap.PDUSessionID]*pduSession{}, nextChild: c.NextChild, moves: c.Moves, paths: c.Paths,
		emergency: c.Emergency, tai: c.TAI.tai(),
	}
	u.guami, _ = c.GUAMI.guami() // check has seen it
	u.log = nf.log.With(slog.Uint64("ue", uint64(u.ranID)))
	if !u.admit() {
		return nil, errors.New("limits.maxUEs UEs are here")
	}
	return u, nil
}

// build gives the UE all that it has.
func (u *ue) build(c *ueContext, back *departed) (out ikev2.Output, err error) {
	o := u.owner
	if err := u.takeInner(c.Inner); err != nil {
		return out, err
	}
	o.entering = &entering{u: u, children: map[ipsec.ChildID]*childSA{}}
	defer func() { o.entering = nil }()
	u.enterSessions(c, back)
	session, out, err := o.responder.Import(time.Now(), &u.nf.nodes.sessionKey, sessionBinding(c.RANID), c.Session)
	if err != nil {
		return out, err
	}
	u.session, u.spi, u.path = session, session.SPI(), session.Path()
	if err := u.installAll(c, back); err != nil {
		return out, err
	}
	return out, u.openTunnels()
}

func (u *ue) takeInner(inner [2]netip.Addr) error {
	for _, a := range inner {
		if !a.IsValid() {
			continue
		}
		if pool := u.nf.poolOf(a); pool == nil || !pool.take(a) {
			return fmt.Errorf("inner address %s is not free", a)
		}
		if a.Is4() {
			u.inner[0] = a
		} else {
			u.inner[1] = a
		}
	}
	return nil
}

// enterSessions makes the PDU sessions and what their child SAs are for.
func (u *ue) enterSessions(c *ueContext, back *departed) {
	u.setRates(c.AMBR[0], c.AMBR[1])
	for _, sc := range c.Sessions {
		s := &pduSession{ue: u, id: ngap.PDUSessionID(sc.ID), pduType: ngap.PDUSessionType(sc.Type), upf: sc.UPF, ulTEID: sc.Uplink, active: true, ambr: sc.AMBR,
			policy: u.nf.live().NWu.UserPlane}
		s.snssai.SST = ngap.SST(sc.SST)
		if len(sc.SD) == 3 {
			sd := ngap.SD(sc.SD)
			s.snssai.SD = &sd
		}
		for _, f := range sc.Flows {
			s.flows = append(s.flows, f.flow())
		}
		if back != nil {
			s.relay = back.relays[sc.ID]
		}
		u.sessions[s.id] = s
	}
	for _, cc := range c.Children {
		child := &childSA{id: ipsec.ChildID(cc.ID), qfis: cc.QFIs, dflt: cc.Default, up: cc.UP}
		if cc.Session != 0 {
			child.session = u.sessions[ngap.PDUSessionID(cc.Session)]
			child.key = child.session.keyOf(cc.QFIs, cc.DSCP)
			child.session.children = append(child.session.children, child)
		}
		u.owner.entering.children[child.id] = child
	}
}

// keyOf is what the flows of a child SA have in common by this node's policy. Its marking is as it was agreed with the UE.
func (s *pduSession) keyOf(qfis []uint8, dscp int16) flowKey {
	var k flowKey
	for _, f := range s.flows {
		if slices.Contains(qfis, f.qfi) {
			k = flowKeyOf(&s.policy, f)
			break
		}
	}
	k.dscp = dscp
	return k
}

func (f flowContext) flow() qosFlow {
	out := qosFlow{qfi: f.QFI, reflective: f.Reflective, fiveQI: f.FiveQI}
	if f.MFBR != nil {
		out.gbr = newFlowRates(f.MFBR[0], f.MFBR[1])
	}
	return out
}

func (f qosFlow) context() flowContext {
	out := flowContext{QFI: f.qfi, Reflective: f.reflective, FiveQI: f.fiveQI}
	if f.gbr != nil {
		out.MFBR = &[2]uint64{f.gbr.downlink, f.gbr.uplink}
	}
	return out
}

// openTunnels lets user data flow.
func (u *ue) openTunnels() error {
	for _, s := range u.sessions {
		if err := s.relay.Update(s.relayConfig()); err != nil {
			return err
		}
	}
	return nil
}

// addTunnels gives the sessions their places in the relay before child SAs name them, under the TEIDs of before where the tunnels go along.
func (u *ue) addTunnels(c *ueContext) (err error) {
	for _, sc := range c.Sessions {
		s := u.sessions[ngap.PDUSessionID(sc.ID)]
		if s.relay != nil {
			continue
		}
		config := s.relayConfig()
		config.Children, config.Default = nil, 0
		for i := range config.Flows {
			config.Flows[i].Child = 0
		}
		if u.inherited || u.nf.live().Cluster.Downlink == "keepTunnel" {
			config.TEID = sc.TEID
		}
		if s.relay, err = u.nf.relay.Add(config); err != nil {
			return err
		}
	}
	return nil
}

// installAll goes on with the child SAs where the other node has left off.
func (u *ue) installAll(c *ueContext, back *departed) error {
	if err := u.addTunnels(c); err != nil {
		return err
	}
	pairs := map[uint32]*ikev2.ChildSA{}
	for _, sa := range u.session.Children() {
		pairs[sa.InboundSPI] = sa
	}
	for _, cc := range c.Children {
		child := u.owner.entering.children[ipsec.ChildID(cc.ID)]
		current := uint32(0)
		for _, p := range cc.Pairs {
			sa := pairs[p.InboundSPI]
			if sa == nil || sa.Tag != child {
				continue // in its grace
			}
			install := u.ipsecChild(child, sa)
			install.Resume, install.Kept = &p.Resume, p.Kept
			install.Target.Path = ipsec.Path(u.session.ChildPath())
			if back != nil {
				install.Target.Path = ipsec.Path(back.own)
			}
			if err := u.nf.dataPlane.Install(install); err != nil {
				return err
			}
			u.children[child.id] = child
			if child.current == nil || p.Current {
				child.current, current = sa, p.InboundSPI
			}
		}
		if child.current == nil {
			return fmt.Errorf("child SA %#x has no pair in the IKE session", cc.ID)
		}
		if err := u.nf.dataPlane.SwitchOutbound(child.id, current); err != nil {
			return err
		}
		if child.session == nil {
			u.signalling = child.id
			h, err := u.nf.dataPlane.Handle(child.id)
			if err != nil {
				return err
			}
			u.signallingHandle.Store(&h)
		}
	}
	return nil
}

// settle lets the UE live here, and tells those who must know.
func (u *ue) settle(c *ueContext, back *departed, out ikev2.Output) {
	u.nf.nodes.here(c, u.enroll(c))
	if back == nil {
		u.nf.counters.TakenOver.Add(1)
		u.resumeTrace()
		u.notePath(u.session.ChildPath(), "node")
		u.noteProof(u.session.ChildPath())
		u.log.Info("UE taken over from another node", slog.String("path", u.path.String()), slog.Int("pdu_sessions", len(u.sessions)))
		u.moveTunnels()
	}
	u.begin(c, out)
}

// enroll puts the UE into the tables, and gives its IKE SPIs.
func (u *ue) enroll(c *ueContext) (spis []message.SPI) {
	o := u.owner
	o.byRANID[u.ranID] = u
	for _, spi := range u.session.LocalSPIs() {
		o.ues[spi] = u
		if spi != u.spi {
			u.formerSPIs = append(u.formerSPIs, spi)
		}
		spis = append(spis, spi)
	}
	u.ng.bind(*u.amfID, u.ranID)
	u.nf.byInner.add(u)
	u.nasQueue = append(u.nasQueue, c.NAS...)
	return spis
}

// begin lets the session go on.
func (u *ue) begin(c *ueContext, out ikev2.Output) {
	if u.inherited {
		u.resumeTrace()
		u.noteProof(u.session.ChildPath())
	}
	u.setGuard(u.nf.live().Timers.NASConnection, guardNAS, func() {
		u.requestRelease(ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause())
		u.endIKE()
	})
	u.apply(out)
	u.apply(u.session.Resume(time.Now()))
	u.watchInactivity()
	if len(c.NASAttempt) > 0 {
		u.nf.nas.Input(c.NASAttempt)
	}
}

// here notes that the UE is here, whatever was known before.
func (n *nodes) here(c *ueContext, spis []message.SPI) {
	n.leaving.Lock()
	defer n.leaving.Unlock()
	for _, spi := range spis {
		delete(n.ike, spi)
	}
	for _, child := range c.Children {
		for _, p := range child.Pairs {
			delete(n.esp, p.InboundSPI)
		}
	}
	delete(n.ran, c.RANID)
}

// undoEntry frees what a UE that cannot enter has taken.
func (u *ue) undoEntry() {
	u.gone = true
	if u.admitted {
		u.admitted = false
		u.nf.admitted.Add(-1)
	}
	for id := range u.children {
		if err := u.nf.dataPlane.Delete(id, 0); err != nil {
			u.log.Debug("child SA", slog.Any("error", err))
		}
	}
	for _, s := range u.sessions {
		if s.relay != nil {
			s.relay.Remove()
		}
	}
	for _, a := range u.inner {
		if pool := u.nf.poolOf(a); pool != nil {
			pool.undoTake(a)
		}
	}
}
