// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
	tcp "github.com/open-n3iwf/n3iwf/nwu/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
)

// fleet is many UEs on one data plane and a few TCP stacks. Each UE belongs to a shard, a goroutine that alone touches it.
type fleet struct {
	lab       *lab
	dataPlane *user.DataPlane
	stacks    []*tcp.Client
	shards    []*shard
	ues       []*simUE
	profile   suite.Profile
	key       milenage.Subscriber
	quit      chan struct{}
	running   sync.WaitGroup

	bySPI   sync.Map // message.SPI to *simUE
	byInner sync.Map // netip.Addr to *simUE

	arrived atomic.Uint64 // user packets that came down
}

// shard runs the tasks of its UEs.
type shard struct {
	mail chan func()
	ues  []*simUE
}

// perStack is how many UEs share a TCP stack, which looks through all its addresses for each packet.
const perStack = 256

// backlog is how many tasks may wait in a shard.
const backlog = 1 << 16

// newFleet opens the sockets for so many UEs. Each of the first ones has a port of its own, as behind a NAT, so that packets to two of them
// have nothing in common; the others share theirs.
func newFleet(l *lab, count, own int) (*fleet, error) {
	f := &fleet{lab: l, quit: make(chan struct{}), profile: suite.Default()}
	// The same cipher as that of the raw rate which the user plane is compared with.
	f.profile.ESP = []message.Proposal{{Protocol: message.ProtocolESP, Transforms: []message.Transform{
		suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}.Transform(), {Type: message.TransformESN, ID: 1},
	}}}
	for _, k := range []struct {
		text string
		to   *[16]byte
	}{{key, &f.key.K}, {opc, &f.key.OPc}} {
		if _, err := hex.Decode(k.to[:], []byte(k.text)); err != nil {
			return nil, err
		}
	}
	for range runtime.GOMAXPROCS(0) {
		f.shards = append(f.shards, &shard{mail: make(chan func(), backlog)})
	}
	for i := range count {
		if i%perStack == 0 {
			stack, err := tcp.NewClient(tcp.Options{Out: f.nasOut(), Events: nasEvents{f}, Workers: 1, Logger: quiet})
			if err != nil {
				return nil, errors.Join(err, f.closeStacks())
			}
			f.stacks = append(f.stacks, stack)
		}
		s := f.shards[i%len(f.shards)]
		u := &simUE{fleet: f, shard: s, number: i, port: nattPort, nas: f.stacks[len(f.stacks)-1]}
		if i < own {
			u.port += uint16(1 + i)
		}
		u.reset()
		s.ues = append(s.ues, u)
		f.ues = append(f.ues, u)
	}
	sockets := []user.Socket{
		{Kind: user.IKE, Local: netip.AddrPortFrom(l.addr.ue[0], ikePort)},
		{Kind: user.NATT, Local: netip.AddrPortFrom(l.addr.ue[0], nattPort)},
		{Kind: user.NATT, Local: netip.AddrPortFrom(l.addr.ue[1], nattPort)},
	}
	for _, u := range f.ues[:own] {
		sockets = append(sockets, user.Socket{Kind: user.NATT, Local: netip.AddrPortFrom(l.addr.ue[0], u.port)})
	}
	var err error
	f.dataPlane, err = user.New(user.Options{Sink: fleetSink{f}, Sockets: sockets, Workers: 1, MaxSAs: 1 << 17, Log: quiet})
	if err != nil {
		return nil, errors.Join(err, f.closeStacks())
	}
	for _, s := range f.shards {
		f.running.Go(func() { f.run(s) })
	}
	return f, nil
}

// close ends all UEs without telling the network.
func (f *fleet) close() error {
	close(f.quit)
	f.running.Wait()
	return errors.Join(f.dataPlane.Close(), f.closeStacks())
}

func (f *fleet) closeStacks() error {
	var err error
	for _, stack := range f.stacks {
		err = errors.Join(err, stack.Close())
	}
	return err
}

// tick is how often the shards look for timers that are due.
const tick = 100 * time.Millisecond

func (f *fleet) run(s *shard) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-f.quit:
			return
		case task := <-s.mail:
			task()
		case now := <-ticker.C:
			for _, u := range s.ues {
				if u.session != nil && !u.deadline.IsZero() && !u.deadline.After(now) {
					u.apply(u.session.Timeout(now))
				}
			}
		}
	}
}

func (f *fleet) post(u *simUE, task func()) {
	select {
	case u.shard.mail <- task:
	case <-f.quit:
	}
}

// renew makes a UE new after a registration that failed.
func (f *fleet) renew(u *simUE) {
	done := make(chan struct{})
	f.post(u, func() {
		if u.session != nil {
			f.bySPI.Delete(u.session.SPI())
		}
		u.reset()
		close(done)
	})
	select {
	case <-done:
	case <-f.quit:
	}
}

// fleetSink takes what the data plane receives to the UEs.
type fleetSink struct{ f *fleet }

func (s fleetSink) NewReceiver() ipsec.Receiver { return s }

// Inbound counts user packets and hands the others to the TCP stack.
func (s fleetSink) Inbound(batch []ipsec.Inbound) {
	var count uint64
	for _, in := range batch {
		if c := in.Context.(*child); c.qos == nil {
			c.nas.Input(in.Packet)
		} else if _, err := gre.Decode(in.Packet); err == nil {
			count++
		}
	}
	if count > 0 {
		s.f.arrived.Add(count)
	}
}

func (s fleetSink) IKE(path ipsec.Path, data []byte) {
	spi, ok := ikev2.LocalSPI(data)
	if !ok {
		return
	}
	found, ok := s.f.bySPI.Load(spi)
	if !ok {
		return
	}
	u := found.(*simUE)
	data = bytes.Clone(data)
	s.f.post(u, func() {
		if u.session != nil {
			u.apply(u.session.Receive(time.Now(), ikev2.Path(path), data))
		}
	})
}

func (fleetSink) Event(ipsec.Event) {}

// nasOut sends packets of the TCP stack through the signalling SA of the UE.
func (f *fleet) nasOut() func(netip.Addr, []byte) {
	writers := sync.Pool{New: func() any { return f.dataPlane.NewWriter() }}
	return func(inner netip.Addr, packet []byte) {
		found, ok := f.byInner.Load(inner)
		if !ok {
			return
		}
		h := found.(*simUE).signalling.Load()
		if h == nil {
			return
		}
		w := writers.Get().(ipsec.Writer)
		if w.Write(*h, packet, nil) == nil {
			_ = w.Flush() // TCP repeats what is lost
		}
		writers.Put(w)
	}
}

// nasEvents takes what happens on the NAS connections to the UEs.
type nasEvents struct{ f *fleet }

func (nasEvents) OnConnected(netip.Addr) {}

func (e nasEvents) OnNAS(inner netip.Addr, pdu []byte) {
	if found, ok := e.f.byInner.Load(inner); ok {
		u := found.(*simUE)
		e.f.post(u, func() { u.downlinkNAS(pdu) })
	}
}

func (e nasEvents) OnClosed(inner netip.Addr, reason error) {
	if found, ok := e.f.byInner.Load(inner); ok {
		u := found.(*simUE)
		e.f.post(u, func() { u.fail(reason) })
	}
}
