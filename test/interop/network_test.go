// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// The gateway has one address, reached over two links; the UE has one address on each link, of which the second is
// added when it moves.
const (
	gwAddr  = "10.100.0.1"
	ueAddr1 = "192.168.1.10"
	ueAddr2 = "192.168.2.10"
)

// network is two namespaces with two links between them.
type network struct {
	t      testing.TB
	ue, gw string
}

func need(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedTool(t, charonProgram, "strongswan-charon")
	testenv.NeedTool(t, "swanctl", "strongswan-swanctl")
	testenv.NeedTool(t, "ip", "iproute2")
	testenv.NeedTool(t, "openssl", "openssl")
	for _, p := range []string{"kernel-libipsec", "eap-md5"} {
		_, err := exec.LookPath("/usr/lib/ipsec/plugins/libstrongswan-" + p + ".so")
		testenv.Need(t, err == nil || !strings.Contains(err.Error(), "no such file"), "charon's plugin "+p+": apt-get install libcharon-extra-plugins")
	}
	testenv.Need(t, exec.Command("ip", "tuntap", "add", "n3probe", "mode", "tun").Run() == nil, "TUN devices: a machine or container with /dev/net/tun")
	run(t, "ip", "tuntap", "del", "n3probe", "mode", "tun")
}

func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	require.NoError(t, err, "%s: %s", strings.Join(args, " "), out)
	return string(out)
}

var networks int

func newNetwork(t testing.TB) *network {
	networks++
	n := &network{t: t, ue: fmt.Sprintf("n3ue%d-%d", syscall.Getpid(), networks), gw: fmt.Sprintf("n3gw%d-%d", syscall.Getpid(), networks)}
	for _, ns := range []string{n.ue, n.gw} {
		run(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { run(t, "ip", "netns", "del", ns) })
		n.in(ns, "ip link set lo up")
		n.in(ns, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0")
	}
	for i, dev := range []string{"a0", "a1"} {
		run(t, "ip", "link", "add", dev, "netns", n.ue, "type", "veth", "peer", "name", fmt.Sprintf("b%d", i), "netns", n.gw)
		n.in(n.ue, "ip link set "+dev+" up")
		n.in(n.gw, fmt.Sprintf("ip link set b%d up", i))
		n.in(n.gw, fmt.Sprintf("ip addr add 192.168.%d.1/24 dev b%d", i+1, i))
	}
	n.in(n.gw, "ip addr add "+gwAddr+"/32 dev lo")
	n.in(n.gw, "ip addr add 10.200.0.1/32 dev lo")
	n.in(n.ue, "ip addr add "+ueAddr1+"/24 dev a0")
	n.in(n.ue, "ip route add default via 192.168.1.1 dev a0 metric 100")
	return n
}

func (n *network) in(ns, command string) string {
	n.t.Helper()
	return run(n.t, append([]string{"ip", "netns", "exec", ns}, strings.Fields(command)...)...)
}

// second gives the UE its second address; the first still works.
func (n *network) second() {
	n.in(n.ue, "ip addr add "+ueAddr2+"/24 dev a1")
	n.in(n.ue, "ip route add default via 192.168.2.1 dev a1 metric 200")
}

// loseFirst takes the UE's first address away.
func (n *network) loseFirst() { n.in(n.ue, "ip addr del "+ueAddr1+"/24 dev a0") }

// listen opens a UDP socket in a namespace; it stays there whichever thread uses it.
func (n *network) listen(ns string, port int) *net.UDPConn {
	n.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	require.NoError(n.t, err)
	defer home.Close()
	there, err := netns.GetFromName(ns)
	require.NoError(n.t, err)
	defer there.Close()
	require.NoError(n.t, netns.Set(there))
	defer func() { require.NoError(n.t, netns.Set(home)) }()
	cfg := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		// The address that a datagram was sent to is needed to answer from it.
		e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1) })
		if e != nil {
			return e
		}
		return err
	}}
	c, err := cfg.ListenPacket(context.Background(), "udp4", fmt.Sprintf(":%d", port))
	require.NoError(n.t, err)
	return c.(*net.UDPConn)
}
