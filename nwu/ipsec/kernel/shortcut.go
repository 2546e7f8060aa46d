// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"time"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Shortcut is a program in the kernel that takes inner packets off the interface before this package sees them, and sends others with a Mark.
type Shortcut interface {
	// Heard tells how many packets of the child SA with that mark it has taken, when the last one came, and with which mark.
	Heard(mark uint32) (packets uint64, last time.Time, lastMark uint32)
	// Restrict asks it to send nothing through the child SA, or allows it again: on an unproven path the Writers count what may be
	// sent, and while a state is exchanged they wait.
	Restrict(mark uint32, on bool)
}

// Use makes a Shortcut known. It is called once, before the first Install; Options.Shared must be set.
func (d *DataPlane) Use(s Shortcut) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shortcut = s
}

// Marking is the Mark of a child SA and the DSCP that its outer packets get.
func (d *DataPlane) Marking(id ipsec.ChildID) (mark uint32, dscp uint8, err error) {
	if mark, err = d.Mark(id); err != nil {
		return 0, 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.children[id]; c != nil {
		if g := c.out.Load(); g != nil {
			dscp = g.dscp
		}
	}
	return mark, dscp, nil
}

func (d *DataPlane) restrict(c *child, on bool) {
	if d.shortcut != nil {
		d.shortcut.Restrict(c.mark(), on)
	}
}

// hear notes what the Shortcut has heard of a child SA. Like other packets, those within a while of one from elsewhere prove nothing.
func (d *DataPlane) hear(c *child) {
	if d.shortcut == nil {
		return
	}
	n, at, mark := d.shortcut.Heard(c.mark())
	if n == 0 || n == c.taken {
		return
	}
	c.taken = n
	last := at.UnixNano()
	if last > c.lastInbound.Load() {
		c.lastInbound.Store(last)
	}
	g := c.gens[generationOf(mark)].Load()
	if g == nil || !g.aligned.Load() || g.legBit.Load() != mark&1 || last <= c.path.Load().leftAt {
		return
	}
	if last-c.lastElsewhere.Load() > int64(lateInterval) && last > c.lastOnPath.Load() {
		c.lastOnPath.Store(last)
	}
}
