// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/config"
)

func (nf *N3IWF) makePools() {
	c := nf.live().NWu
	nf.pool4 = newAddressPool(c.UEPools.IPv4, nf.nodes.node, nf.nodes.bits, c.NAS.IPv4, c.UserPlane.IPv4)
	nf.pool6 = newAddressPool(c.UEPools.IPv6, nf.nodes.node, nf.nodes.bits, c.NAS.IPv6, c.UserPlane.IPv6)
}

// prefixes are those of all pools.
func (nf *N3IWF) prefixes() []netip.Prefix {
	c := &nf.live().NWu.UEPools
	return slices.Concat(c.IPv4, c.IPv6)
}

// inPools tells whether an address is inside of a pool.
func (nf *N3IWF) inPools(a netip.Addr) bool {
	c := &nf.live().NWu.UEPools
	within := func(p netip.Prefix) bool { return p.Contains(a) }
	return slices.ContainsFunc(c.IPv4, within) || slices.ContainsFunc(c.IPv6, within)
}

// nasAddresses are the inner NAS addresses of the families that have a pool.
func nasAddresses(c *config.NWu) []netip.Addr {
	var list []netip.Addr
	if len(c.UEPools.IPv4) > 0 {
		list = append(list, c.NAS.IPv4)
	}
	if len(c.UEPools.IPv6) > 0 {
		list = append(list, c.NAS.IPv6)
	}
	return list
}

// routes is what a maker has beside that takes inner addresses out of this host's network.
type routes interface {
	// AddRoute leads packets for a prefix into the child SAs, and none elsewhere; RemoveRoute ends that. Both may be repeated.
	AddRoute(netip.Prefix) error
	RemoveRoute(netip.Prefix) error
}

// reloadPools gives UEs that come from now on addresses of other pools. A pool goes only when no UE has an address of it. UEs come and go while the rest of
// the configuration is prepared: they get addresses of the former pools, and whether those can go is decided when nothing else can refuse any more.
func (nf *N3IWF) reloadPools(old, next *config.Config) (Change, error) {
	o, n := &old.NWu, &next.NWu
	if slices.Equal(o.UEPools.IPv4, n.UEPools.IPv4) && slices.Equal(o.UEPools.IPv6, n.UEPools.IPv6) && o.NAS == n.NAS {
		return Change{}, nil
	}
	err := nf.changePools(n, false)
	former, wanted := slices.Concat(o.UEPools.IPv4, o.UEPools.IPv6), slices.Concat(n.UEPools.IPv4, n.UEPools.IPv6)
	kernel, routed := nf.dataPlane.(routes)
	var added []netip.Prefix
	undo := func() {
		for _, p := range added { // nobody has got an address of it
			_ = kernel.RemoveRoute(p) // what is left leads nowhere
		}
	}
	for _, p := range wanted {
		if err == nil && routed && !slices.Contains(former, p) {
			added = append(added, p)
			err = keyError("nwu.uePools", kernel.AddRoute(p))
		}
	}
	for _, a := range nasAddresses(n) {
		if err == nil {
			err = keyError("nwu.nas", nf.nas.Listen(a))
		}
	}
	if err != nil {
		undo()
		return Change{}, err
	}
	return Change{Undo: undo, decide: func() error { return nf.changePools(n, true) }, Commit: func() {
		for _, p := range former {
			if routed && !slices.Contains(wanted, p) {
				if err := kernel.RemoveRoute(p); err != nil {
					nf.log.Error("route of a pool that is no more", "pool", p, "error", err)
				}
			}
		}
	}}, nil
}

// changePools gives both families other pools, or neither: then UEs have addresses that are not to be given out any more. Without set it only looks for those.
func (nf *N3IWF) changePools(c *config.NWu, set bool) error {
	families := [2]struct {
		pool     *addressPool
		key      string
		prefixes []netip.Prefix
		reserved []netip.Addr
	}{
		{nf.pool4, "nwu.uePools.ipv4", c.UEPools.IPv4, []netip.Addr{c.NAS.IPv4, c.UserPlane.IPv4}},
		{nf.pool6, "nwu.uePools.ipv6", c.UEPools.IPv6, []netip.Addr{c.NAS.IPv6, c.UserPlane.IPv6}},
	}
	nf.pool4.mu.Lock()
	defer nf.pool4.mu.Unlock()
	nf.pool6.mu.Lock()
	defer nf.pool6.mu.Unlock()
	var err error
	for _, f := range families {
		if inUse := f.pool.outside(f.prefixes, f.reserved); inUse > 0 {
			err = errors.Join(err, &config.KeyError{Key: f.key, What: fmt.Sprintf("%d UEs have addresses outside of these pools", inUse),
				Do: "keep the former pools beside the new ones until those UEs have gone; n3iwf ues names them"})
		}
	}
	if err != nil || !set {
		return err
	}
	for _, f := range families {
		f.pool.set(f.prefixes, f.reserved)
	}
	return nil
}
