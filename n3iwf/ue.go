// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/nas"
)

// ue is one UE context: the IKE session towards the UE, the NGAP association towards its AMF, and what lies between. It belongs to one
// owner; nothing of it is read elsewhere but through snapshots.
type ue struct {
	nf    *N3IWF
	owner *owner
	log   *slog.Logger
	gone  bool
	// admitted: it counts against limits.maxUEs.
	admitted bool
	// inherited: from a process that has been on this host.
	inherited bool
	// emergency: it registers for an emergency, and is bound by fewer limits.
	emergency bool

	// NWu.
	session    *ikev2.Session
	spi        message.SPI
	formerSPIs []message.SPI // of before rekeys, which still lead here
	path       ikev2.Path
	state      ueState
	since      time.Time
	eap        *eap5g.Server
	signalling ipsec.ChildID // 0 until the signalling SA is up
	// signallingHandle is read by the NAS stack; nil until the signalling SA is up.
	signallingHandle atomic.Pointer[ipsec.Handle]
	children         map[ipsec.ChildID]*childSA
	nextChild        uint32
	inner            [2]netip.Addr // IPv4 and IPv6; zero when not assigned
	nasFrom          netip.Addr    // where the NAS connection comes from
	nasConn          *nas.Conn     // NAS over TCP; nil while there is none
	nasPatience      bool          // a timer limits what waits for one
	nasQueue         [][]byte      // downlink NAS that waits for EAP or TCP
	nasPlaces        []*nasPlace   // downlink NAS that comes after it, from the first that waits for child SAs on
	moves            uint64
	movedFrom        ikev2.Path   // before that
	movedAt          time.Time    // when the IKE SA last took another path
	heldBefore       uint64       // heldPackets at that moment
	paths            []PathRecord // oldest first
	departure        *departure   // the UE is on its way to another node
	departed         *departed    // it was offered to another node
	onDeparted       func(err error)
	relocation       *relocation  // the N3IWF wants it somewhere else
	outbound         ipsec.Target // of the last move
	rooms            unprovenRooms

	// N2.
	ng         *ngConnection // nil until an AMF is selected
	ranID      uint32
	amfID      *ngap.AMFUENGAPID // nil until the AMF's first message
	key        []byte            // K_N3IWF, until the AUTH exchange has used it
	setup      *ngap.InitialContextSetupRequest
	setupPlace *nasPlace              // of the NAS messages of its PDU sessions
	tai        *ngap.TAI              // that it is in; nil until an AMF is selected
	guami      *ngap.GUAMI            // that the AMF serves the UE with; nil before the context set-up
	early      *early                 // what waits for the first NG connection after the start
	initial    *ngap.InitialUEMessage // until the context set-up
	held       *hold                  // its AMF is lost; nil while it is there
	freed      bool                   // the AMF has released the UE's binding to its association
	released   bool                   // the AMF knows no such UE any more
	releaseTry int

	uplinkPending atomic.Int32 // NAS messages in the owner's mailbox; counted by the NAS workers

	sessions map[ngap.PDUSessionID]*pduSession
	// modifications is how many PDU SESSION RESOURCE MODIFY REQUESTs are not answered.
	modifications int
	tunnelMove    *tunnelMove   // not confirmed by the AMF
	batches       []*setupBatch // PDU session set-ups and changes of flows that wait for child SAs, one after the other
	rates         ueRates

	guardAt   time.Time
	guardFor  string
	guard     func()
	idle      inactivity
	wakeAt    time.Time
	deadline  time.Time // the session's
	heapIndex int

	outputs ikev2.Outputs
	trace   *ueTrace
}

// ueState is how far a UE has come.
type ueState uint8

const (
	stateEAP       ueState = iota // IKE_AUTH with EAP-5G is under way
	stateKeyed                    // EAP-Success sent, AUTH awaited
	stateUp                       // IKE SA and signalling SA are up
	stateReleasing                // the IKE SA is being deleted, or UE CONTEXT RELEASE COMMAND awaited
)

func (s ueState) String() string {
	return [...]string{"authenticating", "keyed", "up", "releasing"}[s]
}

func (o *owner) newUE(session *ikev2.Session, path ikev2.Path) *ue {
	u := &ue{
		nf: o.nf, owner: o, session: session, spi: session.SPI(), path: path, since: time.Now(), heapIndex: -1,
		ranID: o.newRANID(), children: map[ipsec.ChildID]*childSA{}, sessions: map[ngap.PDUSessionID]*pduSession{},
	}
	u.log = o.nf.log.With(slog.Uint64("ue", uint64(u.ranID)))
	o.ues[u.spi] = u
	o.byRANID[u.ranID] = u
	o.nf.counters.UEs.Add(1)
	u.beginTrace()
	return u
}

// apply does what the session wants. An event may make the session want more; that is done after what came before. Child SAs are
// installed before the datagrams of the same output leave (RFC 7296 2.8: the responder must be ready to receive).
func (u *ue) apply(out ikev2.Output) {
	u.outputs.Do(out, u.carryOut)
	u.reschedule()
}

func (u *ue) carryOut(out ikev2.Output) {
	u.deadline = out.Deadline
	for _, w := range out.Work {
		u.nf.work(u, w)
	}
	for _, ev := range out.Events {
		u.event(ev)
	}
	for _, d := range out.Datagrams {
		u.nf.sendIKE(d, u.log)
		u.trace.end(spanInit, "")
	}
}

// setGuard arms the one guard timer of the procedure that is under way; another call replaces it.
func (u *ue) setGuard(after time.Duration, waitingFor string, action func()) {
	u.guardAt, u.guardFor, u.guard = time.Now().Add(after), waitingFor, action
	u.reschedule()
}

func (u *ue) clearGuard() {
	u.guardAt, u.guardFor, u.guard = time.Time{}, "", nil
	u.reschedule()
}

func (u *ue) reschedule() {
	at := u.deadline
	if at.IsZero() || !u.guardAt.IsZero() && u.guardAt.Before(at) {
		at = u.guardAt
	}
	if at.IsZero() || !u.idle.at.IsZero() && u.idle.at.Before(at) {
		at = u.idle.at
	}
	if u.gone {
		at = time.Time{}
	}
	u.owner.schedule(u, at)
}

// timeout is called when the earliest of the timers is due.
func (u *ue) timeout(now time.Time) {
	if !u.guardAt.IsZero() && !u.guardAt.After(now) {
		action := u.guard
		u.log.Warn("gave up waiting", slog.String("for", u.guardFor), slog.String("state", u.state.String()), slog.String("path", u.path.String()))
		u.trace.fail("gave up waiting for " + u.guardFor)
		u.guardAt, u.guard = time.Time{}, nil
		action()
	}
	if !u.gone && !u.idle.at.IsZero() && !u.idle.at.After(now) {
		u.lookForActivity(now)
	}
	if !u.gone && !u.deadline.IsZero() && !u.deadline.After(now) {
		u.noteTraffic()
		u.apply(u.session.Timeout(now))
	}
	u.reschedule()
}

// noteTraffic tells the session when ESP last came on the path that it sends to: a UE that sends needs no liveness check (RFC 7296 2.4), but
// packets on an old path do not count (RFC 4555 3.10).
func (u *ue) noteTraffic() {
	if u.state != stateUp {
		return
	}
	for id, c := range u.children {
		s, err := u.nf.dataPlane.Stats(id)
		if err != nil {
			continue
		}
		if s.LastOnPath.After(u.session.LastHeard()) {
			u.session.Traffic(s.LastOnPath)
		}
		u.noteNewPair(c, s.Generations)
	}
}

// event handles one event of the session.
func (u *ue) event(ev ikev2.Event) {
	switch ev := ev.(type) {
	case ikev2.EAPStart:
		u.startEAP(ev)
	case ikev2.EAPReceived:
		u.receiveEAP(ev.Packet)
	case ikev2.AuthRequest:
		u.authorize(ev)
	case ikev2.Established:
		u.established(ev)
	case ikev2.ChildUp:
		u.childUp(ev)
	case ikev2.ChildFailed:
		u.childFailed(ev)
	case ikev2.ChildSwitched:
		u.childSwitched(ev)
	case ikev2.ChildDown:
		u.childDown(ev)
	case ikev2.PathChanged:
		u.pathChanged(ev)
	case ikev2.ChildrenMoved:
		u.childrenMoved(ev)
	case ikev2.RoutabilityProven:
		u.routabilityProven(ev)
	case ikev2.RoutabilityFailed:
		u.routabilityFailed(ev)
	case ikev2.SwitchDone:
		u.switchDone(ev)
	case ikev2.MoveRejected:
		u.nf.counters.MovesRejected.Add(1)
		u.nf.counters.countMove(moveKind(u.path, ev.Path), moveRefused)
		u.trace.end(spanMove, "refused")
		u.log.Warn("move refused; the UE stays where it was", slog.String("to", ev.Path.String()), slog.Any("error", ev.Err))
	case ikev2.RekeyFailed:
		u.rekeyFailed(ev)
	case ikev2.SPIAdded:
		u.owner.ues[ev.SPI] = u
		u.formerSPIs = append(u.formerSPIs, ev.SPI)
	case ikev2.SPIChanged:
		u.owner.ues[ev.New] = u
		u.formerSPIs = append(slices.DeleteFunc(u.formerSPIs, func(spi message.SPI) bool { return spi == ev.New }), u.spi)
		u.spi = ev.New
		u.nf.counters.IKERekeys.Add(1)
	case ikev2.SPIForgotten:
		delete(u.owner.ues, ev.SPI)
		u.formerSPIs = slices.DeleteFunc(u.formerSPIs, func(spi message.SPI) bool { return spi == ev.SPI })
	case ikev2.InfoDone:
		if t, ok := ev.Tag.(*childTold); ok {
			u.told(t, ev)
			return
		}
		u.relocationInfo(ev)
	case ikev2.Quiescent:
		if u.departure != nil {
			u.departure.quiet = true
			u.leaveLater(0)
		}
	case ikev2.Closed:
		u.closed(ev)
	case ikev2.InfoReceived:
		u.log.Debug("notifies of the UE ignored", slog.Int("count", len(ev.Notifies)))
	}
}

// innerFor gives the assigned inner IPv4 or IPv6 address, or the zero address.
func (u *ue) innerFor(v4 bool) netip.Addr {
	if v4 {
		return u.inner[0]
	}
	return u.inner[1]
}

func (u *ue) String() string { return fmt.Sprintf("UE %d (%s, %s)", u.ranID, u.state, u.path) }
