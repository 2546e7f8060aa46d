// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plane is the part of a data plane that the relay uses: it keeps what would be encrypted. The real one is in esp_test.go.
type plane struct {
	ipsec.DataPlane
	mu      sync.Mutex
	written map[ipsec.ChildID][][]byte
	refuse  atomic.Uint64 // ChildID
	panics  atomic.Uint64 // ChildID
	discard atomic.Bool
	wrote   chan struct{}
}

type handle ipsec.ChildID

func (h handle) ID() ipsec.ChildID { return ipsec.ChildID(h) }

func newPlane() *plane {
	return &plane{written: make(map[ipsec.ChildID][][]byte), wrote: make(chan struct{}, 1<<16)}
}

func (p *plane) Handle(id ipsec.ChildID) (ipsec.Handle, error) {
	if id >= 1000 {
		return nil, ipsec.ErrUnknown
	}
	return handle(id), nil
}
func (p *plane) NewWriter() ipsec.Writer { return p }
func (p *plane) Flush() error            { return nil }
func (p *plane) Write(h ipsec.Handle, head, payload []byte) error {
	switch id := h.ID(); {
	case p.discard.Load():
	case uint64(id) == p.refuse.Load():
		return ipsec.ErrHeld
	case uint64(id) == p.panics.Load():
		panic("out of order")
	default:
		p.mu.Lock()
		p.written[id] = append(p.written[id], append(bytes.Clone(head), payload...))
		p.mu.Unlock()
		p.wrote <- struct{}{}
	}
	return nil
}

// next waits for one written packet and gives the child SA it went through.
func (p *plane) next(t *testing.T) (ipsec.ChildID, []byte) {
	t.Helper()
	select {
	case <-p.wrote:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was written")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, list := range p.written {
		if len(list) > 0 {
			p.written[id] = list[1:]
			return id, list[0]
		}
	}
	t.Fatal("nothing was written")
	return 0, nil
}

// upf is the other end of N3: a plain socket on the registered port of a loopback address of its own.
type upf struct {
	t    *testing.T
	conn *net.UDPConn
	addr netip.AddrPort
	n3   netip.AddrPort
}

func newUPF(t *testing.T, v6 bool) *upf {
	t.Helper()
	for range 50 {
		a := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(256)), byte(1 + rand.IntN(250))})
		if v6 {
			a = netip.IPv6Loopback()
		}
		addr := netip.AddrPortFrom(a, gtpu.Port)
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
		if err != nil {
			continue
		}
		t.Cleanup(func() { c.Close() })
		return &upf{t: t, conn: c, addr: addr}
	}
	testenv.Need(t, false, "UDP port 2152 on a loopback address: end what uses it")
	return nil
}

func (u *upf) send(b []byte) {
	u.t.Helper()
	_, err := u.conn.WriteToUDPAddrPort(b, u.n3)
	require.NoError(u.t, err)
}

func (u *upf) read() []byte {
	u.t.Helper()
	b := make([]byte, 65536)
	require.NoError(u.t, u.conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := u.conn.Read(b)
	require.NoError(u.t, err)
	return b[:n]
}

// downlinkPDU is a G-PDU with container.
func downlinkPDU(teid uint32, qfi uint8, rqi bool, pdu []byte) []byte {
	b := make([]byte, gtpu.GPDUHeaderLen)
	gtpu.PutDownlink(b, teid, qfi, rqi, len(pdu))
	return append(b, pdu...)
}

var (
	ueAddr = netip.MustParseAddr("10.0.0.2")
	upAddr = netip.MustParseAddr("10.0.0.1")
)

// uplinkPacket is a decrypted inner packet.
func uplinkPacket(t testing.TB, source, destination netip.Addr, qfi uint8, pdu []byte) []byte {
	t.Helper()
	c, err := gre.NewCarrier(source, destination, 0)
	require.NoError(t, err)
	b := make([]byte, c.Len())
	c.Put(b, gre.Header{QFI: qfi}, len(pdu), 1)
	return append(b, pdu...)
}

// twoChildren is a session with three flows over two child SAs: QFI 1 and 3 (no child lists it) over 11, QFI 2 over 12.
func twoChildren(u netip.AddrPort) Config {
	return Config{
		Name: "test", PDUType: gre.PDUIPv4, UPF: u, UplinkTEID: 0xa1,
		Flows:    []Flow{{QFI: 1, Child: 11}, {QFI: 2, Child: 12, Reflective: true, DSCP: 46}, {QFI: 3}},
		Children: []Child{{ID: 11, UE: ueAddr, UP: upAddr}, {ID: 12, UE: ueAddr, UP: upAddr, DSCP: 46}},
		Default:  11,
	}
}

type rig struct {
	*Relay
	dp     *plane
	upf    *upf
	events chan Event
}

func newRig(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	r := &rig{dp: newPlane(), upf: newUPF(t, false), events: make(chan Event, 1024)}
	o := Options{
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Events: func(e Event) { r.events <- e },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Echo: gtpu.EchoTimers{Interval: time.Hour, T3: time.Hour},
	}
	if change != nil {
		change(&o)
	}
	var err error
	r.Relay, err = New(o)
	require.NoError(t, err)
	r.Start(r.dp)
	r.upf.n3 = r.LocalAddr()[0]
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// add adds a session and takes the echo request that the UPF gets for the first one.
func (r *rig) add(t *testing.T, c Config) *Session {
	t.Helper()
	s, err := r.Add(c)
	require.NoError(t, err)
	if r.Stats().Sessions == 1 {
		require.Equal(t, gtpu.AppendEchoRequest(nil, 1), r.upf.read())
	}
	return s
}

func (r *rig) event(t *testing.T) Event {
	t.Helper()
	select {
	case e := <-r.events:
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
	}
	return nil
}

func TestUplink(t *testing.T) {
	r := newRig(t, nil)
	s := r.add(t, twoChildren(r.upf.addr))
	u := r.NewUplink()
	pdu := []byte("a user's packet")
	// Any flow of the session through any of its child SAs.
	u.Inbound([]ipsec.Inbound{
		{ID: 11, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 1, pdu)},
		{ID: 12, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 2, pdu)},
		{ID: 12, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 3, pdu)},
	})
	got := map[uint8]bool{}
	for range 3 {
		m, err := gtpu.Decode(r.upf.read())
		require.NoError(t, err)
		require.Equal(t, uint32(0xa1), m.TEID)
		require.Equal(t, gtpu.UplinkInformation, m.Container.Type)
		require.Equal(t, pdu, m.Payload)
		got[m.Container.QFI] = true
	}
	require.Equal(t, map[uint8]bool{1: true, 2: true, 3: true}, got)
	require.Equal(t, Counter{3, uint64(3 * len(pdu))}, s.Stats().Uplink)
	require.Equal(t, Counter{3, uint64(3 * len(pdu))}, r.Stats().Uplink)

	// A carrier that the UE's stack has cut in two: 20 octets of IP, then 8 and 15.
	whole := uplinkPacket(t, ueAddr, upAddr, 1, pdu)
	first, second := bytes.Clone(whole[:28]), append(bytes.Clone(whole[:20]), whole[28:]...)
	first[3], first[6] = 28, 0x20
	second[3], second[7] = byte(len(second)), 1
	u.Inbound([]ipsec.Inbound{{ID: 11, Context: s, Packet: second}, {ID: 11, Context: s, Packet: first}})
	m, err := gtpu.Decode(r.upf.read())
	require.NoError(t, err)
	require.Equal(t, pdu, m.Payload)
	require.Equal(t, uint64(1), r.Stats().Reassembled)
	require.Zero(t, r.Stats().Dropped())

	other := netip.MustParseAddr("10.0.0.3")
	removed, err := r.Add(twoChildren(r.upf.addr))
	require.NoError(t, err)
	removed.Remove()
	fragment := uplinkPacket(t, ueAddr, upAddr, 1, pdu)
	fragment[6] = 0x20
	for _, c := range []struct {
		name   string
		in     ipsec.Inbound
		reason Reason
	}{
		{"no context", ipsec.Inbound{ID: 11, Packet: uplinkPacket(t, ueAddr, upAddr, 1, pdu)}, NoSession},
		{"removed", ipsec.Inbound{ID: 11, Context: removed, Packet: uplinkPacket(t, ueAddr, upAddr, 1, pdu)}, NoSession},
		{"child SA of nobody", ipsec.Inbound{ID: 13, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 1, pdu)}, NoChild},
		{"another QFI", ipsec.Inbound{ID: 11, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 4, pdu)}, UnknownQFI},
		{"another source", ipsec.Inbound{ID: 11, Context: s, Packet: uplinkPacket(t, other, upAddr, 1, pdu)}, greReason(gre.DropSource)},
		{"another destination", ipsec.Inbound{ID: 11, Context: s, Packet: uplinkPacket(t, ueAddr, other, 1, pdu)}, greReason(gre.DropDestination)},
		{"nothing inside", ipsec.Inbound{ID: 11, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 1, nil)}, EmptyPDU},
		{"fragment", ipsec.Inbound{ID: 11, Context: s, Packet: fragment}, greReason(gre.DropFragment)},
		{"not GRE", ipsec.Inbound{ID: 11, Context: s, Packet: []byte{0x45}}, greReason(gre.DropShort)},
		{"too long for UDP", ipsec.Inbound{ID: 11, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 1, make([]byte, gtpu.MaxPDU+1))}, TooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := r.Stats()
			u.Inbound([]ipsec.Inbound{c.in})
			after := r.Stats()
			before.Drops[c.reason]++
			require.Equal(t, before.Traffic, after.Traffic, "%s", c.reason)
		})
	}
}

func TestDownlink(t *testing.T) {
	r := newRig(t, nil)
	s := r.add(t, twoChildren(r.upf.addr))
	require.Equal(t, netip.MustParseAddr("127.0.0.1"), s.Local())
	pdu := []byte{0x45, 1, 2, 3}
	for _, c := range []struct {
		name  string
		qfi   uint8
		rqi   bool
		child ipsec.ChildID
		want  gre.Header
	}{
		{"flow of the first", 1, false, 11, gre.Header{QFI: 1, Protocol: gre.TypeIPv4}},
		{"flow of the second, with RQI", 2, true, 12, gre.Header{QFI: 2, RQI: true, Protocol: gre.TypeIPv4}},
		{"RQI without the attribute", 1, true, 11, gre.Header{QFI: 1, Protocol: gre.TypeIPv4}},
		{"flow that no child SA lists", 3, false, 11, gre.Header{QFI: 3, Protocol: gre.TypeIPv4}},
		{"unknown flow: the default child SA", 63, false, 11, gre.Header{QFI: 63, Protocol: gre.TypeIPv4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.upf.send(downlinkPDU(s.TEID(), c.qfi, c.rqi, pdu))
			id, packet := r.dp.next(t)
			require.Equal(t, c.child, id)
			p, err := gre.Decode(packet)
			require.NoError(t, err)
			require.Equal(t, c.want, p.Header)
			require.Equal(t, []netip.Addr{upAddr, ueAddr}, []netip.Addr{p.Source, p.Destination})
			require.Equal(t, pdu, packet[p.Offset:p.End])
		})
	}
	plain := gtpu.Message{Type: gtpu.GPDU, TEID: s.TEID(), Payload: pdu}
	up := make([]byte, gtpu.GPDUHeaderLen)
	gtpu.PutUplink(up, s.TEID(), 1, len(pdu))
	for _, c := range []struct {
		name   string
		wire   []byte
		reason Reason
	}{
		{"without container", plain.Append(nil), NoContainer},
		{"uplink container", append(up, pdu...), Direction},
		{"nothing inside", downlinkPDU(s.TEID(), 1, false, nil), EmptyPDU},
		{"unknown type", []byte{0x30, 77, 0, 0, 0, 0, 0, 0}, UnknownType},
		{"not GTP-U", []byte{1, 2, 3}, gtpuReason(gtpu.DropShort)},
		{"empty", nil, gtpuReason(gtpu.DropShort)},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := r.Stats().Drops
			r.upf.send(c.wire)
			r.upf.send(downlinkPDU(s.TEID(), 1, false, pdu)) // in order behind it
			r.dp.next(t)
			before[c.reason]++
			require.Equal(t, before, r.Stats().Drops)
		})
	}
	t.Run("refused by the data plane", func(t *testing.T) {
		r.dp.refuse.Store(12)
		r.upf.send(downlinkPDU(s.TEID(), 2, false, pdu))
		r.upf.send(downlinkPDU(s.TEID(), 1, false, pdu))
		r.dp.next(t)
		require.Equal(t, uint64(1), s.Stats().Drops[NotSent])
	})
	t.Run("without container, one flow", func(t *testing.T) {
		c := twoChildren(r.upf.addr)
		c.Flows = c.Flows[:1]
		require.NoError(t, s.Update(c))
		r.upf.send(plain.Append(nil))
		_, packet := r.dp.next(t)
		p, err := gre.Decode(packet)
		require.NoError(t, err)
		require.Equal(t, uint8(1), p.Header.QFI)
	})
	t.Run("no child SA yet", func(t *testing.T) {
		require.NoError(t, s.Update(Config{UPF: r.upf.addr, UplinkTEID: 1, Flows: []Flow{{QFI: 1}}}))
		r.upf.send(downlinkPDU(s.TEID(), 1, false, pdu))
		r.upf.send(gtpu.AppendEchoRequest(nil, 1))
		r.upf.read()
		require.Equal(t, uint64(1), s.Stats().Drops[NoChild])
	})
}

func TestProtocolZero(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Protocol = gre.ProtocolZero })
	s := r.add(t, twoChildren(r.upf.addr))
	r.upf.send(downlinkPDU(s.TEID(), 1, false, []byte{0x60}))
	_, packet := r.dp.next(t)
	p, err := gre.Decode(packet)
	require.NoError(t, err)
	require.Equal(t, gre.TypeNone, p.Header.Protocol)
}

func TestSignalling(t *testing.T) {
	r := newRig(t, func(o *Options) { o.ErrorIndications = 4 })
	s := r.add(t, twoChildren(r.upf.addr))
	t.Run("echo", func(t *testing.T) {
		r.upf.send(gtpu.AppendEchoRequest(nil, 77))
		require.Equal(t, gtpu.AppendEchoResponse(nil, 77), r.upf.read())
	})
	t.Run("end marker", func(t *testing.T) {
		r.upf.send(gtpu.AppendEndMarker(nil, s.TEID()))
		r.upf.send(gtpu.AppendEchoRequest(nil, 78))
		r.upf.read()
		require.Equal(t, uint64(1), r.Stats().EndMarkers)
		require.Zero(t, r.Stats().Dropped())
	})
	t.Run("extension header that must be understood", func(t *testing.T) {
		r.upf.send([]byte{0x34, 0xff, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0xc0, 1, 0, 0, 0})
		require.Equal(t, gtpu.AppendSupportedExtensions(nil), r.upf.read())
	})
	t.Run("from another port", func(t *testing.T) { // an answer goes back there, a report to the registered port
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.upf.addr.Addr(), 0)))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		other := &upf{t: t, conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), n3: r.upf.n3}
		other.send(gtpu.AppendEchoRequest(nil, 90))
		require.Equal(t, gtpu.AppendEchoResponse(nil, 90), other.read())
		other.send(downlinkPDU(s.TEID()^2, 1, false, []byte{0x45}))
		require.Equal(t, gtpu.AppendErrorIndication(nil, s.TEID()^2, netip.MustParseAddr("127.0.0.1"), other.addr.Port()), r.upf.read())
	})
	t.Run("unknown TEID", func(t *testing.T) {
		for range 10 {
			r.upf.send(downlinkPDU(s.TEID()^1, 1, false, []byte{0x45}))
		}
		want := gtpu.AppendErrorIndication(nil, s.TEID()^1, netip.MustParseAddr("127.0.0.1"), gtpu.Port)
		for range 2 { // two of four are used up
			require.Equal(t, want, r.upf.read())
		}
		r.upf.send(gtpu.AppendEchoRequest(nil, 79))
		require.Equal(t, gtpu.AppendEchoResponse(nil, 79), r.upf.read(), "more than the limit")
		require.Equal(t, uint64(11), r.Stats().Drops[UnknownTEID])
		require.Equal(t, uint64(3), r.Stats().ErrorIndicationsOut)
	})
	t.Run("error indication", func(t *testing.T) {
		for range 3 {
			r.upf.send(gtpu.AppendErrorIndication(nil, 0xa1, r.upf.addr.Addr(), gtpu.Port))
		}
		r.upf.send(gtpu.AppendErrorIndication(nil, 0xa2, r.upf.addr.Addr(), gtpu.Port))
		require.Equal(t, ErrorIndication{Session: s, TEID: 0xa1, Peer: r.upf.addr.Addr()}, r.event(t))
		// A new tunnel can be unknown again.
		c := twoChildren(r.upf.addr)
		c.UplinkTEID = 0xa2
		r.upf.send(gtpu.AppendEchoRequest(nil, 80))
		r.upf.read()
		require.NoError(t, s.Update(c))
		r.upf.send(gtpu.AppendErrorIndication(nil, 0xa1, r.upf.addr.Addr(), gtpu.Port))
		r.upf.send(gtpu.AppendErrorIndication(nil, 0xa2, r.upf.addr.Addr(), gtpu.Port))
		require.Equal(t, ErrorIndication{Session: s, TEID: 0xa2, Peer: r.upf.addr.Addr()}, r.event(t))
		require.Empty(t, r.events)
	})
}

func TestEchoPathDownAndUp(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Echo = gtpu.EchoTimers{Interval: 20 * time.Millisecond, T3: 5 * time.Millisecond, N3: 2}
	})
	s, err := r.Add(twoChildren(r.upf.addr))
	require.NoError(t, err)
	_, err = r.Add(twoChildren(r.upf.addr))
	require.NoError(t, err)
	require.Equal(t, PathDown{UPF: r.upf.addr, Sessions: 2}, r.event(t))
	for {
		m, err := gtpu.Decode(r.upf.read())
		require.NoError(t, err)
		require.Equal(t, gtpu.EchoRequest, m.Type)
		r.upf.send(gtpu.AppendEchoResponse(nil, m.Sequence))
		select {
		case e := <-r.events:
			require.Equal(t, PathUp{UPF: r.upf.addr}, e)
			// A session that goes to another UPF takes this one's last but one user away.
			c := twoChildren(netip.MustParseAddrPort("127.0.0.2:2152"))
			require.NoError(t, s.Update(c))
			require.Len(t, r.Stats().Peers, 2)
			return
		default:
		}
	}
}

// Supervision is switched off and on while a session is there; a TEID that is not kept back is used again at once.
func TestSetTimers(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Echo, o.Quarantine = gtpu.EchoTimers{Interval: -1}, time.Hour })
	s, err := r.Add(twoChildren(r.upf.addr))
	require.NoError(t, err)
	require.Zero(t, r.peers.tick(), "there is nothing to wait for")
	require.Zero(t, r.Stats().EchoRequestsOut)
	r.SetTimers(gtpu.EchoTimers{Interval: time.Hour, T3: time.Millisecond, N3: 1}, -1)
	require.Equal(t, gtpu.AppendEchoRequest(nil, 1), r.upf.read())
	require.Equal(t, PathDown{UPF: r.upf.addr, Sessions: 1}, r.event(t))
	require.True(t, r.Stats().Peers[0].Down)
	r.SetTimers(gtpu.EchoTimers{Interval: -1}, -1)
	require.False(t, r.Stats().Peers[0].Down)

	slot := func(teid uint32) uint32 { return teid >> randomBits & (MaxSessions - 1) }
	freed := slot(s.TEID())
	s.Remove()
	next, err := r.Add(twoChildren(r.upf.addr))
	require.NoError(t, err)
	require.Equal(t, freed, slot(next.TEID()))
	r.SetTimers(gtpu.EchoTimers{Interval: -1}, time.Hour)
	next.Remove()
	next, err = r.Add(twoChildren(r.upf.addr))
	require.NoError(t, err)
	require.NotEqual(t, freed, slot(next.TEID()))
}

func TestPanicEndsOneSession(t *testing.T) {
	var log strings.Builder
	r := newRig(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	good := r.add(t, twoChildren(r.upf.addr))
	c := twoChildren(r.upf.addr)
	c.LogAttrs = []slog.Attr{slog.Int("ue", 4711)}
	c.Name, c.Flows, c.Children, c.Default = "bad", []Flow{{QFI: 1, Child: 13}}, []Child{{ID: 13, UE: ueAddr, UP: upAddr}}, 13
	bad, err := r.Add(c)
	require.NoError(t, err)
	r.dp.panics.Store(13)
	r.upf.send(downlinkPDU(bad.TEID(), 1, false, []byte{0x45}))
	fault, ok := r.event(t).(Fault)
	require.True(t, ok)
	require.Same(t, bad, fault.Session)
	require.Contains(t, log.String(), " ue=4711 ", "whose session it was")
	r.upf.send(downlinkPDU(good.TEID(), 1, false, []byte{0x45}))
	r.dp.next(t)
	require.ErrorIs(t, bad.Update(c), ErrRemoved)
	require.Equal(t, 1, r.Stats().Sessions)

	// Uplink, in the middle of a batch.
	bad, err = r.Add(c)
	require.NoError(t, err)
	broken := *bad.view.Load()
	broken.family = 7
	bad.view.Store(&broken)
	u := r.NewUplink()
	pdu := []byte{0x45}
	u.Inbound([]ipsec.Inbound{
		{ID: 11, Context: good, Packet: uplinkPacket(t, ueAddr, upAddr, 1, pdu)},
		{ID: 13, Context: bad, Packet: uplinkPacket(t, ueAddr, upAddr, 1, pdu)},
		{ID: 11, Context: good, Packet: uplinkPacket(t, ueAddr, upAddr, 1, pdu)},
	})
	require.Same(t, bad, r.event(t).(Fault).Session)
	r.upf.read()
	r.upf.read()
	require.Equal(t, uint64(2), r.Stats().Faults)
	require.Equal(t, uint64(2), good.Stats().Uplink.Packets)
}

func TestInvalid(t *testing.T) {
	r := newRig(t, nil)
	for _, c := range []struct {
		name   string
		change func(*Config)
	}{
		{"no UPF", func(c *Config) { c.UPF = netip.AddrPort{} }},
		{"UPF unspecified", func(c *Config) { c.UPF = netip.MustParseAddrPort("0.0.0.0:2152") }},
		{"UPF of the other family", func(c *Config) { c.UPF = netip.MustParseAddrPort("[::1]:2152") }},
		{"TEID 0", func(c *Config) { c.UplinkTEID = 0 }},
		{"QFI 64", func(c *Config) { c.Flows = []Flow{{QFI: 64}} }},
		{"QFI twice", func(c *Config) { c.Flows = []Flow{{QFI: 1}, {QFI: 1}} }},
		{"flow over a child SA that is not there", func(c *Config) { c.Flows = []Flow{{QFI: 1, Child: 99}} }},
		{"default that is not there", func(c *Config) { c.Default = 99 }},
		{"child SA twice", func(c *Config) { c.Children = append(c.Children, c.Children[0]) }},
		{"two families in a child SA", func(c *Config) { c.Children[0].UE = netip.MustParseAddr("fd00::1") }},
		{"child SA that is not installed", func(c *Config) { c.Children[0].ID = 1000 }},
		{"DSCP 64", func(c *Config) { c.Flows[0].DSCP = 64 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := twoChildren(r.upf.addr)
			c.change(&cfg)
			_, err := r.Add(cfg)
			require.ErrorIs(t, err, ErrInvalid)
		})
	}
	require.Zero(t, r.Stats().Sessions)
	for _, o := range []Options{
		{},
		{Listen: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0")}},
		{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.1:0")}},
		{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Workers: MaxWorkers + 1},
	} {
		_, err := New(o)
		require.Error(t, err)
	}
}

// Four sockets on one port: the TEID says which one gets a packet.
func TestWorkers(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Workers = 4 })
	for i := range 8 {
		s := r.add(t, twoChildren(r.upf.addr))
		require.Equal(t, uint32(i%4), s.TEID()>>(slotBits+randomBits))
		for range i%4 + 1 {
			r.upf.send(downlinkPDU(s.TEID(), 1, false, []byte{0x45}))
			r.dp.next(t)
		}
	}
	for i, st := range r.Stats().Sockets {
		require.Equal(t, uint64(2*(i+1)), st.RxDatagrams, "socket %d", i)
	}
}

func TestIPv6AndWildcard(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	r := newRig(t, func(o *Options) {
		o.Listen = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0"), netip.MustParseAddrPort("[::1]:0")}
		o.Advertise = []netip.Addr{local}
	})
	six := newUPF(t, true)
	six.n3 = r.LocalAddr()[1]
	s, err := r.Add(twoChildren(six.addr))
	require.NoError(t, err)
	require.Equal(t, netip.IPv6Loopback(), s.Local())
	require.Equal(t, gtpu.AppendEchoRequest(nil, 1), six.read())
	six.send(downlinkPDU(s.TEID(), 1, false, []byte{0x45}))
	r.dp.next(t)
	r.NewUplink().Inbound([]ipsec.Inbound{{ID: 11, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 1, []byte{0x45})}})
	m, err := gtpu.Decode(six.read())
	require.NoError(t, err)
	require.Equal(t, gtpu.GPDU, m.Type)
	// The wildcard answers from the address that was asked.
	r.upf.n3 = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.77"), r.LocalAddr()[0].Port())
	r.upf.send(gtpu.AppendEchoRequest(nil, 5))
	b := make([]byte, 100)
	require.NoError(t, r.upf.conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, from, err := r.upf.conn.ReadFromUDPAddrPort(b)
	require.NoError(t, err)
	require.Equal(t, r.upf.n3, from)
}

// Sessions come, change and go while packets of all of them flow in both directions.
func TestChangesUnderTraffic(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Quarantine = time.Nanosecond })
	r.dp.discard.Store(true)
	var sessions [8]atomic.Pointer[Session]
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range sessions {
		s, err := r.Add(twoChildren(r.upf.addr))
		require.NoError(t, err)
		sessions[i].Store(s)
	}
	wg.Go(func() {
		u := r.NewUplink()
		packet := uplinkPacket(t, ueAddr, upAddr, 1, make([]byte, 64))
		for {
			select {
			case <-stop:
				return
			default:
			}
			var batch []ipsec.Inbound
			for i := range sessions {
				batch = append(batch, ipsec.Inbound{ID: 11, Context: sessions[i].Load(), Packet: bytes.Clone(packet)})
			}
			u.Inbound(batch)
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for i := range sessions {
				_, _ = r.upf.conn.WriteToUDPAddrPort(downlinkPDU(sessions[i].Load().TEID(), 1, false, []byte{0x45}), r.upf.n3)
			}
		}
	})
	flowing := func() bool { st := r.Stats(); return st.Uplink.Packets > 1000 && st.Downlink.Packets > 1000 }
	for n := 0; n < 500 || !flowing(); n++ {
		i := n % len(sessions)
		s := sessions[i].Load()
		if n%3 == 0 {
			fresh, err := r.Add(twoChildren(r.upf.addr))
			require.NoError(t, err)
			sessions[i].Store(fresh)
			s.Remove()
			continue
		}
		c := twoChildren(r.upf.addr)
		c.Flows = c.Flows[:1+n%3]
		c.UplinkTEID = uint32(n + 1)
		require.NoError(t, s.Update(c))
	}
	close(stop)
	wg.Wait()
	require.Equal(t, len(sessions), r.Stats().Sessions)
	require.Zero(t, r.Stats().Faults)
}

func TestNoAllocation(t *testing.T) {
	r := newRig(t, nil)
	r.dp.discard.Store(true)
	s := r.add(t, twoChildren(r.upf.addr))
	u := r.NewUplink()
	var up []ipsec.Inbound
	var down []udpbatch.Datagram
	for range 32 {
		up = append(up, ipsec.Inbound{ID: 12, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 2, make([]byte, 1400))})
		down = append(down, udpbatch.Datagram{Data: downlinkPDU(s.TEID(), 2, true, make([]byte, 1400)), Remote: r.upf.addr, Local: r.upf.n3})
	}
	up = append(up, ipsec.Inbound{ID: 11, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 9, make([]byte, 10))}) // dropped
	d := &downlink{r: r.Relay, control: r.controls[0], writer: r.dp}
	require.Zero(t, testing.AllocsPerRun(50, func() { u.Inbound(up) }))
	require.Zero(t, testing.AllocsPerRun(50, func() { d.handle(down) }))
	require.Zero(t, s.Stats().Drops[NotSent])
	require.Equal(t, uint64(51*32), s.Stats().Downlink.Packets)
}

func TestTable(t *testing.T) {
	tab := table{room: MaxSessions}
	now := time.Unix(0, 0)
	random := rand.NewChaCha8([32]byte{1})
	add := func() (*Session, error) {
		s := &Session{}
		return s, tab.add(s, 3, random, now, time.Minute)
	}
	first, err := add()
	require.NoError(t, err)
	require.NotZero(t, first.teid)
	require.Same(t, first, tab.lookup(first.teid))
	for bit := range 32 {
		require.Nil(t, tab.lookup(first.teid^1<<bit), "bit %d", bit)
	}
	tab.remove(first, now)
	require.Nil(t, tab.lookup(first.teid))
	// The slot rests for the quarantine, then comes back.
	slot := func(s *Session) uint32 { return s.teid >> randomBits & (MaxSessions - 1) }
	now = now.Add(time.Minute - 1)
	second, err := add()
	require.NoError(t, err)
	require.NotEqual(t, slot(first), slot(second))
	now = now.Add(1)
	third, err := add()
	require.NoError(t, err)
	require.Equal(t, slot(first), slot(third))
	for tab.sessions < MaxSessions {
		_, err := add()
		require.NoError(t, err)
	}
	_, err = add()
	require.ErrorIs(t, err, ErrNoTEID)
	tab.remove(third, now)
	_, err = add()
	require.ErrorIs(t, err, ErrNoTEID, "in quarantine")
	now = now.Add(time.Minute)
	_, err = add()
	require.NoError(t, err)
}

// TestTEIDIsHardToGuess: beside its place a TEID has bits that are drawn at random, and that are never all zero, so that no TEID is.
func TestTEIDIsHardToGuess(t *testing.T) {
	random := rand.NewChaCha8([32]byte{2})
	tails := map[uint32]bool{}
	for range 1000 {
		tab, s := table{room: MaxSessions}, &Session{}
		require.NoError(t, tab.add(s, 0, random, time.Unix(0, 0), time.Minute))
		tails[s.teid&(1<<randomBits-1)] = true
	}
	require.Greater(t, len(tails), 500, "of 1023")
	for b := range 2 << randomBits {
		tab, s := table{room: MaxSessions}, &Session{}
		require.NoError(t, tab.add(s, 0, bytes.NewReader([]byte{byte(b >> 8), byte(b)}), time.Unix(0, 0), time.Minute))
		require.NotZero(t, s.teid, "random %#04x", b)
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range NumReasons {
		name := r.String()
		require.NotEmpty(t, name)
		require.False(t, seen[name], name)
		seen[name] = true
	}
}

func BenchmarkUplink(b *testing.B)   { benchmark(b, true) }
func BenchmarkDownlink(b *testing.B) { benchmark(b, false) }

// benchmark measures the relay without ESP; uplink includes the system calls of N3.
func benchmark(b *testing.B, uplink bool) {
	for _, size := range []int{64, 1400} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			dp := newPlane()
			dp.discard.Store(true)
			sink, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
			require.NoError(b, err)
			defer sink.Close()
			r, err := New(Options{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
			require.NoError(b, err)
			defer func() { require.NoError(b, errors.Join(r.Close())) }()
			r.Start(dp)
			s, err := r.Add(twoChildren(sink.LocalAddr().(*net.UDPAddr).AddrPort()))
			require.NoError(b, err)
			u, d := r.NewUplink(), &downlink{r: r, control: r.controls[0], writer: dp}
			up, down := make([]ipsec.Inbound, 64), make([]udpbatch.Datagram, 64)
			for i := range up {
				up[i] = ipsec.Inbound{ID: 11, Context: s, Packet: uplinkPacket(b, ueAddr, upAddr, 1, make([]byte, size))}
				down[i] = udpbatch.Datagram{Data: downlinkPDU(s.TEID(), 1, false, make([]byte, size))}
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += 64 {
				if uplink {
					u.Inbound(up)
				} else {
					d.handle(down)
				}
			}
		})
	}
}
