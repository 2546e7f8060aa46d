// SPDX-License-Identifier: Apache-2.0

// Package n3iwf is the network function: it joins the IKEv2 sessions of the UEs (ikev2, nwu), the NG connections with the AMFs (ngap) and
// the data plane (nwu/ipsec, gre/relay). Each UE belongs to one owner, a goroutine that alone touches its state; sockets, NGAP, NAS and
// timers reach it as tasks in the owner's mailbox. One file stands for one 3GPP procedure: registration, pdusession, mobility, release.
package n3iwf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/internal/lograte"
	"github.com/open-n3iwf/n3iwf/n3iwf/succession"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/nas"
)

// N3IWF is one network function.
type N3IWF struct {
	cfg       *config.Config     // of the start; live has what is in force
	reloading sync.Mutex         // of what follows, too
	life      context.Context    // of Serve; nil before and after
	unwatch   context.CancelFunc // nil: addresses of this machine are not followed
	leaving   leavingSockets
	reloaded  atomic.Pointer[config.Config] // nil until Reload
	log       *slog.Logger
	logRate   *lograte.Handler
	counters  Counters
	watchers  watchers

	local     localAddresses
	dataPlane dataPlane
	userPlane userPlane
	handover  handover // nil when SAs cannot leave this node
	// succession is the data plane as one whose place another process can take.
	succession ipsec.Succession
	old        successionOld
	heir       *successionNew // nil, or what another process has left to this one
	relay      *relay.Relay
	nas        *nas.Server
	owners     []*owner
	amfs       amfList
	workers    chan job
	admitted   atomic.Int64 // UEs that have come as far as an AMF; bounded by limits.maxUEs

	pool4, pool6 *addressPool // without prefixes: UEs get none of that family
	nodes        *nodes
	ended        atomic.Bool
	stopping     atomic.Bool
	ready        atomic.Bool   // the responders are there
	drainTo      atomic.Int64  // the node that UEs are sent to, and 1; 0 for none
	started      time.Time     // of Serve
	quit         chan struct{} // closed when Serve is to end
	byInner      innerTable

	nodeID ngap.GlobalRANNodeID
	served atomic.Pointer[served]
	keys   keyLog
	tracer trace.Tracer // nil: no traces
	prover *ikev2.ReloadableProver
	proven string                                   // the identity that prover proves
	proof  atomic.Pointer[[]config.OwnCertificate]  // what prover proves with
	ppks   atomic.Pointer[map[string]config.Secret] // nil: none
	crash  []byte                                   // the secret of nwu.ike.crashSecret; nil: none

	running sync.WaitGroup
}

// Run serves until ctx ends; then it releases all UEs and returns.
func Run(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	nf, err := New(cfg, log)
	if err != nil {
		return err
	}
	return nf.Serve(ctx)
}

// New opens the sockets and prepares everything; nothing of a UE or AMF is handled before Serve.
func New(cfg *config.Config, log *slog.Logger) (*N3IWF, error) {
	nf, err := prepare(cfg, log)
	if err != nil {
		return nil, err
	}
	if err := nf.open(); err != nil {
		return nil, errors.Join(err, nf.close())
	}
	return nf, nil
}

// prepare does what needs no sockets.
func prepare(cfg *config.Config, log *slog.Logger) (*N3IWF, error) {
	rate := lograte.NewHandler(log.Handler(), cfg.Log.LinesPerSecond)
	log = slog.New(rate)
	nf := &N3IWF{cfg: cfg, log: log, logRate: rate, workers: make(chan job, jobBacklog), quit: make(chan struct{})}
	nf.old.gone, nf.old.offered, nf.old.turn = make(chan struct{}), make(chan *succession.Listener, 1), make(chan struct{}, 1)
	nf.local.configure(cfg.NWu.MOBIKE.AdditionalAddresses)
	nf.nodes = newNodes(nf)
	if err := nf.identify(); err != nil {
		return nil, err
	}
	if err := nf.openKeyLog(cfg.Debug.KeyLog); err != nil {
		return nil, err
	}
	nf.makePools()
	return nf, nil
}

// workerCount is how many workers there are.
func (nf *N3IWF) workerCount() int {
	if n := nf.live().DataPlane.Workers; n != 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

// open makes the data plane, the NAS stack, the N3 relay, and the owners.
func (nf *N3IWF) open() error {
	workers := nf.workerCount()
	for i := range workers {
		nf.owners = append(nf.owners, newOwner(nf, i))
	}
	if err := nf.openProof(); err != nil {
		return err
	}
	options, err := nf.ikeOptions(nf.live())
	if err != nil {
		return err
	}
	n3 := nf.n3Addresses()
	if len(n3) == 0 {
		return nf.noN3Address()
	}
	echo, quarantine := nf.n3Timers()
	nf.relay, err = relay.New(relay.Options{
		Listen: n3, Workers: min(workers, 16), Echo: echo, Quarantine: quarantine, Events: nf.relayEvent, Logger: nf.log,
		Node: nf.nodes.node, NodeBits: nf.nodes.bits, Estate: nf.heir.n3(),
	})
	if err != nil {
		return fmt.Errorf("n3.addresses %v: %w", n3, err)
	}
	nf.nas, err = nas.NewServer(nas.Options{
		Addresses: nasAddresses(&nf.live().NWu), Port: nf.live().NWu.NAS.Port, Out: nf.nasOut(), Events: nasEvents{nf}, Logger: nf.log, LogAttrs: nf.logAttrsOf,
	})
	if err != nil {
		return fmt.Errorf("nwu.nas: %w", err)
	}
	if err := nf.openDataPlane(workers); err != nil {
		return fmt.Errorf("nwu.addresses, dataPlane %s: %w", nf.live().DataPlane.Kind, err)
	}
	nf.relay.Start(nf.dataPlane)
	if err := nf.openUserPlane(); err != nil {
		return fmt.Errorf("dataPlane.userPlane: %w", err)
	}
	for _, o := range nf.owners {
		o.responder = ikev2.NewResponder(nf.ownerOptions(options, o))
	}
	nf.ready.Store(true)
	nf.setAMFs(nf.live().N2.AMFs)
	if nf.heir != nil {
		return nf.heir.takeAMFs(nf)
	}
	return nf.nodes.open()
}

// Serve works until ctx ends, then releases all UEs, at the latest after the time that a release may take.
func (nf *N3IWF) Serve(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.Background())
	defer cancel()
	nf.started = time.Now()
	for _, o := range nf.owners {
		nf.running.Go(func() { o.run(inner) })
	}
	for range runtime.GOMAXPROCS(0) {
		nf.running.Go(func() { nf.runJobs(inner) })
	}
	nf.beginWatch(inner)
	nf.serveAMFs(inner)
	if nf.heir != nil {
		nf.heir.begin(inner, nf)
		nf.leaveOthers()
	}
	nf.awaitSuccessor(ctx, inner)
	nf.log.Info("N3IWF is up", slog.String("nwu", fmt.Sprint(nf.dataPlane.Sockets())), slog.String("n3", fmt.Sprint(nf.relay.LocalAddr())), slog.Int("workers", len(nf.owners)))
	select {
	case <-ctx.Done():
		close(nf.quit)
		nf.log.Info("shutting down: releasing all UEs")
		nf.releaseAll(ngap.CauseMiscOmIntervention.Cause())
	case <-nf.old.gone: // and the UEs are another process's
		close(nf.quit)
	}
	nf.reloading.Lock()
	nf.life = nil // nothing begins any more
	nf.reloading.Unlock()
	cancel()
	nf.running.Wait()
	return nf.close()
}

func (nf *N3IWF) close() error {
	nf.ended.Store(true)
	err := nf.nodes.close()
	select {
	case l := <-nf.old.offered: // and nobody has listened
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	default:
	}
	leave := nf.old.heir.Load() != nil || nf.heir != nil && !nf.heir.begun
	err = errors.Join(err, nf.userPlane.close(leave))
	switch {
	case nf.dataPlane == nil:
	case leave && nf.succession != nil:
		err = errors.Join(err, nf.succession.Leave())
	default:
		err = errors.Join(err, nf.dataPlane.Close())
	}
	if nf.relay != nil {
		err = errors.Join(err, nf.relay.Close())
	}
	if nf.nas != nil {
		err = errors.Join(err, nf.nas.Close())
	}
	return errors.Join(err, nf.keys.use(keyLogFiles{}))
}

var _ ipsec.Sink = sink{}
