// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netns"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// The UE has two links to a router and begins with an address on the first; the gateway is behind the router, with a
// second link that begins without address.
const (
	ueAddr1, ueAddr2   = "192.168.1.10", "192.168.2.10"
	ueAddr6            = "2001:db8:2::10" // on the second link
	gwAddr, gwAddr2    = "10.100.0.1", "10.101.0.1"
	gwAddr6            = "2001:db8:100::1"
	natAddr            = "10.100.0.254" // the router's, towards the gateway
	behindGW, behindV6 = "10.200.0.1", "2001:db8:200::1"
)

// network is the namespaces of UE, router and gateway.
type network struct {
	t              testing.TB
	ue, router, gw string
}

func need(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedTool(t, charonProgram, "strongswan-charon")
	testenv.NeedTool(t, "swanctl", "strongswan-swanctl")
	testenv.NeedTool(t, "ip", "iproute2")
	testenv.NeedTool(t, "nft", "nftables")
	testenv.NeedTool(t, "conntrack", "conntrack")
	for plugin, pkg := range map[string]string{
		"kernel-libipsec": "libcharon-extra-plugins", "eap-md5": "libcharon-extra-plugins", "eap-mschapv2": "libcharon-extauth-plugins",
		"curve25519": "libstrongswan-extra-plugins", "chapoly": "libstrongswan-extra-plugins",
	} {
		_, err := exec.LookPath("/usr/lib/ipsec/plugins/libstrongswan-" + plugin + ".so")
		testenv.Need(t, err == nil || !strings.Contains(err.Error(), "no such file"), "charon's plugin "+plugin+": apt-get install "+pkg)
	}
	testenv.Need(t, *charonESP == inKernel || tun(), "TUN devices: a machine or container with /dev/net/tun")
	t.Parallel()
}

func tun() bool {
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR, 0)
	if err == nil {
		_ = syscall.Close(fd)
	}
	return err == nil
}

func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	require.NoError(t, err, "%s: %s", strings.Join(args, " "), out)
	return string(out)
}

// nsPrefix begins the names of all namespaces of all runs; the process ID follows.
const nsPrefix = "interop-"

var networks atomic.Int32

func newNetwork(t testing.TB) *network {
	name := fmt.Sprintf("%s%d-%d", nsPrefix, syscall.Getpid(), networks.Add(1))
	n := &network{t: t, ue: name + "-ue", router: name + "-rt", gw: name + "-gw"}
	t.Cleanup(n.remove)
	building.RLock()
	defer building.RUnlock()
	// Few programs make it: on a slow machine each takes its time.
	script := `
ip -batch - <<!
netns add $UE
netns add $RT
netns add $GW
!
common="net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.accept_dad=0"
# Hosts without link-local addresses, so that charon sees no more addresses than a scenario gives it.
for ns in $UE $GW; do ip netns exec $ns sysctl -qw $common net.ipv6.conf.default.addr_gen_mode=1; done
ip netns exec $RT sysctl -qw $common net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -batch - <<!
link add a0 netns $UE type veth peer name r0 netns $RT
link add a1 netns $UE type veth peer name r1 netns $RT
link add b0 netns $GW type veth peer name s0 netns $RT
link add b1 netns $GW type veth peer name s1 netns $RT
!
ip -n $RT -batch - <<!
link set lo up
link set r0 up
link set r1 up
link set s0 up
link set s1 up
addr add 192.168.1.1/24 dev r0
addr add 2001:db8:1::1/64 dev r0
addr add 192.168.2.1/24 dev r1
addr add 2001:db8:2::1/64 dev r1
addr add 10.100.0.254/24 dev s0
addr add 2001:db8:100::fe/64 dev s0
addr add 10.101.0.254/24 dev s1
!
ip -n $UE -batch - <<!
link set lo up
link set a0 up
link set a1 up
addr add 192.168.1.10/24 dev a0
route add default via 192.168.1.1 dev a0 metric 100
!
ip -n $GW -batch - <<!
link set lo up
link set b0 up
link set b1 up
addr add 10.100.0.1/24 dev b0
route add default via 10.100.0.254 dev b0
addr add 2001:db8:100::1/64 dev b0
route add default via 2001:db8:100::fe dev b0
addr add 10.200.0.1/32 dev lo
addr add 2001:db8:200::1/128 dev lo
!
`
	cmd := exec.Command("sh", "-ec", script)
	cmd.Env = append(cmd.Environ(), "UE="+n.ue, "RT="+n.router, "GW="+n.gw)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return n
}

func (n *network) remove() {
	cmd := exec.Command("ip", "-force", "-batch", "-")
	cmd.Stdin = strings.NewReader(fmt.Sprintf("netns del %s\nnetns del %s\nnetns del %s\n", n.ue, n.router, n.gw))
	_ = cmd.Run() // they may not have been made
}

// in runs commands, separated by semicolons, in a namespace.
func (n *network) in(ns, commands string) string {
	n.t.Helper()
	return run(n.t, "ip", "netns", "exec", ns, "sh", "-ec", commands)
}

// second gives the UE its second address; the first still works.
func (n *network) second() {
	n.in(n.ue, "ip addr add "+ueAddr2+"/24 dev a1; ip route add default via 192.168.2.1 dev a1 metric 200")
}

// second6 gives the UE an IPv6 address on its second link.
func (n *network) second6() {
	n.in(n.ue, "ip addr add "+ueAddr6+"/64 dev a1; ip route add default via 2001:db8:2::1 dev a1")
}

// loseFirst takes the UE's first address away, loseSecond the second.
func (n *network) loseFirst()  { n.in(n.ue, "ip addr del "+ueAddr1+"/24 dev a0") }
func (n *network) loseSecond() { n.in(n.ue, "ip addr del "+ueAddr2+"/24 dev a1") }

// first brings the first address back.
func (n *network) first() {
	n.in(n.ue, "ip addr add "+ueAddr1+"/24 dev a0; ip route add default via 192.168.1.1 dev a0 metric 100")
}

// nat makes the router translate what comes from a network of the UE, to UDP ports from..from+999. What was translated
// before is forgotten, as by a router that was restarted.
func (n *network) nat(from int, network string) {
	rules := fmt.Sprintf(`flush ruleset
table ip nat {
  chain post {
    type nat hook postrouting priority srcnat
    oifname "s0" ip saddr %[1]s meta l4proto udp snat to %[2]s:%[3]d-%[4]d
    oifname "s0" ip saddr %[1]s masquerade
  }
}
table ip seen {
  counter keepalives { }
  chain passing {
    type filter hook forward priority 0
    udp dport 4500 udp length 9 counter name keepalives
  }
}
`, network, natAddr, from, from+999)
	n.nft(rules)
	_ = exec.Command("ip", "netns", "exec", n.router, "conntrack", "-F").Run()
}

func (n *network) nft(rules string) {
	n.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", n.router, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	out, err := cmd.CombinedOutput()
	require.NoError(n.t, err, "%s", out)
}

// keepalives is how many NAT keepalives (RFC 3948 2.3) have passed the router since nat was called.
func (n *network) keepalives() (packets int) {
	n.t.Helper()
	out := n.in(n.router, "nft list counter ip seen keepalives")
	_, after, _ := strings.Cut(out, "packets ")
	_, err := fmt.Sscan(after, &packets)
	require.NoError(n.t, err)
	return packets
}

// within runs f on a thread that is in a namespace; sockets that f opens stay there whichever thread uses them.
func within(ns string, f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends with the goroutine
		h, err := netns.GetFromName(ns)
		if err == nil {
			err = netns.Set(h)
			h.Close()
		}
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
