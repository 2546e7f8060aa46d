// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// validate checks what several values must fulfil together and what must exist outside the file.
func (d *decoder) validate(c *Config) {
	d.identity(&c.N3IWF)
	d.nwu(&c.NWu)
	d.n2(&c.N2)
	d.n3(&c.N3)
	d.cluster(c)
	d.timers(&c.Timers)
	d.management(&c.Management)
	if c.Debug.KeyLog != "" {
		d.keyLog(c.Debug.KeyLog)
	}
}

// require reports a problem at the key unless ok, and unless the key is known to be bad already.
func (d *decoder) require(ok bool, key, what, do string) bool {
	if !ok && !d.failed(key) {
		d.add(key, what, do)
	}
	return ok
}

// count checks the length of a list.
func (d *decoder) count(n, low, high int, key, noun string) {
	if n < low && !d.given(key) {
		d.require(false, key, "is missing", fmt.Sprintf("give at least %d %s", low, noun))
		return
	}
	d.require(n >= low && n <= high, key, fmt.Sprintf("has %d entries", n), fmt.Sprintf("give %d to %d", low, high))
}

// unicast checks one address that this machine or a peer is to have.
func (d *decoder) unicast(a netip.Addr, key string) {
	if !a.IsValid() {
		return
	}
	d.require(!a.IsUnspecified(), key, a.String()+" names no single address", "write the address itself")
	d.require(!a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}), key, a.String()+" is not a unicast address", "write a unicast address")
	d.require(!a.Is4In6(), key, a.String()+" is an IPv4 address in IPv6 form", "write "+a.Unmap().String())
}

// addresses checks a list of unicast addresses and reports duplicates. The unspecified address is fine where wildcard.
func (d *decoder) addresses(list []netip.Addr, key string, wildcard bool) {
	seen := map[netip.Addr]int{}
	for i, a := range list {
		path := fmt.Sprintf("%s[%d]", key, i)
		if !wildcard || !a.IsUnspecified() {
			d.unicast(a, path)
		}
		if first, ok := seen[a]; ok && a.IsValid() {
			d.require(false, path, fmt.Sprintf("%s stands in the list twice, also as entry %d", a, first), "remove one of them")
		} else {
			seen[a] = i
		}
	}
}

// prefixes checks a list of prefixes for host bits.
func (d *decoder) prefixes(list []netip.Prefix, key string) {
	for i, p := range list {
		if p.IsValid() {
			d.require(p == p.Masked(), fmt.Sprintf("%s[%d]", key, i), p.String()+" has bits set behind its prefix length", "write "+p.Masked().String())
		}
	}
}

func (d *decoder) ordered(low, high time.Duration, lowKey, highKey string) {
	if d.failed(lowKey) {
		return
	}
	at := highKey
	if !d.given(highKey) {
		at = lowKey
	}
	d.require(low <= high, at, fmt.Sprintf("%s is %s, more than the %s of %s", lowKey, low, high, highKey), "make the second one larger, or the first one smaller")
}

func (d *decoder) timers(t *Timers) {
	d.ordered(t.UEBackOffMin, t.UEBackOffMax, "timers.ueBackOffMin", "timers.ueBackOffMax")
	d.ordered(t.EAPStep, t.Registration, "timers.eapStep", "timers.registration")
}

// keyLog tries the directory by making a file in it, as the keys of a whole run would otherwise be lost.
func (d *decoder) keyLog(dir string) {
	const key = "debug.keylog"
	info, err := os.Stat(dir)
	if err != nil {
		d.require(false, key, err.Error(), "create the directory with mode 0700, or remove the key")
		return
	}
	if !d.require(info.IsDir(), key, dir+" is not a directory", "name a directory") {
		return
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		d.require(false, key, "cannot write to "+filepath.Clean(dir)+": "+err.Error(), "give this user the right to write there")
		return
	}
	f.Close()
	os.Remove(f.Name())
}
