// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
	"github.com/open-n3iwf/n3iwf/n3iwf/tracing"
)

// serve runs the network function with its management API until ctx ends or another process has taken over, and follows its configuration. The API goes
// on while UEs are being released.
func serve(ctx context.Context, p program) error {
	// Without anybody who listens these signals end the process, with all UEs: from the first moment, and where they ask for what is not offered.
	hangups, upgrades := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	signal.Notify(upgrades, syscall.SIGUSR2)
	defer signal.Stop(upgrades)
	// What is wrong with traces must show before the UEs of another process are here.
	provider, err := tracing.Open(p.cfg.Management.Traces, tracing.Options{Name: p.cfg.N3IWF.Name, Version: version(), Log: p.log})
	if err != nil {
		return err
	}
	defer provider.Close()
	nf, err := p.open(ctx)
	if err != nil {
		return err
	}
	nf.Trace(provider.Tracer())
	m := &management{program: p, nf: nf, traces: provider, hangups: hangups, upgrades: upgrades}
	if p.from == nil {
		if err := m.open(); err != nil {
			return errors.Join(err, discard(ctx, nf))
		}
	}
	ended, end := context.WithCancel(context.Background())
	defer end()
	var all errgroup.Group
	all.Go(func() error { return m.serve(ended) })
	all.Go(func() error {
		defer end()
		return nf.Serve(ctx)
	})
	return errors.Join(all.Wait(), depart(nf))
}

// open makes the network function, from nothing or in the place of a running process.
func (p program) open(ctx context.Context) (*n3iwf.N3IWF, error) {
	if p.from == nil {
		return n3iwf.New(p.cfg, p.log)
	}
	path := upgradeSocket(p.cfg)
	if path == "" {
		return nil, errNoSocket
	}
	return n3iwf.TakeOver(ctx, p.cfg, p.log, n3iwf.Takeover{Path: path, Program: version(), Patience: p.from.patience, Force: p.from.force})
}

// management is the API, what follows the configuration, and what lets other processes take over.
type management struct {
	program
	nf       *n3iwf.N3IWF
	traces   *tracing.Provider
	server   *api.Server
	hangups  <-chan os.Signal // SIGHUP
	upgrades <-chan os.Signal // SIGUSR2
}

func (m *management) open() (err error) {
	m.server, err = api.New(m.nf, api.Options{Version: version(), Level: &m.set.level, Log: m.log})
	return err
}

// serve works until ctx ends.
func (m *management) serve(ctx context.Context) error {
	if m.server == nil { // its sockets are those of a process that is about to end
		select {
		case <-ctx.Done():
			return nil
		case <-m.nf.Alone():
		}
		if !m.openAgain(ctx) {
			return nil
		}
	}
	var all errgroup.Group
	all.Go(func() error { return m.server.Serve(ctx) })
	o := m.offer(ctx, &all)
	all.Go(func() error {
		(&reloader{file: m.file, nf: m.nf, api: m.server, parts: []n3iwf.Part{m.traces, o}, set: m.set, log: m.log, cfg: m.cfg}).run(ctx, m.hangups)
		return nil
	})
	return all.Wait()
}

// openAgain opens the API of a process that has taken over. What is in its way may go: the former process, say, or one that had no room for more files.
func (m *management) openAgain(ctx context.Context) bool {
	for wait := openPause; ; wait = min(2*wait, maxOpenPause) {
		err := m.open()
		if err == nil {
			return true
		}
		m.log.Error("no management API, and no upgrade in place, for now; UEs are served, and it is tried again", slog.Any("error", err), slog.Duration("in", wait))
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

const (
	openPause    = time.Second
	maxOpenPause = 30 * time.Second
)

// discard closes what n3iwf.New has opened.
func discard(ctx context.Context, nf *n3iwf.N3IWF) error {
	ended, end := context.WithCancel(ctx)
	end()
	return nf.Serve(ended)
}
