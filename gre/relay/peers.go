// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net/netip"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
)

// peers are the UPFs in use and the supervision of the paths to them.
type peers struct {
	r    *Relay
	wake chan struct{}

	mu     sync.Mutex
	all    map[netip.AddrPort]*peer
	timers gtpu.EchoTimers
}

type peer struct {
	sessions int
	echo     *gtpu.Echo
}

func (p *peers) join(upf netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.all[upf]
	if u == nil {
		u = &peer{echo: gtpu.NewEcho(p.timers, p.r.options.Now())}
		p.all[upf] = u
		p.nudge()
	}
	u.sessions++
}

func (p *peers) leave(upf netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.all[upf]; u != nil {
		if u.sessions--; u.sessions == 0 {
			delete(p.all, upf)
		}
	}
}

// setTimers changes the times of the paths that are there too.
func (p *peers) setTimers(timers gtpu.EchoTimers) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timers = timers
	now := p.r.options.Now()
	for _, u := range p.all {
		u.echo.SetTimers(timers, now)
	}
	p.nudge()
}

func (p *peers) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// response takes an Echo Response.
func (p *peers) response(from netip.AddrPort, sequence uint16) {
	p.mu.Lock()
	u := p.all[from]
	up := u != nil && u.echo.Response(p.r.options.Now(), sequence)
	p.mu.Unlock()
	if up {
		p.r.log.Info("the UPF answers again", "upf", from)
		p.r.event(PathUp{from})
	}
}

// tick sends the echo requests that are due and gives the time until the next is; the zero value for none.
func (p *peers) tick() (wait time.Duration) {
	now := p.r.options.Now()
	var events []Event
	p.mu.Lock()
	for upf, u := range p.all {
		send, sequence, failed := u.echo.Tick(now)
		if send {
			p.r.echoOut.Add(1)
			if f := p.r.family(upf.Addr()); f >= 0 {
				p.r.controls[f].echoRequest(upf, sequence)
			}
		}
		if failed {
			events = append(events, PathDown{UPF: upf, Sessions: u.sessions})
		}
		if u.echo.Deadline().IsZero() {
			continue
		}
		if d := max(u.echo.Deadline().Sub(now), time.Millisecond); wait == 0 || d < wait {
			wait = d
		}
	}
	p.mu.Unlock()
	for _, e := range events {
		down := e.(PathDown)
		p.r.log.Warn("the UPF does not answer echo requests; check it and the route to it", "upf", down.UPF, "sessions", down.Sessions)
		p.r.event(e)
	}
	return wait
}

// supervise runs until stop is closed.
func (p *peers) supervise(stop <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := p.tick()
		if wait == 0 {
			wait = time.Hour // nobody to ask: join wakes
		}
		timer.Reset(wait)
		select {
		case <-stop:
			return
		case <-p.wake:
		case <-timer.C:
		}
	}
}

func (p *peers) stats() (list []PeerStats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for upf, u := range p.all {
		list = append(list, PeerStats{UPF: upf.String(), Sessions: u.sessions, Down: u.echo.Down()})
	}
	return list
}
