// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// amf keeps the NG connection with one configured AMF: SCTP, NG Setup, and both again after a loss (TS 38.413 8.7.1, TS 38.412).
type amf struct {
	nf  *N3IWF
	cfg config.AMF
	log *slog.Logger
	ng  atomic.Pointer[ngConnection] // nil while there is none
}

// ngConnection is one life of an NG connection: from NG SETUP RESPONSE to the loss of the association. All UE contexts that were made
// on it end with it.
type ngConnection struct {
	amf         *amf
	association transport.Association
	since       time.Time
	name        ngap.AMFName
	response    []byte // NG SETUP RESPONSE as it came; nil when nobody knows it
	joined      bool   // it is a further association of a node that has others
	capacity    ngap.RelativeAMFCapacity
	plmns       ngap.PLMNSupportList

	outbox chan outgoing

	mu          sync.Mutex
	guamis      ngap.ServedGUAMIList
	unavailable map[guamiKey]bool
	ranIDs      map[ngap.AMFUENGAPID]uint32 // for messages that name a UE by the AMF's id alone
}

// outgoing is one NGAP message on its way to the association.
type outgoing struct {
	stream uint16
	pdu    []byte
}

// outboxSize is how many messages may wait for the association: owners must never wait for an AMF that takes nothing.
const outboxSize = 4096

const ngSetupTimeout = 15 * time.Second

// run connects and serves until ctx ends.
func (a *amf) run(ctx context.Context) {
	wait := a.nf.cfg.N2.BackOff.Initial
	for {
		up, err := a.connectAndServe(ctx)
		if ctx.Err() != nil {
			return
		}
		if up {
			wait = a.nf.cfg.N2.BackOff.Initial
		}
		pause := wait/2 + rand.N(wait/2+1) // not all N3IWFs of a site at the same moment
		var refused *ngSetupRefused
		if errors.As(err, &refused) && refused.wait > 0 {
			pause = refused.wait
		}
		a.log.Warn("no NG connection with this AMF; UEs cannot register through it", slog.Any("error", err), slog.Duration("retry_in", pause.Round(time.Millisecond)))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		wait = min(2*wait, a.nf.cfg.N2.BackOff.Max)
	}
}

// ngSetupRefused is an NG SETUP FAILURE.
type ngSetupRefused struct {
	cause ngap.Cause
	wait  time.Duration // Time To Wait; 0 when the AMF gave none
}

func (e *ngSetupRefused) Error() string {
	return fmt.Sprintf("the AMF refused NG SETUP, cause %s; check n3iwf.globalN3IWFID and n3iwf.supportedTAs against the AMF's PLMNs and tracking areas", e.cause)
}

func (a *amf) connectAndServe(ctx context.Context) (up bool, err error) {
	remote, err := remoteAddresses(ctx, a.cfg)
	if err != nil {
		return false, err
	}
	association, err := transport.Dial(ctx, a.transportOptions(remote))
	if err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { a.hangUp(association) })
	defer stop()
	setupCtx, cancel := context.WithTimeout(ctx, ngSetupTimeout)
	defer cancel()
	ng, err := a.setup(setupCtx, association)
	if err != nil {
		a.hangUp(association)
		return false, err
	}
	a.ng.Store(ng)
	if !ng.joined {
		a.nf.beginAnew(ng)
	}
	a.nf.nodes.spread(a, ng)
	a.nf.amfChanged()
	a.nf.publish(LiveEvent{Kind: LiveAMFUp, AMF: string(ng.name)})
	a.log.Info("NG connection is up", slog.String("amf", string(ng.name)), slog.String("peer", association.RemoteAddr().String()))
	serving, stopSending := context.WithCancel(ctx)
	var sender sync.WaitGroup
	sender.Go(func() { ng.sendAll(serving) })
	err = ng.serve(ctx)
	stopSending()
	sender.Wait()
	a.ng.Store(nil)
	a.hangUp(association)
	a.nf.amfChanged()
	a.nf.publish(LiveEvent{Kind: LiveAMFDown, AMF: string(ng.name)})
	if ctx.Err() == nil {
		a.nf.connectionLost(ng)
	}
	return true, err
}

// hangUp ends an association in good order, or by force when the AMF does not answer; either is the end.
func (a *amf) hangUp(association transport.Association) {
	if err := association.Close(); err != nil {
		a.log.Debug("SCTP shutdown", slog.Any("error", err))
	}
}

func (a *amf) transportOptions(remote []netip.Addr) transport.Options {
	n2 := a.nf.cfg.N2
	mode, _ := transport.ParseMode(n2.Transport) // the words are the same; config has checked
	o := transport.Options{
		Mode: mode, RemoteUDPPort: int(a.cfg.UDPPort), OutboundStreams: n2.Streams,
		HeartbeatInterval: n2.SCTP.Heartbeat, RTOInitial: n2.SCTP.RTOInitial, RTOMin: n2.SCTP.RTOMin, RTOMax: n2.SCTP.RTOMax,
		InitAttempts: n2.SCTP.MaxRetransmissions, Logger: a.log,
	}
	for _, ip := range remote {
		o.Remote = append(o.Remote, netip.AddrPortFrom(ip, a.cfg.Port))
	}
	for _, ip := range n2.LocalAddresses {
		o.Local = append(o.Local, netip.AddrPortFrom(ip, 0))
	}
	return o
}

// connection makes the ngConnection of what the AMF said.
func (a *amf) connection(association transport.Association, r *ngap.NGSetupResponse) (*ngConnection, error) {
	ng := &ngConnection{
		amf: a, association: association, outbox: make(chan outgoing, outboxSize), since: time.Now(), name: r.AMFName, capacity: r.RelativeAMFCapacity,
		plmns: r.PLMNSupportList, guamis: r.ServedGUAMIList,
		unavailable: map[guamiKey]bool{}, ranIDs: map[ngap.AMFUENGAPID]uint32{},
	}
	if !ng.servesAny(a.nf.plmns) {
		return nil, fmt.Errorf("AMF %s serves none of the PLMNs of n3iwf.supportedTAs; correct one side", r.AMFName)
	}
	return ng, nil
}

// setup runs NG Setup, which must be the first procedure of an association (TS 38.413 8.7.1.1), unless another node of the cluster has done so.
func (a *amf) setup(ctx context.Context, association transport.Association) (*ngConnection, error) {
	if !a.nf.nodes.alone() {
		response, err := a.join(ctx, association)
		switch {
		case err == nil:
			ng, err := a.connection(association, response)
			if err != nil {
				return nil, err
			}
			ng.joined = true
			if ng.name != "" {
				if ng.response, err = ngap.Encode(response); err != nil {
					return nil, err
				}
			}
			return ng, nil
		case !errors.Is(err, errNotJoined):
			return nil, err
		}
	}
	request, err := ngap.Encode(a.nf.ngSetupRequest())
	if err != nil {
		return nil, fmt.Errorf("NG SETUP REQUEST: %w", err)
	}
	if err := association.Send(ctx, transport.NonUEStream, request); err != nil {
		return nil, err
	}
	for {
		m, err := association.Receive(ctx)
		if err != nil {
			return nil, fmt.Errorf("no answer to NG SETUP REQUEST: %w", err)
		}
		pdu, err := ngap.Decode(m.Data)
		if err != nil {
			return nil, fmt.Errorf("answer to NG SETUP REQUEST: %w", err)
		}
		switch msg := pdu.Message.(type) {
		case *ngap.NGSetupResponse:
			ng, err := a.connection(association, msg)
			if err != nil {
				return nil, err
			}
			ng.response = m.Data
			return ng, nil
		case *ngap.NGSetupFailure:
			return nil, &ngSetupRefused{msg.Cause, timeToWait(msg)}
		case *ngap.ErrorIndication:
			return nil, fmt.Errorf("the AMF answered NG SETUP REQUEST with ERROR INDICATION: %s", pdu)
		default:
			a.log.Warn("message before NG Setup has ended; dropped", slog.String("procedure", pdu.ProcedureCode.String()))
		}
	}
}

func timeToWait(m *ngap.NGSetupFailure) time.Duration {
	if m.TimeToWait == nil {
		return 0
	}
	return m.TimeToWait.Duration()
}

// serve receives until the association ends.
func (ng *ngConnection) serve(ctx context.Context) error {
	for {
		m, err := ng.association.Receive(ctx)
		if err != nil {
			return err
		}
		ng.receive(m)
	}
}

// receive handles one PDU. A panic ends nothing but the handling of that PDU.
func (ng *ngConnection) receive(m transport.Message) {
	defer func() {
		if r := recover(); r != nil {
			ng.amf.nf.counters.Panics.Add(1)
			ng.amf.log.Error("defect in the handling of an NGAP message; it is dropped", slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
		}
	}()
	pdu, err := ngap.Decode(m.Data)
	if err != nil {
		ng.amf.nf.counters.NGAPErrors.Add(1)
		ng.amf.log.Warn("NGAP message with an error", slog.Any("error", err), slog.Int("octets", len(m.Data)))
		if reply := ngap.Answer(err); reply != nil {
			ng.answer(reply)
		}
		return
	}
	ng.amf.nf.counters.NGAPReceived.Add(pdu.Name())
	if notice := pdu.NotifyIndication(); notice != nil {
		ng.answer(notice)
	}
	ng.dispatch(pdu)
}

// send sends a message of one UE on that UE's stream (TS 38.412 7: a UE stays on one stream).
func (ng *ngConnection) send(ranID uint32, message ngap.Message) {
	stream := uint16(transport.NonUEStream)
	if n := ng.association.Streams(); n > 1 {
		stream = uint16(1 + int(ranID)%(n-1))
	}
	ng.write(stream, message)
}

// answer sends a message on the stream of the UE that it names, if any.
func (ng *ngConnection) answer(message ngap.Message) {
	if _, ran := ngap.UEIDs(message); ran != nil {
		ng.send(uint32(*ran), message)
		return
	}
	ng.sendNonUE(message)
}

func (ng *ngConnection) sendNonUE(message ngap.Message) { ng.write(transport.NonUEStream, message) }

func (ng *ngConnection) write(stream uint16, message ngap.Message) {
	ng.amf.nf.counters.NGAPSent.Add(ngap.Name(message))
	b, err := ngap.Encode(message)
	if err != nil {
		ng.amf.log.Error("NGAP message cannot be encoded; not sent", slog.Any("error", err))
		return
	}
	select {
	case ng.outbox <- outgoing{stream, b}:
	default:
		ng.amf.log.Error("the AMF takes no messages; the association is aborted", slog.Int("waiting", outboxSize))
		if err := ng.association.Abort("no progress"); err != nil {
			ng.amf.log.Warn("abort", slog.Any("error", err))
		}
	}
}

// sendAll sends what the owners have put out, in order.
func (ng *ngConnection) sendAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-ng.outbox:
			if err := ng.association.Send(ctx, m.stream, m.pdu); err != nil {
				ng.amf.log.Warn("NGAP message not sent", slog.Any("error", err))
			}
		}
	}
}

// bind remembers which UE an AMF-UE-NGAP-ID names.
func (ng *ngConnection) bind(id ngap.AMFUENGAPID, ranID uint32) {
	ng.mu.Lock()
	ng.ranIDs[id] = ranID
	ng.mu.Unlock()
}

func (ng *ngConnection) unbind(id ngap.AMFUENGAPID) {
	ng.mu.Lock()
	delete(ng.ranIDs, id)
	ng.mu.Unlock()
}

func (ng *ngConnection) ranID(id ngap.AMFUENGAPID) (uint32, bool) {
	ng.mu.Lock()
	defer ng.mu.Unlock()
	r, ok := ng.ranIDs[id]
	return r, ok
}

func (ng *ngConnection) servesAny(plmns []ngap.PLMNIdentity) bool {
	for _, p := range plmns {
		if ng.serves(p) {
			return true
		}
	}
	return false
}

func (ng *ngConnection) serves(plmn ngap.PLMNIdentity) bool {
	for _, item := range ng.plmns {
		if item.PLMNIdentity == plmn {
			return true
		}
	}
	return false
}
