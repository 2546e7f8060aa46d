// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

func (d *decoder) nwu(n *NWu) {
	d.require(len(n.Addresses) > 0, "nwu.addresses", "is empty", "name a local address, or remove the key to listen on all of them")
	d.addresses(n.Addresses, "nwu.addresses", true)
	for i, a := range n.Addresses {
		wild := slices.ContainsFunc(n.Addresses, func(b netip.Addr) bool { return b.IsUnspecified() && b.Is4() == a.Is4() })
		d.require(a.IsUnspecified() || !wild, fmt.Sprintf("nwu.addresses[%d]", i), a.String()+" is covered by the wildcard address beside it", "remove one of them")
	}
	d.require(n.IKEPort != n.NATTPort, "nwu.nattPort", fmt.Sprintf("is %d like nwu.ikePort", n.NATTPort), "give them different ports; RFC 3948 has 500 and 4500")
	d.certificate(n)
	d.pools(n)
	d.userPlane(&n.UserPlane)
	d.ike(&n.IKE)
	d.require(n.ESP.ReplayWindow%64 == 0, "nwu.esp.replayWindow", fmt.Sprintf("%d is not a multiple of 64", n.ESP.ReplayWindow), "choose 1024, 2048 or 4096")
	d.lifetime("nwu.ike.lifetime", n.IKE.Lifetime)
	d.lifetime("nwu.esp.lifetime", n.ESP.Lifetime)
	d.volume(n.ESP.Volume)
	d.prefixes(n.MOBIKE.VerifiedNetworks, "nwu.mobike.verifiedNetworks")
	d.prefixes(n.ForbiddenNetworks, "nwu.forbiddenNetworks")
	if d.given("nwu.mobike.additionalAddresses") {
		d.addresses(n.MOBIKE.AdditionalAddresses, "nwu.mobike.additionalAddresses", false)
	}
}

func (d *decoder) userPlane(p *UserPlane) {
	d.dscp(p.DSCP, "nwu.userPlane.dscp")
	d.require(p.PathMTU == 0 || p.PathMTU >= 576, "nwu.userPlane.pathMTU", fmt.Sprintf("%d is less than any IP path has", p.PathMTU), "give 576 or more, or 0")
}

func (d *decoder) dscp(rules []FiveQIDSCP, key string) {
	seen := map[uint8]bool{}
	for i, r := range rules {
		d.require(!seen[r.FiveQI], fmt.Sprintf("%s[%d].fiveQI", key, i), fmt.Sprintf("%d is there twice", r.FiveQI), "remove one of them")
		seen[r.FiveQI] = true
	}
}

// lifetime leaves room between the rekey and the end: a peer may ask for patience, and be asked again 15 s later.
func (d *decoder) lifetime(key string, l Lifetime) {
	const room = time.Minute
	latest := l.Soft + time.Duration(float64(l.Soft)*l.Jitter)
	d.require(l.Soft == 0 || l.Soft >= room, key+".soft", fmt.Sprintf("%v is too short", l.Soft), "give a minute or more")
	d.require(l.Hard == 0 || l.Hard >= latest+room, key+".hard",
		fmt.Sprintf("%v is not a minute above soft with its jitter (%v)", l.Hard, latest), "give more, or 0 for never")
}

func (d *decoder) volume(v Volume) {
	const key, least = "nwu.esp.volume", 1000
	for _, l := range []struct {
		name       string
		soft, hard uint64
	}{{"Packets", v.SoftPackets, v.HardPackets}, {"Bytes", v.SoftBytes, v.HardBytes}} {
		d.require(l.soft == 0 || l.soft >= least, key+".soft"+l.name, fmt.Sprintf("%d is too little: each rekey costs four messages", l.soft), "give 1000 or more")
		d.require(l.hard == 0 || l.hard >= least, key+".hard"+l.name, fmt.Sprintf("%d is too little", l.hard), "give 1000 or more, or 0")
		d.require(l.soft == 0 || l.hard == 0 || l.soft < l.hard, key+".hard"+l.name, fmt.Sprintf("%d is not above soft%s (%d)", l.hard, l.name, l.soft),
			"give more, or 0")
	}
}

func (d *decoder) ike(k *IKE) {
	to := k.RedirectTo
	if addr, err := netip.ParseAddr(to); err == nil {
		d.unicast(addr, "nwu.ike.redirectTo")
	} else {
		d.require(len(to) < 256 && !strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r > '~' }), "nwu.ike.redirectTo",
			fmt.Sprintf("%q is neither an address nor a domain name", to), "name another N3IWF, or remove the key")
	}
	d.require(k.PPK.File != "" || !k.PPK.Mandatory, "nwu.ike.ppk.mandatory", "is true without a file of keys, so that no UE could come",
		"name nwu.ike.ppk.file, or remove the key")
	if k.PPK.File != "" {
		_, err := k.PPK.Load()
		d.require(err == nil, "nwu.ike.ppk.file", fmt.Sprint(err), "write lines of an identity and a secret of 64 or more hexadecimal digits, as from openssl rand -hex 32")
	}
	d.prefixes(k.HalfOpen.ExemptPrefixes, "nwu.ike.halfOpen.exemptPrefixes")
	d.require(k.HalfOpen.CookieThreshold <= k.HalfOpen.Limit, "nwu.ike.halfOpen.cookieThreshold",
		fmt.Sprintf("%d is above the limit of %d, so that no cookie would ever be asked for", k.HalfOpen.CookieThreshold, k.HalfOpen.Limit), "choose less than nwu.ike.halfOpen.limit")
	d.require(k.HalfOpen.CookieThresholdPerAddress <= k.HalfOpen.LimitPerAddress, "nwu.ike.halfOpen.cookieThresholdPerAddress",
		fmt.Sprintf("%d is above the limit of %d, so that no cookie would ever be asked for", k.HalfOpen.CookieThresholdPerAddress, k.HalfOpen.LimitPerAddress), "choose less than nwu.ike.halfOpen.limitPerAddress")
}

func (d *decoder) certificate(n *NWu) {
	const key = "nwu.certificate"
	if d.failed(key + ".chain") {
		return
	}
	if n.Certificate.Chain == "" && n.Certificate.Key == "" {
		d.require(false, key, "is missing", "name the PEM files of the certificate (chain) and of its private key (key)")
		return
	}
	for _, p := range n.Certificate.pairs() {
		own, err := p.load()
		if e := (*KeyError)(nil); errors.As(err, &e) {
			d.require(false, e.Key, e.What, e.Do)
			if e.Key == p.at+".chain" { // the key may be wrong as well
				if _, err := p.loadKey(); errors.As(err, &e) {
					d.require(false, e.Key, e.What, e.Do)
				}
			}
			continue
		}
		for _, e := range n.checkLeaf(p.at, own.Chain[0], time.Now()) {
			d.require(false, e.Key, e.What, e.Do)
		}
	}
}

func list[A, B any](a []A, b []B) string {
	var all []any
	for _, x := range a {
		all = append(all, x)
	}
	for _, x := range b {
		all = append(all, x)
	}
	return fmt.Sprint(all)
}

// pools checks the inner addresses: every pool has room, no two overlap, and no inner address is an outer one.
func (d *decoder) pools(n *NWu) {
	type pool struct {
		prefix netip.Prefix
		key    string
	}
	var all []pool
	collect := func(prefixes []netip.Prefix, key string, v4 bool, longest int) {
		d.prefixes(prefixes, key)
		for i, p := range prefixes {
			at := fmt.Sprintf("%s[%d]", key, i)
			if !p.IsValid() {
				continue
			}
			if d.require(p.Addr().Is4() == v4, at, p.String()+" is of the other IP family", "put it in the other list") &&
				d.require(p.Bits() <= longest, at, p.String()+" has too few addresses", fmt.Sprintf("give a /%d or larger", longest)) {
				for _, o := range all {
					d.require(!o.prefix.Overlaps(p), at, fmt.Sprintf("%s overlaps %s of %s (line %d)", p, o.prefix, o.key, d.line(o.key)), "separate them")
				}
				all = append(all, pool{p, at})
			}
		}
	}
	collect(n.UEPools.IPv4, "nwu.uePools.ipv4", true, 29)
	collect(n.UEPools.IPv6, "nwu.uePools.ipv6", false, 125)
	d.require(len(n.UEPools.IPv4)+len(n.UEPools.IPv6) > 0, "nwu.uePools", "is missing", "give a range of inner UE addresses, such as ipv4: [10.60.0.0/16]")
	for i, a := range n.Addresses {
		for _, p := range all {
			d.require(!p.prefix.Contains(a) || a.IsUnspecified(), p.key, fmt.Sprintf("%s contains the outer address %s of nwu.addresses[%d]", p.prefix, a, i), "choose a range that is not in use")
		}
	}
	inner := func(a netip.Addr, key string, v4 bool) {
		d.unicast(a, key)
		d.require(!a.IsValid() || a.Is4() == v4, key, a.String()+" is of the other IP family", "swap ipv4 and ipv6")
		d.require(!a.IsValid() || !slices.Contains(n.Addresses, a), key, a.String()+" is also an outer address in nwu.addresses", "choose an address that only exists inside the tunnels")
	}
	inner(n.NAS.IPv4, "nwu.nas.ipv4", true)
	inner(n.NAS.IPv6, "nwu.nas.ipv6", false)
	inner(n.UserPlane.IPv4, "nwu.userPlane.ipv4", true)
	inner(n.UserPlane.IPv6, "nwu.userPlane.ipv6", false)
}
