// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// prepareTime is how long a path is received on that no move has followed to. It lasts for a return routability check with repetitions. In that time
// the SA has two replay windows: what came to one address could be replayed once to the other.
const prepareTime = 5 * time.Second

var (
	_ ipsec.Preparer  = (*DataPlane)(nil)
	_ ipsec.PathJudge = (*DataPlane)(nil)
)

// Prepare implements ipsec.Preparer.
func (d *DataPlane) Prepare(path ipsec.Path, ids ...ipsec.ChildID) error {
	if err := d.resolve(ipsec.Target{Path: path}); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		c := d.children[id]
		if c == nil {
			return fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
		}
		for _, g := range c.generations {
			if err := d.prepare(g, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *DataPlane) prepare(g *generation, p ipsec.Path) error {
	last := len(g.in) - 1
	current := g.in[last]
	i := slices.IndexFunc(g.in, func(l *leg) bool { return l.id.Dst == p.Local.Addr() })
	if i == last {
		return nil // received on already, or not possible beside
	}
	replay, err := d.window(g)
	if err != nil {
		return err
	}
	g.both(d.opts.Now().Add(prepareTime))
	if i >= 0 && g.in[i].path.NATT != p.NATT { // of a path that was left before
		d.drop(g, g.in[i], (*counts).inbound)
		g.setInbound(slices.Delete(slices.Clone(g.in), i, i+1))
		i, last = -1, last-1
	}
	if i >= 0 {
		if err := d.xfrm.SetReplay(g.in[i].id, replay); err != nil {
			return err
		}
		if !d.isSpare(g, g.in[i]) {
			d.lingerInbound(g, g.in[i], prepareTime)
		}
		return nil
	}
	s := d.state(g.inbound(p, replay, 1-current.bit))
	if err := d.xfrm.AddState(s); err != nil {
		return installError(err)
	}
	l := newLeg(s, p)
	g.setInbound(slices.Insert(slices.Clone(g.in), last, l))
	d.lingerInbound(g, l, prepareTime)
	return nil
}
