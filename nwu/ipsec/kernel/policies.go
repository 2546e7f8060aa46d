// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/inner"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

const (
	policyPriority = 1000
	// maxPairs bounds the policies of a child SA: one for each pair of a local and a remote selector.
	maxPairs = 256
)

// Which child SA a packet goes through is decided by its mark alone, so the prefixes of outbound policies need not be exact. For single hosts on both
// sides, which is what UEs have, the kernel finds a policy by hash; others it searches one after the other.

// cover is the longest prefix that holds all of a selector.
func cover(s ipsec.Selector) netip.Prefix {
	bits := s.From.BitLen()
	for ; bits > 0; bits-- {
		if p, err := s.From.Prefix(bits); err == nil && p.Contains(s.To) {
			break
		}
	}
	p, _ := s.From.Prefix(bits)
	return p
}

var anywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// covers gives the prefixes of the selectors that allow the protocol; 0 asks for all of them.
func covers(list []ipsec.Selector, protocol uint8) []netip.Prefix {
	if len(list) == 0 {
		return anywhere
	}
	var out []netip.Prefix
	for _, s := range list {
		if protocol != 0 && s.Protocol != 0 && s.Protocol != protocol {
			continue
		}
		if p := cover(s); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// pairs calls f for each pair of a local and a remote prefix of one family.
func (g *generation) pairs(protocol uint8, f func(local, remote netip.Prefix)) {
	for _, local := range covers(g.local, protocol) {
		for _, remote := range covers(g.remote, protocol) {
			if local.Addr().Is4() == remote.Addr().Is4() {
				f(local, remote)
			}
		}
	}
}

// wantedPolicies are those of a child SA as it is now. Without a generation to send with, or held, it sends nothing: packets with its mark are blocked.
func (d *DataPlane) wantedPolicies(c *child) ([]*xfrm.Policy, error) {
	g, p := c.out.Load(), c.path.Load()
	if g == nil {
		return nil, nil
	}
	mark := xfrm.Mark{Value: c.mark(), Mask: childMask}
	var list []*xfrm.Policy
	g.pairs(0, func(local, remote netip.Prefix) {
		list = append(list, &xfrm.Policy{
			PolicyID: xfrm.PolicyID{
				Selector: xfrm.Selector{Src: local, Dst: remote}, Direction: xfrm.PolicyOut, Mark: mark, IfID: d.opts.InterfaceID,
			},
			Priority: policyPriority, Block: p.limit == 0,
			Template: &xfrm.Template{Src: p.path.Local.Addr(), Dst: p.path.Remote.Addr(), ReqID: g.outReqID()},
		})
	})
	if d.opts.TCP {
		// To this host's sockets come only connections of the inner addresses that the child SA belongs to. All else that is decrypted has no policy,
		// and the kernel drops it after the packet socket has seen it.
		g.pairs(inner.ProtocolTCP, func(local, remote netip.Prefix) {
			list = append(list, &xfrm.Policy{
				PolicyID: xfrm.PolicyID{
					Selector:  xfrm.Selector{Src: remote, Dst: local, Protocol: inner.ProtocolTCP},
					Direction: xfrm.PolicyIn, Mark: mark, IfID: d.opts.InterfaceID,
				},
				Priority: policyPriority, Template: &xfrm.Template{ReqID: c.inReqID()},
			})
		})
	}
	if len(list) > maxPairs || len(list) == 0 {
		return nil, fmt.Errorf("%w: %d pairs of local and remote selectors of one family, allowed 1..%d", ipsec.ErrInvalid, len(list), maxPairs)
	}
	return list, nil
}

func (d *DataPlane) applyPolicies(c *child) error {
	list, err := d.wantedPolicies(c)
	if err != nil {
		return err
	}
	return d.setPolicies(c, list)
}

// blockPolicies stops what c sends.
func (d *DataPlane) blockPolicies(c *child) error {
	list, err := d.wantedPolicies(c)
	if err != nil {
		return err
	}
	for _, p := range list {
		p.Block = p.Block || p.Direction == xfrm.PolicyOut
	}
	return d.setPolicies(c, list)
}

// setPolicies brings the kernel's policies of c to what is wanted, each in one step. Those that are not wanted any more go last.
func (d *DataPlane) setPolicies(c *child, wanted []*xfrm.Policy) error {
	var errs []error
	for _, p := range wanted {
		if err := d.xfrm.UpdatePolicy(p); err != nil {
			errs = append(errs, err)
		}
	}
	for _, old := range c.policies {
		if !slices.ContainsFunc(wanted, func(p *xfrm.Policy) bool { return p.PolicyID == old.PolicyID }) {
			errs = append(errs, d.xfrm.DeletePolicy(old.PolicyID))
		}
	}
	c.policies = wanted
	return errors.Join(errs...)
}
