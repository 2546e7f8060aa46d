// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// sockets opens the peer's sockets of all kinds that the environment has.
func (h *harness) sockets() map[string]*socket {
	m := map[string]*socket{"udp4": h.udp(h.Peer4[0])}
	if h.Local6.IsValid() {
		m["udp6"] = h.udp(h.Peer6)
	}
	if h.PlainESP {
		m["plain4"] = h.plain(h.Peer4[0])
	}
	return m
}

// Every algorithm carries packets of all sizes and both inner families, both ways, on every kind of path, and the counters tell it.
func testTraffic(t *testing.T, h *harness) {
	for kind, s := range h.sockets() {
		for _, suite := range suites {
			for _, esn := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s,%s,esn=%v", kind, suite.name, esn), func(t *testing.T) {
					sa := h.generationOf(h.sa(s), suite)
					sa.ESN = esn
					g := h.install(sa)
					var bytes, n uint64
					for _, size := range []int{20, 21, 22, 23, 24, 35, 36, 37, 60, 576, 1400, 1438} {
						g.up(s, upPacket(size))
						g.down(s, downPacket(size))
						bytes, n = bytes+uint64(size), n+1
					}
					g.up(s, inner(innerRemote6, innerLocal6, 47, 100))
					g.down(s, inner(innerLocal6, innerRemote6, 47, 100))
					bytes, n = bytes+100, n+1

					st := h.stats(sa.ID)
					require.Equal(t, sa.Target.Path, st.Path)
					require.Len(t, st.Generations, 1)
					want := ipsec.Generation{
						InboundSPI: sa.InboundSPI, OutboundSPI: sa.OutboundSPI, Current: true,
						Inbound: ipsec.Counter{Packets: n, Bytes: bytes}, Outbound: ipsec.Counter{Packets: n, Bytes: bytes},
						InboundSequence: n, OutboundSequence: n,
					}
					require.Equal(t, want, st.Generations[0])
					require.NoError(t, h.DataPlane.Delete(sa.ID, 0))
				})
			}
		}
	}
}

func testErrors(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	good := h.sa(s)
	g := h.install(good)
	for name, c := range map[string]struct {
		change func(*ipsec.ChildSA)
		err    error
	}{
		"no SPI":           {func(sa *ipsec.ChildSA) { sa.InboundSPI = 0 }, ipsec.ErrInvalid},
		"SPI not ours":     {func(sa *ipsec.ChildSA) { h.DataPlane.ReleaseSPI(sa.InboundSPI) }, ipsec.ErrInvalid},
		"SPI in use":       {func(sa *ipsec.ChildSA) { h.DataPlane.ReleaseSPI(sa.InboundSPI); sa.InboundSPI = good.InboundSPI }, ipsec.ErrExists},
		"cipher":           {func(sa *ipsec.ChildSA) { sa.Algorithms.Encr = 3 }, ipsec.ErrAlgorithm},
		"key too short":    {func(sa *ipsec.ChildSA) { sa.InboundKeys.Encr = sa.InboundKeys.Encr[1:] }, ipsec.ErrAlgorithm},
		"no outbound key":  {func(sa *ipsec.ChildSA) { sa.OutboundKeys.Encr = nil }, ipsec.ErrAlgorithm},
		"integ with AEAD":  {func(sa *ipsec.ChildSA) { sa.Algorithms.Integ = 12 }, ipsec.ErrAlgorithm},
		"window too large": {func(sa *ipsec.ChildSA) { sa.ReplayWindow = 5000 }, ipsec.ErrInvalid},
		"selector":         {func(sa *ipsec.ChildSA) { sa.Local = []ipsec.Selector{{From: innerRemote4, To: innerLocal4}} }, ipsec.ErrInvalid},
		"no path":          {func(sa *ipsec.ChildSA) { sa.Target.Path = ipsec.Path{} }, ipsec.ErrPath},
		"local address": {func(sa *ipsec.ChildSA) {
			sa.Target.Path.Local = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.99"), 1)
		}, ipsec.ErrPath},
		"no remote port": {func(sa *ipsec.ChildSA) {
			sa.Target.Path.Remote = netip.AddrPortFrom(sa.Target.Path.Remote.Addr(), 0)
		}, ipsec.ErrPath},
	} {
		t.Run(name, func(t *testing.T) {
			sa := h.sa(s)
			c.change(&sa)
			require.ErrorIs(t, h.DataPlane.Install(sa), c.err)
			_, err := h.DataPlane.Stats(sa.ID)
			require.ErrorIs(t, err, ipsec.ErrUnknown)
			_, err = h.DataPlane.Handle(sa.ID)
			require.ErrorIs(t, err, ipsec.ErrUnknown)
		})
	}
	require.ErrorIs(t, h.DataPlane.SwitchOutbound(9999, 1), ipsec.ErrUnknown)
	require.ErrorIs(t, h.DataPlane.SwitchOutbound(good.ID, 1), ipsec.ErrUnknown)
	require.ErrorIs(t, h.DataPlane.DeleteSA(good.ID, 1, 0), ipsec.ErrUnknown)
	require.ErrorIs(t, h.DataPlane.Delete(9999, 0), ipsec.ErrUnknown)
	handle, err := h.DataPlane.Handle(good.ID)
	require.NoError(t, err)
	require.ErrorIs(t, h.writer.Write(handle, nil, nil), ipsec.ErrTooLong)
	require.ErrorIs(t, h.writer.Write(handle, make([]byte, 100), make([]byte, 65500)), ipsec.ErrTooLong)
	g.both(s)
}

func testSPI(t *testing.T, h *harness) {
	seen := map[uint32]bool{}
	for i := range 1000 {
		spi, err := h.DataPlane.NewInboundSPI(i % h.DataPlane.Workers())
		require.NoError(t, err)
		require.GreaterOrEqual(t, spi, uint32(256))
		require.False(t, seen[spi])
		seen[spi] = true
	}
	for spi := range seen {
		h.DataPlane.ReleaseSPI(spi)
		h.DataPlane.ReleaseSPI(spi)
	}
	_, err := h.DataPlane.NewInboundSPI(h.DataPlane.Workers())
	require.ErrorIs(t, err, ipsec.ErrInvalid)
	for w := range h.DataPlane.Workers() {
		require.NotEqual(t, h.DataPlane.IKESPI(w, 1), h.DataPlane.IKESPI(w, 2))
	}
}

// Inbound packets must agree with the selectors on both ends; what does not is dropped and counted.
func testSelectors(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	sa := h.sa(s)
	sa.Local = []ipsec.Selector{
		ipsec.HostSelector(innerLocal4, 47),
		{Protocol: 6, StartPort: 20000, EndPort: 20000, From: innerLocal4, To: innerLocal4},
		ipsec.PrefixSelector(netip.MustParsePrefix("fd00::/64"), 0),
	}
	g := h.install(sa)
	tcp := func(src, dst netip.Addr, port uint16) []byte {
		p := inner(src, dst, 6, 80)
		n := 20
		if src.Is6() {
			n = 40
		}
		p[n+2], p[n+3] = byte(port>>8), byte(port)
		return p
	}
	fragment := func(p []byte) []byte { p[7] = 5; return p } // not the first: no ports in it
	other := netip.MustParseAddr("10.0.0.3")
	var dropped uint64
	for _, c := range []struct {
		name   string
		packet []byte
		pass   bool
	}{
		{"GRE", upPacket(60), true},
		{"source", inner(other, innerLocal4, 47, 60), false},
		{"destination", inner(innerRemote4, other, 47, 60), false},
		{"protocol", inner(innerRemote4, innerLocal4, 17, 60), false},
		{"TCP port", tcp(innerRemote4, innerLocal4, 20000), true},
		{"other TCP port", tcp(innerRemote4, innerLocal4, 20001), false},
		{"TCP fragment", fragment(tcp(innerRemote4, innerLocal4, 20000)), false},
		{"GRE fragment", fragment(upPacket(60)), true},
		{"IPv6 prefix", inner(innerRemote6, netip.MustParseAddr("fd00::77"), 17, 60), true},
		{"IPv6 outside prefix", inner(innerRemote6, netip.MustParseAddr("fd00:0:0:1::1"), 17, 60), false},
		{"direction", downPacket(60), false},
	} {
		s.send(g.next(c.packet))
		if c.pass {
			g.handedOn(c.packet)
			continue
		}
		dropped++
		h.eventually(c.name, func() bool { return h.stats(sa.ID).Generations[0].Drops.Selector == dropped })
	}
	h.noPacket()
	require.Zero(t, h.stats(sa.ID).Generations[0].Drops.Malformed)
}

// testIKE checks both kinds of IKE transport, and that keepalives go unseen.
func testIKE(t *testing.T, h *harness) {
	msg := make([]byte, 28)
	for i := range msg {
		msg[i] = byte(i + 1)
	}
	marker := []byte{0, 0, 0, 0}
	s := h.udp(h.Peer4[0])
	paths := map[ipsec.Path][]byte{s.path(): marker, {Local: h.IKE4, Remote: s.conn.LocalAddr()}: nil}
	sockets := map[bool]*socket{false: s, true: s}
	if h.Local6.IsValid() {
		s6 := h.udp(h.Peer6)
		paths[s6.path()] = marker
		sockets[false] = s6
	}
	for path, prefix := range paths {
		s := sockets[path.Local.Addr().Is4()]
		wire := append(append([]byte{}, prefix...), msg...)
		require.NoError(t, s.conn.WriteTo(addressOf(path.Local), wire, nil))
		var got message
		h.wait("IKE message", func() bool {
			if len(h.sink.ike) == 0 {
				return false
			}
			got, h.sink.ike = h.sink.ike[0], nil
			return true
		})
		require.Equal(t, message{path, msg}, got)

		require.NoError(t, h.DataPlane.SendIKE(path, msg))
		got = s.receive()
		require.Equal(t, wire, got.data)
		require.Equal(t, path.Local, got.path.Remote)
	}
	require.NoError(t, h.DataPlane.SendKeepalive(s.path()))
	require.Equal(t, []byte{0xff}, s.receive().data)
	require.ErrorIs(t, h.DataPlane.SendKeepalive(ipsec.Path{Local: h.IKE4, Remote: s.conn.LocalAddr()}), ipsec.ErrPath)
	require.ErrorIs(t, h.DataPlane.SendIKE(ipsec.Path{Local: netip.MustParseAddrPort("192.0.2.9:500"), Remote: s.conn.LocalAddr()}, msg), ipsec.ErrPath)

	s.send([]byte{0xff})
	g := h.install(h.sa(s))
	g.both(s) // comes after the keepalive
	h.sink.mu.Lock()
	defer h.sink.mu.Unlock()
	require.Empty(t, h.sink.ike)
	require.Empty(t, h.sink.events)
}
