// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
)

// control sends the rare messages that are not user data through one N3 socket, from any goroutine.
type control struct {
	mu      sync.Mutex
	sender  *udpbatch.Sender
	scratch []byte
}

func (c *control) send(to *udpbatch.Address, build func(dst []byte) []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scratch = build(c.scratch[:0])
	if c.sender.Append(to, c.scratch, nil) == nil {
		_, _ = c.sender.Flush() // a refused datagram is in the socket's counts, and as lost as any other
	}
}

// echoResponse goes back to where the request came from, port included (TS 29.281 4.4.2.2).
func (c *control) echoResponse(dg *udpbatch.Datagram, sequence uint16) {
	c.send(&udpbatch.Address{Remote: dg.Remote, Local: dg.Local.Addr()}, func(b []byte) []byte { return gtpu.AppendEchoResponse(b, sequence) })
}

func (c *control) echoRequest(to netip.AddrPort, sequence uint16) {
	c.send(&udpbatch.Address{Remote: to}, func(b []byte) []byte { return gtpu.AppendEchoRequest(b, sequence) })
}

// errorIndication and extensions are requests of their own: they go to the registered port (TS 29.281 4.4.2.3, 4.4.2.5).
func (c *control) errorIndication(dg *udpbatch.Datagram, teid uint32) {
	c.send(registered(dg), func(b []byte) []byte {
		return gtpu.AppendErrorIndication(b, teid, dg.Local.Addr(), dg.Remote.Port())
	})
}

func (c *control) extensions(dg *udpbatch.Datagram) {
	c.send(registered(dg), gtpu.AppendSupportedExtensions)
}

// redirect sends a G-PDU on to another tunnel as it is.
func (c *control) redirect(to *tunnelEnd, packet []byte) {
	c.send(&to.to, func(b []byte) []byte {
		b = append(b, packet...)
		binary.BigEndian.PutUint32(b[4:], to.teid)
		return b
	})
}

func registered(dg *udpbatch.Datagram) *udpbatch.Address {
	return &udpbatch.Address{Remote: netip.AddrPortFrom(dg.Remote.Addr(), gtpu.Port), Local: dg.Local.Addr()}
}
