// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// event is what a side was told.
type event struct {
	kind   string
	ue     netip.Addr
	pdu    []byte
	reason error
	lost   Undelivered
	conn   *Conn
}

type recorder struct {
	events chan event
	onNAS  func(ue netip.Addr, pdu []byte)
}

func newRecorder() *recorder { return &recorder{events: make(chan event, 4096)} }
func (r *recorder) OnConnected(ue netip.Addr, c *Conn) {
	r.events <- event{kind: "connected", ue: ue, conn: c}
}
func (r *recorder) OnClosed(ue netip.Addr, c *Conn, e Ended) {
	r.events <- event{kind: "closed", ue: ue, conn: c, reason: e.Reason, lost: e.Undelivered}
}
func (r *recorder) OnNAS(ue netip.Addr, pdu []byte) {
	if r.onNAS != nil {
		r.onNAS(ue, pdu)
	}
	r.events <- event{kind: "nas", ue: ue, pdu: pdu}
}

func (r *recorder) next(t *testing.T, kind string) event {
	t.Helper()
	select {
	case e := <-r.events:
		require.Equal(t, kind, e.kind, "%+v", e)
		return e
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s", kind)
	}
	return event{}
}

// kind gives the kind of the next event, whatever it is.
func (r *recorder) kind(t *testing.T) string {
	t.Helper()
	select {
	case e := <-r.events:
		return e.kind
	case <-time.After(20 * time.Second):
		t.Fatal("no event")
	}
	return ""
}

// pair joins a server and a client; tap sees every packet and may drop it.
func pair(t testing.TB, tap func(toServer bool, packet []byte) bool, change func(server, client *Options)) (*Server, *recorder, *Client, *recorder) {
	t.Helper()
	var server *Server
	var client *Client
	ready := make(chan struct{})
	sr, cr := newRecorder(), newRecorder()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	so := Options{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}, Events: sr, Logger: quiet}
	so.Out = func(_ netip.Addr, p []byte) {
		<-ready
		if tap == nil || tap(false, p) {
			client.Input(p)
		}
	}
	co := Options{Events: cr, Logger: quiet}
	co.Out = func(_ netip.Addr, p []byte) {
		<-ready
		if tap == nil || tap(true, p) {
			server.Input(p)
		}
	}
	if change != nil {
		change(&so, &co)
	}
	var err error
	server, err = NewServer(so)
	require.NoError(t, err)
	client, err = NewClient(co)
	require.NoError(t, err)
	close(ready)
	t.Cleanup(func() {
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
	})
	return server, sr, client, cr
}

func TestExchange(t *testing.T) {
	for _, c := range []struct{ ue, server string }{
		{"10.0.0.2", "10.0.0.1:20000"},
		{"fd00::2", "[fd00::1]:20000"},
	} {
		t.Run(c.ue, func(t *testing.T) {
			const mtu = 1300
			var tooLong atomic.Int64
			syn := make(chan uint16, 16)
			tap := func(_ bool, p []byte) bool {
				if len(p) > mtu {
					tooLong.Add(1)
				}
				first := layers.LayerTypeIPv4
				if p[0]>>4 == 6 {
					first = layers.LayerTypeIPv6
				}
				if tcp, ok := gopacket.NewPacket(bytes.Clone(p), first, gopacket.Default).Layer(layers.LayerTypeTCP).(*layers.TCP); ok && tcp.SYN {
					for _, o := range tcp.Options {
						if o.OptionType == layers.TCPOptionKindMSS {
							syn <- binary.BigEndian.Uint16(o.OptionData)
						}
					}
				}
				return true
			}
			server, sr, client, cr := pair(t, tap, func(s, c *Options) { s.MTU, c.MTU = mtu, mtu })
			ue := netip.MustParseAddr(c.ue)
			require.ErrorIs(t, server.Send(ue, []byte{1}), ErrNotConnected)
			require.NoError(t, client.Dial(ue, netip.MustParseAddrPort(c.server)))
			require.Equal(t, ue, sr.next(t, "connected").ue)
			require.Equal(t, ue, cr.next(t, "connected").ue)
			headers := uint16(40)
			if ue.Is6() {
				headers = 60
			}
			require.Equal(t, mtu-headers, <-syn)
			require.Equal(t, mtu-headers, <-syn)

			// All lengths around the interesting ones, in order, in both directions.
			lengths := []int{1, 2, 100, 1238, 1239, 1240, 1241, 5000, 8192}
			for i, n := range lengths {
				pdu := bytes.Repeat([]byte{byte(i + 1)}, n)
				require.NoError(t, server.Send(ue, pdu))
				require.NoError(t, client.Send(ue, pdu))
			}
			for i, n := range lengths {
				pdu := bytes.Repeat([]byte{byte(i + 1)}, n)
				require.Equal(t, pdu, sr.next(t, "nas").pdu)
				require.Equal(t, pdu, cr.next(t, "nas").pdu)
			}
			require.True(t, server.Connected(ue))
			require.Zero(t, tooLong.Load(), "packets above the MTU")
			client.Disconnect(ue)
			require.ErrorIs(t, cr.next(t, "closed").reason, ErrClosed)
			require.ErrorIs(t, sr.next(t, "closed").reason, ErrPeerClosed)
			require.False(t, server.Connected(ue))
			require.Equal(t, uint64(0), server.Stats().Connections)
		})
	}
}

// Envelopes leave one segment each as long as the window allows: some UEs take one read for one message.
func TestOneSegmentPerEnvelope(t *testing.T) {
	payloads := make(chan []byte, 64)
	tap := func(toServer bool, p []byte) bool {
		if tcp, ok := gopacket.NewPacket(bytes.Clone(p), layers.LayerTypeIPv4, gopacket.Default).Layer(layers.LayerTypeTCP).(*layers.TCP); ok && !toServer && len(tcp.Payload) > 0 {
			payloads <- tcp.Payload
		}
		return true
	}
	server, sr, client, cr := pair(t, tap, nil)
	ue := netip.MustParseAddr("10.0.0.2")
	require.NoError(t, client.Dial(ue, netip.MustParseAddrPort("10.0.0.1:20000")))
	sr.next(t, "connected")
	cr.next(t, "connected")
	for i := range 8 {
		require.NoError(t, server.Send(ue, []byte{byte(i), 0x7e}))
	}
	for i := range 8 {
		cr.next(t, "nas")
		require.Equal(t, []byte{0, 2, byte(i), 0x7e}, <-payloads)
	}
}

func TestReplaced(t *testing.T) {
	server, sr, client, cr := pair(t, nil, nil)
	ue, to := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddrPort("10.0.0.1:20000")
	require.NoError(t, client.Dial(ue, to))
	cr.next(t, "connected")
	sr.next(t, "connected")
	// The client resets its old connection itself: whichever the server sees first, a close comes before the new connection.
	require.NoError(t, client.Dial(ue, to))
	require.ErrorIs(t, cr.next(t, "closed").reason, ErrReplaced)
	cr.next(t, "connected")
	require.Error(t, sr.next(t, "closed").reason)
	sr.next(t, "connected")
	require.NoError(t, server.Send(ue, []byte("new")))
	require.Equal(t, "new", string(cr.next(t, "nas").pdu))
}

// A UE that has lost its state connects again without having closed: the newer connection counts.
func TestReplacedWithoutClose(t *testing.T) {
	var drop atomic.Bool
	server, sr, client, cr := pair(t, func(toServer bool, p []byte) bool {
		const rst = 4
		return !(drop.Load() && toServer && p[33]&rst != 0)
	}, nil)
	ue, to := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddrPort("10.0.0.1:20000")
	require.NoError(t, client.Dial(ue, to))
	cr.next(t, "connected")
	sr.next(t, "connected")
	drop.Store(true)
	require.NoError(t, client.Dial(ue, to))
	require.ErrorIs(t, cr.next(t, "closed").reason, ErrReplaced)
	require.ErrorIs(t, sr.next(t, "closed").reason, ErrReplaced)
	sr.next(t, "connected")
	require.Equal(t, uint64(1), server.Stats().Replaced)
}

func TestProtocolErrorEndsOnlyThatConnection(t *testing.T) {
	server, sr, client, cr := pair(t, nil, func(s, _ *Options) { s.MaxPDU = 100 })
	good, bad, to := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddrPort("10.0.0.1:20000")
	for _, ue := range []netip.Addr{good, bad} {
		require.NoError(t, client.Dial(ue, to))
		cr.next(t, "connected")
		sr.next(t, "connected")
	}
	require.NoError(t, client.Send(bad, make([]byte, 101)))
	e := sr.next(t, "closed")
	require.Equal(t, bad, e.ue)
	require.ErrorIs(t, e.reason, ErrProtocol)
	require.Equal(t, bad, cr.next(t, "closed").ue)
	require.NoError(t, client.Send(good, make([]byte, 100)))
	require.Len(t, sr.next(t, "nas").pdu, 100)
	require.Equal(t, uint64(1), server.Stats().Protocol)
}

func TestPanicEndsOnlyThatConnection(t *testing.T) {
	var log strings.Builder
	server, sr, client, cr := pair(t, nil, func(o, _ *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.LogAttrs = func(ue netip.Addr) []slog.Attr { return []slog.Attr{slog.String("ue", "the one at "+ue.String())} }
	})
	sr.onNAS = func(_ netip.Addr, pdu []byte) {
		if string(pdu) == "boom" {
			panic("boom")
		}
	}
	good, bad, to := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddrPort("10.0.0.1:20000")
	for _, ue := range []netip.Addr{good, bad} {
		require.NoError(t, client.Dial(ue, to))
		cr.next(t, "connected")
		sr.next(t, "connected")
	}
	require.NoError(t, client.Send(bad, []byte("boom")))
	require.ErrorIs(t, sr.next(t, "closed").reason, ErrPanic)
	require.Contains(t, log.String(), `ue="the one at 10.0.0.3"`)
	cr.next(t, "closed")
	require.NoError(t, client.Send(good, []byte("fine")))
	require.Equal(t, "fine", string(sr.next(t, "nas").pdu))
	require.Equal(t, uint64(1), server.Stats().Panics)
	require.True(t, server.Connected(good))
}

// A UE that does not acknowledge costs no more than MaxPending and TCP's own buffer.
func TestOverflow(t *testing.T) {
	stalled := make(chan struct{})
	server, sr, client, cr := pair(t, func(toServer bool, _ []byte) bool {
		select {
		case <-stalled:
			return !toServer
		default:
			return true
		}
	}, nil)
	ue := netip.MustParseAddr("10.0.0.2")
	require.NoError(t, client.Dial(ue, netip.MustParseAddrPort("10.0.0.1:20000")))
	cr.next(t, "connected")
	sr.next(t, "connected")
	close(stalled)
	var err error
	sent := 0
	for err == nil && sent < 1<<20 {
		if err = server.Send(ue, make([]byte, 4096)); err == nil {
			sent += 4096
		}
	}
	require.ErrorIs(t, err, ErrOverflow)
	require.Less(t, sent, 65536+4*defaultBuffer)
	require.True(t, server.Connected(ue))
}

func TestDialRefused(t *testing.T) {
	_, _, client, cr := pair(t, nil, nil)
	ue := netip.MustParseAddr("10.0.0.2")
	require.NoError(t, client.Dial(ue, netip.MustParseAddrPort("10.0.0.1:1")))
	require.ErrorIs(t, cr.next(t, "closed").reason, ErrReset)
	require.Error(t, client.Dial(ue, netip.MustParseAddrPort("[fd00::1]:20000")))
	client.Forget(ue)
}

func TestInputRejectsWhatIsNoPacket(t *testing.T) {
	server, sr, client, cr := pair(t, nil, nil)
	for _, p := range [][]byte{nil, {0x45}, make([]byte, 60), bytes.Repeat([]byte{0x45}, 20), bytes.Repeat([]byte{0x60}, 39), bytes.Repeat([]byte{0x46}, 1500)} {
		server.Input(p)
	}
	require.Equal(t, uint64(4), server.Stats().Rejected)
	require.NoError(t, client.Dial(netip.MustParseAddr("10.0.0.2"), netip.MustParseAddrPort("10.0.0.1:20000")))
	sr.next(t, "connected")
	cr.next(t, "connected")
}

// What an idle registered UE costs on the heap, on the network's side, must leave room within 24 KiB a UE.
func TestIdleConnectionHeap(t *testing.T) {
	const n = 1000
	server, sr, client, cr := pair(t, nil, nil)
	to := netip.MustParseAddrPort("10.0.0.1:20000")
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, ue := heap(), netip.MustParseAddr("10.1.0.1")
	for range n {
		require.NoError(t, client.Dial(ue, to))
		sr.next(t, "connected")
		cr.next(t, "connected")
		require.NoError(t, client.Send(ue, make([]byte, 60)))
		sr.next(t, "nas")
		require.NoError(t, server.Send(ue, make([]byte, 60)))
		cr.next(t, "nas")
		ue = ue.Next()
	}
	both := (heap() - before) / n
	t.Logf("both ends of an idle connection: %d octets of heap", both)
	require.Less(t, both, uint64(24<<10))
	require.Equal(t, uint64(n), server.Stats().Connections)
}

// nasStreams gives the two TCP payload streams of the recorded exchange: from the UE, from the N3IWF.
func nasStreams(t testing.TB) (up, down []byte) {
	t.Helper()
	f, err := os.Open("../../test/testdata/free5gc-registration/nas-tcp-inner.pcap")
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	next := map[bool]uint32{}
	for {
		frame, _, err := r.ReadPacketData()
		if err == io.EOF {
			return up, down
		}
		require.NoError(t, err)
		const sll2 = 20 // Linux cooked capture, version 2
		tcp, ok := gopacket.NewPacket(frame[sll2:], layers.LayerTypeIPv4, gopacket.Default).Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok {
			continue
		}
		fromUE := tcp.DstPort == 20000
		if tcp.SYN {
			next[fromUE] = tcp.Seq + 1
			continue
		}
		if tcp.Seq != next[fromUE] {
			continue // keep-alive or retransmission
		}
		next[fromUE] += uint32(len(tcp.Payload))
		if fromUE {
			up = append(up, tcp.Payload...)
		} else {
			down = append(down, tcp.Payload...)
		}
	}
}

func TestCaptureNAS(t *testing.T) {
	up, down := nasStreams(t)
	for _, c := range []struct {
		name   string
		stream []byte
		pdus   int
	}{{"from UE", up, 3}, {"to UE", down, 3}} {
		t.Run(c.name, func(t *testing.T) {
			var whole, single [][]byte
			s := Splitter{Max: 8192}
			require.NoError(t, s.Push(c.stream, func(pdu []byte) { whole = append(whole, pdu) }))
			require.Zero(t, s.Buffered())
			for i := range c.stream {
				require.NoError(t, s.Push(c.stream[i:i+1], func(pdu []byte) { single = append(single, pdu) }))
			}
			require.Equal(t, whole, single)
			require.Len(t, whole, c.pdus)
			var again []byte
			for _, pdu := range whole {
				require.Equal(t, byte(0x7e), pdu[0], "5GMM: %s", hex.EncodeToString(pdu))
				again = AppendEnvelope(again, pdu)
			}
			require.Equal(t, c.stream, again)
		})
	}
}

// The recorded UE's side of the exchange, driven through the stack, gives the same messages.
func TestCaptureNASThroughStack(t *testing.T) {
	up, _ := nasStreams(t)
	_, sr, client, cr := pair(t, nil, nil)
	ue := netip.MustParseAddr("10.0.0.2")
	require.NoError(t, client.Dial(ue, netip.MustParseAddrPort("10.0.0.1:20000")))
	sr.next(t, "connected")
	cr.next(t, "connected")
	s := Splitter{Max: 8192}
	require.NoError(t, s.Push(up, func(pdu []byte) {
		require.NoError(t, client.Send(ue, pdu))
		require.Equal(t, pdu, sr.next(t, "nas").pdu)
	}))
}

func TestSplitter(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream []byte
		pdus   [][]byte
		fails  bool
		rest   int
	}{
		{"nothing", nil, nil, false, 0},
		{"half a length", []byte{0}, nil, false, 1},
		{"zero length", []byte{0, 0}, nil, true, 0},
		{"two and a half", []byte{0, 1, 7, 0, 2, 8, 9, 0, 2, 5}, [][]byte{{7}, {8, 9}}, false, 3},
		{"longest", append([]byte{0, 4}, 1, 2, 3, 4), [][]byte{{1, 2, 3, 4}}, false, 0},
		{"too long", []byte{0, 5}, nil, true, 0},
		{"good, then bad", []byte{0, 1, 7, 0, 0}, [][]byte{{7}}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Splitter{Max: 4}
			var pdus [][]byte
			err := s.Push(c.stream, func(pdu []byte) { pdus = append(pdus, pdu) })
			require.Equal(t, c.pdus, pdus)
			if c.fails {
				require.ErrorIs(t, err, ErrProtocol)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.rest, s.Buffered())
		})
	}
}

func FuzzSplitter(f *testing.F) {
	up, down := nasStreams(f)
	f.Add(up, 3)
	f.Add(down, 1)
	f.Add([]byte{0, 0}, 1)
	f.Add([]byte{0xff, 0xff, 1}, 2)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		step = max(1, step&0xff)
		split := func(step int) (pdus [][]byte, rest int, err error) {
			s := Splitter{Max: 1000}
			for left := stream; len(left) > 0 && err == nil; {
				n := min(step, len(left))
				err = s.Push(left[:n], func(pdu []byte) { pdus = append(pdus, pdu) })
				left = left[n:]
			}
			return pdus, s.Buffered(), err
		}
		one, rest1, err1 := split(max(1, len(stream)))
		many, rest2, err2 := split(step)
		if (err1 == nil) != (err2 == nil) || len(one) != len(many) || rest1 != rest2 && err1 == nil {
			t.Fatalf("in one: %d messages, %v; in steps of %d: %d messages, %v", len(one), err1, step, len(many), err2)
		}
		var again []byte
		for i := range one {
			if !bytes.Equal(one[i], many[i]) {
				t.Fatal("messages differ")
			}
			again = AppendEnvelope(again, one[i])
		}
		if !bytes.HasPrefix(stream, again) {
			t.Fatal("not what came")
		}
	})
}

// TestHandshakesOvertake: the handshake of a UE's earlier connection is completed behind that of its later one, which stays.
func TestHandshakesOvertake(t *testing.T) {
	const flags, syn = 20 + 13, 0x02
	held := make(chan []byte, 16)
	var first atomic.Uint32 // port of the earlier connection
	server, sr, client, cr := pair(t, func(toServer bool, p []byte) bool {
		port := uint32(binary.BigEndian.Uint16(p[20:]))
		switch {
		case !toServer:
			return true
		case p[flags] == syn:
			first.CompareAndSwap(0, port)
		case port == first.Load():
			select {
			case held <- bytes.Clone(p): // ACK, and then RST
			default:
			}
			return false
		}
		return true
	}, nil)
	ue, to := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddrPort("10.0.0.1:20000")
	require.NoError(t, client.Dial(ue, to))
	cr.next(t, "connected")
	require.NoError(t, client.Dial(ue, to))
	cr.next(t, "closed")
	cr.next(t, "connected")
	later := sr.next(t, "connected").conn
	server.Input(<-held)
	require.Eventually(t, func() bool { return server.Stats().Replaced == 1 }, 20*time.Second, time.Millisecond, "the earlier connection")
	require.NoError(t, later.Send([]byte{1, 2, 3}))
	require.Equal(t, []byte{1, 2, 3}, cr.next(t, "nas").pdu)
	require.NoError(t, client.Send(ue, []byte{4}))
	require.Equal(t, []byte{4}, sr.next(t, "nas").pdu, "and the server has told of no end")
	require.EqualValues(t, 1, server.Stats().Connections)
}
