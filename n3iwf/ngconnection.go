// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// ngConnection is one life of an NG interface instance: from NG SETUP RESPONSE to the loss of the last TNL association.
type ngConnection struct {
	amf      *amf
	since    time.Time
	response []byte // NG SETUP RESPONSE as it came; nil when nobody knows it
	joined   bool   // its first association is a further one of a node that has others
	kept     bool   // the AMF has kept the UE contexts of before
	state    atomic.Pointer[amfDescription]
	overload overload

	ctx      context.Context
	end      context.CancelCauseFunc
	running  sync.WaitGroup
	updating sync.Mutex // AMF CONFIGURATION UPDATEs, one after the other

	mu          sync.Mutex
	tnlas       []*tnla // the first one is that of the configuration
	bound       map[uint32]*tnla
	unavailable map[guamiKey]withdrawal
	ranIDs      map[ngap.AMFUENGAPID]uint32 // for messages that name a UE by the AMF's id alone
	notices     map[noticeKey]*ngap.CriticalityDiagnostics
	resets      []*reset // sent and not acknowledged, oldest first
	update      ranUpdate
}

// amfDescription is what an AMF says of itself in NG Setup and AMF Configuration Update. It is never changed, only replaced.
type amfDescription struct {
	name     ngap.AMFName
	capacity ngap.RelativeAMFCapacity
	plmns    ngap.PLMNSupportList
	guamis   ngap.ServedGUAMIList
}

func newNGConnection(a *amf, d *amfDescription) *ngConnection {
	ng := &ngConnection{
		amf: a, since: time.Now(), bound: map[uint32]*tnla{}, unavailable: map[guamiKey]withdrawal{}, ranIDs: map[ngap.AMFUENGAPID]uint32{},
		notices: map[noticeKey]*ngap.CriticalityDiagnostics{},
	}
	ng.state.Store(d)
	return ng
}

func (ng *ngConnection) about() *amfDescription { return ng.state.Load() }

func (ng *ngConnection) name() string { return string(ng.about().name) }

// serve works until the last association has ended or ctx ends.
// It calls up when messages can be sent.
func (ng *ngConnection) serve(ctx context.Context, first transport.Association, remote []netip.Addr, up func()) error {
	return ng.run(ctx, func() {
		t := ng.add(remote, ng.amf.cfg.Port, firstWeight, ngap.TNLAssociationUsageBoth)
		t.attach(first)
		ng.running.Go(func() { t.keep(first) })
		up()
	})
}

// run works with the associations that begin adds, until the last one has ended or ctx ends.
func (ng *ngConnection) run(ctx context.Context, begin func()) error {
	ng.ctx, ng.end = context.WithCancelCause(ctx)
	defer ng.end(nil)
	begin()
	<-ng.ctx.Done()
	ng.running.Wait()
	return context.Cause(ng.ctx)
}

// receive handles one PDU. A panic ends nothing but the handling of that PDU.
func (ng *ngConnection) receive(via *tnla, m transport.Message) {
	defer func() {
		if r := recover(); r != nil {
			ng.amf.nf.counters.Panics.Add(1)
			ng.amf.log.Error("defect in the handling of an NGAP message; it is dropped", slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
		}
	}()
	pdu, err := ngap.Decode(m.Data)
	if err != nil {
		ng.amf.nf.counters.NGAPErrors.Add(1)
		reply := ngap.Answer(err)
		var ranID *ngap.RANUENGAPID
		if reply != nil {
			_, ranID = ngap.UEIDs(reply)
		}
		ng.amf.log.Warn("NGAP message with an error", ueAttr(ranID), slog.Any("error", err), slog.Int("octets", len(m.Data)))
		if reply != nil {
			ng.answer(via, reply)
		}
		return
	}
	ng.amf.nf.counters.countReceived(pdu)
	if notice := pdu.NotifyIndication(); notice != nil && !ng.noteFor(pdu) {
		ng.answer(via, notice)
	}
	ng.dispatch(pdu, via)
}

// noticeKey is a class 1 procedure of the AMF that is under way; for one about no UE, ue is noUE.
type noticeKey struct {
	ue   uint64
	code ngap.ProcedureCode
}

const noUE = 1 << 32

// noteFor keeps what is to be reported of a request for the response to it (TS 38.413 10.3.4.2). It tells false when there is none.
func (ng *ngConnection) noteFor(pdu *ngap.PDU) bool {
	if pdu.Kind != ngap.InitiatingMessage || !ngap.HasResponse(pdu.ProcedureCode) {
		return false
	}
	key := noticeKey{noUE, pdu.ProcedureCode}
	if _, ran := ngap.UEIDs(pdu.Message); ran != nil {
		key.ue = uint64(*ran)
	}
	ng.mu.Lock()
	defer ng.mu.Unlock()
	if len(ng.notices) >= noticeLimit {
		return false
	}
	ng.notices[key] = pdu.Notification()
	return true
}

// noticeLimit bounds what an AMF can make this N3IWF keep by requests that it does not let end.
const noticeLimit = 4096

// withNotice completes a response with what was to be reported of its request.
func (ng *ngConnection) withNotice(message ngap.Message) {
	kind, code := ngap.KindOf(message)
	if kind == ngap.InitiatingMessage {
		return
	}
	key := noticeKey{noUE, code}
	if _, ran := ngap.UEIDs(message); ran != nil {
		key.ue = uint64(*ran)
	}
	ng.mu.Lock()
	d := ng.notices[key]
	delete(ng.notices, key)
	ng.mu.Unlock()
	if d != nil {
		ngap.SetDiagnostics(message, d)
	}
}

// send sends a message of one UE through the association that the UE is bound to, on the UE's stream there. It tells false when there is none.
func (ng *ngConnection) send(ranID uint32, message ngap.Message) bool {
	ng.mu.Lock()
	up := ng.routeLocked(ranID) != nil
	ng.mu.Unlock()
	if !up {
		return false // and what is to be reported with the message waits too
	}
	ng.withNotice(message)
	pdu, ok := ng.encode(message)
	if !ok {
		return true
	}
	ng.mu.Lock() // the association may have been lost meanwhile, and another one be there
	t := ng.routeLocked(ranID)
	ok = t != nil && t.postLocked(outgoing{ranID, true, pdu}, false)
	ng.mu.Unlock()
	if ok {
		ng.amf.nf.counters.countSent(message)
	}
	return ok
}

// encode gives false for a message that is never sent.
func (ng *ngConnection) encode(message ngap.Message) ([]byte, bool) {
	b, err := ngap.Encode(message)
	if err != nil {
		_, ran := ngap.UEIDs(message)
		ng.amf.log.Error("NGAP message cannot be encoded; not sent", ueAttr(ran), slog.Any("error", err))
	}
	return b, err == nil
}

// answer sends a message on the association where the cause of it came, on the stream of the UE that it names, if any.
func (ng *ngConnection) answer(via *tnla, message ngap.Message) {
	ng.withNotice(message)
	_, ran := ngap.UEIDs(message)
	id := uint32(0)
	if ran != nil {
		id = uint32(*ran)
	}
	if via == nil || !via.write(id, ran != nil, message) {
		if t := ng.anyTNLA(ran != nil); t == nil || !t.write(id, ran != nil, message) {
			ng.amf.log.Warn("NGAP message not sent: no association", ueAttr(ran), slog.String("message", ngap.Name(message)))
		}
	}
}

func (ng *ngConnection) sendNonUE(message ngap.Message) { ng.answer(nil, message) }

// bind remembers which UE an AMF-UE-NGAP-ID names.
func (ng *ngConnection) bind(id ngap.AMFUENGAPID, ranID uint32) {
	ng.mu.Lock()
	ng.ranIDs[id] = ranID
	ng.mu.Unlock()
}

// unbind forgets a UE.
func (ng *ngConnection) unbind(id ngap.AMFUENGAPID, ranID uint32) {
	ng.mu.Lock()
	if ng.ranIDs[id] == ranID {
		delete(ng.ranIDs, id)
	}
	delete(ng.bound, ranID)
	ng.mu.Unlock()
}

func (ng *ngConnection) ranID(id ngap.AMFUENGAPID) (uint32, bool) {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	r, ok := ng.ranIDs[id]
	return r, ok
}

func (d *amfDescription) servesAny(plmns []ngap.PLMNIdentity) bool {
	for _, p := range plmns {
		if slices.ContainsFunc(d.plmns, func(s ngap.PLMNSupportItem) bool { return s.PLMNIdentity == p }) {
			return true
		}
	}
	return false
}

// serves gives what the AMF supports of a PLMN, or of the SNPN that nid makes of it (TS 23.501 6.3.5); nil when nothing.
func (d *amfDescription) serves(plmn ngap.PLMNIdentity, nid *ngap.NID) *ngap.PLMNSupportItem {
	for i := range d.plmns {
		if d.plmns[i].PLMNIdentity == plmn && sameNetwork(d.plmns[i].NPNSupport, nid) {
			return &d.plmns[i]
		}
	}
	return nil
}

// sameNetwork compares the SNPN that an AMF supports with the one that a UE has selected; nil is none.
func sameNetwork(support *ngap.NPNSupport, nid *ngap.NID) bool {
	if support == nil || support.SNPN == nil {
		return support == nil && nid == nil
	}
	return nid != nil && *nid == *support.SNPN
}
