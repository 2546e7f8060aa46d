// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	xrate "golang.org/x/time/rate"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Relay forwards between child SAs and N3.
type Relay struct {
	options   Options
	log       *slog.Logger
	sockets   [][]*udpbatch.Conn // by address family, then worker
	controls  []*control         // by address family: through the first socket
	advertise []netip.Addr       // by address family
	dataPlane atomic.Pointer[ipsec.DataPlane]
	uplinks   atomic.Uint32 // Uplinks made
	nextWork  atomic.Uint32
	offload   Offload // nil: there is none
	offloaded atomic.Int64
	stop      chan struct{}
	running   sync.WaitGroup
	peers     peers

	mu       sync.Mutex // of what follows, and of changes of table and sessions
	table    table
	tunnels  map[tunnel]*Session
	isClosed bool
	// quarantine is Options.Quarantine, or what SetTimers has said since.
	quarantine time.Duration

	count                                     counters
	echoIn, echoOut, errorsIn, errorsOut      atomic.Uint64
	endMarkers, notified, faults, reassembled atomic.Uint64
	redirected, fragmented                    atomic.Uint64
}

// tunnel is an uplink tunnel, as an Error Indication names it.
type tunnel struct {
	upf  netip.Addr
	teid uint32
}

// New opens the N3 sockets. Nothing is received before Start.
func New(o Options) (*Relay, error) {
	if len(o.Listen) == 0 || len(o.Listen) > 2 {
		return nil, errors.New("relay: one N3 address per family must be given")
	}
	o.Workers = cmp.Or(o.Workers, 1)
	if o.Workers < 1 || o.Workers > MaxWorkers {
		return nil, fmt.Errorf("relay: %d workers, allowed 1..%d", o.Workers, MaxWorkers)
	}
	if o.NodeBits < 0 || o.NodeBits > MaxNodeBits || o.Node < 0 || o.Node >= 1<<o.NodeBits {
		return nil, fmt.Errorf("relay: node %d of %d bits", o.Node, o.NodeBits)
	}
	o.ErrorIndications = cmp.Or(o.ErrorIndications, 50)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Relay{options: o, quarantine: cmp.Or(o.Quarantine, defaultQuarantine), log: o.Logger, stop: make(chan struct{}), tunnels: make(map[tunnel]*Session)}
	r.table.room = MaxSessions >> o.NodeBits
	r.table.node = uint32(o.Node * r.table.room)
	if o.Estate != nil {
		if err := r.table.restore(o.Estate.TEIDs); err != nil {
			return nil, err
		}
	}
	r.peers = peers{r: r, wake: make(chan struct{}, 1), all: make(map[netip.AddrPort]*peer), timers: o.Echo}
	for i, a := range o.Listen {
		advertise := a.Addr()
		if i < len(o.Advertise) && o.Advertise[i].IsValid() {
			advertise = o.Advertise[i].Unmap()
		}
		if !a.IsValid() || advertise.IsUnspecified() || advertise.Is4() != a.Addr().Is4() || r.family(a.Addr()) >= 0 {
			return nil, errors.Join(fmt.Errorf("relay: N3 address %s: give one per family, and the address to advertise where it is unspecified", a), r.Close())
		}
		group, err := o.openSockets(i)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("relay: N3 address %s: %w", a, err), r.Close())
		}
		r.sockets = append(r.sockets, group)
		r.controls = append(r.controls, &control{sender: group[0].NewSender()})
		r.advertise = append(r.advertise, advertise)
	}
	return r, nil
}

// SetTimers replaces Options.Echo and Options.Quarantine, also for the UPFs that are there and the TEIDs that are in quarantine.
func (r *Relay) SetTimers(echo gtpu.EchoTimers, quarantine time.Duration) {
	r.mu.Lock()
	r.quarantine = cmp.Or(quarantine, defaultQuarantine)
	r.mu.Unlock()
	r.peers.setTimers(echo)
}

// defaultQuarantine is that of Options.
const defaultQuarantine = 60 * time.Second

// family gives the index of the sockets of a's address family, -1 when there are none.
func (r *Relay) family(a netip.Addr) int {
	for i, known := range r.advertise {
		if known.Is4() == a.Is4() {
			return i
		}
	}
	return -1
}

// Start begins to receive; downlink packets leave through dp. It is called once.
func (r *Relay) Start(dp ipsec.DataPlane) {
	r.dataPlane.Store(&dp)
	for f, group := range r.sockets {
		for _, conn := range group {
			d := &downlink{
				r: r, conn: conn, control: r.controls[f], writer: dp.NewWriter(),
				limit: xrate.NewLimiter(xrate.Limit(r.options.ErrorIndications), r.options.ErrorIndications),
			}
			r.running.Go(d.serve)
		}
	}
	r.running.Go(func() { r.peers.supervise(r.stop) })
}

// LocalAddr gives the bound N3 addresses.
func (r *Relay) LocalAddr() (list []netip.AddrPort) {
	for _, group := range r.sockets {
		list = append(list, group[0].LocalAddr())
	}
	return list
}

// Add makes a session and gives it a downlink TEID. Errors: ErrInvalid, ErrNoTEID, ErrClosed.
func (r *Relay) Add(c Config) (*Session, error) {
	v, err := r.compile(c)
	if err != nil {
		return nil, err
	}
	s := &Session{relay: r}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.countFlows(v)
	s.view.Store(v)
	if r.isClosed {
		return nil, ErrClosed
	}
	if c.TEID != 0 {
		err = r.table.adopt(s, c.TEID)
	} else {
		worker := int(r.nextWork.Add(1)-1) % r.options.Workers
		err = r.table.add(s, worker, r.options.Rand, r.options.Now(), r.quarantine)
	}
	if err != nil {
		return nil, err
	}
	r.tunnels[v.tunnel()] = s
	r.peers.join(v.to.Remote)
	r.offloadSession(s, c, v)
	return s, nil
}

func (v *view) tunnel() tunnel { return tunnel{v.to.Remote.Addr(), v.uplinkTEID} }

// Update replaces what the session is; the next packet sees it. The TEID stays. Errors: ErrInvalid (nothing is changed),
// ErrRemoved.
func (s *Session) Update(c Config) error {
	r := s.relay
	v, err := r.compile(c)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := s.view.Load()
	if old == nil {
		return fmt.Errorf("%w: %q", ErrRemoved, c.Name)
	}
	s.countFlows(v)
	s.view.Store(v)
	s.reported.Store(s.reported.Load() && v.tunnel() == old.tunnel())
	r.peers.join(v.to.Remote)
	r.peers.leave(old.to.Remote)
	if r.tunnels[old.tunnel()] == s {
		delete(r.tunnels, old.tunnel())
	}
	r.tunnels[v.tunnel()] = s
	r.offloadSession(s, c, v)
	return nil
}

// Remove ends the session: packets of it are dropped from now on. Its TEID is not used again for the quarantine. A second
// call does nothing.
func (s *Session) Remove() {
	r := s.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	v := s.view.Swap(nil)
	if v == nil {
		return
	}
	r.unload(s)
	r.table.remove(s, r.options.Now())
	if r.tunnels[v.tunnel()] == s {
		delete(r.tunnels, v.tunnel())
	}
	r.peers.leave(v.to.Remote)
}

// errorIndication tells the owner of the session whose uplink tunnel the UPF does not know.
func (r *Relay) errorIndication(report gtpu.ErrorReport) {
	r.mu.Lock()
	s := r.tunnels[tunnel{report.Peer, report.TEID}]
	r.mu.Unlock()
	if s == nil || s.reported.Swap(true) {
		return // of a session that has just been released, or not ours, or one of the many for packets in flight
	}
	r.about(s.view.Load()).Warn("the UPF does not know the uplink tunnel of a session", "upf", report.Peer, "teid", fmt.Sprintf("%#x", report.TEID))
	r.event(ErrorIndication{Session: s, TEID: report.TEID, Peer: report.Peer})
}

// fault ends the session whose packet caused a panic.
func (r *Relay) fault(s *Session, p any) {
	r.faults.Add(1)
	r.count.drops[Panicked].Add(1)
	log := r.log
	if s != nil {
		log = r.about(s.view.Load())
	}
	log.Error("defect while relaying a packet; its session is removed", "panic", p, "stack", string(debug.Stack()))
	if s != nil {
		s.Remove()
		r.event(Fault{Session: s, Err: fmt.Errorf("relay: panic: %v", p)})
	}
}

// about is the log for a session; v is nil when it has just been removed.
func (r *Relay) about(v *view) *slog.Logger {
	if v == nil {
		return r.log
	}
	return slog.New(r.log.Handler().WithAttrs(v.logAttrs))
}

func (r *Relay) event(e Event) {
	if r.options.Events != nil {
		r.options.Events(e)
	}
}

// Stats gives the counts.
func (r *Relay) Stats() Stats {
	st := Stats{
		Traffic: r.count.read(), Peers: r.peers.stats(),
		EchoRequestsIn: r.echoIn.Load(), EchoRequestsOut: r.echoOut.Load(),
		ErrorIndicationsIn: r.errorsIn.Load(), ErrorIndicationsOut: r.errorsOut.Load(),
		EndMarkers: r.endMarkers.Load(), ExtensionNotifications: r.notified.Load(), Faults: r.faults.Load(), Reassembled: r.reassembled.Load(), Redirected: r.redirected.Load(), Fragmented: r.fragmented.Load(),
	}
	if r.offload != nil {
		st.Offloaded = int(r.offloaded.Load())
		st.Traffic.Add(r.offload.Totals())
	}
	r.mu.Lock()
	st.Sessions = r.table.sessions
	r.mu.Unlock()
	for _, group := range r.sockets {
		for _, c := range group {
			st.Sockets = append(st.Sockets, c.Stats())
		}
	}
	return st
}

// Close closes the sockets and waits for the receiving goroutines. Uplinks send nothing any more. It must not be called from
// within Events.
func (r *Relay) Close() error {
	r.mu.Lock()
	if r.isClosed {
		r.mu.Unlock()
		return nil
	}
	r.isClosed = true
	r.mu.Unlock()
	close(r.stop)
	var err error
	for _, group := range r.sockets {
		for _, c := range group {
			err = errors.Join(err, c.Close())
		}
	}
	r.running.Wait()
	return err
}
