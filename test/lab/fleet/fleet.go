// SPDX-License-Identifier: Apache-2.0

// Package fleet is many UEs in one process, each reduced to what a run under load needs: it registers, has one PDU session, moves between two
// places and leaves. They share a data plane, its sockets and a few TCP stacks, so that thousands fit where the whole UE of test/lab/ue would
// need a set of its own each; and a UE gives up at the first thing that is not as expected, which is what a measurement wants to know.
package fleet

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
	tcp "github.com/open-n3iwf/n3iwf/nwu/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
)

// Options say who the UEs are and where they find the N3IWF.
type Options struct {
	// N3IWF is the network's address; IKEPort and NATTPort are its ports, 0 is 500 and 4500.
	N3IWF             netip.Addr
	IKEPort, NATTPort uint16
	// Places are the local addresses and ports of NAT traversal that the UEs move between; they start at the first one. LocalIKE is the port of
	// IKE_SA_INIT at the first one.
	Places   [2]netip.AddrPort
	LocalIKE uint16
	// Count is how many UEs there are. The first OwnPorts of them have a port of NAT traversal of their own at the first place, those that follow
	// its port, as behind a NAT; the others share it.
	Count, OwnPorts int
	// MCC and MNC are the home network and the PLMN selected; the UE number i has the MSIN FirstMSIN+i with so many digits that an IMSI has 15.
	MCC, MNC  string
	FirstMSIN uint64
	Key       milenage.Subscriber // of all UEs
	// DNN and Slice are those of the PDU session.
	DNN   string
	Slice nas.SNSSAI
	// Profile holds the algorithms that the UEs offer; its zero value is the default one.
	Profile suite.Profile
	// AwaitCheck makes a move done only when the N3IWF has asked for a sign of life from the new path as well (RFC 4555 3.7). An N3IWF that has
	// proven the path before, or that proves none, never does.
	AwaitCheck bool
	// Received is told each user packet that comes down, from the data plane's receivers; the packet is good during the call. nil counts only.
	Received func(u *UE, pdu []byte)
	Logger   *slog.Logger // of data plane and TCP; nil is silent, as what matters comes as errors
}

// check fills in what is not given.
func (o *Options) check() error {
	o.IKEPort, o.NATTPort, o.LocalIKE = cmp.Or(o.IKEPort, 500), cmp.Or(o.NATTPort, 4500), cmp.Or(o.LocalIKE, 500)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Profile.IKE == nil {
		o.Profile = suite.Default()
	}
	if o.Count < 1 || o.OwnPorts > o.Count {
		return fmt.Errorf("%d UEs, %d with a port of their own: want 1 or more, and no more ports than UEs", o.Count, o.OwnPorts)
	}
	for _, at := range o.Places {
		if !at.IsValid() || at.Addr().Is4() != o.N3IWF.Is4() {
			return fmt.Errorf("local address %s: want one of the IP family of the N3IWF %s", at, o.N3IWF)
		}
	}
	_, err := nas.NewPLMN(o.MCC, o.MNC)
	return err
}

// IMSI of the UE of that number.
func (o *Options) IMSI(number int) string {
	return fmt.Sprintf("%s%s%0*d", o.MCC, o.MNC, 15-len(o.MCC)-len(o.MNC), o.FirstMSIN+uint64(number))
}

// Fleet is the UEs. Each belongs to a shard, a goroutine that alone touches it.
type Fleet struct {
	o         Options
	plmn      nas.PLMN
	dataPlane *user.DataPlane
	stacks    []*tcp.Client
	shards    []*shard
	ues       []*UE
	quit      chan struct{}
	running   sync.WaitGroup

	bySPI   sync.Map // message.SPI to *UE
	byInner sync.Map // netip.Addr to *UE

	arrived atomic.Uint64
}

// UEs are all of them, by number.
func (f *Fleet) UEs() []*UE { return f.ues }

// Arrived counts the user packets that have come down to all UEs.
func (f *Fleet) Arrived() uint64 { return f.arrived.Load() }

// NewWriter makes a writer for what UE.User gives. It belongs to one goroutine.
func (f *Fleet) NewWriter() ipsec.Writer { return f.dataPlane.NewWriter() }

// shard runs the tasks of its UEs.
type shard struct {
	mail chan func()
	ues  []*UE
}

// perStack is how many UEs share a TCP stack, which looks through all its addresses for each packet.
const perStack = 256

// backlog is how many tasks may wait in a shard.
const backlog = 1 << 16

// New opens the sockets.
func New(o Options) (*Fleet, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	f := &Fleet{o: o, quit: make(chan struct{})}
	var err error
	if f.plmn, err = nas.NewPLMN(o.MCC, o.MNC); err != nil {
		return nil, err
	}
	for range runtime.GOMAXPROCS(0) {
		f.shards = append(f.shards, &shard{mail: make(chan func(), backlog)})
	}
	for i := range o.Count {
		if i%perStack == 0 {
			stack, err := tcp.NewClient(tcp.Options{Out: f.nasOut(), Events: nasEvents{f}, Workers: 1, Logger: o.Logger})
			if err != nil {
				return nil, errors.Join(err, f.closeStacks())
			}
			f.stacks = append(f.stacks, stack)
		}
		s := f.shards[i%len(f.shards)]
		u := &UE{fleet: f, shard: s, number: i, port: o.Places[0].Port(), nas: f.stacks[len(f.stacks)-1]}
		if i < o.OwnPorts {
			u.port += uint16(1 + i)
		}
		u.reset()
		s.ues = append(s.ues, u)
		f.ues = append(f.ues, u)
	}
	sockets := []user.Socket{{Kind: user.IKE, Local: netip.AddrPortFrom(o.Places[0].Addr(), o.LocalIKE)}, {Kind: user.NATT, Local: o.Places[0]}}
	if o.Places[1] != o.Places[0] {
		sockets = append(sockets, user.Socket{Kind: user.NATT, Local: o.Places[1]})
	}
	for _, u := range f.ues[:o.OwnPorts] {
		sockets = append(sockets, user.Socket{Kind: user.NATT, Local: netip.AddrPortFrom(o.Places[0].Addr(), u.port)})
	}
	f.dataPlane, err = user.New(user.Options{Sink: fleetSink{f}, Sockets: sockets, Workers: 1, MaxSAs: 1 << 17, Log: o.Logger})
	if err != nil {
		return nil, errors.Join(err, f.closeStacks())
	}
	for _, s := range f.shards {
		f.running.Go(func() { f.run(s) })
	}
	return f, nil
}

// Close ends all UEs without telling the network.
func (f *Fleet) Close() error {
	close(f.quit)
	f.running.Wait()
	return errors.Join(f.dataPlane.Close(), f.closeStacks())
}

func (f *Fleet) closeStacks() error {
	var err error
	for _, stack := range f.stacks {
		err = errors.Join(err, stack.Close())
	}
	return err
}

// tick is how often the shards look for timers that are due.
const tick = 100 * time.Millisecond

func (f *Fleet) run(s *shard) {
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

func (f *Fleet) post(u *UE, task func()) {
	select {
	case u.shard.mail <- task:
	case <-f.quit:
	}
}

// Renew makes a UE new after a registration that failed.
func (f *Fleet) Renew(u *UE) {
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
type fleetSink struct{ f *Fleet }

func (s fleetSink) NewReceiver() ipsec.Receiver { return s }

// Inbound counts user packets and hands the others to the TCP stack.
func (s fleetSink) Inbound(batch []ipsec.Inbound) {
	var count uint64
	for _, in := range batch {
		c := in.Context.(*child)
		if c.qos == nil {
			c.ue.nas.Input(in.Packet)
			continue
		}
		p, err := gre.Decode(in.Packet)
		if err != nil {
			continue
		}
		count++
		if received := s.f.o.Received; received != nil {
			received(c.ue, in.Packet[p.Offset:p.End])
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
	u := found.(*UE)
	data = bytes.Clone(data)
	s.f.post(u, func() {
		if u.session != nil {
			u.apply(u.session.Receive(time.Now(), ikev2.Path(path), data))
		}
	})
}

func (fleetSink) Event(ipsec.Event) {}

// nasOut sends packets of the TCP stack through the signalling SA of the UE.
func (f *Fleet) nasOut() func(netip.Addr, []byte) {
	writers := sync.Pool{New: func() any { return f.dataPlane.NewWriter() }}
	return func(inner netip.Addr, packet []byte) {
		found, ok := f.byInner.Load(inner)
		if !ok {
			return
		}
		h := found.(*UE).signalling.Load()
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
type nasEvents struct{ f *Fleet }

func (nasEvents) OnConnected(netip.Addr, *tcp.Conn) {}

func (e nasEvents) OnNAS(inner netip.Addr, pdu []byte) {
	if found, ok := e.f.byInner.Load(inner); ok {
		u := found.(*UE)
		e.f.post(u, func() { u.downlinkNAS(pdu) })
	}
}

func (e nasEvents) OnClosed(inner netip.Addr, _ *tcp.Conn, ended tcp.Ended) {
	if found, ok := e.f.byInner.Load(inner); ok {
		u := found.(*UE)
		e.f.post(u, func() { u.nasClosed(ended.Reason) })
	}
}
