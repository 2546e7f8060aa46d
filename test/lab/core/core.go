// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
	"github.com/open-n3iwf/n3iwf/test/lab/upf"
)

// Core is a running AMF, SMF and UPF.
type Core struct {
	cfg       *Config
	net       *network
	log       *slog.Logger
	listener  transport.Listener // the first one
	listeners []transport.Listener
	upf       *upf.UPF
	mail      chan func()
	stop      context.CancelFunc
	ctx       context.Context
	running   sync.WaitGroup

	// Owned by the run goroutine.
	nodes         map[string]*ranNode
	ues           map[ngap.AMFUENGAPID]*ueContext
	registrations map[uint32]*registration // by 5G-TMSI, of connected and idle UEs
	byIMSI        map[string]*registration // the same, once registered
	tunnels       map[*upf.Session]*session
	nextID        ngap.AMFUENGAPID
	watch         func(amf string, pdu *ngap.PDU)
	alter         func(pdu []byte) [][]byte
	seed          uint64 // of what is at random in a variant
	reroute       *ngap.AMFSetID
}

// New listens; Close ends it. A wrong configuration is a *[ConfigError].
func New(cfg *Config, log *slog.Logger) (*Core, error) {
	n, err := cfg.network()
	if err != nil {
		return nil, err
	}
	c := &Core{
		cfg: cfg, net: n, log: log, mail: make(chan func(), 1024), nodes: map[string]*ranNode{}, ues: map[ngap.AMFUENGAPID]*ueContext{},
		registrations: map[uint32]*registration{}, byIMSI: map[string]*registration{}, tunnels: map[*upf.Session]*session{},
		seed: rand.Uint64(),
	}
	if cfg.Variant == variantShuffled {
		log.Info("the order of IEs is at random", slog.Uint64("seed", c.seed))
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.upf, err = upf.New(upf.Options{
		Listen: netip.AddrPortFrom(n.upf, gtpu.Port), Pool: n.pool, Pool6: n.pool6, N6: n.n6, Logger: log,
		// Not from the receiving goroutine itself, which Close waits for.
		ErrorIndication: func(s *upf.Session) { c.running.Go(func() { c.post(func() { c.tunnelLost(s) }) }) },
	})
	if err != nil {
		return nil, fmt.Errorf("N3: %w", err)
	}
	if err = c.listenAll(); err != nil {
		return nil, errors.Join(fmt.Errorf("N2: %w", err), c.upf.Close())
	}
	c.running.Go(c.run)
	log.Info("core is up", slog.String("n2", c.listener.Addr().String()), slog.String("n3", n.upf.String()), slog.String("plmn", n.plmn.String()))
	return c, nil
}

// Addr is where the core listens for N3IWFs.
func (c *Core) Addr() transport.Addr { return c.listener.Addr() }

// UPF is the user plane.
func (c *Core) UPF() *upf.UPF { return c.upf }

// Close ends all associations and the user plane.
func (c *Core) Close() error {
	err := c.upf.Close() // first: its last report may still start a task
	for _, l := range c.listeners {
		err = errors.Join(err, l.Close())
	}
	c.stop()
	c.running.Wait()
	return err
}

func (c *Core) run() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case task := <-c.mail:
			task()
		}
	}
}

// post gives a task to the run goroutine.
func (c *Core) post(task func()) {
	select {
	case c.mail <- task:
	case <-c.ctx.Done():
	}
}

// after gives a task to the run goroutine later; it is lost when the core is closed before.
func (c *Core) after(d time.Duration, task func()) *time.Timer {
	return time.AfterFunc(d, func() { c.post(task) })
}

func (c *Core) accept(l transport.Listener, a *amf) {
	for {
		association, err := l.Accept(c.ctx)
		if err != nil {
			return
		}
		g := &ran{core: c, amf: a, association: association, log: c.log.With(slog.String("ran", association.RemoteAddr().String()))}
		c.running.Go(g.serve)
	}
}
