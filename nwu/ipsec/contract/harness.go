// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

const patience = 20 * time.Second // a limit for failing tests; passing ones wait for what happens, not for time

// harness is a test's data plane, sink and peer.
type harness struct {
	Environment
	t      *testing.T
	writer ipsec.Writer
	sink   *sink
	nextID ipsec.ChildID
}

type received struct {
	ID      ipsec.ChildID
	Context any
	SPI     uint32
	Packet  []byte
}

type message struct {
	path ipsec.Path
	data []byte
}

// sink keeps copies of all it gets.
type sink struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever something comes
	packets []received
	ike     []message
	events  []ipsec.Event
	closed  bool
	late    bool // something came after Close
}

func (s *sink) NewReceiver() ipsec.Receiver { return s }

func (s *sink) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = s.late || s.closed
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *sink) Inbound(batch []ipsec.Inbound) {
	s.note(func() {
		for _, p := range batch {
			s.packets = append(s.packets, received{p.ID, p.Context, p.SPI, bytes.Clone(p.Packet)})
			clear(p.Packet) // it is ours to change
		}
	})
}

func (s *sink) IKE(path ipsec.Path, m []byte) {
	s.note(func() { s.ike = append(s.ike, message{path, bytes.Clone(m)}) })
}

func (s *sink) Event(ev ipsec.Event) { s.note(func() { s.events = append(s.events, ev) }) }

func newHarness(t *testing.T, maker Maker) *harness {
	h := &harness{t: t, sink: &sink{changed: make(chan struct{})}, nextID: 100}
	h.Environment = maker(t, h.sink)
	h.writer = h.DataPlane.NewWriter()
	t.Cleanup(func() { require.NoError(t, h.DataPlane.Close()) })
	return h
}

// wait waits until cond holds; cond is called with the sink locked.
func (h *harness) wait(what string, cond func() bool) {
	h.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		h.sink.mu.Lock()
		ok, changed := cond(), h.sink.changed
		h.sink.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			require.FailNow(h.t, "nothing came", what)
		}
	}
}

// eventually waits for a value that nobody announces, a counter say.
func (h *harness) eventually(what string, cond func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			require.FailNow(h.t, "did not happen", what)
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// packet waits for the next inner packet.
func (h *harness) packet() received {
	h.t.Helper()
	var p received
	h.wait("inner packet", func() bool {
		if len(h.sink.packets) == 0 {
			return false
		}
		p, h.sink.packets = h.sink.packets[0], h.sink.packets[1:]
		return true
	})
	return p
}

// event waits for the next event of a type and takes it out.
func event[E ipsec.Event](h *harness) E {
	h.t.Helper()
	var found E
	h.wait("event", func() bool {
		for i, ev := range h.sink.events {
			if e, ok := ev.(E); ok {
				found = e
				h.sink.events = append(h.sink.events[:i:i], h.sink.events[i+1:]...)
				return true
			}
		}
		return false
	})
	return found
}

func (h *harness) noPacket() {
	h.t.Helper()
	h.sink.mu.Lock()
	defer h.sink.mu.Unlock()
	require.Empty(h.t, h.sink.packets)
}

func countEvents[E ipsec.Event](h *harness) (n int) {
	h.sink.mu.Lock()
	defer h.sink.mu.Unlock()
	for _, ev := range h.sink.events {
		if _, ok := ev.(E); ok {
			n++
		}
	}
	return n
}

func (h *harness) stats(id ipsec.ChildID) ipsec.Stats {
	h.t.Helper()
	s, err := h.DataPlane.Stats(id)
	require.NoError(h.t, err)
	return s
}

// socket is a place where the peer is.
type socket struct {
	h    *harness
	conn *udpbatch.Conn
	rx   *udpbatch.Receiver
	natt bool
	got  chan message
}

// udp opens a UDP socket at the peer; plain a raw one.
func (h *harness) udp(a netip.Addr) *socket   { return h.open(a, true) }
func (h *harness) plain(a netip.Addr) *socket { return h.open(a, false) }

func (h *harness) open(a netip.Addr, natt bool) *socket {
	h.t.Helper()
	o := udpbatch.Options{Local: netip.AddrPortFrom(a, 0)}
	if !natt {
		o.Protocol = 50
	}
	c, err := h.Listen(o)
	require.NoError(h.t, err)
	s := &socket{h: h, conn: c, rx: c.NewReceiver(), natt: natt, got: make(chan message, 4096)}
	done, quit := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			batch, err := s.rx.Receive()
			if err != nil {
				return
			}
			for _, d := range batch {
				select {
				case s.got <- message{ipsec.Path{Local: d.Local, Remote: d.Remote, NATT: natt}, bytes.Clone(d.Data)}:
				case <-quit:
					return
				}
			}
		}
	}()
	h.t.Cleanup(func() { close(quit); _ = c.Close(); <-done })
	return s
}

// path is the data plane's path to s.
func (s *socket) path() ipsec.Path {
	local := s.h.Local4
	if s.conn.LocalAddr().Addr().Is6() {
		local = s.h.Local6
	}
	if !s.natt {
		local = netip.AddrPortFrom(local.Addr(), 0)
	}
	return ipsec.Path{Local: local, Remote: s.conn.LocalAddr(), NATT: s.natt}
}

func (s *socket) send(b []byte) {
	s.h.t.Helper()
	require.NoError(s.h.t, s.conn.WriteTo(&udpbatch.Address{Remote: s.path().Local}, b, nil))
}

func (s *socket) receive() message {
	s.h.t.Helper()
	select {
	case m := <-s.got:
		return m
	case <-time.After(patience):
		require.FailNow(s.h.t, "nothing came to the peer")
		return message{}
	}
}

// generation is the peer's end of a generation.
type generation struct {
	h       *harness
	sa      ipsec.ChildSA
	out     *esp.Outbound
	in      *esp.Inbound
	scratch esp.Scratch
}

// suite is an algorithm with the lengths of its keys in octets.
type suite struct {
	name        string
	alg         ipsec.Algorithms
	encr, integ int
}

var suites = []suite{
	{"AES-GCM-128", ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, 20, 0},
	{"AES-GCM-256", ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, 36, 0},
	{"ChaCha20-Poly1305", ipsec.Algorithms{Encr: ipsec.EncrChaCha20Poly1305}, 36, 0},
	{"AES-CBC-128+SHA256", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA256_128}, 16, 32},
	{"AES-CBC-192+SHA384", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA384_192}, 24, 48},
	{"AES-CBC-256+SHA512", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA512_256}, 32, 64},
	{"AES-CBC-256+SHA1", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA1_96}, 32, 20},
}

func (s suite) keys(fill byte) ipsec.Keys {
	k := ipsec.Keys{Encr: bytes.Repeat([]byte{fill}, s.encr)}
	if s.integ > 0 {
		k.Integ = bytes.Repeat([]byte{fill + 1}, s.integ)
	}
	return k
}

// sa makes a child SA to s with AES-GCM-128 and the inner hosts of the tests; change it and install.
func (h *harness) sa(s *socket) ipsec.ChildSA {
	h.t.Helper()
	h.nextID++
	sa := h.generationOf(ipsec.ChildSA{ID: h.nextID, Algorithms: suites[0].alg, ESN: true}, suites[0])
	sa.Target = ipsec.Target{Path: s.path(), Limit: ipsec.Unlimited}
	sa.Local = []ipsec.Selector{ipsec.HostSelector(innerLocal4, 0), ipsec.HostSelector(innerLocal6, 0)}
	sa.Remote = []ipsec.Selector{ipsec.HostSelector(innerRemote4, 0), ipsec.HostSelector(innerRemote6, 0)}
	sa.Context = h.nextID
	return sa
}

// generationOf gives sa new SPIs and keys.
func (h *harness) generationOf(sa ipsec.ChildSA, s suite) ipsec.ChildSA {
	h.t.Helper()
	var err error
	sa.InboundSPI, err = h.DataPlane.NewInboundSPI(-1)
	require.NoError(h.t, err)
	sa.OutboundSPI = 0x7000_0000 | sa.InboundSPI>>4
	sa.Algorithms = s.alg
	sa.InboundKeys, sa.OutboundKeys = s.keys(byte(sa.InboundSPI)), s.keys(byte(sa.InboundSPI)+7)
	return sa
}

func (h *harness) install(sa ipsec.ChildSA) *generation {
	h.t.Helper()
	require.NoError(h.t, h.DataPlane.Install(sa))
	return h.peerOf(sa)
}

func (h *harness) peerOf(sa ipsec.ChildSA) *generation {
	h.t.Helper()
	g := &generation{h: h, sa: sa}
	var err error
	g.out, err = esp.NewOutbound(sa.InboundSPI, sa.Algorithms, sa.InboundKeys, sa.ESN, 0)
	require.NoError(h.t, err)
	g.in, err = esp.NewInbound(sa.OutboundSPI, sa.Algorithms, sa.OutboundKeys, sa.ESN, ipsec.MaxReplayWindow)
	require.NoError(h.t, err)
	return g
}

// seal makes the peer's ESP packet with a sequence number of the test's choice.
func (g *generation) seal(seq uint64, inner []byte) []byte {
	b := make([]byte, g.out.Size(len(inner)))
	next := byte(4)
	if len(inner) > 0 && inner[0]>>4 == 6 {
		next = 41
	}
	g.out.Seal(b, seq, next, inner, nil, &g.scratch)
	return b
}

func (g *generation) next(inner []byte) []byte {
	seq, _ := g.out.Next()
	return g.seal(seq, inner)
}

// up sends an inner packet from the peer on s and expects it to be handed on.
func (g *generation) up(s *socket, inner []byte) {
	g.h.t.Helper()
	s.send(g.next(inner))
	g.handedOn(inner)
}

func (g *generation) handedOn(inner []byte) {
	g.h.t.Helper()
	require.Equal(g.h.t, received{g.sa.ID, g.sa.Context, g.sa.InboundSPI, inner}, g.h.packet())
}

// down writes an inner packet and expects the peer to get it on s.
func (g *generation) down(s *socket, inner []byte) {
	g.h.t.Helper()
	require.NoError(g.h.t, g.h.write(g.sa.ID, inner))
	g.arrives(s, inner)
}

func (h *harness) write(id ipsec.ChildID, inner []byte) error {
	h.t.Helper()
	handle, err := h.DataPlane.Handle(id)
	require.NoError(h.t, err)
	require.Equal(h.t, id, handle.ID())
	if err := h.writer.Write(handle, inner[:len(inner)/2], inner[len(inner)/2:]); err != nil {
		return err
	}
	return h.writer.Flush()
}

// arrives expects the next packet at s to be from us, on the path that s is, with that inner packet.
func (g *generation) arrives(s *socket, inner []byte) {
	g.h.t.Helper()
	m := s.receive()
	p := s.path()
	require.Equal(g.h.t, ipsec.Path{Local: p.Remote, Remote: p.Local, NATT: p.NATT}, m.path)
	require.Equal(g.h.t, g.sa.OutboundSPI, binary.BigEndian.Uint32(m.data))
	payload, next, err := g.in.Open(m.data, &g.scratch)
	require.NoError(g.h.t, err)
	require.Equal(g.h.t, inner, append([]byte{}, payload...))
	require.Equal(g.h.t, inner[0]>>4 == 6, next == 41)
}

// both sends one packet in each direction on s.
func (g *generation) both(s *socket) {
	g.h.t.Helper()
	g.up(s, upPacket(60))
	g.down(s, downPacket(60))
}

// Inner hosts: local is ours.
var (
	innerLocal4  = netip.MustParseAddr("10.0.0.1")
	innerRemote4 = netip.MustParseAddr("10.0.0.2")
	innerLocal6  = netip.MustParseAddr("fd00::1")
	innerRemote6 = netip.MustParseAddr("fd00::2")
)

func upPacket(n int) []byte   { return inner(innerRemote4, innerLocal4, 47, n) }
func downPacket(n int) []byte { return inner(innerLocal4, innerRemote4, 47, n) }

// inner makes an IP packet of n octets at least of the header's length; the payload counts up.
func inner(src, dst netip.Addr, protocol byte, n int) []byte {
	header := 20
	if src.Is6() {
		header = 40
	}
	b := make([]byte, max(n, header))
	for i := range b {
		b[i] = byte(i)
	}
	if src.Is6() {
		copy(b, []byte{0x60, 0, 0, 0})
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
		b[6], b[7] = protocol, 64
		copy(b[8:], src.AsSlice())
		copy(b[24:], dst.AsSlice())
		return b
	}
	copy(b, []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0})
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	return b
}
