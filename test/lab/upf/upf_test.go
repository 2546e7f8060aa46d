// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const downTEID = 0x0a0b0c0d

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	server   = netip.MustParseAddr("192.0.2.7")
)

// ran is the other end of N3. Its packets are written and read by gopacket, which is the judge of the UPF's.
type ran struct {
	t    *testing.T
	u    *UPF
	conn *net.UDPConn
}

// start makes a UPF and its RAN.
func start(t *testing.T, o Options) (*UPF, *ran) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	require.NoError(t, conn.SetReadBuffer(8<<20))
	t.Cleanup(func() { conn.Close() })
	if !o.Listen.IsValid() {
		o.Listen = netip.AddrPortFrom(loopback, 0)
	}
	if !o.Pool.IsValid() {
		o.Pool = netip.MustParsePrefix("10.60.0.0/24")
	}
	o.PeerPort = conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	u, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, u.Close()) })
	return u, &ran{t, u, conn}
}

// add makes a session whose downlink comes to the RAN.
func (r *ran) add(c SessionConfig) *Session {
	r.t.Helper()
	s, err := r.u.Add(c)
	require.NoError(r.t, err)
	s.SetDownlink(loopback, downTEID)
	return s
}

func (r *ran) write(b []byte) {
	r.t.Helper()
	_, err := r.conn.WriteToUDPAddrPort(b, netip.AddrPortFrom(loopback, r.u.LocalAddr().Port()))
	require.NoError(r.t, err)
}

// send sends a PDU uplink.
func (r *ran) send(teid uint32, qfi uint8, pdu []byte) {
	r.t.Helper()
	b := make([]byte, gtpu.GPDUHeaderLen, gtpu.GPDUHeaderLen+len(pdu))
	gtpu.PutUplink(b, teid, qfi, len(pdu))
	r.write(append(b, pdu...))
}

// receive takes one datagram.
func (r *ran) receive() []byte {
	r.t.Helper()
	require.NoError(r.t, r.conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	b := make([]byte, 1<<16)
	n, err := r.conn.Read(b)
	require.NoError(r.t, err)
	return b[:n]
}

// answer takes a downlink packet and what its container says. The packet must be what gopacket would write, checksums too.
func (r *ran) answer() (p gopacket.Packet, qfi uint8, rqi bool) {
	r.t.Helper()
	b := r.receive()
	outer := gopacket.NewPacket(b, layers.LayerTypeGTPv1U, gopacket.Default)
	g, ok := outer.Layer(layers.LayerTypeGTPv1U).(*layers.GTPv1U)
	require.True(r.t, ok, outer)
	require.EqualValues(r.t, downTEID, g.TEID)
	require.EqualValues(r.t, 255, g.MessageType)
	require.Len(r.t, g.GTPExtensionHeaders, 1)
	require.EqualValues(r.t, 0x85, g.GTPExtensionHeaders[0].Type)
	container := g.GTPExtensionHeaders[0].Content
	require.Zero(r.t, container[0]>>4, "downlink information")
	pdu := g.LayerPayload()
	p = gopacket.NewPacket(pdu, layers.LayerTypeIPv4, gopacket.Default)
	require.Nil(r.t, p.ErrorLayer())
	require.Equal(r.t, pdu, rewrite(r.t, p), "octets and checksums")
	return p, container[1] & 0x3f, container[1]&0x40 != 0
}

// rewrite writes the layers of p anew. A UDP checksum that is left out stays so.
func rewrite(t *testing.T, p gopacket.Packet) []byte {
	t.Helper()
	ip := *p.NetworkLayer().(*layers.IPv4)
	list := []gopacket.SerializableLayer{&ip}
	switch l := p.Layers()[1].(type) {
	case *layers.ICMPv4:
		c := *l
		list = append(list, &c, gopacket.Payload(l.LayerPayload()))
	case *layers.UDP:
		require.Zero(t, l.Checksum)
		require.EqualValues(t, 8+len(l.LayerPayload()), l.Length)
		list = append(list, gopacket.Payload(append(append([]byte{}, l.LayerContents()...), l.LayerPayload()...)))
	}
	return serialize(t, list...)
}

func serialize(t testing.TB, list ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...))
	return b.Bytes()
}

func ipv4(src netip.Addr, protocol layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, TOS: 0xb8, SrcIP: src.AsSlice(), DstIP: server.AsSlice(), Flags: layers.IPv4DontFragment}
}

func datagram(t testing.TB, src netip.Addr, port uint16, payload []byte) []byte {
	t.Helper()
	ip := ipv4(src, layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: 40000, DstPort: layers.UDPPort(port)}
	require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
	return serialize(t, ip, udp, gopacket.Payload(payload))
}

func ping(t testing.TB, src netip.Addr, sequence uint16, payload []byte) []byte {
	t.Helper()
	return serialize(t, ipv4(src, layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 77, Seq: sequence}, gopacket.Payload(payload))
}

// requireICMP checks an echo reply.
func requireICMP(t *testing.T, p gopacket.Packet, to netip.Addr, sequence uint16, payload []byte) {
	t.Helper()
	ip, icmp := p.NetworkLayer().(*layers.IPv4), p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	require.Equal(t, server.String(), ip.SrcIP.String())
	require.Equal(t, to.String(), ip.DstIP.String())
	require.Equal(t, layers.CreateICMPv4TypeCode(0, 0), icmp.TypeCode)
	require.Equal(t, [2]uint16{77, sequence}, [2]uint16{icmp.Id, icmp.Seq})
	require.Equal(t, string(payload), string(icmp.LayerPayload()))
}

func TestPing(t *testing.T) {
	u, r := start(t, Options{})
	s := r.add(SessionConfig{Name: "a", Flows: []uint8{1, 5}})
	bytes := uint64(0)
	for n := range 40 { // every tail that the sum over eight octets can have
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(0xff - i*n)
		}
		r.send(s.TEID(), 5, ping(t, s.Address(), uint16(n), payload))
		p, qfi, rqi := r.answer()
		requireICMP(t, p, s.Address(), uint16(n), payload)
		require.EqualValues(t, 5, qfi)
		require.False(t, rqi)
		bytes += uint64(28 + n)
	}
	want := Traffic{Uplink: Counter{40, bytes}, Downlink: Counter{40, bytes}}
	require.Equal(t, want, s.Stats())
	require.Equal(t, want, u.Stats().Traffic)
}

func TestOptionsInRequest(t *testing.T) {
	_, r := start(t, Options{})
	s := r.add(SessionConfig{Flows: []uint8{1}})
	ip := ipv4(s.Address(), layers.IPProtocolICMPv4)
	ip.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}} // router alert
	r.send(s.TEID(), 1, serialize(t, ip, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 77, Seq: 3}, gopacket.Payload("x")))
	p, _, _ := r.answer()
	requireICMP(t, p, s.Address(), 3, []byte("x"))
}

func TestDownlinkFlow(t *testing.T) {
	_, r := start(t, Options{})
	s := r.add(SessionConfig{Flows: []uint8{9, 5}, DefaultDownlink: true, RQI: true})
	r.send(s.TEID(), 5, datagram(t, s.Address(), PortEcho, []byte("flow")))
	_, qfi, rqi := r.answer()
	require.EqualValues(t, 9, qfi)
	require.True(t, rqi)
}

func TestEcho(t *testing.T) {
	_, r := start(t, Options{})
	s := r.add(SessionConfig{Flows: []uint8{1}})
	for _, n := range []int{0, 1, 7, 8, 1472, 60000} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(i * 7)
		}
		r.send(s.TEID(), 1, datagram(t, s.Address(), PortEcho, payload))
		p, _, _ := r.answer()
		udp := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		require.Equal(t, [2]layers.UDPPort{7, 40000}, [2]layers.UDPPort{udp.SrcPort, udp.DstPort})
		require.Equal(t, string(payload), string(udp.LayerPayload()))
		require.EqualValues(t, 0xb8, p.NetworkLayer().(*layers.IPv4).TOS)
	}
}

func TestSink(t *testing.T) {
	_, r := start(t, Options{})
	s, other := r.add(SessionConfig{Flows: []uint8{1}}), r.add(SessionConfig{Flows: []uint8{1}})
	for n := range 100 {
		r.send(s.TEID(), 1, datagram(t, s.Address(), PortSink, make([]byte, 1+n)))
	}
	r.send(other.TEID(), 1, datagram(t, other.Address(), PortSink, make([]byte, 1000)))
	for _, c := range []struct {
		s              *Session
		packets, bytes uint64
	}{{s, 100, 100*28 + 5050}, {other, 1, 1028}, {s, 100, 100*28 + 5050}} {
		r.send(c.s.TEID(), 1, datagram(t, c.s.Address(), PortSink, nil))
		p, _, _ := r.answer()
		report := p.Layer(layers.LayerTypeUDP).LayerPayload()
		require.Len(t, report, 16)
		require.Equal(t, c.packets, binary.BigEndian.Uint64(report))
		require.Equal(t, c.bytes, binary.BigEndian.Uint64(report[8:]))
		require.Equal(t, Counter{c.packets, c.bytes}, c.s.Stats().Sink)
	}
}

func sourceRequest(t testing.TB, s *Session, perSecond, ms uint32, size uint16) []byte {
	t.Helper()
	b := binary.BigEndian.AppendUint32(nil, perSecond)
	b = binary.BigEndian.AppendUint32(b, ms)
	return datagram(t, s.Address(), PortSource, binary.BigEndian.AppendUint16(b, size))
}

func TestSource(t *testing.T) {
	u, r := start(t, Options{})
	s := r.add(SessionConfig{Flows: []uint8{1, 2}})
	for _, size := range []uint16{28, 36, 1400} {
		before := u.Stats().Downlink
		begin := time.Now()
		r.send(s.TEID(), 2, sourceRequest(t, s, 2000, 100, size))
		for number := range 200 {
			p, qfi, _ := r.answer()
			udp := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
			require.EqualValues(t, 2, qfi)
			require.Equal(t, [2]layers.UDPPort{PortSource, 40000}, [2]layers.UDPPort{udp.SrcPort, udp.DstPort})
			require.Equal(t, server.String(), p.NetworkLayer().(*layers.IPv4).SrcIP.String())
			require.Len(t, udp.LayerPayload(), int(size)-28)
			if size >= 36 {
				require.EqualValues(t, number, binary.BigEndian.Uint64(udp.LayerPayload()))
			}
		}
		require.Greater(t, time.Since(begin), 90*time.Millisecond, "paced")
		require.Equal(t, Counter{before.Packets + 200, before.Bytes + 200*uint64(size)}, u.Stats().Downlink)
	}
}

func TestSourceIsReplaced(t *testing.T) {
	_, r := start(t, Options{})
	s := r.add(SessionConfig{Flows: []uint8{1}})
	r.send(s.TEID(), 1, sourceRequest(t, s, 100, 60_000, 100)) // would take MaxSource
	r.answer()
	r.send(s.TEID(), 1, sourceRequest(t, s, 100, 50, 200))
	for n := 0; n < 5; {
		if p, _, _ := r.answer(); len(p.Data()) == 200 {
			n++
		}
	}
	require.Eventually(t, func() bool { return !s.sourcing.Load() }, 10*time.Second, time.Millisecond)
}

func TestSourceEndsWithSession(t *testing.T) {
	_, r := start(t, Options{})
	s := r.add(SessionConfig{Flows: []uint8{1}})
	r.send(s.TEID(), 1, sourceRequest(t, s, 1000, 10_000, 100))
	r.answer()
	begin := time.Now()
	s.Release()
	require.Eventually(t, func() bool { return !s.sourcing.Load() }, 5*time.Second, time.Millisecond)
	require.Less(t, time.Since(begin), 5*time.Second)

	s = r.add(SessionConfig{Flows: []uint8{1}})
	r.send(s.TEID(), 1, sourceRequest(t, s, 1000, 10_000, 100))
	r.answer()
	begin = time.Now()
	require.NoError(t, r.u.Close()) // goleak sees what stays
	require.Less(t, time.Since(begin), 5*time.Second)
}

func TestWorkersAndWildcard(t *testing.T) {
	u, r := start(t, Options{Listen: netip.MustParseAddrPort("0.0.0.0:0"), Advertise: loopback, Workers: 4})
	require.Equal(t, loopback, u.Address())
	for n := range 40 {
		s := r.add(SessionConfig{Flows: []uint8{1}})
		r.send(s.TEID(), 1, ping(t, s.Address(), uint16(n), []byte("worker")))
		p, _, _ := r.answer()
		requireICMP(t, p, s.Address(), uint16(n), []byte("worker"))
	}
	used := 0
	for _, conn := range u.sockets {
		if conn.Stats().RxDatagrams > 0 {
			used++
		}
	}
	require.Greater(t, used, 1)
}

func TestSteering(t *testing.T) {
	u, r := start(t, Options{Workers: 3})
	for range 30 {
		s := r.add(SessionConfig{Flows: []uint8{1}})
		before := s.conn.Stats().RxDatagrams
		r.send(s.TEID(), 1, ping(t, s.Address(), 0, nil))
		r.answer()
		require.Equal(t, before+1, s.conn.Stats().RxDatagrams, "socket of TEID %#x", s.TEID())
	}
	require.Equal(t, 30, u.Stats().Sessions)
}

func TestPingPeer(t *testing.T) {
	u, r := start(t, Options{})
	done := make(chan error, 1)
	go func() {
		_, err := u.Ping(context.Background(), loopback)
		done <- err
	}()
	m, err := gtpu.Decode(r.receive())
	require.NoError(t, err)
	require.Equal(t, gtpu.EchoRequest, m.Type)
	r.write(gtpu.AppendEchoResponse(nil, m.Sequence+1)) // not asked
	r.write(gtpu.AppendEchoResponse(nil, m.Sequence))
	require.NoError(t, <-done)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = u.Ping(ctx, loopback)
	require.ErrorIs(t, err, context.Canceled)
}
