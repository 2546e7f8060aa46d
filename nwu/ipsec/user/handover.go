// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"sync"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/endpoint"
)

var _ ipsec.Handover = (*DataPlane)(nil)

// TakeOut implements ipsec.Handover. The order matters: a generation that a writer has looked up before can still take a sequence number until
// its sealer is closed, and a receiver's can still accept until its window is.
func (d *DataPlane) TakeOut(id ipsec.ChildID) ([]ipsec.Handed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.children[id]
	if c == nil {
		return nil, fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	delete(d.children, id)
	current := c.out.Swap(nil)
	var out []ipsec.Handed
	for _, g := range append([]*generation(nil), c.generations...) {
		if !g.deleted {
			g.deleted = true
			out = append(out, ipsec.Handed{
				InboundSPI: g.spi, OutboundSPI: g.sealer.SPI(), Current: g == current,
				Resume: ipsec.Resume{Outbound: g.sealer.Close(), Inbound: g.in.Close(), Used: g.used()},
			})
		}
		d.remove(g)
	}
	return out, nil
}

// injector is a receiver without a socket.
type injector struct {
	mu sync.Mutex
	r  *receiver // made by the first packet
}

// Inject implements ipsec.Handover.
func (d *DataPlane) Inject(packet []byte) {
	if len(packet) < minESP {
		d.totals.runts.Add(1)
		return
	}
	i := &d.injector
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.r == nil {
		i.r = &receiver{d: d, e: &endpoint.Endpoint{Socket: Socket{Kind: ESP}}, injected: true, batch: make([]ipsec.Inbound, 0, 1)}
		i.r.sink = d.opts.Sink.NewReceiver()
	}
	i.r.handle([]udpbatch.Datagram{{Data: packet}})
}

// Layout implements ipsec.Handover.
func (d *DataPlane) Layout() string {
	t := d.table
	return fmt.Sprintf("user workers=%d node-bits=%d random-bits=%d", t.workers, t.nodeBits, t.randomBits)
}

// forward gives an ESP packet of an unknown SPI to a Sink that may know where it belongs.
func (r *receiver) forward(spi uint32, packet []byte) bool {
	f := r.d.forwarder
	return f != nil && !r.injected && f.Forward(spi, packet)
}
