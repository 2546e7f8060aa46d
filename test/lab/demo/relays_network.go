// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"
	"net/netip"
)

// hostRelays are the relay UEs' hosts.
var hostRelays = [2]string{"relay-a", "relay-b"}

// relayPlan says where relay UEs are. The first serves IPv4 behind its NAT, the second also IPv6 with a delegated prefix.
type relayPlan struct {
	n3iwf   netip.Addr    // where relays find the N3IWF for themselves
	outer   [2]netip.Addr // of the relays' own access
	pc5     [2]netip.Addr // where the remote UE finds the N3IWF at each relay
	remote  [2]netip.Addr // of the remote UE on each PC5 link
	listen6 netip.AddrPort
	pool    netip.Prefix // PDU sessions' addresses
	nat     string       // address behind which IPv6 PDU sessions reach the N3IWF; empty: they are routed
}

// pool6 are the prefixes that are delegated to relays.
const pool6 = "fd45:100::/48"

// relayNetwork is that of the namespaces. To the remote UE, a relay is the router to the N3IWF: it takes what is sent to the N3IWF's very address.
// Relays themselves use another address of the N3IWF.
var relayNetwork = relayPlan{
	n3iwf: netip.MustParseAddr("10.45.9.3"),
	outer: [2]netip.Addr{netip.MustParseAddr("10.45.21.2"), netip.MustParseAddr("10.45.22.2")},
	pc5:   [2]netip.Addr{netip.MustParseAddr("10.45.9.2"), netip.MustParseAddr("10.45.9.2")},
	remote: [2]netip.Addr{
		netip.MustParseAddr("192.168.51.2"), netip.MustParseAddr("192.168.52.2"),
	},
	listen6: netip.MustParseAddrPort("[fd45:9::2]:4500"), pool: netip.MustParsePrefix("10.45.100.0/24"),
}

// buildRelays adds the relays, and the way from the core's data network to the N3IWF, to which PDU sessions' addresses are routed.
//
//	ue:pc5-a 192.168.51.2 -- 192.168.51.1 relay-a 10.45.21.2 -- net -- 10.45.9.3 n3iwf
//	ue:pc5-b 192.168.52.2 -- 192.168.52.1 relay-b 10.45.22.2 -- net
//	core:n6 10.45.8.2, fd45:8::2 ------------------------------- net -- 10.45.9.2, fd45:9::2 n3iwf
func (n *namespaces) buildRelays() error {
	for i, h := range hostRelays {
		if err := run("ip", "netns", "add", n.ns(h)); err != nil {
			return err
		}
		dev, at := string('a'+rune(i)), i+1
		for _, l := range []cable{
			{hostUE, "pc5-" + dev, []string{fmt.Sprintf("192.168.5%d.2/24", at)}, h, "pc5", []string{fmt.Sprintf("192.168.5%d.1/24", at)}},
			{h, "uu", []string{fmt.Sprintf("10.45.2%d.2/24", at)}, netHost, "uu-" + dev, []string{fmt.Sprintf("10.45.2%d.1/24", at)}},
		} {
			if err := n.link(l); err != nil {
				return err
			}
		}
		for _, step := range []command{
			{h, "link set lo up"}, {h, fmt.Sprintf("route add 10.45.0.0/16 via 10.45.2%d.1", at)},
			{h, "route add local 10.45.9.2/32 dev lo"}, {h, "-6 route add local fd45:9::2/128 dev lo"},
			{hostUE, fmt.Sprintf("rule add from 192.168.5%d.2 lookup 11%d", at, at)},
			{hostUE, fmt.Sprintf("route add default via 192.168.5%d.1 dev pc5-%s table 11%d", at, dev, at)},
		} {
			if err := n.ip(step.host, step.args); err != nil {
				return err
			}
		}
	}
	if err := n.link(cable{hostCore, "n6", []string{"10.45.8.2/24", "fd45:8::2/64"}, netHost, "n6", []string{"10.45.8.1/24", "fd45:8::1/64"}}); err != nil {
		return err
	}
	for _, step := range []command{
		{hostN3IWF, "addr add 10.45.9.3/24 dev nwu"}, {hostN3IWF, "-6 route add " + pool6 + " via fd45:9::1"},
		{netHost, "route add 10.45.100.0/24 via 10.45.8.2"}, {netHost, "-6 route add " + pool6 + " via fd45:8::2"},
		{hostCore, "route add local 10.45.100.0/24 dev lo"}, {hostCore, "-6 route add local " + pool6 + " dev lo"},
		{hostCore, "route add 10.45.9.0/24 via 10.45.8.1"}, {hostCore, "-6 route add fd45:9::/64 via fd45:8::1"},
	} {
		if err := n.ip(step.host, step.args); err != nil {
			return err
		}
	}
	for _, h := range []string{hostCore, hostRelays[0], hostRelays[1]} {
		// Sockets for the addresses of PDU sessions, and of the N3IWF in the relays.
		if err := run(n.wrap(h, "sysctl", "-qw", "net.ipv6.ip_nonlocal_bind=1")...); err != nil {
			return err
		}
	}
	return nil
}

// delegated stands for the Router Advertisement of the relay on PC5.
func (n *namespaces) delegated(prefix netip.Prefix) (netip.Addr, error) {
	router := prefix.Masked().Addr().Next()
	a := router.Next()
	for _, step := range []command{
		{hostRelays[1], fmt.Sprintf("addr add %s/64 dev pc5 nodad", router)},
		{hostUE, fmt.Sprintf("addr add %s/64 dev pc5-b nodad", a)},
		{hostUE, fmt.Sprintf("-6 rule add from %s lookup 112", a)},
		{hostUE, fmt.Sprintf("-6 route add default via %s dev pc5-b table 112", router)},
	} {
		if err := n.ip(step.host, step.args); err != nil {
			return a, err
		}
	}
	return a, nil
}
