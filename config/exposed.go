// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
)

// Exposed are the files with secrets that every user of this machine can read. It is no mistake of the configuration.
func Exposed(file string, c *Config) Problems {
	d := linesOf(file)
	d.exposed(c)
	return d.problems.sorted()
}

func (d *decoder) exposed(c *Config) {
	check := func(key, name string) {
		if name == "" || isPEM(name) {
			return
		}
		const others = 0o004
		if info, err := os.Stat(name); err == nil {
			d.warn(info.Mode().Perm()&others != 0, key, fmt.Sprintf("every user of this machine can read %s (mode %04o)", name, info.Mode().Perm()),
				"chmod o-r, and let the user that the N3IWF runs as own it")
		}
	}
	for _, p := range c.NWu.Certificate.pairs() {
		check(p.at+".key", string(p.Key))
	}
	check("nwu.ike.ppk.file", c.NWu.IKE.PPK.File)
	check("nwu.ike.crashSecret", c.NWu.IKE.CrashSecret)
	check("management.tls.key", string(c.Management.TLS.Key))
	if c.Cluster.Enabled {
		check("cluster.key", string(c.Cluster.Key))
	}
}
