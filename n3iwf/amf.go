// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
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
	// reached: there was one.
	reached atomic.Bool
	// former is the name of the AMF that the last connection was with; empty before the first one. It belongs to run.
	former string
	// inherited is the connection of before, until run goes on with it.
	inherited *inheritedNG
	// leaving: it is not in the configuration any more.
	leaving atomic.Bool
	stop    atomic.Pointer[context.CancelFunc] // of serve

	endedMu  sync.Mutex
	endedUEs ngap.UEAssociatedLogicalNGConnectionList // since the last connection was lost
}

// maxNGAPMessage has room for the longest message: NG RESET of 65536 UEs by both ids (TS 38.413 9.4.7), 13 octets each at most.
const maxNGAPMessage = 1 << 20

const ngSetupTimeout = 15 * time.Second

// run connects and serves until ctx ends.
func (a *amf) run(ctx context.Context) {
	wait := a.nf.live().N2.BackOff.Initial
	for {
		up, err := a.connectAndServe(ctx)
		if ctx.Err() != nil || a.nf.old.heir.Load() != nil {
			return
		}
		if up {
			wait = a.nf.live().N2.BackOff.Initial
		}
		pause := wait/2 + rand.N(wait/2+1) // not all N3IWFs of a site at the same moment
		var refused *ngSetupRefused
		if errors.As(err, &refused) {
			pause = max(pause, refused.wait) // Time To Wait is the least; what an AMF refuses seldom changes soon
		}
		a.log.Warn("no NG connection with this AMF; UEs cannot register through it", slog.Any("error", err), slog.Duration("retry_in", pause.Round(time.Millisecond)))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		wait = min(2*wait, a.nf.live().N2.BackOff.Max)
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
	if in := a.inherited; in != nil {
		a.inherited = nil
		return true, a.lost(ctx, in.ng, in.serve(ctx))
	}
	remote, err := remoteAddresses(ctx, a.cfg)
	if err != nil {
		return false, err
	}
	association, err := transport.Dial(ctx, a.transportOptions(remote))
	if err != nil {
		return false, err
	}
	setupCtx, cancel := context.WithTimeout(ctx, ngSetupTimeout)
	defer cancel()
	told := a.nf.served.Load()
	ng, err := a.setup(setupCtx, association)
	if err != nil {
		a.hangUp(association)
		return false, err
	}
	a.former = ng.name()
	// Nobody may find the connection before it takes messages.
	err = ng.serve(ctx, association, remote, func() {
		a.ng.Store(ng)
		a.reached.Store(true)
		if a.nf.served.Load() != told { // a reload did not find the connection yet
			ng.tellServed()
		}
		a.nf.reconnected(ng)
		a.nf.firstAMF()
		a.nf.nodes.spread(a, ng)
		a.nf.amfChanged()
		a.nf.publish(LiveEvent{Kind: LiveAMFUp, AMF: ng.name()})
		a.log.Info("NG connection is up", slog.String("amf", ng.name()), slog.String("peer", association.RemoteAddr().String()))
		a.tellEnded(ng)
	})
	return true, a.lost(ctx, ng, err)
}

// lost notes that an NG connection has ended, and gives why.
func (a *amf) lost(ctx context.Context, ng *ngConnection, why error) error {
	a.ng.Store(nil)
	if a.nf.old.heir.Load() != nil {
		return why // it goes on in another process
	}
	a.nf.amfChanged()
	a.nf.publish(LiveEvent{Kind: LiveAMFDown, AMF: ng.name()})
	if ctx.Err() == nil {
		a.nf.connectionLost(ng)
	}
	return why
}

// hangUp ends an association in good order, or by force when the AMF does not answer; either is the end.
func (a *amf) hangUp(association transport.Association) {
	if err := association.Close(); err != nil {
		a.log.Debug("SCTP shutdown", slog.Any("error", err))
	}
}

func (a *amf) transportOptions(remote []netip.Addr) transport.Options {
	n2 := a.nf.live().N2
	mode, _ := transport.ParseMode(n2.Transport) // the words are the same; config has checked
	o := transport.Options{
		Mode: mode, RemoteUDPPort: int(a.cfg.UDPPort), OutboundStreams: n2.Streams,
		HeartbeatInterval: n2.SCTP.Heartbeat, RTOInitial: n2.SCTP.RTOInitial, RTOMin: n2.SCTP.RTOMin, RTOMax: n2.SCTP.RTOMax,
		HeartbeatMisses: n2.SCTP.MaxRetransmissions, MaxMessageSize: maxNGAPMessage, Logger: a.log,
	}
	for _, ip := range remote {
		o.Remote = append(o.Remote, netip.AddrPortFrom(ip, a.cfg.Port))
	}
	for _, ip := range n2.LocalAddresses {
		o.Local = append(o.Local, netip.AddrPortFrom(ip, 0))
	}
	return o
}

// usualCapacity is the Relative AMF Capacity of an AMF that gives none.
const usualCapacity = 255

// connection makes the ngConnection of what the AMF said.
func (a *amf) connection(r *ngap.NGSetupResponse) (*ngConnection, error) {
	ng := newNGConnection(a, &amfDescription{name: r.AMFName, capacity: r.RelativeAMFCapacity, plmns: r.PLMNSupportList, guamis: r.ServedGUAMIList})
	ng.kept = r.UERetentionInformation != nil && a.former == ng.name()
	if !ng.about().servesAny(a.nf.served.Load().plmns) {
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
			ng, err := a.connection(response)
			if err != nil {
				return nil, err
			}
			ng.joined, ng.kept = true, true
			if ng.name() != "" {
				if ng.response, err = ngap.Encode(response); err != nil {
					return nil, err
				}
			}
			return ng, nil
		case !errors.Is(err, errNotJoined):
			return nil, err
		}
	}
	setup := a.nf.ngSetupRequest(a.held())
	request, err := ngap.Encode(setup)
	if err != nil {
		return nil, fmt.Errorf("NG SETUP REQUEST: %w", err)
	}
	if err := association.Send(ctx, transport.NonUEStream, request); err != nil {
		return nil, err
	}
	a.nf.counters.countSent(setup)
	for {
		m, err := association.Receive(ctx)
		if err != nil {
			return nil, fmt.Errorf("no answer to NG SETUP REQUEST: %w", err)
		}
		pdu, err := ngap.Decode(m.Data)
		if err != nil {
			return nil, fmt.Errorf("answer to NG SETUP REQUEST: %w", err)
		}
		a.nf.counters.countReceived(pdu)
		switch msg := pdu.Message.(type) {
		case *ngap.NGSetupResponse:
			if pdu.Missing(ngap.IDRelativeAMFCapacity) { // which may be missing; 0 would keep all UEs away
				msg.RelativeAMFCapacity = usualCapacity
				if m.Data, err = ngap.Encode(msg); err != nil {
					return nil, err
				}
			}
			ng, err := a.connection(msg)
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
