// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/nwu"
)

// Flows of a PDU session that is up come, change and go (TS 23.502 4.12.6). New child SAs are made first, then the UE is told in INFORMATIONAL
// exchanges what the others carry now (TS 24.502 7.6: UP_SA_INFO, 5G_QOS_INFO with the whole binding), then child SAs without flows are deleted. The
// default child SA stays the default one, with no flow if need be, so that there is exactly one at every moment.

// flowUpdate is one such change. It waits its turn behind the UE's PDU sessions that are being set up.
type flowUpdate struct {
	session  *pduSession
	set      []qosFlow
	remove   []uint8
	done     func(failed []uint8)
	creating int
	telling  []*childTold
	failed   map[uint8]bool
	before   []qosFlow
}

// childTold is a child SA whose binding the UE is told; it holds when the UE has answered.
type childTold struct {
	change *flowUpdate
	child  *childSA
	qfis   []uint8
}

// changeFlows adds or replaces the flows of set and removes those of remove. done is called once, in the owner, when the UE has agreed or refused: with
// the QFIs of set that got no resources (those keep what they had before, if anything). It is not called when the UE goes away.
func (u *ue) changeFlows(s *pduSession, set []qosFlow, remove []uint8, done func(failed []uint8)) {
	c := &flowUpdate{session: s, set: set, remove: remove, done: done, failed: map[uint8]bool{}}
	u.batches = append(u.batches, &setupBatch{change: c, finish: func(*setupBatch) {}})
	if len(u.batches) == 1 {
		u.nextSession()
	}
}

// startChange compares what is wanted with the child SAs that there are.
func (u *ue) startChange(c *flowUpdate) {
	s := c.session
	if !u.has(s) {
		u.endChange(c)
		return
	}
	c.before = slices.Clone(s.flows)
	for _, f := range c.set {
		if i := slices.IndexFunc(s.flows, func(o qosFlow) bool { return o.qfi == f.qfi }); i >= 0 {
			s.flows[i] = f.over(s.flows[i])
		} else {
			s.flows = append(s.flows, f)
		}
	}
	s.flows = slices.DeleteFunc(s.flows, func(f qosFlow) bool { return slices.Contains(c.remove, f.qfi) })
	wanted := u.wantedChildren(s)
	u.setGuard(u.nf.live().Timers.ChildSetup, fmt.Sprintf("the changed child SAs of PDU session %d", s.id), func() { u.abortChange(c) })
	for child, qfis := range wanted.bound {
		if !slices.Equal(child.qfis, qfis) {
			c.telling = append(c.telling, &childTold{change: c, child: child, qfis: qfis})
		}
	}
	c.creating = len(wanted.groups)
	for _, g := range wanted.groups {
		child := &childSA{session: s, qfis: g.qfis, key: g.key, up: s.up(), change: c}
		s.children = append(s.children, child)
		u.requestChild(child)
	}
	if c.creating == 0 {
		u.tellChildren(c)
	}
}

// over takes the place of the flow that was there: limits that have not changed go on.
func (f qosFlow) over(old qosFlow) qosFlow {
	if f.gbr != nil && old.gbr != nil && f.gbr.downlink == old.gbr.downlink && f.gbr.uplink == old.gbr.uplink {
		f.gbr = old.gbr
	}
	return f
}

// wantedChildren says which flows each child SA is to carry, and which groups have none yet.
type wantedChildren struct {
	bound  map[*childSA][]uint8
	groups []flowGroup
}

func (u *ue) wantedChildren(s *pduSession) wantedChildren {
	w := wantedChildren{bound: map[*childSA][]uint8{}}
	of := map[flowKey]*childSA{}
	var dflt *childSA
	for _, child := range s.children {
		if child.current == nil && !child.remake {
			continue
		}
		w.bound[child] = nil
		if of[child.key] == nil {
			of[child.key] = child
		}
		if child.dflt {
			dflt = child
		}
	}
	room := u.nf.live().Limits.ChildSAsPerUE - len(u.children)
	for _, f := range s.flows {
		k := flowKeyOf(&s.policy, f)
		if child := of[k]; child != nil {
			w.bound[child] = append(w.bound[child], f.qfi)
			continue
		}
		i := slices.IndexFunc(w.groups, func(g flowGroup) bool { return g.key == k })
		if i < 0 && len(w.groups) >= room && dflt != nil {
			w.bound[dflt] = append(w.bound[dflt], f.qfi)
			continue
		}
		if i < 0 {
			w.groups = append(w.groups, flowGroup{key: k})
			i = len(w.groups) - 1
		}
		w.groups[i].qfis = append(w.groups[i].qfis, f.qfi)
	}
	for _, qfis := range w.bound {
		slices.Sort(qfis)
	}
	return w
}

// changeChildSettled: a child SA of the change has come up, or not. The flows of one that did not are not there.
func (u *ue) changeChildSettled(child *childSA, up bool) {
	c := child.change
	child.change = nil
	if up && !(u.changing(c) && u.has(c.session)) { // given up, or the session has ended meanwhile
		u.dropChildren(child)
		up = false
	}
	if !u.changing(c) {
		return
	}
	if !up {
		c.session.children = slices.DeleteFunc(c.session.children, func(o *childSA) bool { return o == child })
		for _, qfi := range child.qfis {
			c.failed[qfi] = true
		}
	}
	if c.creating--; c.creating == 0 {
		u.tellChildren(c)
	}
}

// has tells whether the PDU session is up and not just being released.
func (u *ue) has(s *pduSession) bool { return s.active && u.sessions[s.id] == s }

// changing tells whether the change is the one under way.
func (u *ue) changing(c *flowUpdate) bool { return len(u.batches) > 0 && u.batches[0].change == c }

// tellChildren tells the UE what the child SAs carry that were there before. What comes first is what goes away from one, so that no flow is bound twice.
func (u *ue) tellChildren(c *flowUpdate) {
	telling := c.telling
	if len(telling) == 0 || !u.has(c.session) {
		u.endChange(c)
		return
	}
	slices.SortStableFunc(telling, func(a, b *childTold) int { return len(a.qfis) - len(b.qfis) })
	for _, t := range telling {
		if len(t.qfis) == 0 && !t.child.dflt {
			u.untold(t)
			t.child.qfis = nil
			u.dropChildren(t.child)
			continue
		}
		if t.child.current == nil {
			u.refused(t) // the UE has lost it, and it is being made anew
			continue
		}
		info, err := t.child.info(t.qfis).Append(nil)
		if err != nil {
			u.log.Error("5G_QOS_INFO", slog.Any("error", err))
		}
		u.apply(u.session.Notify(time.Now(), t,
			&message.Notify{Protocol: message.ProtocolESP, SPI: spiOctets(t.child.current.InboundSPI), Type: nwu.NotifyUPSAInfo},
			&message.Notify{Type: nwu.Notify5GQoSInfo, Data: info}))
	}
	if len(c.telling) == 0 {
		u.endChange(c)
	}
}

// untold takes t off the list.
func (u *ue) untold(t *childTold) {
	c := t.change
	c.telling = slices.DeleteFunc(slices.Clone(c.telling), func(o *childTold) bool { return o == t })
}

// refused leaves a child SA as it was; the flows that it was to get have no resources.
func (u *ue) refused(t *childTold) {
	u.untold(t)
	for _, qfi := range t.qfis {
		if !slices.Contains(t.child.qfis, qfi) {
			t.change.failed[qfi] = true
		}
	}
}

// told: the UE has answered. An error notify is a refusal: nothing has changed at its side (TS 24.502 7.6).
func (u *ue) told(t *childTold, ev ikev2.InfoDone) {
	refused := ev.Err != nil
	for _, n := range ev.Notifies {
		if n.Type.IsError() {
			refused = true
			u.log.Warn("the UE refused a change of a child SA", slog.String("notify", n.Type.String()))
		}
	}
	if refused {
		u.refused(t)
	} else {
		u.untold(t)
		t.child.qfis = t.qfis
	}
	if u.changing(t.change) && len(t.change.telling) == 0 && t.change.creating == 0 {
		u.endChange(t.change)
	}
}

// abortChange gives up what the UE has not answered.
func (u *ue) abortChange(c *flowUpdate) {
	for _, child := range c.session.children {
		if child.change == c {
			child.change = nil
			for _, qfi := range child.qfis {
				c.failed[qfi] = true
			}
		}
	}
	u.endChange(c)
}

// endChange lets user data follow, and reports.
func (u *ue) endChange(c *flowUpdate) {
	if !u.changing(c) {
		return
	}
	u.clearGuard()
	u.batches = u.batches[1:]
	s := c.session
	alive := u.has(s)
	var failed []uint8
	for _, f := range c.set {
		if !alive || c.failed[f.qfi] {
			failed = append(failed, f.qfi)
		}
	}
	if alive {
		s.flows = slices.DeleteFunc(s.flows, func(f qosFlow) bool { return c.failed[f.qfi] })
		for _, f := range c.before {
			if c.failed[f.qfi] && !slices.Contains(c.remove, f.qfi) {
				s.flows = append(s.flows, f)
			}
		}
		s.children = slices.DeleteFunc(s.children, func(child *childSA) bool { return child.current == nil && !child.remake })
		if err := s.relay.Update(s.relayConfig()); err != nil {
			u.log.Error("N3 relay", slog.Any("error", err))
		}
	}
	u.log.Info("QoS flows changed", slog.Int("pdu_session", int(s.id)), slog.Int("flows", len(s.flows)), slog.Int("child_sas", len(s.children)), slog.Any("failed", failed))
	c.done(failed)
	u.nextSession()
}

// up is the user-plane address of the session's child SAs.
func (s *pduSession) up() netip.Addr {
	c := &s.ue.nf.live().NWu.UserPlane
	if s.ue.inner[0].IsValid() {
		return c.IPv4
	}
	return c.IPv6
}

// info is what the UE is told of the child SA when it carries those flows.
func (c *childSA) info(qfis []uint8) nwu.QoSInfo {
	q := nwu.QoSInfo{PDUSessionID: uint8(c.session.id), QFIs: qfis, Default: c.dflt}
	if c.key.dscp >= 0 {
		dscp := uint8(c.key.dscp)
		q.DSCP = &dscp
	}
	return q
}

func spiOctets(spi uint32) []byte { return binary.BigEndian.AppendUint32(nil, spi) }
