// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net/netip"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// ngRelay is an AMF that takes each PDU from a real one behind it, and may send others in its place: NG Setup and all procedures are real, and
// then it does what no honest AMF does.
type ngRelay struct {
	w        *world
	listener transport.Listener
	core     netip.Addr
	down     func(stream uint16, pdu []byte, send func([]byte)) // nil: sends what came
	running  sync.WaitGroup
}

func newNGRelay(w *world, core netip.Addr, down func(stream uint16, pdu []byte, send func([]byte))) *ngRelay {
	w.t.Helper()
	l, err := transport.Listen(transport.Options{Mode: transport.ModeUDP, Local: []netip.AddrPort{netip.AddrPortFrom(w.addr(hostOtherAMF), transport.Port)}, Logger: w.log})
	require.NoError(w.t, err)
	r := &ngRelay{w: w, listener: l, core: core, down: down}
	ctx, cancel := context.WithCancel(context.Background())
	r.running.Go(func() {
		for {
			n3iwf, err := l.Accept(ctx)
			if err != nil {
				return
			}
			r.running.Go(func() { r.serve(ctx, n3iwf) })
		}
	})
	w.t.Cleanup(func() {
		cancel()
		_ = l.Close()
		r.running.Wait()
	})
	return r
}

func (r *ngRelay) serve(ctx context.Context, n3iwf transport.Association) {
	defer n3iwf.Close()
	core, err := transport.Dial(ctx, transport.Options{
		Mode: transport.ModeUDP, Local: []netip.AddrPort{netip.AddrPortFrom(r.w.addr(hostOtherAMF), 0)},
		Remote: []netip.AddrPort{netip.AddrPortFrom(r.core, transport.Port)}, Logger: r.w.log,
	})
	if err != nil {
		return
	}
	defer core.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.running.Go(func() {
		defer cancel()
		for {
			m, err := n3iwf.Receive(ctx)
			if err != nil || core.Send(ctx, m.Stream, m.Data) != nil {
				return
			}
		}
	})
	for {
		m, err := core.Receive(ctx)
		if err != nil {
			return
		}
		send := func(b []byte) { _ = n3iwf.Send(ctx, m.Stream, b) } // Receive tells of the end
		if r.down == nil {
			send(m.Data)
			continue
		}
		r.down(m.Stream, m.Data, send)
	}
}
