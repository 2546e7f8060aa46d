// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
)

// TestDrops sends what must be dropped, each followed by a ping whose reply proves that it has been looked at and that nothing else came.
func TestDrops(t *testing.T) {
	_, r := start(t, Options{})
	s := r.add(SessionConfig{Name: "strict", Flows: []uint8{1}})
	other := r.add(SessionConfig{Flows: []uint8{1}})
	change := func(b []byte, at int, to byte) []byte {
		b[at] = to
		return b
	}
	ipSum := func(b []byte) []byte { // repairs the header's checksum, by gopacket
		p := gopacket.NewPacket(b, layers.LayerTypeIPv4, gopacket.Default)
		ip := *p.NetworkLayer().(*layers.IPv4)
		return serialize(t, &ip, gopacket.Payload(ip.LayerPayload()))
	}
	echo := func() []byte { return datagram(t, s.Address(), PortEcho, []byte("payload")) }
	icmp := func() []byte { return ping(t, s.Address(), 1, []byte("payload")) }
	request := func(perSecond, ms uint32, size uint16) []byte { return sourceRequest(t, s, perSecond, ms, size) }
	fragment := ipv4(s.Address(), layers.IPProtocolUDP)
	fragment.Flags, fragment.FragOffset = 0, 3
	more := ipv4(s.Address(), layers.IPProtocolUDP)
	more.Flags = layers.IPv4MoreFragments
	message := func(c gtpu.Container, with bool) []byte {
		m := gtpu.Message{Type: gtpu.GPDU, TEID: s.TEID(), HasContainer: with, Container: c, Payload: echo()}
		return m.Append(nil)
	}
	up := func(pdu []byte) []byte {
		b := make([]byte, gtpu.GPDUHeaderLen)
		gtpu.PutUplink(b, s.TEID(), 1, len(pdu))
		return append(b, pdu...)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want Reason
	}{
		{"no container", message(gtpu.Container{}, false), NoContainer},
		{"downlink container", message(gtpu.Container{Type: gtpu.DownlinkInformation, QFI: 1}, true), Direction},
		{"unknown flow", message(gtpu.Container{Type: gtpu.UplinkInformation, QFI: 2}, true), UnknownQFI},
		{"empty", up(nil), MalformedIP},
		{"cut in the header", up(echo()[:19]), MalformedIP},
		{"IPv6", up(change(echo(), 0, 0x65)), MalformedIP},
		{"header length", up(change(echo(), 0, 0x44)), MalformedIP},
		{"header longer than the packet", up(change(echo(), 0, 0x4f)), MalformedIP},
		{"cut", up(echo()[:30]), MalformedIP},
		{"more than the packet", up(append(echo(), 0)), MalformedIP},
		{"header checksum", up(change(echo(), 8, 63)), Checksum},
		{"fragment", up(serialize(t, fragment, gopacket.Payload("fragment"))), Fragment},
		{"first fragment", up(serialize(t, more, gopacket.Payload("fragment"))), Fragment},
		{"address of another", up(datagram(t, other.Address(), PortEcho, []byte("x"))), Source},
		{"address of nobody", up(ping(t, server, 1, []byte("x"))), Source},
		{"UDP checksum", up(change(echo(), 30, 'x')), Checksum},
		{"UDP length", up(change(echo(), 25, 9)), MalformedIP},
		{"UDP header cut", up(serialize(t, ipv4(s.Address(), layers.IPProtocolUDP), gopacket.Payload("1234567"))), MalformedIP},
		{"UDP port", up(datagram(t, s.Address(), 53, []byte("x"))), NoService},
		{"ICMP checksum", up(change(icmp(), 30, 'x')), Checksum},
		{"ICMP header cut", up(serialize(t, ipv4(s.Address(), layers.IPProtocolICMPv4), gopacket.Payload("1234567"))), MalformedIP},
		{"ICMP reply", up(serialize(t, ipv4(s.Address(), layers.IPProtocolICMPv4), &layers.ICMPv4{}, gopacket.Payload("x"))), NoService},
		{"TCP", up(ipSum(change(echo(), 9, 6))), NoService},
		{"source: length", up(datagram(t, s.Address(), PortSource, make([]byte, 9))), BadRequest},
		{"source: rate", up(request(0, 1, 100)), BadRequest},
		{"source: time", up(request(1, 0, 100)), BadRequest},
		{"source: small", up(request(1000, 1, 27)), BadRequest},
		{"source: large", up(request(1000, 1, gtpu.MaxPDU+1)), BadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, all := s.Stats().Drops, r.u.Stats().Drops
			r.write(c.b)
			r.send(s.TEID(), 1, ping(t, s.Address(), 9, []byte(c.name)))
			p, _, _ := r.answer()
			requireICMP(t, p, s.Address(), 9, []byte(c.name))
			before[c.want]++
			all[c.want]++
			require.Equal(t, before, s.Stats().Drops)
			require.Equal(t, all, r.u.Stats().Drops)
		})
	}
}

// TestUDPWithoutChecksum: a datagram without checksum is right (RFC 768).
func TestUDPWithoutChecksum(t *testing.T) {
	_, r := start(t, Options{})
	s := r.add(SessionConfig{Flows: []uint8{1}})
	b := datagram(t, s.Address(), PortEcho, []byte("no checksum"))
	require.NotZero(t, binary.BigEndian.Uint16(b[26:]))
	b[26], b[27] = 0, 0
	r.send(s.TEID(), 1, b)
	p, _, _ := r.answer()
	require.Equal(t, "no checksum", string(p.Layer(layers.LayerTypeUDP).LayerPayload()))
}

func TestNoDownlink(t *testing.T) {
	_, r := start(t, Options{})
	s := r.add(SessionConfig{Flows: []uint8{1}})
	s.SetDownlink(netip.Addr{}, 0)
	peer, _ := s.Downlink()
	require.False(t, peer.IsValid())
	require.ErrorIs(t, s.SendEndMarker(), ErrNoTunnel)
	r.send(s.TEID(), 1, ping(t, s.Address(), 1, nil))
	r.send(s.TEID(), 1, sourceRequest(t, s, 1000, 1000, 100))
	r.write(gtpu.AppendEchoRequest(nil, 1))
	r.receive() // the echo response comes behind
	require.EqualValues(t, 2, s.Stats().Drops[NoDownlink])
	require.Zero(t, s.Stats().Downlink)
}

func TestUnknownTEID(t *testing.T) {
	u, r := start(t, Options{})
	s := r.add(SessionConfig{Flows: []uint8{1}})
	s.Release()
	s.Release()
	r.send(s.TEID(), 1, ping(t, s.Address(), 1, nil))
	m, err := gtpu.Decode(r.receive())
	require.NoError(t, err)
	require.Equal(t, gtpu.ErrorIndication, m.Type)
	require.Zero(t, m.TEID)
	require.Equal(t, r.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(), m.UDPPort)
	report, err := gtpu.DecodeErrorIndication(m.Payload)
	require.NoError(t, err)
	require.Equal(t, gtpu.ErrorReport{TEID: s.TEID(), Peer: loopback}, report)
	st := u.Stats()
	require.EqualValues(t, 1, st.Drops[UnknownTEID])
	require.EqualValues(t, 1, st.ErrorIndicationsOut)
	require.Zero(t, st.Sessions)
}

// TestUnknownTEIDsAreLimited: a flood is not answered by a flood.
func TestUnknownTEIDsAreLimited(t *testing.T) {
	u, r := start(t, Options{})
	begin := time.Now()
	for range 1000 {
		r.send(1, 1, nil)
	}
	require.Eventually(t, func() bool { return u.Stats().Drops[UnknownTEID] == 1000 }, 10*time.Second, time.Millisecond)
	allowed := answersPerSecond * (1 + time.Since(begin).Seconds())
	require.LessOrEqual(t, float64(u.Stats().ErrorIndicationsOut), allowed+1)
	require.GreaterOrEqual(t, u.Stats().ErrorIndicationsOut, uint64(answersPerSecond))
}

func TestSignalling(t *testing.T) {
	told := make(chan *Session, 4)
	u, r := start(t, Options{ErrorIndication: func(s *Session) { told <- s }})
	s := r.add(SessionConfig{Name: "told", Flows: []uint8{1}})

	r.write(gtpu.AppendEchoRequest(nil, 0x1234))
	m, err := gtpu.Decode(r.receive())
	require.NoError(t, err)
	require.Equal(t, gtpu.EchoResponse, m.Type)
	require.EqualValues(t, 0x1234, m.Sequence)

	r.write(gtpu.AppendErrorIndication(nil, downTEID+1, loopback, 2152)) // of no session
	r.write(gtpu.AppendErrorIndication(nil, downTEID, server, 2152))     // of another N3IWF
	r.write(gtpu.AppendErrorIndication(nil, downTEID, loopback, 2152))
	require.Same(t, s, <-told)
	require.Empty(t, told)

	r.write(gtpu.AppendEndMarker(nil, s.TEID()))
	r.write([]byte{0x30, 99, 0, 0, 0, 0, 0, 0})                             // a message type of nobody
	r.write([]byte{0x30, 255, 0, 9, 0, 0, 0, 0})                            // a length that lies
	r.write([]byte{0x34, 255, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0xc1, 1, 0, 0, 0}) // an extension that must be understood
	m, err = gtpu.Decode(r.receive())
	require.NoError(t, err)
	require.Equal(t, gtpu.SupportedExtensionHeaderNotification, m.Type)
	st := u.Stats()
	require.EqualValues(t, 1, st.EchoRequestsIn)
	require.EqualValues(t, 3, st.ErrorIndicationsIn)
	require.EqualValues(t, 1, st.EndMarkersIn)
	require.EqualValues(t, 1, st.Drops[UnknownType])
	require.EqualValues(t, 2, st.Drops[MalformedGTP])

	require.NoError(t, s.SendEndMarker())
	m, err = gtpu.Decode(r.receive())
	require.NoError(t, err)
	require.Equal(t, gtpu.EndMarker, m.Type)
	require.EqualValues(t, downTEID, m.TEID)
}

// TestPathSwitch: the next packet takes the new tunnel.
func TestPathSwitch(t *testing.T) {
	_, r := start(t, Options{})
	s := r.add(SessionConfig{Flows: []uint8{1}})
	target := netip.MustParseAddr("127.0.0.2")
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(target, r.u.options.PeerPort)))
	require.NoError(t, err)
	defer conn.Close()
	s.SetDownlink(target, 5)
	peer, teid := s.Downlink()
	require.Equal(t, target, peer)
	require.EqualValues(t, 5, teid)
	r.send(s.TEID(), 1, ping(t, s.Address(), 1, nil))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	b := make([]byte, 2000)
	n, err := conn.Read(b)
	require.NoError(t, err)
	m, err := gtpu.Decode(b[:n])
	require.NoError(t, err)
	require.EqualValues(t, 5, m.TEID)
}

func TestPool(t *testing.T) {
	p, err := newPool(netip.MustParsePrefix("10.60.0.9/29"))
	require.NoError(t, err)
	var got []string
	for {
		a, ok := p.take()
		if !ok {
			break
		}
		got = append(got, a.String())
	}
	require.Equal(t, []string{"10.60.0.9", "10.60.0.10", "10.60.0.11", "10.60.0.12", "10.60.0.13", "10.60.0.14"}, got)
	p.give(netip.MustParseAddr("10.60.0.12"))
	p.give(netip.MustParseAddr("10.60.0.10"))
	a, _ := p.take()
	require.Equal(t, "10.60.0.12", a.String())

	p, err = newPool(netip.MustParsePrefix("255.255.255.255/32"))
	require.NoError(t, err)
	a, ok := p.take()
	require.True(t, ok)
	require.Equal(t, "255.255.255.255", a.String())
	_, ok = p.take()
	require.False(t, ok)
	_, err = newPool(netip.MustParsePrefix("2001:db8::/64"))
	require.ErrorIs(t, err, ErrInvalid)
	_, err = newPool(netip.Prefix{})
	require.ErrorIs(t, err, ErrInvalid)
}

func TestInvalid(t *testing.T) {
	pool := netip.MustParsePrefix("10.60.0.0/30")
	for name, o := range map[string]Options{
		"no address":   {Pool: pool},
		"no advertise": {Pool: pool, Listen: netip.MustParseAddrPort("0.0.0.0:0")},
		"no pool":      {Listen: netip.MustParseAddrPort("127.0.0.1:0")},
		"workers":      {Pool: pool, Listen: netip.MustParseAddrPort("127.0.0.1:0"), Workers: MaxWorkers + 1},
	} {
		_, err := New(o)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
	u, err := New(Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Pool: pool})
	require.NoError(t, err)
	for _, flows := range [][]uint8{nil, {64}, {1, 1}} {
		_, err := u.Add(SessionConfig{Flows: flows})
		require.ErrorIs(t, err, ErrInvalid, "%v", flows)
	}
	for range 2 {
		_, err = u.Add(SessionConfig{Flows: []uint8{0}})
		require.NoError(t, err)
	}
	_, err = u.Add(SessionConfig{Flows: []uint8{0}})
	require.ErrorIs(t, err, ErrExhausted)
	require.NoError(t, u.Close())
	require.NoError(t, u.Close())
	_, err = u.Add(SessionConfig{Flows: []uint8{0}})
	require.ErrorIs(t, err, ErrClosed)
}
