// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"flag"
	"net/netip"
	"testing"
	"time"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
)

// Where ESP is made.
const (
	inUser   = "user"
	inKernel = "kernel"
)

var (
	charonESP = flag.String("charon-esp", inUser, "charon's ESP: user (plugin kernel-libipsec) or kernel (kernel-netlink)")
	ourESP    = flag.String("our-esp", inUser, "ours: user (nwu/ipsec/user) or kernel (nwu/ipsec/kernel)")
)

// slow is a time for what waits or is waited for, on this machine.
func slow(d time.Duration) time.Duration { return d * time.Duration(testenv.Slowness()) }

// dataPlane is what both makers of ESP have.
type dataPlane interface {
	ipsec.DataPlane
	Totals() ipsec.Totals
}

// needESPInUDPOverIPv6 leaves a scenario out where ESP is the kernel's and the kernel cannot do that.
func needESPInUDPOverIPv6(t *testing.T) {
	ok := *ourESP == inUser && *charonESP == inUser || testenv.KernelAtLeast(t, 5, 8)
	if !ok {
		note(row{name: t.Name(), ok: true})
	}
	testenv.Need(t, ok, "a kernel with ESP in UDP over IPv6 (Linux 5.8)")
}

// interfaceID is that of our xfrm interface; each scenario has network namespaces of its own.
const interfaceID = 77

// newDataPlane makes ours in the network namespace of the calling thread.
func newDataPlane(sink ipsec.Sink, udp udpbatch.Options) (dataPlane, error) {
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	sockets := []ipsec.Socket{
		{Kind: ipsec.IKE, Local: netip.AddrPortFrom(any4, 500)}, {Kind: ipsec.NATT, Local: netip.AddrPortFrom(any4, 4500)},
		{Kind: ipsec.IKE, Local: netip.AddrPortFrom(any6, 500)}, {Kind: ipsec.NATT, Local: netip.AddrPortFrom(any6, 4500)},
	}
	if *ourESP == inKernel {
		return kernel.New(kernel.Options{Sink: sink, InterfaceID: interfaceID, Workers: 1, MaxChildren: 1024, Sockets: sockets, UDP: udp})
	}
	return user.New(user.Options{Sink: sink, Workers: 1, MaxSAs: 1024, Sockets: sockets, UDP: udp})
}
