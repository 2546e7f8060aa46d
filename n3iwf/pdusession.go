// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu"
)

// pduSession is one PDU session of a UE: its tunnel towards the UPF and its child SAs.
type pduSession struct {
	ue       *ue
	id       ngap.PDUSessionID
	snssai   ngap.SNSSAI
	pduType  ngap.PDUSessionType
	upf      netip.Addr
	ulTEID   uint32
	flows    []qosFlow
	relay    *relay.Session
	children []*childSA
	active   bool
	removing bool
	ambr     bool // its aggregate maximum bit rate is known
	policy   config.UserPlane
}

// sessionRequest is one item of a PDU session resource setup list, of whichever message.
type sessionRequest struct {
	id       ngap.PDUSessionID
	nas      ngap.NASPDU
	snssai   ngap.SNSSAI
	transfer []byte
	repeated bool // the message has others with this id
}

// setupBatch is one message's PDU sessions; the answer to the AMF waits for all of them.
type setupBatch struct {
	pending []sessionRequest
	current *sessionSetup
	done    []sessionResult
	nas     [][]byte // for the UE, after the answer to the AMF: its first packets find the tunnel complete
	place   *nasPlace
	failed  []sessionResult
	wrong   *ngap.CriticalityDiagnostics // of the PDU session that fails next, if the fault is in its transfer
	finish  func(*setupBatch)
	change  *flowUpdate // instead of PDU sessions
	started bool        // the change
}

type sessionResult struct {
	id       ngap.PDUSessionID
	transfer []byte
}

// sessionSetup is the PDU session that child SAs are being made for.
type sessionSetup struct {
	session     *pduSession
	nas         ngap.NASPDU
	waiting     int // child SAs that have not come up or failed
	failedFlows ngap.QosFlowListWithCause
	security    *ngap.SecurityIndication
}

// setupSessions sets up PDU sessions one after the other (TS 23.502 4.12.5), behind the batches that are under way. place is
// where their NAS messages belong, nil here.
func (u *ue) setupSessions(requests []sessionRequest, place *nasPlace, finish func(*setupBatch)) {
	if place == nil {
		place = reserveFor(u, requests, func(r *sessionRequest) []byte { return r.nas })
	}
	u.batches = append(u.batches, &setupBatch{pending: merge(requests), place: place, finish: finish})
	if len(u.batches) == 1 {
		u.nextSession()
	}
}

// nextSession starts the next PDU session that waits, and answers batches that have none left.
func (u *ue) nextSession() {
	for len(u.batches) > 0 {
		b := u.batches[0]
		if b.current != nil {
			return
		}
		if b.change != nil {
			if !b.started {
				b.started = true
				u.startChange(b.change)
			}
			return // endChange goes on
		}
		if len(b.pending) == 0 {
			u.batches = u.batches[1:]
			b.finish(b)
			u.deliverAt(b.place, b.nas...)
			continue
		}
		request := b.pending[0]
		b.pending = b.pending[1:]
		u.traceSession(int(request.id))
		if cause, ok := u.startSession(b, request); !ok {
			u.sessionFailed(b, request.id, cause)
		}
	}
}

// merge leaves one request of those with the same PDU session id. It will fail, as nobody can tell which of them is meant (TS 38.413 8.2.1.4).
func merge(requests []sessionRequest) []sessionRequest {
	var list []sessionRequest
	for _, r := range requests {
		if i := slices.IndexFunc(list, func(o sessionRequest) bool { return o.id == r.id }); i >= 0 {
			list[i].repeated = true
			continue
		}
		list = append(list, r)
	}
	return list
}

func (u *ue) sessionFailed(b *setupBatch, id ngap.PDUSessionID, cause ngap.Cause) {
	u.nf.counters.SessionsFailed.Add(1)
	u.nf.counters.SessionsLost.Add(cause.String())
	u.trace.end(spanSession, cause.String())
	u.log.Warn("PDU session not set up", slog.Int("pdu_session", int(id)), slog.String("cause", cause.String()))
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceSetupUnsuccessfulTransfer{Cause: cause, CriticalityDiagnostics: b.wrong})
	b.wrong = nil
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
	}
	b.failed = append(b.failed, sessionResult{id, transfer})
}

// startSession checks one request and asks the UE for its child SAs.
func (u *ue) startSession(b *setupBatch, r sessionRequest) (ngap.Cause, bool) {
	switch {
	case u.state != stateUp:
		return ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause(), false
	case r.repeated || u.sessions[r.id] != nil:
		return ngap.CauseRadioNetworkMultiplePDUSessionIDInstances.Cause(), false
	case !u.emergency && !u.nf.servesSlice(r.snssai):
		return ngap.CauseRadioNetworkSliceNotSupported.Cause(), false
	case len(u.sessions) >= u.nf.live().Limits.PDUSessionsPerUE:
		return ngap.CauseRadioNetworkRadioResourcesNotAvailable.Cause(), false
	}
	t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](r.transfer)
	if err != nil {
		b.wrong = ngap.DiagnosticsOf(err)
		return ngap.CauseOf(err), false
	}
	setup := &sessionSetup{nas: r.nas, security: t.SecurityIndication}
	s := &pduSession{ue: u, id: r.id, snssai: r.snssai, pduType: t.PDUSessionType, ambr: t.PDUSessionAggregateMaximumBitRate != nil,
		policy: u.nf.live().NWu.UserPlane}
	setup.session = s
	var nonGBR bool
	times := map[ngap.QosFlowIdentifier]int{}
	for _, f := range t.QosFlowSetupRequestList {
		times[f.QosFlowIdentifier]++
	}
	for _, f := range t.QosFlowSetupRequestList {
		cause, bad := flowFault(&f.QosFlowLevelQosParameters)
		switch n := times[f.QosFlowIdentifier]; {
		case n == 0: // told already
			continue
		case n > 1:
			cause, bad = ngap.CauseRadioNetworkMultipleQosFlowIDInstances.Cause(), true
			times[f.QosFlowIdentifier] = 0
		}
		if bad {
			setup.failedFlows = append(setup.failedFlows, ngap.QosFlowWithCauseItem{QosFlowIdentifier: f.QosFlowIdentifier, Cause: cause})
			continue
		}
		nonGBR = nonGBR || f.QosFlowLevelQosParameters.GBRQosInformation == nil
		s.flows = append(s.flows, newQoSFlow(f.QosFlowIdentifier, &f.QosFlowLevelQosParameters))
	}
	switch {
	case len(s.flows) == 0 && len(setup.failedFlows) > 0:
		return setup.failedFlows[0].Cause, false
	case len(s.flows) == 0:
		return ngap.CauseRadioNetworkInvalidQosCombination.Cause(), false
	case nonGBR && t.PDUSessionAggregateMaximumBitRate == nil:
		return ngap.CauseProtocolSemanticError.Cause(), false // TS 38.413 9.3.4.1: present for a non-GBR flow
	}
	tunnel := t.ULNGUUPTNLInformation.GTPTunnel
	if tunnel == nil {
		return ngap.CauseTransportTransportResourceUnavailable.Cause(), false
	}
	if err := s.openTunnel(tunnel); err != nil {
		u.log.Error("no N3 tunnel", slog.Any("error", err))
		return ngap.CauseTransportTransportResourceUnavailable.Cause(), false
	}
	u.sessions[s.id] = s
	b.current = setup
	u.requestChildren(setup)
	return ngap.Cause{}, true
}

// openTunnel takes a TEID for the downlink. User data flows when the child SAs are known.
func (s *pduSession) openTunnel(tunnel *ngap.GTPTunnel) error {
	addr, err := s.ue.nf.n3Peer(tunnel.TransportLayerAddress)
	if err != nil {
		return err
	}
	s.upf, s.ulTEID = addr, uint32(tunnel.GTPTEID)
	s.relay, err = s.ue.nf.relay.Add(s.relayConfig())
	return err
}

// relayConfig is the session as the relay sees it: flows without child SA go through the default one.
func (s *pduSession) relayConfig() relay.Config {
	c := relay.Config{
		Name: fmt.Sprintf("ue %d session %d", s.ue.ranID, s.id), PDUType: pduTypes[s.pduType],
		LogAttrs: []slog.Attr{slog.Uint64("ue", uint64(s.ue.ranID)), slog.Int("pdu_session", int(s.id))},
		UPF:      netip.AddrPortFrom(s.upf, 0), UplinkTEID: s.ulTEID,
	}
	enforce := s.ue.nf.live().NWu.UserPlane.EnforceRates
	if enforce {
		c.Rates = s.ue.limits()
	}
	of := map[uint8]*childSA{}
	for _, child := range s.children {
		if child.current == nil {
			continue
		}
		child.longest = s.ue.longestInner(child)
		c.Children = append(c.Children, relay.Child{
			ID: child.id, UE: s.ue.innerFor(child.up.Is4()), UP: child.up, DSCP: child.key.marking(), MaxPacket: child.longest,
		})
		if child.dflt {
			c.Default = child.id
		}
		for _, qfi := range child.qfis {
			of[qfi] = child
		}
	}
	for _, f := range s.flows {
		flow := relay.Flow{QFI: f.qfi, Reflective: f.reflective, DSCP: dscpOf(s.ue.nf.live().N3.DSCP, f)}
		if child := of[f.qfi]; child != nil {
			flow.Child = child.id
		}
		if enforce && f.gbr != nil {
			flow.Rates = f.gbr.limits
		}
		c.Flows = append(c.Flows, flow)
	}
	return c
}

var pduTypes = map[ngap.PDUSessionType]gre.PDUType{
	ngap.PDUSessionTypeIPv4: gre.PDUIPv4, ngap.PDUSessionTypeIPv6: gre.PDUIPv6, ngap.PDUSessionTypeIPv4v6: gre.PDUIPv4v6,
	ngap.PDUSessionTypeEthernet: gre.PDUEthernet, ngap.PDUSessionTypeUnstructured: gre.PDUUnstructured,
}

// requestChildren asks for the session's child SAs, as the policy groups its flows. The first is the default one.
func (u *ue) requestChildren(setup *sessionSetup) {
	s := setup.session
	groups := groupFlows(&s.policy, s.flows, u.nf.live().Limits.ChildSAsPerUE-len(u.children))
	setup.waiting = len(groups)
	u.setGuard(u.nf.live().Timers.ChildSetup, fmt.Sprintf("the child SAs of PDU session %d", s.id), u.abortSetup)
	for i, g := range groups {
		c := &childSA{session: s, qfis: g.qfis, key: g.key, dflt: i == 0, up: s.up()}
		s.children = append(s.children, c)
		u.requestChild(c)
	}
}

func (u *ue) requestChild(c *childSA) {
	notify := message.NotifyType(nwu.NotifyUPIP4Address)
	if !c.up.Is4() {
		notify = nwu.NotifyUPIP6Address
	}
	info, err := c.info(c.qfis).Append(nil)
	if err != nil {
		u.log.Error("5G_QOS_INFO", slog.Any("error", err))
	}
	u.traceChild(c)
	u.apply(u.session.CreateChild(time.Now(), ikev2.ChildRequest{
		LocalTS: []message.TrafficSelector{hostSelector(c.up)}, RemoteTS: []message.TrafficSelector{hostSelector(u.innerFor(c.up.Is4()))},
		Notifies: []*message.Notify{{Type: nwu.Notify5GQoSInfo, Data: info}, {Type: notify, Data: c.up.AsSlice()}},
		ESP:      u.onlyProposal(),
		Tag:      c,
	}))
}

// onlyProposal is the one that a UE with the legacy-lab profile is offered for its user-plane child SAs: what it has agreed to for the signalling SA.
// free5GC's UE simulator takes no choice, and cannot install all that the profile has. Nil is the profile's offer.
func (u *ue) onlyProposal() []message.Proposal {
	c := u.children[u.signalling]
	if u.nf.live().NWu.IKE.Profile != suite.ProfileLegacyLab || c == nil || c.current == nil {
		return nil
	}
	agreed := c.current.Suite
	agreed.Group, agreed.Additional = suite.GroupNone, suite.Additional{}
	return []message.Proposal{agreed.Proposal(1, nil)}
}

// currentSetup gives the set-up that c belongs to, nil when that has ended.
func (u *ue) currentSetup(c *childSA) *sessionSetup {
	if len(u.batches) == 0 || u.batches[0].current == nil || u.batches[0].current.session != c.session {
		return nil
	}
	return u.batches[0].current
}

func (u *ue) sessionChildUp(c *childSA) {
	u.trace.end(c, "")
	if c.remake && c.session.active {
		c.remake = false
		if err := c.session.relay.Update(c.session.relayConfig()); err != nil {
			u.log.Error("N3 relay", slog.Any("error", err))
		}
		return
	}
	if c.change != nil {
		u.changeChildSettled(c, true)
		return
	}
	if setup := u.currentSetup(c); setup != nil {
		u.childSettled(setup)
		return
	}
	u.dropChildren(c) // the session was given up meanwhile
}

func (u *ue) sessionChildFailed(c *childSA) {
	u.trace.end(c, "the UE did not take it")
	if c.remake {
		c.remake = false
		u.sessionChildDown(c)
		return
	}
	if c.change != nil {
		u.changeChildSettled(c, false)
		return
	}
	setup := u.currentSetup(c)
	if setup == nil {
		return
	}
	if c.dflt {
		u.failSetup(ngap.CauseRadioNetworkRadioResourcesNotAvailable.Cause())
		return
	}
	// The default child SA carries the flows of one that did not come up.
	u.childSettled(setup)
}

func (u *ue) childSettled(setup *sessionSetup) {
	if setup.waiting--; setup.waiting > 0 {
		return
	}
	u.clearGuard()
	s := setup.session
	if s.removing {
		u.failSetup(ngap.CauseRadioNetworkInteractionWithOtherProcedure.Cause())
		return
	}
	if err := s.relay.Update(s.relayConfig()); err != nil {
		u.log.Error("N3 relay", slog.Any("error", err))
		u.failSetup(ngap.CauseTransportTransportResourceUnavailable.Cause())
		return
	}
	transfer, err := s.responseTransfer(setup)
	if err != nil {
		u.log.Error("transfer", slog.Any("error", err))
		u.failSetup(ngap.CauseTransportTransportResourceUnavailable.Cause())
		return
	}
	s.active = true
	b := u.batches[0]
	b.current = nil
	b.done = append(b.done, sessionResult{s.id, transfer})
	u.nf.counters.Sessions.Add(1)
	u.trace.end(spanSession, "")
	u.nf.publish(LiveEvent{Kind: LiveSessionUp, UE: u.ranID, Session: int(s.id)})
	u.log.Info("PDU session is up", slog.Int("pdu_session", int(s.id)), slog.Int("flows", len(s.flows)), slog.Int("child_sas", len(s.children)), slog.String("upf", s.upf.String()))
	b.nas = append(b.nas, setup.nas)
	u.nextSession()
}

func (s *pduSession) responseTransfer(setup *sessionSetup) ([]byte, error) {
	tunnel, err := ngap.NewGTPTunnel(s.relay.Local(), s.relay.TEID())
	if err != nil {
		return nil, err
	}
	t := &ngap.PDUSessionResourceSetupResponseTransfer{QosFlowFailedToSetupList: setup.failedFlows}
	t.DLQosFlowPerTNLInformation.UPTransportLayerInformation = tunnel
	for _, f := range s.flows {
		t.DLQosFlowPerTNLInformation.AssociatedQosFlowList = append(t.DLQosFlowPerTNLInformation.AssociatedQosFlowList,
			ngap.AssociatedQosFlowItem{QosFlowIdentifier: ngap.QosFlowIdentifier(f.qfi)})
	}
	if setup.security != nil {
		t.SecurityResult = &ngap.SecurityResult{} // both performed: ESP always encrypts and authenticates
	}
	return ngap.EncodeTransfer(t)
}

// abortSetup gives the PDU session up whose child SAs do not come.
func (u *ue) abortSetup() {
	u.failSetup(ngap.CauseRadioNetworkFailureInRadioInterfaceProcedure.Cause())
}

// failSetup fails the PDU session that is being set up, deletes what it has, and goes on with the next.
func (u *ue) failSetup(cause ngap.Cause) {
	if len(u.batches) == 0 || u.batches[0].current == nil {
		return
	}
	b := u.batches[0]
	s := b.current.session
	b.current = nil
	u.clearGuard()
	u.dropSession(s)
	u.dropChildren(s.children...)
	u.sessionFailed(b, s.id, cause)
	u.nextSession()
}

// dropSession closes the tunnel. The child SAs are another matter.
func (u *ue) dropSession(s *pduSession) {
	if s.active {
		u.nf.publish(LiveEvent{Kind: LiveSessionDown, UE: u.ranID, Session: int(s.id)})
	}
	s.active = false
	if s.relay != nil {
		s.relay.Remove()
	}
	delete(u.sessions, s.id)
}

// dropChildren deletes child SAs at the UE; the data plane follows with ChildDown.
func (u *ue) dropChildren(children ...*childSA) {
	var spis []uint32
	for _, c := range children {
		if c.current != nil {
			spis = append(spis, c.current.InboundSPI)
		}
	}
	if len(spis) > 0 {
		u.apply(u.session.DeleteChild(time.Now(), spis...))
	}
}

// remakeChild asks for a child SA anew that the UE does not know any more (RFC 7296 2.25.1).
func (u *ue) remakeChild(c *childSA) {
	u.log.Warn("the UE had lost a child SA; another one is made", slog.Int("pdu_session", int(c.session.id)))
	c.remake = true
	u.requestChild(c)
}

// sessionChildDown: a child SA of a session was deleted, by the UE, on our request, or at the end of its lifetime.
func (u *ue) sessionChildDown(c *childSA) {
	s := c.session
	if s.removing || c.release != nil {
		u.releaseProgress(c)
		return
	}
	if !s.active {
		if c.dflt && u.currentSetup(c) != nil { // without it the others are of no use
			u.failSetup(ngap.CauseRadioNetworkRadioResourcesNotAvailable.Cause())
		}
		return
	}
	if !c.dflt {
		// The default child SA takes over the flows.
		if err := s.relay.Update(s.relayConfig()); err != nil {
			u.log.Error("N3 relay", slog.Any("error", err))
		}
		return
	}
	u.dropSession(s)
	u.dropChildren(s.children...)
	u.notifyReleased(s, ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause())
}
