// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// A UE that moves to an address of another node is handed over to that node. Until the move is complete this node alone deals with the UE: what
// comes to the other node's address is sent on to here, and what is to leave from there is sent there. So a UE that turns back, or whose new path is
// never proven, is no matter to the other node. Then, in one step, the whole context goes over: from there on nothing is sent with its keys
// here, and what still comes is sent on.

// departure is a UE's way to another node.
type departure struct {
	node int
	// inPlace: to another process on this host, which asks when the UE is ready: see succession_rest.go.
	inPlace bool
	quiet   bool // the session has nothing under way
	nas     bool // the NAS connection has ended
	until   time.Time
	// nasUntil is how long the UE may take to close its side of the NAS connection.
	nasUntil time.Time
}

const (
	leavePatience = 5 * time.Second
	leavePause    = 20 * time.Millisecond
	// nasPatience is how long a UE may take to close its side of the NAS connection.
	nasPatience = time.Second
	// offerPatience is how long the other node may take.
	offerPatience = 5 * time.Second
)

// leave begins the way to another node, to whose address the child SAs have moved.
func (u *ue) leave(node int) {
	if u.departure != nil && u.departure.node == node {
		return
	}
	now := time.Now()
	u.departure = &departure{node: node, until: now.Add(leavePatience), nasUntil: now.Add(nasPatience)}
	u.log.Info("UE goes to another node", slog.Int("node", node))
	u.leaveNAS()
	u.apply(u.session.Quiesce(time.Now()))
	u.leaveLater(leavePause)
}

// leaveNAS ends the UE's NAS connection in good order, also one that this owner has not been told of yet. One that is opened from now on would be lost.
func (u *ue) leaveNAS() { u.departure.nas = !u.nf.nas.Leave(u.nasAddr()) }

// leaveLater tries again after a while, until the departure has ended.
func (u *ue) leaveLater(wait time.Duration) {
	d := u.departure
	if d.inPlace {
		return
	}
	time.AfterFunc(wait, func() {
		u.owner.forUE(u, func() {
			if u.departure == d {
				u.leaveNow()
			}
		})
	})
}

// procedure says what is under way with the UE that must come to its end before it can go.
func (u *ue) procedure() string {
	switch {
	case u.state != stateUp || u.released || u.amfID == nil || u.ng == nil:
		return "its state"
	case u.held != nil:
		return "the AMF's return"
	case u.setup != nil || len(u.batches) > 0:
		return "the set-up of PDU sessions"
	case u.modifications > 0:
		return "the modification of PDU sessions"
	}
	for _, c := range u.children {
		if c.release != nil {
			return "the release of a PDU session"
		}
	}
	return ""
}

// unfinished says what must end before the UE can go now that it has been asked to come to rest.
func (u *ue) unfinished() string {
	switch what := u.procedure(); {
	case what != "":
		return what
	case !u.departure.quiet:
		return "an IKE exchange"
	case !u.departure.nas && time.Now().Before(u.departure.nasUntil):
		return "the NAS connection"
	}
	return ""
}

// leaveNow hands the UE over when nothing stands in the way.
func (u *ue) leaveNow() {
	if what := u.unfinished(); what != "" {
		if time.Now().After(u.departure.until) {
			u.stay(fmt.Errorf("%s does not end", what))
			return
		}
		u.leaveLater(leavePause)
		return
	}
	n := u.nf.nodes
	node := u.departure.node
	if !n.up(node) {
		u.stay(errors.New("no link to the node"))
		return
	}
	path := u.session.ChildPath()
	spis := u.session.LocalSPIs()
	session, err := u.session.Export(time.Now(), &n.sessionKey, sessionBinding(u.ranID))
	if err != nil {
		var busy *ikev2.NotPortableError
		if errors.As(err, &busy) && time.Now().Before(u.departure.until) {
			u.leaveLater(leavePause)
			return
		}
		u.stay(err)
		return
	}
	if !n.hand(u, node, session, spis) {
		u.departed.refused(errors.New("the link takes nothing"))
		return
	}
	u.log.Info("UE handed over", slog.Int("node", node), slog.String("path", path.String()))
}

// stay ends the departure: the UE is served here as before.
func (u *ue) stay(why error) {
	u.nf.counters.HandoverFailed.Add(1)
	u.log.Warn("UE stays at this node", slog.Int("wanted", u.departure.node), slog.Any("error", why))
	u.remain()
}

// remain goes on here, where a departure comes to nothing.
func (u *ue) remain() {
	u.departure = nil
	if attempt := u.nf.nas.Stay(u.nasAddr()); len(attempt) > 0 {
		u.nf.nas.Input(attempt)
	}
	u.apply(u.session.Resume(time.Now()))
	u.bePatient() // while it was to leave nobody gave up what waits
}

// sessionBinding ties the session's part to its UE.
func sessionBinding(ranID uint32) []byte { return fmt.Appendf(nil, "ue %08x", ranID) }

// departed is a UE that was offered to another node.
type departed struct {
	u       *ue
	node    int
	context *ueContext
	own     ikev2.Path // where the child SAs sent from here
	relays  map[uint8]*relay.Session
	timer   *time.Timer
}

// hand takes the UE out of this node and offers it to the other one. When it returns nothing is sent or accepted with its SAs here any more. False when
// the link took nothing.
func (n *nodes) hand(u *ue, node int, session []byte, spis []message.SPI) bool {
	d := &departed{u: u, node: node, relays: map[uint8]*relay.Session{}}
	n.leaving.Lock()
	for _, s := range u.sessions {
		s.relay.Hold()
		d.relays[uint8(s.id)] = s.relay
	}
	d.context = u.takeOut(d, session)
	d.context.NASAttempt = u.nf.nas.Stay(u.nasAddr())
	sealed, err := d.context.seal(&n.contextKey, n.node, node)
	ok := err == nil && n.link.Offer(node, nodeOffer, sealed)
	if ok {
		n.remember(d, spis)
	}
	n.leaving.Unlock()
	if err != nil {
		u.log.Error("UE context", slog.Any("error", err))
	}
	u.depart(d)
	return ok
}

// remember notes where what still comes for the UE belongs. The caller holds the lock.
func (n *nodes) remember(d *departed, spis []message.SPI) {
	for _, spi := range spis {
		n.ike[spi] = d.node
	}
	for _, c := range d.context.Children {
		for _, p := range c.Pairs {
			n.esp[p.InboundSPI] = d.node
		}
	}
	n.ran[d.context.RANID] = d.node
}

// forget undoes remember, unless the UE has gone somewhere else since.
func (n *nodes) forget(c *ueContext, node int, spis []message.SPI) {
	n.leaving.Lock()
	defer n.leaving.Unlock()
	for _, spi := range spis {
		if n.ike[spi] == node {
			delete(n.ike, spi)
		}
	}
	for _, child := range c.Children {
		for _, p := range child.Pairs {
			if n.esp[p.InboundSPI] == node {
				delete(n.esp, p.InboundSPI)
			}
		}
	}
	if n.ran[c.RANID] == node {
		delete(n.ran, c.RANID)
	}
}

// takeOut ends the UE's child SAs here and writes its context down.
func (u *ue) takeOut(d *departed, session []byte) *ueContext {
	if u.nasConn != nil { // the UE has not closed its side in time
		u.takeBack(u.nasConn.Undelivered(), true)
		u.nasConn = nil
	}
	c := u.context(session)
	for id, child := range u.children {
		if s, err := u.nf.dataPlane.Stats(id); err == nil {
			d.own = ikev2.Path(s.Path)
		}
		pairs, err := u.nf.handover.TakeOut(id)
		if err != nil {
			u.log.Error("child SA", slog.Any("error", err))
			continue
		}
		c.Children = append(c.Children, child.context(pairs))
	}
	return c
}

// context writes down what there is of the UE, without its child SAs.
func (u *ue) context(session []byte) *ueContext {
	c := &ueContext{
		RANID: u.ranID, AMFID: uint64(*u.amfID), AMF: u.ng.name(), GUAMI: newGUAMIContext(u.guami), TAI: newTAIContext(u.tai), Since: u.since, Emergency: u.emergency,
		Session: session, Inner: u.inner, NextChild: u.nextChild,
		Moves: u.moves, Paths: u.paths, AMBR: [2]uint64{u.rates.downlink, u.rates.uplink},
	}
	c.NAS = append(c.NAS, u.nasQueue...)
	for _, s := range u.sessions {
		sc := sessionContext{ID: uint8(s.id), SST: uint8(s.snssai.SST), Type: uint8(s.pduType), UPF: s.upf, Uplink: s.ulTEID, TEID: s.relay.TEID(), AMBR: s.ambr}
		if s.snssai.SD != nil {
			sc.SD = s.snssai.SD[:]
		}
		for _, f := range s.flows {
			sc.Flows = append(sc.Flows, f.context())
		}
		c.Sessions = append(c.Sessions, sc)
	}
	return c
}

func (c *childSA) context(pairs []ipsec.Handed) childContext {
	cc := childContext{ID: uint64(c.id), QFIs: c.qfis, Default: c.dflt, DSCP: c.key.dscp, UP: c.up, Pairs: pairs}
	if c.session != nil {
		cc.Session = uint8(c.session.id)
	}
	return cc
}

// depart takes the UE out of this node's tables. Its inner addresses are lent.
func (u *ue) depart(d *departed) {
	u.departure, u.departed = nil, d
	clear(u.children)
	u.signallingHandle.Store(nil)
	nasAddr := u.nasAddr()
	u.nf.nas.Disconnect(nasAddr)
	u.nf.byInner.remove(u)
	for i, pool := range []*addressPool{u.nf.pool4, u.nf.pool6} {
		if u.inner[i].IsValid() {
			pool.lend(u.inner[i])
		}
	}
	u.unbind()
	u.owner.forget(u)
	u.owner.departed[u.ranID] = d
	d.timer = time.AfterFunc(offerPatience, func() { u.owner.mail.post(d.unanswered) })
}

// acceptance is what the other node says of a UE that it has taken: where its downlink tunnels end now.
type acceptance struct {
	RANID   uint32
	Tunnels map[uint8]tunnelEnd
}

type tunnelEnd struct {
	Address netip.AddrPort
	TEID    uint32
}

// refusal is what it says of one that it does not take.
type refusal struct {
	RANID uint32
	Why   string
}

func (n *nodes) takeAccept(node int, body []byte) error {
	var a acceptance
	if err := json.Unmarshal(body, &a); err != nil {
		return err
	}
	o := n.nf.ownerOfRAN(a.RANID)
	o.mail.post(func() {
		if d := o.departed[a.RANID]; d != nil && d.node == node {
			d.accepted(a)
		}
	})
	return nil
}

func (n *nodes) takeRefuse(node int, body []byte) error {
	var r refusal
	if err := json.Unmarshal(body, &r); err != nil {
		return err
	}
	o := n.nf.ownerOfRAN(r.RANID)
	o.mail.post(func() {
		if d := o.departed[r.RANID]; d != nil && d.node == node {
			d.refused(errors.New(r.Why))
		}
	})
	return nil
}

// accepted: from now on the other node has the UE. What still comes is sent on for the grace time.
func (d *departed) accepted(a acceptance) {
	o, nf := d.u.owner, d.u.nf
	d.timer.Stop()
	delete(o.departed, d.context.RANID)
	nf.counters.HandedOver.Add(1)
	for psi, s := range d.relays {
		end, ok := a.Tunnels[psi]
		if !ok || end.TEID == s.TEID() { // the tunnel has gone with the UE
			s.Remove()
			continue
		}
		if err := s.Redirect(end.Address, end.TEID); err != nil {
			d.u.log.Warn("downlink of a UE that has gone is lost until the UPF knows its new tunnel", slog.Any("error", err))
		}
	}
	d.later(nf.live().Cluster.Grace)
	if d.u.onDeparted != nil {
		d.u.onDeparted(nil)
	}
}

// later ends the sending on.
func (d *departed) later(grace time.Duration) {
	nf := d.u.nf
	spis := append([]message.SPI{d.u.spi}, d.u.formerSPIs...)
	nf.after(grace, func() {
		for _, s := range d.relays {
			s.Remove()
		}
		nf.nodes.forget(d.context, d.node, spis)
	})
}

// refused: the UE stays, as the other node has sent nothing for it.
func (d *departed) refused(why error) {
	u, o := d.u, d.u.owner
	d.timer.Stop()
	delete(o.departed, d.context.RANID)
	u.nf.counters.HandoverFailed.Add(1)
	u.log.Warn("the other node does not take the UE; it stays here", slog.Int("node", d.node), slog.Any("error", why))
	u.nf.nodes.forget(d.context, d.node, append([]message.SPI{u.spi}, u.formerSPIs...))
	if err := o.enter(d.context, d); err != nil {
		u.log.Error("UE is lost; it must register again", slog.Any("error", err))
		d.drop()
	}
	if u.onDeparted != nil {
		u.onDeparted(why)
	}
}

// unanswered: nobody knows whether the other node has the UE. It must not go on here, as two nodes would send with the same keys then; if nobody has it,
// it registers again.
func (d *departed) unanswered() {
	if d.u.owner.departed[d.context.RANID] != d {
		return
	}
	delete(d.u.owner.departed, d.context.RANID)
	d.u.nf.counters.HandoverFailed.Add(1)
	d.u.log.Error("the other node does not say whether it has taken the UE; it is not served here any more", slog.Int("node", d.node))
	d.later(d.u.nf.live().Cluster.Grace)
	if d.u.onDeparted != nil {
		d.u.onDeparted(errors.New("no answer of the other node"))
	}
}

// drop frees what a UE had that nobody serves.
func (d *departed) drop() {
	for _, s := range d.relays {
		s.Remove()
	}
	for _, a := range d.context.Inner {
		if pool := d.u.nf.poolOf(a); pool != nil {
			pool.takeBack(a)
		}
	}
}

// poolOf is the pool of an inner address's family, nil for no address.
func (nf *N3IWF) poolOf(a netip.Addr) *addressPool {
	switch {
	case a.Is4():
		return nf.pool4
	case a.Is6():
		return nf.pool6
	}
	return nil
}
