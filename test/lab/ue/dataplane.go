// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"net/netip"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
)

// dataPlane is what the UE needs of a maker.
type dataPlane interface {
	ipsec.DataPlane
	Sockets() []ipsec.Socket
	AddSocket(ipsec.Socket) (netip.AddrPort, error)
	ReserveSPI(spi uint32) error
}

// openDataPlane makes the one that the options ask for. The kernel needs no route for the network's inner IPv4 addresses; for the IPv6 ones it has
// one for all addresses of private use.
func (u *UE) openDataPlane() (dataPlane, error) {
	sockets := []ipsec.Socket{
		{Kind: ipsec.IKE, Local: netip.AddrPortFrom(u.o.Local, u.o.LocalIKE)},
		{Kind: ipsec.NATT, Local: netip.AddrPortFrom(u.o.Local, u.o.LocalNATT)},
	}
	if u.o.Kernel == 0 {
		return user.New(user.Options{Sink: &sink{u: u}, Workers: 1, MaxSAs: 1 << 12, Log: u.log, Sockets: sockets})
	}
	o := kernel.Options{Sink: &sink{u: u}, Workers: 1, MaxChildren: 1 << 12, Log: u.log, Sockets: sockets, InterfaceID: u.o.Kernel}
	if u.o.InnerIPv6 {
		o.Routes = []netip.Prefix{netip.MustParsePrefix("fc00::/7")}
	}
	return kernel.New(o)
}
