// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/dhcpv6"
	"github.com/open-n3iwf/n3iwf/test/lab/udpclass"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
)

// host is a real host.
func host(t *testing.T, a netip.Addr) *udpclass.Conn {
	t.Helper()
	c, err := udpclass.Listen(netip.AddrPortFrom(a, 0))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// downlink takes a downlink packet of UDP and its flow.
func (r *ran) downlink() (p udpip.Packet, qfi uint8) {
	r.t.Helper()
	outer := gopacket.NewPacket(r.receive(), layers.LayerTypeGTPv1U, gopacket.Default)
	g := outer.Layer(layers.LayerTypeGTPv1U).(*layers.GTPv1U)
	require.EqualValues(r.t, downTEID, g.TEID)
	p, ok := udpip.Parse(g.LayerPayload())
	require.True(r.t, ok, outer)
	return p, g.GTPExtensionHeaders[0].Content[1] & 0x3f
}

// requireExchange sends a packet of a session to a host, which answers.
func (r *ran) requireExchange(s *Session, inside netip.AddrPort, h *udpclass.Conn, class uint8, qfi uint8) (outside netip.AddrPort) {
	r.t.Helper()
	b := make([]byte, 2000)
	r.send(s.TEID(), 1, udpip.Append(nil, udpip.Packet{Source: inside, Destination: h.LocalAddr(), Class: class, Payload: []byte("to the host")}, 1))
	n, got, outside, err := h.Read(b)
	require.NoError(r.t, err)
	require.Equal(r.t, "to the host", string(b[:n]))
	require.Equal(r.t, class, got)
	require.NoError(r.t, h.Write([]byte("to the session"), class, outside))
	p, flow := r.downlink()
	require.Equal(r.t, udpip.Packet{Source: h.LocalAddr(), Destination: inside, Class: class, Payload: []byte("to the session")}, p)
	require.Equal(r.t, qfi, flow)
	return outside
}

// TestRealHosts: what sessions send to real hosts leaves with the NAT's address and a port for each of theirs, with its DSCP, and what comes back
// goes to the session on the flow of its DSCP. Others are not heard.
func TestRealHosts(t *testing.T) {
	nat := netip.MustParseAddr("127.0.0.2")
	u, r := start(t, Options{N6: N6{Hosts: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, NAT: []netip.Addr{nat}}})
	h := host(t, loopback)
	config := SessionConfig{Flows: []uint8{1, 2}, ByDSCP: map[uint8]uint8{46: 2}}
	s, other := r.add(config), r.add(config)
	first := r.requireExchange(s, netip.AddrPortFrom(s.Address(), 500), h, 0, 1)
	second := r.requireExchange(s, netip.AddrPortFrom(s.Address(), 4500), h, 46<<2, 2)
	third := r.requireExchange(other, netip.AddrPortFrom(other.Address(), 500), h, 10<<2, 1)
	for _, a := range []netip.AddrPort{first, second, third} {
		require.Equal(t, nat, a.Addr())
	}
	require.NotEqual(t, first, second)
	require.NotEqual(t, first, third)
	require.Equal(t, first, r.requireExchange(s, netip.AddrPortFrom(s.Address(), 500), h, 0, 1), "a mapping stays")

	stranger := host(t, netip.MustParseAddr("127.0.0.3"))
	require.NoError(t, stranger.Write([]byte("unasked"), 0, first))
	r.requireExchange(s, netip.AddrPortFrom(s.Address(), 500), h, 0, 1) // the next that comes is not the stranger's
	s.Release()
	require.NoError(t, h.Write([]byte("too late"), 0, first))
	r.requireExchange(other, netip.AddrPortFrom(other.Address(), 500), h, 0, 1)
	require.Zero(t, u.Stats().Dropped())
}

// TestOwnAddress: without a NAT, the session's own address and port are what hosts see.
func TestOwnAddress(t *testing.T) {
	_, r := start(t, Options{Pool: netip.MustParsePrefix("127.60.0.0/24"), N6: N6{Hosts: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}})
	s := r.add(SessionConfig{Flows: []uint8{1}})
	inside := netip.AddrPortFrom(s.Address(), 14500)
	require.Equal(t, inside, r.requireExchange(s, inside, host(t, loopback), 0, 1))
}

// TestDelegatedPrefix: DHCPv6 delegates the session's prefix, whose addresses reach real hosts; other sources and destinations do not.
func TestDelegatedPrefix(t *testing.T) {
	six := netip.IPv6Loopback()
	u, r := start(t, Options{
		Pool6: netip.MustParsePrefix("fd45:100::/63"), N6: N6{Hosts: []netip.Prefix{netip.PrefixFrom(six, 128)}, NAT: []netip.Addr{six}},
	})
	s := r.add(SessionConfig{Flows: []uint8{1}, IPv6: true})
	request := dhcpv6.Request{Transaction: [3]byte{1, 2, 3}, Client: []byte{0, 3, 0, 1, 1}, IAID: [4]byte{3: 1}}
	link := netip.AddrPortFrom(linkLocal(s.InterfaceID()), dhcpv6.ClientPort)
	servers := netip.AddrPortFrom(dhcpv6.Servers, dhcpv6.ServerPort)
	r.send(s.TEID(), 1, udpip.Append(nil, udpip.Packet{Source: link, Destination: servers, Payload: request.AppendSolicit(nil)}, 0))
	p, _ := r.downlink()
	require.Equal(t, link, p.Destination)
	prefix, ok := request.ParseReply(p.Payload)
	require.True(t, ok)
	require.Equal(t, netip.MustParsePrefix("fd45:100::/64"), prefix)
	require.Equal(t, prefix, s.Prefix())
	inside := netip.MustParseAddrPort("[fd45:100::2]:4500")
	require.Equal(t, six, r.requireExchange(s, inside, host(t, six), 46<<2, 1).Addr())

	for reason, p := range map[Reason]udpip.Packet{
		Source:     {Source: netip.MustParseAddrPort("[fd45:100:0:1::2]:4500"), Destination: servers},
		NoService:  {Source: inside, Destination: netip.MustParseAddrPort("[2001:db8::1]:500")},
		BadRequest: {Source: link, Destination: servers, Payload: []byte("no DHCP")},
	} {
		r.send(s.TEID(), 1, udpip.Append(nil, p, 0))
		require.Eventually(t, func() bool { return s.Stats().Drops[reason] == 1 }, 10*time.Second, time.Millisecond, reason.String())
	}
	second, err := u.Add(SessionConfig{Flows: []uint8{1}, IPv6: true})
	require.NoError(t, err)
	require.Equal(t, netip.MustParsePrefix("fd45:100:0:1::/64"), second.Prefix())
	_, err = u.Add(SessionConfig{Flows: []uint8{1}, IPv6: true})
	require.ErrorIs(t, err, ErrExhausted)
	s.Release()
	third, err := u.Add(SessionConfig{Flows: []uint8{1}, IPv6: true})
	require.NoError(t, err)
	require.Equal(t, prefix, third.Prefix())
	_, err = New(Options{Listen: netip.AddrPortFrom(loopback, 0), Pool: netip.MustParsePrefix("10.0.0.0/24"), Pool6: netip.MustParsePrefix("fd45::/65")})
	require.ErrorIs(t, err, ErrInvalid)
}
