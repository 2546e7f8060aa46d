// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// encap6 tells whether the kernel under test has ESP in UDP over IPv6.
func encap6(t *testing.T) bool { return testenv.KernelAtLeast(t, 5, 8) }

// usable leaves out the paths that the kernel under test cannot have.
func usable(t *testing.T, paths ...ipsec.Path) []ipsec.Path {
	return slices.DeleteFunc(paths, func(p ipsec.Path) bool { return p.NATT && p.Local.Addr().Is6() && !encap6(t) })
}

// A kernel without ESP in UDP over IPv6 refuses just what needs it, and says so: a UE with IPv4 is served on a host that serves IPv6 as well, a UE with
// IPv6 and no NAT too, and a move that cannot be made leaves the SA where it is.
func TestKernelWithoutESPInUDPOverIPv6(t *testing.T) {
	n := newNetwork(t)
	gw := kernelEnd(t, n.gw, true, func(o *Options) { o.Sockets = append(onAddresses(), ipsec.Socket{Kind: ipsec.ESP, Local: at(gw6, 0)}) })
	ue := kernelEnd(t, n.peer, false, func(o *Options) { o.Sockets = append(o.Sockets, ipsec.Socket{Kind: ipsec.ESP, Local: at(peer6, 0)}) })
	d := gw.DataPlane.(*DataPlane)
	require.Equal(t, encap6(t), d.noEncap6 == nil)
	d.noEncap6 = errOldEncap6
	connect(t, gw, ue, 1, gcm128, nil)
	both := func() {
		pass(t, ue, gw, 1)
		pass(t, gw, ue, 1)
	}
	both()
	encapsulated := path(gw.v6, ue.v6)
	err := gw.Move(ipsec.Target{Path: encapsulated, Limit: ipsec.Unlimited}, 1)
	require.ErrorIs(t, err, ipsec.ErrPath)
	require.ErrorContains(t, err, "Linux 5.8")
	require.ErrorIs(t, d.Prepare(encapsulated, 1), ipsec.ErrPath)
	both()
	plain := ipsec.Path{Local: netip.AddrPortFrom(gw.v6, 0), Remote: netip.AddrPortFrom(ue.v6, 0)}
	mirror := ipsec.Path{Local: plain.Remote, Remote: plain.Local}
	require.NoError(t, gw.Move(ipsec.Target{Path: plain, Limit: ipsec.Unlimited}, 1))
	require.NoError(t, ue.Move(ipsec.Target{Path: mirror, Limit: ipsec.Unlimited}, 1))
	both()
}
