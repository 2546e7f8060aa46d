// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
)

// NotHere are the addresses of a file that must be this machine's and are not, as here tells. It is no mistake of the file, which may be meant for
// another machine; where it is run, it is what a failed start is about.
func NotHere(file string, c *Config, here func(netip.Addr) bool) Problems {
	d := linesOf(file)
	seen := map[netip.Addr]bool{} // asked
	check := func(a netip.Addr, key string) {
		if !a.IsValid() || a.IsUnspecified() {
			return
		}
		if _, asked := seen[a]; !asked {
			seen[a] = here(a)
		}
		d.warn(!seen[a], key, a.String()+" is no address of this machine", "write one that `ip address` lists, or add it to an interface")
	}
	list := func(all []netip.Addr, key string) {
		for i, a := range all {
			check(a, fmt.Sprintf("%s[%d]", key, i))
		}
	}
	list(c.NWu.Addresses, "nwu.addresses")
	list(c.N2.LocalAddresses, "n2.localAddresses")
	list(c.N3.Addresses, "n3.addresses")
	if c.Cluster.Enabled {
		check(c.Cluster.Address, "cluster.address")
	}
	for key, text := range map[string]string{"management.listen": c.Management.Listen, "management.observe": c.Management.Observe} {
		if a, err := netip.ParseAddrPort(text); err == nil {
			check(a.Addr(), key)
		}
	}
	return d.problems.sorted()
}
