// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/report"
)

// maxReasons bounds the different failures that are kept by their text; the others count as "other".
const maxReasons = 20

// procedure counts one kind of procedure.
type procedure struct {
	name           string
	begun, ok, bad atomic.Uint64
	took           histogram
	mu             sync.Mutex
	reasons        map[string]int
}

// do runs one. A run that was ended from outside is no failure.
func (p *procedure) do(ctx context.Context, work func(context.Context) error) error {
	p.begun.Add(1)
	start := time.Now()
	err := work(ctx)
	switch {
	case err == nil:
		p.ok.Add(1)
		p.took.add(time.Since(start))
	case errors.Is(err, context.Canceled):
	default:
		p.bad.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.reasons == nil {
			p.reasons = map[string]int{}
		}
		reason := err.Error()
		if _, known := p.reasons[reason]; !known && len(p.reasons) >= maxReasons {
			reason = "other"
		}
		p.reasons[reason]++
	}
	return err
}

func (p *procedure) report() report.LoadProcedure {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := report.LoadProcedure{
		Name: p.name, Begun: int(p.begun.Load()), OK: int(p.ok.Load()), Failed: int(p.bad.Load()), Latency: p.took.latency(), Reasons: map[string]int{},
	}
	for reason, n := range p.reasons {
		out.Reasons[reason] = n
	}
	return out
}

// sample notes every second what has come, until stop is closed.
func (r *run) sample(stop <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.second()
		case <-stop:
			r.second()
			return
		}
	}
}

// second closes a second.
func (r *run) second() {
	r.mu.Lock()
	up := 0
	for _, m := range r.up {
		if m.ue.User() != nil {
			up++
		}
	}
	r.mu.Unlock()
	now := report.LoadSecond{
		UEs: up, Registrations: int(r.register.ok.Load()), Sessions: int(r.session.ok.Load()), Moves: int(r.move.ok.Load()),
		Failures: int(r.register.bad.Load() + r.session.bad.Load() + r.move.bad.Load() + r.leave.bad.Load()),
		Sent:     int(r.sent.Load()), Received: int(r.received.Load()),
	}
	s, last := now, r.last
	s.Registrations, s.Sessions, s.Moves = s.Registrations-last.Registrations, s.Sessions-last.Sessions, s.Moves-last.Moves
	s.Failures, s.Sent, s.Received = s.Failures-last.Failures, s.Sent-last.Sent, s.Received-last.Received
	r.last = now
	r.seconds = append(r.seconds, s)
	if r.o.Progress != nil {
		fmt.Fprintf(r.o.Progress, "%5.0f s  %d of %d UEs up, %d registrations/s, %d moves/s, %d packets/s sent, %d/s back, %d failures\n",
			time.Since(r.start).Seconds(), s.UEs, r.o.Fleet.Count, s.Registrations, s.Moves, s.Sent, s.Received, now.Failures)
	}
}

// report puts everything together.
func (r *run) report(lost int) *report.Load {
	l := &report.Load{
		Title: fmt.Sprintf("Load on the N3IWF %s", r.o.Fleet.N3IWF), Started: r.start, N3IWF: r.o.Fleet.N3IWF.String(),
		UEs: r.o.Fleet.Count, Rate: r.o.Rate, MoveRate: r.o.Moves, PacketRate: r.o.Packets, PacketSize: r.o.Size,
		Lost: lost, Sent: int(r.sent.Load()), Received: int(r.received.Load()), RTT: r.rtt.latency(), Seconds: r.seconds,
	}
	l.OK = lost == 0 && (l.Sent == 0 || l.Received > 0)
	for _, p := range []*procedure{&r.register, &r.session, &r.move, &r.leave} {
		l.Procedures = append(l.Procedures, p.report())
		l.OK = l.OK && p.bad.Load() == 0
	}
	l.OK = l.OK && r.session.ok.Load() > 0
	return l
}
