// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"
)

// namespaces are network namespaces of the demo's own: a UE with three uplinks, a network of routers with a NAT before one of them, the N3IWF,
// and the core.
//
//	ue:wlan-a 10.45.1.2, fd45:1::2 ----------------- net -- 10.45.9.2, fd45:9::2 n3iwf 10.46.0.1 -- 10.46.0.2 core
//	ue:wlan-b 10.45.2.2 ---------------------------- net
//	ue:wlan-c 192.168.45.2 --(NAT to 10.45.9.1)----- net
type namespaces struct {
	prefix string
	ports  int       // of the NAT's present range
	forgot time.Time // begin of the removal of the NAT's mappings
	relays bool
}

func newNamespaces(relays bool) (*namespaces, error) {
	n := &namespaces{prefix: fmt.Sprintf("nwu%d-", os.Getpid()%100000), ports: 20000, relays: relays}
	err := n.build()
	if err == nil && relays {
		err = n.buildRelays()
	}
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *namespaces) ns(host string) string { return n.prefix + host }

func (n *namespaces) wrap(host string, argv ...string) []string {
	return append([]string{"ip", "netns", "exec", n.ns(host)}, argv...)
}

const netHost = "net"

func (n *namespaces) build() error {
	for _, h := range []string{hostUE, netHost, hostN3IWF, hostCore} {
		if err := run("ip", "netns", "add", n.ns(h)); err != nil {
			return err
		}
		if err := n.ip(h, "link set lo up"); err != nil {
			return err
		}
	}
	links := []cable{
		{hostUE, "wlan-a", []string{"10.45.1.2/24", "fd45:1::2/64"}, netHost, "ap-a", []string{"10.45.1.1/24", "fd45:1::1/64"}},
		{hostUE, "wlan-b", []string{"10.45.2.2/24"}, netHost, "ap-b", []string{"10.45.2.1/24"}},
		{hostUE, "wlan-c", []string{"192.168.45.2/24"}, netHost, "ap-c", []string{"192.168.45.1/24"}},
		{hostN3IWF, "nwu", []string{"10.45.9.2/24", "fd45:9::2/64"}, netHost, "wan", []string{"10.45.9.1/24", "fd45:9::1/64"}},
		{hostN3IWF, "core", []string{"10.46.0.1/24"}, hostCore, "ran", []string{"10.46.0.2/24"}},
	}
	for _, l := range links {
		if err := n.link(l); err != nil {
			return err
		}
	}
	for _, step := range []command{
		{hostUE, "route add 10.45.9.0/24 via 10.45.1.1 src 10.45.1.2"},
		{hostUE, "rule add from 10.45.2.2 lookup 102"}, {hostUE, "route add default via 10.45.2.1 dev wlan-b table 102"},
		{hostUE, "rule add from 192.168.45.2 lookup 103"}, {hostUE, "route add default via 192.168.45.1 dev wlan-c table 103"},
		{hostUE, "-6 route add fd45:9::/64 via fd45:1::1"},
		{hostN3IWF, "route add 10.45.0.0/16 via 10.45.9.1"}, {hostN3IWF, "-6 route add fd45:1::/64 via fd45:9::1"},
	} {
		if err := n.ip(step.host, step.args); err != nil {
			return err
		}
	}
	for _, s := range []string{"net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"} {
		if err := run(n.wrap(netHost, "sysctl", "-qw", s)...); err != nil {
			return err
		}
	}
	return n.nat()
}

// cable is a virtual link between two hosts.
type cable struct {
	a, aIf string
	aAddrs []string
	b, bIf string
	bAddrs []string
}

// command is one of ip in a host.
type command struct{ host, args string }

func (n *namespaces) link(l cable) error {
	if err := run("ip", "link", "add", l.aIf, "netns", n.ns(l.a), "type", "veth", "peer", "name", l.bIf, "netns", n.ns(l.b)); err != nil {
		return err
	}
	for _, end := range []struct {
		host, dev string
		addrs     []string
	}{{l.a, l.aIf, l.aAddrs}, {l.b, l.bIf, l.bAddrs}} {
		for _, a := range end.addrs {
			nodad := ""
			if strings.Contains(a, ":") {
				nodad = " nodad"
			}
			if err := n.ip(end.host, "addr add "+a+" dev "+end.dev+nodad); err != nil {
				return err
			}
		}
		if err := n.ip(end.host, "link set "+end.dev+" up"); err != nil {
			return err
		}
	}
	return nil
}

func (n *namespaces) ip(host, args string) error {
	argv := append([]string{"ip", "-n", n.ns(host)}, strings.Fields(args)...)
	return run(argv...)
}

// nat translates wlan-c to the address of the router, with ports of a range of its own. Entries of before must go, or they live on.
func (n *namespaces) nat() error {
	rules := fmt.Sprintf(`flush ruleset
table ip nat {
  chain post {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" ip saddr 192.168.45.0/24 udp sport 1-65535 snat to 10.45.9.1:%d-%d
  }
}
`, n.ports, n.ports+99)
	argv := n.wrap(netHost, "nft", "-f", "-")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	n.forgot = time.Now()
	argv = n.wrap(netHost, "conntrack", "-F")
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("conntrack: %w: %s", err, out)
	}
	return nil
}

func (n *namespaces) changePort() (time.Time, error) {
	n.ports += 1000
	err := n.nat()
	return n.forgot, err
}

func (n *namespaces) record() (map[string][]string, error) {
	ends := [][2]string{
		{hostUE, "wlan-a"}, {hostUE, "wlan-b"}, {hostUE, "wlan-c"}, {netHost, "ap-a"}, {netHost, "ap-b"}, {netHost, "ap-c"}, {netHost, "wan"},
		{hostN3IWF, "nwu"}, {hostN3IWF, "core"}, {hostCore, "ran"},
	}
	if n.relays {
		ends = append(ends, [][2]string{
			{hostUE, "pc5-a"}, {hostUE, "pc5-b"}, {hostRelays[0], "pc5"}, {hostRelays[0], "uu"}, {hostRelays[1], "pc5"}, {hostRelays[1], "uu"},
			{netHost, "uu-a"}, {netHost, "uu-b"}, {netHost, "n6"}, {hostCore, "n6"},
		}...)
	}
	for _, end := range ends {
		// Or a virtual link carries up to 64 datagrams as one, which a dissector cannot know.
		if err := run(n.wrap(end[0], "ethtool", "-K", end[1], "tx-udp-segmentation", "off", "gso", "off", "gro", "off")...); err != nil {
			return nil, err
		}
	}
	return map[string][]string{
		"nwu.pcap":  n.wrap(hostN3IWF, "tcpdump", "-i", "nwu"),
		"core.pcap": n.wrap(hostN3IWF, "tcpdump", "-i", "core"),
	}, nil
}

func (n *namespaces) plan() plan {
	a := netip.MustParseAddr
	return plan{
		description: "network namespaces with a router and a NAT between them",
		n3iwf:       [2]netip.Addr{a("10.45.9.2"), a("fd45:9::2")}, natN3IWF: a("10.45.9.2"),
		first: a("10.45.1.2"), second: a("10.45.2.2"), behindNAT: a("192.168.45.2"), ipv6: a("fd45:1::2"),
		n3iwfCore: a("10.46.0.1"), core: a("10.46.0.2"), upf: a("10.46.0.2"),
		ike: 500, natt: 4500, ueIKE: 500, ueNAT: 4500, n2: "auto", relays: relayNetwork,
	}
}

func (n *namespaces) close() error {
	var err error
	hosts := []string{hostUE, netHost, hostN3IWF, hostCore}
	if n.relays {
		hosts = append(hosts, hostRelays[:]...)
	}
	for _, h := range hosts {
		if e := run("ip", "netns", "del", n.ns(h)); e != nil && !strings.Contains(e.Error(), "No such file") {
			err = errors.Join(err, e)
		}
	}
	return err
}

func run(argv ...string) error {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
