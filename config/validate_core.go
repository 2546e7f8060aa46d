// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"regexp"
)

var dnsName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*\.?$`)

func (d *decoder) n2(n *N2) {
	d.count(len(n.AMFs), 1, 64, "n2.amfs", "AMF")
	seen := map[netip.AddrPort]string{}
	v4, v6 := false, false
	for i, amf := range n.AMFs {
		key := fmt.Sprintf("n2.amfs[%d].addresses", i)
		if amf.Name != "" {
			d.require(len(amf.Addresses) == 0, key, "stands beside a name", "give the AMF either addresses or a name")
			d.require(len(amf.Name) < 254 && dnsName.MatchString(amf.Name), fmt.Sprintf("n2.amfs[%d].name", i), fmt.Sprintf("%q is not a DNS name", amf.Name), "write one such as amf.example.org, without port")
			v4, v6 = true, true
			continue
		}
		d.count(len(amf.Addresses), 1, 8, key, "address")
		d.addresses(amf.Addresses, key, false)
		for j, a := range amf.Addresses {
			at := fmt.Sprintf("%s[%d]", key, j)
			v4, v6 = v4 || a.Is4(), v6 || a.Is6()
			ap := netip.AddrPortFrom(a, amf.Port)
			if first, ok := seen[ap]; ok && a.IsValid() {
				d.require(false, at, fmt.Sprintf("%s is also %s (line %d)", ap, first, d.line(first)), "remove one of them")
			}
			seen[ap] = at
		}
	}
	d.addresses(n.LocalAddresses, "n2.localAddresses", false)
	for i, a := range n.LocalAddresses {
		d.require(a.Is4() && v4 || a.Is6() && v6 || len(seen) == 0, fmt.Sprintf("n2.localAddresses[%d]", i),
			fmt.Sprintf("%s is of an IP family that no AMF address has", a), "remove it, or add the AMF's address of that family")
	}
	d.ordered(n.BackOff.Initial, n.BackOff.Max, "n2.backOff.initial", "n2.backOff.max")
	d.ordered(n.SCTP.RTOMin, n.SCTP.RTOInitial, "n2.sctp.rtoMin", "n2.sctp.rtoInitial")
	d.ordered(n.SCTP.RTOInitial, n.SCTP.RTOMax, "n2.sctp.rtoInitial", "n2.sctp.rtoMax")
}

func (d *decoder) n3(n *N3) {
	d.addresses(n.Addresses, "n3.addresses", false)
	d.dscp(n.DSCP, "n3.dscp")
	families := map[bool]netip.Addr{}
	for i, a := range n.Addresses {
		if first, ok := families[a.Is4()]; ok && first != a {
			d.require(false, fmt.Sprintf("n3.addresses[%d]", i), fmt.Sprintf("%s is a second address of the family of %s", a, first), "give at most one IPv4 and one IPv6 address")
		}
		families[a.Is4()] = a
	}
}
