// SPDX-License-Identifier: Apache-2.0

// Package load puts an N3IWF, this one or any other, under the load of many UEs: they register at a rate, each brings a PDU session up and
// sends echo requests over it, they move by MOBIKE at a rate, and in the end they leave. What it finds is counted by second and by procedure.
// It sees the network as its UEs do, and so needs nothing of the N3IWF or of the core behind it but subscribers.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/fleet"
	"github.com/open-n3iwf/n3iwf/test/lab/report"
)

// Options are the load.
type Options struct {
	Fleet    fleet.Options // Received belongs to this package
	Rate     float64       // UEs that begin to register in a second
	InFlight int           // registrations, moves or deregistrations at a time; beyond it the rates are not kept
	Moves    float64       // moves of all UEs in a second; 0 is none
	// Packets is how many echo requests each UE sends in a second, of Size octets with their IPv4 header, to Ping; 0 is none.
	Packets float64
	Size    int
	Ping    netip.Addr
	Hold    time.Duration // how long all stay after the last one has begun to register
	Seed    uint64        // of the choice of who moves
	// Progress gets a line a second; nil is silent.
	Progress io.Writer
}

func (o *Options) check() error {
	switch {
	case o.Rate <= 0 || o.Rate > 10000:
		return fmt.Errorf("rate %v: want more than 0 and at most 10000 registrations a second", o.Rate)
	case o.InFlight < 1:
		return fmt.Errorf("%d procedures at a time: want 1 or more", o.InFlight)
	case o.Moves < 0 || o.Packets < 0:
		return errors.New("moves and packets a second: want 0 or more")
	case o.Packets > 0 && (o.Size < minSize || o.Size > 1400):
		return fmt.Errorf("packets of %d octets: want %d to 1400", o.Size, minSize)
	case o.Packets > 0 && !o.Ping.Is4():
		return errors.New("traffic needs an IPv4 address of the data network that answers echo requests")
	}
	return nil
}

// run is one run.
type run struct {
	o       Options
	fleet   *fleet.Fleet
	start   time.Time
	slots   chan struct{} // bounds what is in flight
	running sync.WaitGroup

	register, session, move, leave procedure
	rtt                            histogram
	sent, received                 atomic.Uint64

	mu sync.Mutex
	up []*member // those that have a PDU session, or had one

	seconds []report.LoadSecond
	last    report.LoadSecond // the totals at the end of the last second
}

// member is a UE that is up.
type member struct {
	ue   *fleet.UE
	busy atomic.Bool
}

// Run puts the load on and tells what came of it. When ctx ends before, the UEs leave and the report says what was until then.
func Run(ctx context.Context, o Options) (_ *report.Load, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r := &run{o: o, start: time.Now(), slots: make(chan struct{}, o.InFlight)}
	r.register.name, r.session.name, r.move.name, r.leave.name = "registration", "PDU session", "move", "deregistration"
	r.o.Fleet.Received = r.arrived
	if r.fleet, err = fleet.New(r.o.Fleet); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.fleet.Close()) }()

	loaded, unload := context.WithCancel(ctx)
	defer unload()
	var clocks sync.WaitGroup
	sampled := make(chan struct{})
	clocks.Go(func() { r.sample(sampled) })
	var load sync.WaitGroup
	load.Go(func() { r.traffic(loaded) })
	load.Go(func() { r.moves(loaded) })
	r.arrivals(ctx)
	pause(ctx, o.Hold)
	unload()
	load.Wait()
	r.running.Wait()
	r.linger()
	lost := r.lost()
	r.departures()
	close(sampled)
	clocks.Wait()
	return r.report(lost), nil
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// arrivals begins the registrations at their rate and returns after the last beginning.
func (r *run) arrivals(ctx context.Context) {
	r.paced(ctx, r.o.Rate, len(r.fleet.UEs()), func(i int) {
		u := r.fleet.UEs()[i]
		if r.register.do(ctx, u.Register) != nil || r.session.do(ctx, u.Establish) != nil {
			return
		}
		r.mu.Lock()
		r.up = append(r.up, &member{ue: u})
		r.mu.Unlock()
	})
}

// paced begins work at a rate, n times or for ever, each in a goroutine of its own as slots are free.
func (r *run) paced(ctx context.Context, rate float64, n int, work func(i int)) {
	begin := time.Now()
	for i := 0; n < 0 || i < n; i++ {
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if !pause(ctx, time.Until(due)) {
			return
		}
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		r.running.Go(func() {
			defer func() { <-r.slots }()
			work(i)
		})
	}
}

// moves lets UEs that are up and do nothing else move.
func (r *run) moves(ctx context.Context) {
	if r.o.Moves == 0 {
		return
	}
	random := rand.New(rand.NewPCG(r.o.Seed, 0))
	r.paced(ctx, r.o.Moves, -1, func(int) {
		m := r.idle(random)
		if m == nil {
			return
		}
		defer m.busy.Store(false)
		_ = r.move.do(ctx, m.ue.Move) // counted
	})
}

// idle takes one of the UEs that are up, nil when there is none; it is given back by its busy mark.
func (r *run) idle(random *rand.Rand) *member {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range min(len(r.up), 16) {
		m := r.up[random.IntN(len(r.up))]
		if m.ue.User() != nil && m.busy.CompareAndSwap(false, true) {
			return m
		}
	}
	return nil
}

// patience is how long the last echoes may take.
const patience = 2 * time.Second

// linger waits for the echoes that are on their way.
func (r *run) linger() {
	for end := time.Now().Add(patience); r.received.Load() < r.sent.Load() && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// lost counts the UEs whose IKE SA has ended against their will.
func (r *run) lost() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.up {
		if m.ue.User() == nil {
			n++
		}
	}
	return n
}

// departures deregisters all that are up, whatever has ended the run.
func (r *run) departures() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*fleet.ProcedureTime)
	defer cancel()
	r.mu.Lock()
	up := r.up
	r.mu.Unlock()
	r.paced(ctx, 1e6, len(up), func(i int) {
		if up[i].ue.User() != nil {
			_ = r.leave.do(ctx, up[i].ue.Deregister) // counted
		}
	})
	r.running.Wait()
}
