// SPDX-License-Identifier: Apache-2.0

package user

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/endpoint"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

const ipv4InESP = 4 // ESP's next header

// testSink counts, and calls hooks.
type testSink struct {
	mu       sync.Mutex
	packets  int
	workers  map[ipsec.ChildID]map[*testReceiver]int
	events   []ipsec.Event
	onPacket atomic.Pointer[func()]
	came     chan struct{}
}

type testReceiver struct{ s *testSink }

func newTestSink() *testSink {
	return &testSink{workers: map[ipsec.ChildID]map[*testReceiver]int{}, came: make(chan struct{}, 1<<16)}
}

func (s *testSink) NewReceiver() ipsec.Receiver { return &testReceiver{s} }
func (s *testSink) IKE(ipsec.Path, []byte)      { s.came <- struct{}{} }
func (s *testSink) Event(ev ipsec.Event) {
	s.mu.Lock()
	s.events = append(s.events, ev)
	s.mu.Unlock()
	s.came <- struct{}{}
}

func (r *testReceiver) Inbound(batch []ipsec.Inbound) {
	s := r.s
	for _, p := range batch {
		if f := s.onPacket.Load(); f != nil {
			(*f)()
		}
		s.mu.Lock()
		s.packets++
		if s.workers[p.ID] == nil {
			s.workers[p.ID] = map[*testReceiver]int{}
		}
		s.workers[p.ID][r]++
		s.mu.Unlock()
		s.came <- struct{}{}
	}
}

func (s *testSink) wait(t testing.TB, n int) {
	t.Helper()
	for range n {
		select {
		case <-s.came:
		case <-time.After(5 * time.Second):
			t.Fatal("nothing came")
		}
	}
}

var gcm = ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}

func gcmKeys(fill byte) ipsec.Keys { return ipsec.Keys{Encr: bytes.Repeat([]byte{fill}, 20)} }

func newPlane(t testing.TB, sink ipsec.Sink, o Options) *DataPlane {
	t.Helper()
	o.Sink = sink
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Sockets == nil {
		o.Sockets = []Socket{{Kind: NATT, Local: netip.AddrPortFrom(loopback4, 0)}}
	}
	d, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// install makes an SA to remote on the given worker and the peer's sealer for it.
func install(t testing.TB, d *DataPlane, id ipsec.ChildID, worker int, remote netip.AddrPort) (ipsec.ChildSA, *esp.Outbound) {
	t.Helper()
	spi, err := d.NewInboundSPI(worker)
	require.NoError(t, err)
	sa := ipsec.ChildSA{
		ID: id, InboundSPI: spi, OutboundSPI: 0x11223344, Algorithms: gcm, InboundKeys: gcmKeys(1), OutboundKeys: gcmKeys(2), ESN: true,
		Target: ipsec.Target{Path: ipsec.Path{Local: d.Sockets()[0].Local, Remote: remote, NATT: true}, Limit: ipsec.Unlimited},
	}
	require.NoError(t, d.Install(sa))
	out, err := esp.NewOutbound(spi, gcm, sa.InboundKeys, true, 0)
	require.NoError(t, err)
	return sa, out
}

func peerSocket(t testing.TB, o udpbatch.Options) *udpbatch.Conn {
	t.Helper()
	o.Local = netip.AddrPortFrom(loopback4, 0)
	c, err := udpbatch.Listen(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func innerIPv4(n int) []byte {
	b := make([]byte, n)
	b[0], b[8], b[9] = 0x45, 64, 47
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	copy(b[12:], []byte{10, 0, 0, 2, 10, 0, 0, 1})
	return b
}

func sealed(out *esp.Outbound, inner []byte) []byte {
	var sc esp.Scratch
	seq, _ := out.Next()
	b := make([]byte, out.Size(len(inner)))
	out.Seal(b, seq, ipv4InESP, inner, nil, &sc)
	return b
}

// A peer stays with its worker whatever port its packets come from.
func TestPeerStaysWithWorker(t *testing.T) {
	const workers = 4
	sink := newTestSink()
	d := newPlane(t, sink, Options{Workers: workers, MaxSAs: 1024})
	sealers := map[ipsec.ChildID]*esp.Outbound{}
	first := peerSocket(t, udpbatch.Options{})
	for id := range ipsec.ChildID(workers) {
		_, sealers[id] = install(t, d, id, int(id), first.LocalAddr())
	}
	to := udpbatch.Address{Remote: d.Sockets()[0].Local}
	for range 10 {
		c := peerSocket(t, udpbatch.Options{})
		for _, out := range sealers {
			require.NoError(t, c.WriteTo(&to, sealed(out, innerIPv4(100)), nil))
		}
	}
	for sink.mu.Lock(); sink.packets < workers*10; sink.mu.Lock() { // Rebind events are signals, too
		sink.mu.Unlock()
		sink.wait(t, 1)
	}
	defer sink.mu.Unlock()
	used := map[*testReceiver]bool{}
	for id, by := range sink.workers {
		require.Len(t, by, 1, "SA %d was taken by several workers", id)
		for r := range by {
			used[r] = true
		}
	}
	require.Len(t, used, workers)
}

// The defect of one SA ends that SA, and is told; a defect of the owner's costs its batch; everything else goes on.
func TestPanicEndsOneSA(t *testing.T) {
	sink := newTestSink()
	var log bytes.Buffer
	d := newPlane(t, sink, Options{
		Workers: 1, Log: slog.New(slog.NewTextHandler(&log, nil)),
		LogAttrs: func(id ipsec.ChildID) []slog.Attr { return []slog.Attr{slog.Uint64("owner", uint64(id))} },
	})
	c := peerSocket(t, udpbatch.Options{})
	bad, badOut := install(t, d, 1, 0, c.LocalAddr())
	defective := d.table.lookup(bad.InboundSPI)
	broken := &generation{spi: defective.spi, child: defective.child, sealer: defective.sealer} // without in: any use of it is a nil dereference
	d.mu.Lock()
	defective.child.generations[0] = broken
	d.mu.Unlock()
	defective.child.out.Store(broken)
	d.table.release(bad.InboundSPI, defective)
	d.table.slots[bad.InboundSPI>>d.table.randomBits].Store(broken)
	_, goodOut := install(t, d, 2, 0, c.LocalAddr())
	to := udpbatch.Address{Remote: d.Sockets()[0].Local}
	tx := c.NewSender()
	for range 5 { // in one batch
		require.NoError(t, tx.Append(&to, sealed(goodOut, innerIPv4(100)), nil))
		require.NoError(t, tx.Append(&to, sealed(badOut, innerIPv4(100)), nil))
	}
	_, err := tx.Flush()
	require.NoError(t, err)
	for sink.mu.Lock(); sink.packets < 5 || len(sink.events) < 1; sink.mu.Lock() {
		sink.mu.Unlock()
		sink.wait(t, 1)
	}
	fault, ok := sink.events[0].(ipsec.Fault)
	require.True(t, ok, "%T", sink.events[0])
	require.Equal(t, bad.ID, fault.ID)
	require.Equal(t, bad.InboundSPI, fault.SPI)
	require.ErrorContains(t, fault.Err, "nil pointer")
	sink.mu.Unlock()
	require.EqualValues(t, 1, d.Totals().Panics)
	require.Equal(t, 1, d.Totals().SAs)
	require.Nil(t, d.table.lookup(bad.InboundSPI))
	h, err := d.Handle(bad.ID)
	require.NoError(t, err)
	require.ErrorIs(t, d.NewWriter().Write(h, innerIPv4(60), nil), ipsec.ErrNoOutbound)
	require.NoError(t, d.Delete(bad.ID, 0)) // the owner's answer to Fault

	// A panic of the owner.
	var once sync.Once
	hook := func() { once.Do(func() { panic("defect of the owner") }) }
	sink.onPacket.Store(&hook)
	require.NoError(t, c.WriteTo(&to, sealed(goodOut, innerIPv4(100)), nil))
	require.Eventually(t, func() bool { return d.Totals().Panics == 2 }, 5*time.Second, time.Millisecond)
	require.NoError(t, c.WriteTo(&to, sealed(goodOut, innerIPv4(100)), nil))
	for sink.mu.Lock(); sink.packets < 6; sink.mu.Lock() {
		sink.mu.Unlock()
		sink.wait(t, 1)
	}
	sink.mu.Unlock()
	require.NoError(t, d.Close()) // the log is ours after it
	require.Equal(t, 2, strings.Count(log.String(), "level=ERROR"))
	require.Contains(t, log.String(), "receive.go")
	require.Contains(t, log.String(), fmt.Sprintf(" owner=%d ", bad.ID), "whose SA it was")
}

// A UE gets a new address while it runs: another socket, a move to it, and the old one goes.
func TestSocketsComeAndGo(t *testing.T) {
	sink := newTestSink()
	d := newPlane(t, sink, Options{Workers: 2})
	c := peerSocket(t, udpbatch.Options{})
	rx := c.NewReceiver()
	sa, out := install(t, d, 1, 0, c.LocalAddr())
	h, err := d.Handle(sa.ID)
	require.NoError(t, err)
	w := d.NewWriter()
	expect := func(from netip.AddrPort) {
		t.Helper()
		require.NoError(t, w.Write(h, innerIPv4(100), nil))
		require.NoError(t, w.Flush())
		batch, err := rx.Receive()
		require.NoError(t, err)
		require.Equal(t, from, batch[0].Remote)
	}
	for i := range 5 {
		old := d.Sockets()[0]
		expect(old.Local)
		local, err := d.AddSocket(Socket{Kind: NATT, Local: netip.MustParseAddrPort(fmt.Sprintf("127.0.0.%d:0", 10+i))})
		require.NoError(t, err)
		require.NotZero(t, local.Port())
		require.NoError(t, d.Move(ipsec.Target{Path: ipsec.Path{Local: local, Remote: c.LocalAddr(), NATT: true}, Limit: ipsec.Unlimited}, sa.ID))
		expect(local)
		require.NoError(t, c.WriteTo(&udpbatch.Address{Remote: local}, sealed(out, innerIPv4(60)), nil))
		sink.wait(t, 1)
		require.NoError(t, d.RemoveSocket(old))
		require.ErrorIs(t, d.RemoveSocket(old), ipsec.ErrPath)
		expect(local)
	}
	require.Len(t, d.Sockets(), 1)
	require.Len(t, w.(*writer).lanes, 1)
	require.EqualValues(t, 5, d.Totals().Sockets[0].RxDatagrams+4)

	// What is written to a socket that is gone is an error of Flush, not of anything else.
	require.NoError(t, d.RemoveSocket(d.Sockets()[0]))
	require.NoError(t, w.Write(h, innerIPv4(100), nil))
	require.Error(t, w.Flush())
	_, err = New(Options{Sink: sink, Sockets: []Socket{{Kind: NATT, Local: netip.AddrPortFrom(loopback4, 0)}, {Kind: NATT, Local: netip.MustParseAddrPort("192.0.2.1:4500")}}})
	require.ErrorContains(t, err, "192.0.2.1:4500")
}

// discard is a sink that takes all.
type discard struct{ n int }

func (s *discard) NewReceiver() ipsec.Receiver   { return s }
func (s *discard) IKE(ipsec.Path, []byte)        {}
func (s *discard) Event(ipsec.Event)             {}
func (s *discard) Inbound(batch []ipsec.Inbound) { s.n += len(batch) }

// The packet path must not allocate: not for ESP in either direction, nor for what is dropped.
func TestNoAllocations(t *testing.T) {
	sink := &discard{}
	d := newPlane(t, sink, Options{Workers: 1})
	c := peerSocket(t, udpbatch.Options{})
	sa, out := install(t, d, 1, 0, c.LocalAddr())
	served := d.Sockets()[0]
	e, err := d.endpoints.Find(served.Kind, served.Local)
	require.NoError(t, err)
	r := &receiver{d: d, e: e, c: e.Conns[0], sink: sink, batch: make([]ipsec.Inbound, 0, deliverBatch)}
	const n = 64
	packets, datagrams := make([][]byte, n), make([]udpbatch.Datagram, n)
	var sc esp.Scratch
	inner := innerIPv4(1428)
	for i := range packets {
		packets[i] = make([]byte, out.Size(len(inner)))
		datagrams[i] = udpbatch.Datagram{Data: packets[i], Local: e.Local, Remote: c.LocalAddr()}
	}
	junk := udpbatch.Datagram{Data: make([]byte, 40), Local: e.Local, Remote: c.LocalAddr()}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for i := range packets {
			seq, _ := out.Next()
			out.Seal(packets[i], seq, ipv4InESP, inner, nil, &sc)
		}
		r.handle(datagrams)
		r.handle(datagrams) // replays
		junk.Data[0] = 1
		r.datagram(&junk)
	}))
	require.Equal(t, 101*n, sink.n)

	h, err := d.Handle(sa.ID)
	require.NoError(t, err)
	w := d.NewWriter()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for range n {
			if err := w.Write(h, inner[:28], inner[28:]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}))
}

// FuzzDatagram gives a receiver anything on every kind of socket.
func FuzzDatagram(f *testing.F) {
	sink := &discard{}
	d, err := New(Options{Sink: sink, Workers: 1, MaxSAs: 16, Sockets: []Socket{{Kind: NATT, Local: netip.AddrPortFrom(loopback4, 0)}}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = d.Close() })
	sa, out := install(f, d, 1, 0, netip.MustParseAddrPort("127.0.0.1:9"))
	genuine := sealed(out, innerIPv4(60))
	binary.BigEndian.PutUint32(genuine, 0) // the target puts the SPI in, which is random
	f.Add(byte(NATT), true, genuine)
	f.Add(byte(NATT), false, []byte{0xff})
	f.Add(byte(NATT), false, append(make([]byte, 4), make([]byte, 28)...))
	f.Add(byte(IKE), false, make([]byte, 28))
	f.Add(byte(ESP), true, genuine[:20])
	f.Fuzz(func(t *testing.T, kind byte, known bool, b []byte) {
		e := &endpoint.Endpoint{Socket: Socket{Kind: Kind(kind%3) + NATT, Local: sa.Target.Path.Local}}
		r := &receiver{d: d, e: e, sink: sink, batch: make([]ipsec.Inbound, 0, deliverBatch)}
		if known && len(b) >= 4 {
			binary.BigEndian.PutUint32(b, sa.InboundSPI)
		}
		r.handle([]udpbatch.Datagram{{Data: b, Local: sa.Target.Path.Local, Remote: sa.Target.Path.Remote}})
		if n := d.totals.panics.Load(); n != 0 {
			t.Fatalf("%d panics", n)
		}
	})
}
