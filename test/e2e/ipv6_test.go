// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestIPv6OnNWu: the outer path, the inner address, NAS, GRE and the PDU session are IPv6, and nothing of the UE is IPv4.
func TestIPv6OnNWu(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	prefix := netip.MustParsePrefix("fd00:60::/64")
	w := newWorld(t, func(c *config.Config) {
		c.NWu.UEPools = config.UEPools{IPv6: []netip.Prefix{prefix}}
		c.NWu.NAS.IPv4, c.NWu.UserPlane.IPv4 = netip.Addr{}, netip.Addr{}
		c.NWu.NAS.IPv6, c.NWu.UserPlane.IPv6 = netip.MustParseAddr("fd00:60::1"), netip.MustParseAddr("fd00:60::2")
		c.NWu.UserPlane.PathMTU = 1280
	}, "pool6: fd45::/48")
	u := w.ue(0, func(o *ue.Options) {
		o.Local, o.N3IWF, o.InnerIPv6 = netip.IPv6Loopback(), netip.IPv6Loopback(), true
	})
	w.register(u)
	state := u.State()
	require.Len(t, state.Inner, 1)
	require.True(t, prefix.Contains(netip.MustParseAddr(state.Inner[0])))
	a := hear(u)
	s := w.establish(u, ue.SessionRequest{ID: 1, Type: nas.SessionIPv6})
	addr, err := s.Address6(w.ctx)
	require.NoError(t, err)
	to := netip.MustParseAddrPort("[2001:db8::7]:7")
	payload := bytes.Repeat([]byte("six"), 400) // longer than the path takes at once
	pdu := udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(addr, 4000), Destination: to, Payload: payload}, 1)
	w.exchange(a, s, 1, pdu, func(b []byte) bool { p, ok := udpip.Parse(b); return ok && bytes.Equal(p.Payload, payload) })
	require.NotZero(t, w.nf.Status().N3.Fragmented)
	w.sameStory(u)
	require.Equal(t, netip.AddrPortFrom(netip.IPv6Loopback(), w.uePort()+1).String(), w.core.State().UEs[0].Location, "the AMF is told an IPv6 address")
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}
