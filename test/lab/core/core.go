// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
	"github.com/open-n3iwf/n3iwf/test/lab/upf"
)

// Core is a running AMF, SMF and UPF.
type Core struct {
	cfg      *Config
	net      *network
	log      *slog.Logger
	listener transport.Listener
	upf      *upf.UPF
	mail     chan func()
	stop     context.CancelFunc
	ctx      context.Context
	running  sync.WaitGroup

	// Owned by the run goroutine.
	ues    map[ngap.AMFUENGAPID]*ueContext
	nextID ngap.AMFUENGAPID
	tmsi   uint32
}

// New listens; Close ends it.
func New(cfg *Config, log *slog.Logger) (*Core, error) {
	n, err := cfg.network()
	if err != nil {
		return nil, err
	}
	mode := transport.ModeAuto
	if cfg.Transport != "" {
		if mode, err = transport.ParseMode(cfg.Transport); err != nil {
			return nil, err
		}
	}
	c := &Core{cfg: cfg, net: n, log: log, mail: make(chan func(), 1024), ues: map[ngap.AMFUENGAPID]*ueContext{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.listener, err = transport.Listen(transport.Options{Mode: mode, Local: []netip.AddrPort{cfg.Listen}, UDPPort: cfg.UDPPort, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("N2: %w", err)
	}
	c.upf, err = upf.New(upf.Options{Listen: netip.AddrPortFrom(cfg.UPF, gtpu.Port), Pool: cfg.Pool, Logger: log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("N3: %w", err), c.listener.Close())
	}
	c.running.Go(c.run)
	c.running.Go(c.accept)
	log.Info("core is up", slog.String("n2", c.listener.Addr().String()), slog.String("n3", cfg.UPF.String()), slog.String("plmn", n.plmn.String()))
	return c, nil
}

// Addr is where the core listens for N3IWFs.
func (c *Core) Addr() transport.Addr { return c.listener.Addr() }

// UPF is the user plane.
func (c *Core) UPF() *upf.UPF { return c.upf }

// Close ends all associations and the user plane.
func (c *Core) Close() error {
	err := c.listener.Close()
	c.stop()
	c.running.Wait()
	return errors.Join(err, c.upf.Close())
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

func (c *Core) post(task func()) {
	select {
	case c.mail <- task:
	case <-c.ctx.Done():
	}
}

func (c *Core) accept() {
	for {
		association, err := c.listener.Accept(c.ctx)
		if err != nil {
			return
		}
		g := &gnb{core: c, association: association, log: c.log.With(slog.String("ran", association.RemoteAddr().String()))}
		c.running.Go(g.serve)
	}
}

// gnb is an NG-RAN node: here an N3IWF.
type gnb struct {
	core        *Core
	association transport.Association
	log         *slog.Logger
	up          bool // NG Setup is done
}

func (g *gnb) serve() {
	defer g.association.Close()
	for {
		m, err := g.association.Receive(g.core.ctx)
		if err != nil {
			g.log.Info("NG connection ended", slog.Any("reason", err))
			g.core.post(func() { g.core.lost(g) })
			return
		}
		pdu, err := ngap.Decode(m.Data)
		if err != nil {
			g.log.Warn("NGAP message with an error", slog.Any("error", err))
			if reply := ngap.Answer(err); reply != nil {
				g.send(reply)
			}
			continue
		}
		g.core.post(func() { g.receive(pdu) })
	}
}

// lost drops the UEs of an N3IWF whose association is gone.
func (c *Core) lost(g *gnb) {
	for _, u := range c.ues {
		if u.gnb == g {
			u.drop()
		}
	}
}

// send sends a message, of a UE on that UE's stream.
func (g *gnb) send(m ngap.Message) {
	b, err := ngap.Encode(m)
	if err != nil {
		g.log.Error("NGAP message cannot be encoded", slog.Any("error", err))
		return
	}
	stream := uint16(transport.NonUEStream)
	if _, ran := ngap.UEIDs(m); ran != nil && g.association.Streams() > 1 {
		stream = uint16(1 + int(*ran)%(g.association.Streams()-1))
	}
	if err := g.association.Send(g.core.ctx, stream, b); err != nil {
		g.log.Warn("NGAP message not sent", slog.Any("error", err))
	}
}

// receive handles a PDU of the N3IWF.
func (g *gnb) receive(pdu *ngap.PDU) {
	switch m := pdu.Message.(type) {
	case *ngap.NGSetupRequest:
		g.setup(m)
		return
	case *ngap.ErrorIndication:
		g.log.Warn("ERROR INDICATION", slog.String("pdu", pdu.String()))
		return
	case *ngap.InitialUEMessage:
		if g.up {
			g.core.newUE(g, m)
		}
		return
	}
	amfID, ranID := ngap.UEIDs(pdu.Message)
	if amfID == nil {
		return
	}
	u := g.core.ues[*amfID]
	if u == nil || u.gnb != g || ranID != nil && *ranID != u.ranID {
		cause := ngap.CauseRadioNetworkUnknownLocalUENGAPID.Cause()
		g.send(&ngap.ErrorIndication{AMFUENGAPID: amfID, RANUENGAPID: ranID, Cause: &cause})
		return
	}
	u.receive(pdu)
}

// setup answers NG SETUP REQUEST: a tracking area of the N3IWF must be the core's own (TS 38.413 8.7.1).
func (g *gnb) setup(m *ngap.NGSetupRequest) {
	n := g.core.net
	for _, ta := range m.SupportedTAList {
		for _, p := range ta.BroadcastPLMNList {
			if ta.TAC == n.tac && p.PLMNIdentity == n.plmn {
				g.up = true
			}
		}
	}
	if !g.up {
		g.log.Warn("NG Setup refused: no common tracking area", slog.String("request", ngapName(m.RANNodeName)))
		wait := ngap.TimeToWaitV1s
		g.send(&ngap.NGSetupFailure{Cause: ngap.CauseMiscUnknownPLMNOrSNPN.Cause(), TimeToWait: &wait})
		return
	}
	g.log.Info("NG Setup", slog.String("node", ngapName(m.RANNodeName)))
	g.core.lost(g) // NG Setup begins anew
	response := &ngap.NGSetupResponse{
		AMFName: ngap.AMFName(g.core.cfg.Name), ServedGUAMIList: ngap.ServedGUAMIList{{GUAMI: n.guami}}, RelativeAMFCapacity: 255,
		PLMNSupportList: ngap.PLMNSupportList{{PLMNIdentity: n.plmn}},
	}
	for _, s := range n.slices {
		response.PLMNSupportList[0].SliceSupportList = append(response.PLMNSupportList[0].SliceSupportList, ngap.SliceSupportItem{SNSSAI: s})
	}
	g.send(response)
}

func ngapName(n ngap.RANNodeName) string { return string(n) }
