// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/n3iwf/succession"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Takeover says how TakeOver is done.
type Takeover struct {
	// Path is the socket of the predecessor's OfferSuccession.
	Path string
	// Program is what the predecessor's log calls this one, its version say.
	Program string
	// Patience is how long UEs may take to come to rest (10 s).
	Patience time.Duration
	// Force releases UEs that do not; otherwise nothing is taken over then.
	Force bool
}

const defaultPatience = 10 * time.Second

// successionNew is the successor's part.
type successionNew struct {
	link    *succession.Link
	will    will
	estate  *ipsec.Estate
	tunnels *relay.Estate
	sctp    []*os.File                         // associations, in the order of the will
	dialed  map[string][]transport.Association // associations that were made anew, by AMF and index; nil where there is none
	amfs    []*inheritedNG
	entered []entered
	begun   bool
	alone   chan struct{} // closed when the predecessor has gone
	over    chan struct{} // closed when it brings no NGAP messages any more
}

// entered is a UE that is complete but for what it does.
type entered struct {
	u   *ue
	c   *ueContext
	out ikev2.Output
}

// esp is the data plane's part, nil without a predecessor; likewise n3.
func (h *successionNew) esp() *ipsec.Estate {
	if h == nil {
		return nil
	}
	return h.estate
}

func (h *successionNew) n3() *relay.Estate {
	if h == nil {
		return nil
	}
	return h.tunnels
}

// TakeOver is New, in the place of another process of the same user on this host, which offers that: with its UEs and sockets. Before it returns without
// an error the other one has come to rest for good; Serve is to be called then. On an error the other one goes on.
func TakeOver(ctx context.Context, cfg *config.Config, log *slog.Logger, o Takeover) (*N3IWF, error) {
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if cfg.Cluster.Enabled {
		return nil, errors.New("a node of a cluster does not take over in place: drain the running one to another node, and restart it")
	}
	nf, err := prepare(cfg, log)
	if err != nil {
		return nil, err
	}
	h := &successionNew{dialed: map[string][]transport.Association{}, alone: make(chan struct{}), over: make(chan struct{})}
	if h.link, err = succession.Dial(ctx, o.Path); err != nil {
		return nil, errors.Join(fmt.Errorf("no process to take over from (it must run, with the same management.socket): %w", err), nf.close())
	}
	if err := nf.takeOver(ctx, h, o); err != nil {
		_ = h.link.Say(ctx, sayRefusal, refusalFor(err)) // if it is still there
		h.hangUp(nf)
		return nil, errors.Join(fmt.Errorf("take over: %w", err), nf.close(), h.link.Close())
	}
	return nf, nil
}

func (nf *N3IWF) takeOver(ctx context.Context, h *successionNew, o Takeover) error {
	hello := successorHello{Version: successionVersion, Program: o.Program, Shape: nf.shape(), Force: o.Force, Patience: o.Patience}
	if err := h.link.Say(ctx, sayHello, hello); err != nil {
		return err
	}
	if err := h.dialAssociations(ctx, nf); err != nil {
		return err
	}
	contexts, err := h.read(ctx, o)
	defer h.closeFiles() // those that are of use are open in another place
	if err != nil {
		return err
	}
	copy(nf.nodes.sessionKey[:], h.will.SessionKey)
	nf.heir = h
	if err := nf.open(); err != nil {
		return err
	}
	for i, o := range nf.owners {
		if i < len(h.will.NextIDs) {
			o.nextID = h.will.NextIDs[i]
		}
	}
	for _, c := range contexts {
		if err := nf.ownerOfRAN(c.RANID).inherit(c); err != nil {
			return fmt.Errorf("UE %d: %w", c.RANID, err)
		}
	}
	if err := h.link.Say(ctx, sayReady, nil); err != nil {
		return err
	}
	if _, err := hear(ctx, h.link, sayGo, standstill); err != nil {
		return err
	}
	if err := h.link.Say(context.WithoutCancel(ctx), sayBegun, nil); err != nil { // then it is dead, as it waits for this
		nf.log.Warn("the former process has ended before this one began", slog.Any("error", err))
	}
	return nil
}

// dialAssociations makes the associations anew that cannot be handed on.
func (h *successionNew) dialAssociations(ctx context.Context, nf *N3IWF) error {
	m, err := hear(ctx, h.link, sayAssociations, answerTime)
	if err != nil {
		return err
	}
	var amfs []amfWill
	if err := m.Decode(&amfs); err != nil {
		return err
	}
	for _, w := range amfs {
		for _, cfg := range nf.live().N2.AMFs {
			a := &amf{nf: nf, cfg: cfg, log: nf.log}
			if a.key() != w.AMF {
				continue
			}
			list := make([]transport.Association, len(w.TNLAs))
			h.dialed[w.AMF] = list
			for i, t := range w.TNLAs {
				if t.File || !t.Up {
					continue
				}
				if list[i], err = a.dial(ctx, t.Remote, t.Port); err != nil {
					return fmt.Errorf("a further association with AMF %s, as one of user space cannot be handed on: %w", w.Name, err)
				}
			}
		}
	}
	return h.link.Say(ctx, sayPrepared, nil)
}

// read takes all that the predecessor has.
func (h *successionNew) read(ctx context.Context, o Takeover) (contexts []*ueContext, err error) {
	m, err := hear(ctx, h.link, sayWill, o.Patience+2*standstill) // it may have to wait for UEs, and to release some
	if err != nil {
		return nil, err
	}
	if err := m.Decode(&h.will); err != nil {
		m.Close()
		return nil, err
	}
	h.estate, m.Files = h.will.dataPlaneEstate(m.Files)
	h.tunnels, h.sctp = h.will.relayEstate(m.Files)
	if len(h.will.SessionKey) != len(ikev2.TransferKey{}) {
		return nil, errors.New("the predecessor gives no key")
	}
	for len(contexts) < h.will.UEs {
		m, err := hear(ctx, h.link, sayUE, standstill)
		if err != nil {
			return nil, err
		}
		c, err := decodeContext(m.Body)
		if err != nil {
			return nil, err
		}
		contexts = append(contexts, c)
	}
	_, err = hear(ctx, h.link, sayAll, standstill)
	return contexts, err
}

func (h *successionNew) closeFiles() {
	if h.estate != nil {
		_ = h.estate.Close() // of no use any more
	}
	if h.tunnels != nil {
		_ = h.tunnels.Close() // likewise
	}
	for _, f := range h.sctp {
		_ = f.Close() // likewise
	}
}

// hangUp ends associations that were made in vain.
func (h *successionNew) hangUp(nf *N3IWF) {
	for _, list := range h.dialed {
		for _, association := range list {
			if association != nil {
				(&amf{nf: nf, log: nf.log}).hangUp(association)
			}
		}
	}
	for _, a := range nf.amfs.get() {
		if a.inherited != nil {
			a.inherited.release()
		}
	}
}

// inheritedNG is an NG connection that goes on.
type inheritedNG struct {
	ng           *ngConnection
	will         amfWill
	associations []transport.Association // by the index in will.TNLAs; nil while it is down
	attached     chan struct{}           // closed when UEs can send
	receive      chan struct{}           // closed when they are there to receive
}

func (in *inheritedNG) release() {
	for _, association := range in.associations {
		if h, ok := association.(transport.Heritable); ok {
			_ = h.Release() // the predecessor has it
		}
	}
}

// takeAMFs makes the NG connections, without life.
func (h *successionNew) takeAMFs(nf *N3IWF) error {
	files := h.sctp
	for _, w := range h.will.AMFs {
		var mine *amf
		for _, a := range nf.amfs.get() {
			if mine == nil && a.key() == w.AMF && a.inherited == nil { // an AMF can be there twice
				mine = a
			}
		}
		in := &inheritedNG{
			will: w, associations: make([]transport.Association, len(w.TNLAs)), attached: make(chan struct{}), receive: make(chan struct{}),
		}
		copy(in.associations, h.dialed[w.AMF])
		for i, t := range w.TNLAs {
			if !t.File {
				continue
			}
			if len(files) == 0 {
				return errors.New("the predecessor has sent less associations than it has said")
			}
			f := files[0]
			files = files[1:]
			if mine == nil {
				continue // not in the configuration any more
			}
			association, err := transport.Inherit(mine.transportOptions(t.Remote), f)
			if err != nil {
				in.release()
				return fmt.Errorf("association with AMF %s: %w", w.Name, err)
			}
			in.associations[i] = association
		}
		if mine == nil {
			nf.log.Warn("AMF of the predecessor is not in the configuration", slog.String("amf", w.Name))
			continue
		}
		mine.inherited = in // so that it is released on an error
		ng, err := mine.inherit(w)
		if err != nil {
			return fmt.Errorf("AMF %s: %w", w.Name, err)
		}
		in.ng = ng
		mine.former = ng.name()
		mine.reached.Store(true)
		mine.ng.Store(ng)
		delete(h.dialed, w.AMF)
		h.amfs = append(h.amfs, in)
	}
	return nil
}

// inherit makes the connection as the predecessor had it.
func (a *amf) inherit(w amfWill) (*ngConnection, error) {
	state, err := decodeAs[*ngap.NGSetupResponse](w.State)
	if err != nil {
		return nil, err
	}
	ng, err := a.connection(state)
	if err != nil {
		return nil, err
	}
	ng.since, ng.response, ng.kept, ng.update.refused = w.Since, w.Response, true, w.Refused
	if w.Overload != nil {
		m, err := decodeAs[*ngap.OverloadStart](w.Overload)
		if err != nil {
			return nil, err
		}
		ng.overload.start(m)
	}
	for _, g := range w.Unavailable {
		ng.unavailable[guamiKey{ngap.PLMNIdentity(g.GUAMI.PLMN), g.GUAMI.AMFID}] = withdrawal{backup: ngap.AMFName(g.Backup), timer: g.Timer}
	}
	return ng, nil
}

func decodeAs[T ngap.Message](b []byte) (m T, err error) {
	pdu, err := ngap.Decode(b)
	if err != nil {
		return m, err
	}
	m, ok := pdu.Message.(T)
	if !ok {
		return m, fmt.Errorf("%s is not what it should be", pdu.Name())
	}
	return m, nil
}

// serve goes on with the connection.
func (in *inheritedNG) serve(ctx context.Context) error {
	ng := in.ng
	return ng.run(ctx, func() {
		var all []*tnla
		for i, w := range in.will.TNLAs {
			t := ng.add(w.Remote, w.Port, w.Weight, w.Usage)
			if in.associations[i] != nil {
				t.attach(in.associations[i])
			}
			all = append(all, t)
		}
		ng.mu.Lock()
		for id, i := range in.will.Bound {
			if i >= 0 && i < len(all) {
				ng.bound[id] = all[i]
			}
		}
		ng.mu.Unlock()
		close(in.attached)
		select {
		case <-in.receive:
		case <-ctx.Done():
		}
		for i, t := range all {
			ng.running.Go(func() { t.keep(in.associations[i]) })
			if h, ok := in.associations[i].(transport.Heritable); ok {
				h.Resume()
			}
		}
		ng.amf.nf.amfChanged()
		ng.amf.nf.publish(LiveEvent{Kind: LiveAMFUp, AMF: ng.name()})
		ng.amf.log.Info("NG connection goes on", slog.String("amf", ng.name()), slog.Int("associations", len(ng.links())))
	})
}

// begin lets the UEs live, and receives: first they can send, then they are there, then something comes. The owners run, and what serves the AMFs.
func (h *successionNew) begin(ctx context.Context, nf *N3IWF) {
	h.begun = true
	for _, in := range h.amfs {
		<-in.attached
	}
	for _, e := range h.entered {
		e.u.owner.mail.post(func() { e.u.owner.guarded(e.u, func() { e.u.begin(e.c, e.out) }) })
	}
	nf.log.Info("UEs of the former process go on here", slog.Int("ues", len(h.entered)))
	h.entered = nil
	var later []*inheritedNG
	for _, in := range h.amfs {
		if in.dialed() {
			later = append(later, in)
			continue
		}
		close(in.receive)
	}
	if u := nf.userPlane.kernel; u != nil {
		if err := u.Sweep(); err != nil {
			nf.log.Error("sessions that the former process has left in the kernel", slog.Any("error", err))
		}
	} else if nf.userPlane.clear != nil { // it may have left programs, which forward until the relay does
		nf.userPlane.clear()
	}
	nf.relay.Resume()
	nf.succession.Resume()
	nf.running.Go(func() { h.hearLate(ctx, nf) })
	if len(later) > 0 {
		nf.running.Go(func() { h.afterPredecessor(ctx, later) })
	}
}

// afterPredecessor begins to use associations that were made anew when all that the AMF has sent on the former ones has come: an AMF that hears of a UE on a
// new one sends there from then on, and that must not overtake what it has sent before (NAS would take it for a replay).
func (h *successionNew) afterPredecessor(ctx context.Context, list []*inheritedNG) {
	patience := time.NewTimer(freezeTime)
	defer patience.Stop()
	select {
	case <-h.over:
	case <-patience.C:
	case <-ctx.Done():
	}
	for _, in := range list {
		close(in.receive)
	}
}

// dialed tells whether the connection has associations that the predecessor could not hand on.
func (in *inheritedNG) dialed() bool {
	return slices.ContainsFunc(in.will.TNLAs, func(t tnlaWill) bool { return t.Up && !t.File })
}

// hearLate takes what still comes to the predecessor, until that has ended, or ctx.
func (h *successionNew) hearLate(ctx context.Context, nf *N3IWF) {
	defer close(h.alone)
	defer h.link.Close() //nolint:errcheck // the other end has gone
	over := sync.OnceFunc(func() { close(h.over) })
	defer over()
	for {
		m, err := h.link.Receive(ctx)
		if err != nil {
			return
		}
		if m.Kind == sayNGAPOver {
			over()
		}
		var late lateNGAP
		if m.Kind != sayNGAP || m.Decode(&late) != nil {
			m.Close()
			continue
		}
		for _, a := range nf.amfs.get() {
			if ng := a.ng.Load(); ng != nil && a.key() == late.AMF {
				ng.mu.Lock()
				var via *tnla
				if late.TNLA >= 0 && late.TNLA < len(ng.tnlas) {
					via = ng.tnlas[late.TNLA]
				}
				ng.mu.Unlock()
				ng.receive(via, transport.Message{PPID: transport.PPID, Data: late.PDU})
			}
		}
	}
}

// Alone is closed when the process that this one has taken over from has ended, or has called Depart. Without one it is nil.
func (nf *N3IWF) Alone() <-chan struct{} {
	if nf.heir == nil {
		return nil
	}
	return nf.heir.alone
}
