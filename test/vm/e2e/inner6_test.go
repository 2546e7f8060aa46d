// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/n3iwf/api"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
	"github.com/open-n3iwf/n3iwf/test/lab/upf"
)

// A UE with an inner IPv6 address, whose ESP is in the kernel: its session is the relay's, which says so, and user packets of all sizes come, those too
// that the kernel would drop because they do not fit the path; over a path with less room after a move as well.
func TestKernelInnerIPv6(t *testing.T) {
	w := newWorld(t, 1)
	w.startCore()
	w.startN3IWF(0, func(n *nf) {
		n.config = strings.Replace(n.config, "uePools: {ipv4: [10.60.0.0/24]}", `uePools: {ipv6: ["fd00:60::/64"]}
  nas: {ipv6: "fd00:60::1"}
  userPlane: {ipv6: "fd00:60::2"}`, 1)
	})
	u, s := w.connect(0, 0, func(o *ue.Options) { o.InnerIPv6 = true })
	got := make(chan []byte, 64)
	u.OnReceive(func(_, _ uint8, pdu []byte) { got <- bytes.Clone(pdu) })
	require.True(t, netip.MustParseAddr(u.State().Inner[0]).Is6())
	sender := s.NewSender()
	exchange := func() {
		t.Helper()
		for i, n := range []int{64, 1300, 1370, 1371, 1456, 1500} {
			payload := bytes.Repeat([]byte{byte(i + 1)}, n-28)
			pdu := udpip.Append(nil, udpip.Packet{
				Source: netip.AddrPortFrom(s.Address(), 4000), Destination: netip.AddrPortFrom(dn, upf.PortEcho), Payload: payload,
			}, 1)
			require.NoError(t, w.within(func(ctx context.Context) error {
				require.NoError(t, sender.Write(1, pdu))
				require.NoError(t, sender.Flush())
				select {
				case b := <-got:
					p, ok := udpip.Parse(b)
					require.True(t, ok)
					require.Equal(t, payload, p.Payload)
					return nil
				case <-ctx.Done():
					return fmt.Errorf("packet of %d octets: %w", n, ctx.Err())
				}
			}))
		}
	}
	exchange()
	var st api.Status
	w.ask(0, "/status", &st)
	require.Equal(t, hasPrograms(t), st.UserPlane.Kind == "ebpf")
	if hasPrograms(t) {
		require.Equal(t, 1, st.UserPlane.Relayed)
	}

	var err error
	w.wlan.do(func() { err = u.AddAddress(at(netNWu, ueSite+1)) })
	require.NoError(t, err)
	narrow := fmt.Sprintf("%s/32 dev nwu mtu 1400", at(netNWu, ueSite+1))
	moves := uint64(0)
	// On the path that is left packets are lost as the link gets narrow: it is to be out of use when the next ones are sent.
	move := func(site int) {
		t.Helper()
		require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, at(netNWu, site), at(netNWu, 1)) }))
		moves++
		w.until("the N3IWF has moved the child SAs", func() bool { w.ask(0, "/status", &st); return st.Moves == moves })
	}
	for range 2 {
		w.wlan.ip(t, "link set nwu mtu 1400")
		w.gw.ip(t, "route add "+narrow)
		move(ueSite + 1)
		exchange()
		w.wlan.ip(t, "link set nwu mtu 1500")
		move(ueSite)
		w.gw.ip(t, "route del "+narrow)
		exchange()
	}
}
