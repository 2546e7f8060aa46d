// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
)

// A data plane whose last address on either side is gone does not work, until one of them is back; nothing is known of one that takes all addresses.
func TestWorkingNeedsAddresses(t *testing.T) {
	one, two := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	begin := func(addresses ...netip.Addr) *N3IWF {
		nf := &N3IWF{log: slog.New(slog.DiscardHandler)}
		var sockets []ipsec.Socket
		for _, a := range addresses {
			for _, kind := range []ipsec.Kind{ipsec.IKE, ipsec.NATT} {
				sockets = append(sockets, ipsec.Socket{Kind: kind, Local: netip.AddrPortFrom(a, 0)})
			}
		}
		r, err := relay.New(relay.Options{Listen: []netip.AddrPort{netip.AddrPortFrom(two, 0)}, Logger: nf.log})
		require.NoError(t, err)
		nf.relay = r // receivers ask for it at once
		d, err := user.New(user.Options{Sink: sink{nf}, Sockets: sockets, Workers: 1, Log: nf.log})
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, d.Close())
			require.NoError(t, r.Close())
		})
		nf.dataPlane = d
		nwu, n3 := nf.outerAddresses()
		nf.local.watch(slices.Concat(nwu, n3))
		require.NoError(t, nf.working())
		return nf
	}
	nf := begin(one, two)
	nf.addressChanged(one, false)
	require.NoError(t, nf.working(), "UEs reach the other one")
	nf.addressChanged(two, false)
	require.ErrorContains(t, nf.working(), "[127.0.0.1 127.0.0.2] (nwu.addresses)")
	nf.addressChanged(one, true)
	require.ErrorContains(t, nf.working(), "[127.0.0.2] (n3.addresses)")
	nf.addressChanged(two, true)
	require.NoError(t, nf.working())

	nf = begin(netip.IPv4Unspecified())
	nf.addressChanged(one, false)
	require.NoError(t, nf.working())
}
