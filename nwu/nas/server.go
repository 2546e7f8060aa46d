// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Server accepts the NAS connections of UEs.
type Server struct{ *transport }

// NewServer makes a stack with the NAS addresses and listens.
func NewServer(o Options) (*Server, error) {
	t, err := newTransport(o, false)
	if err != nil {
		return nil, err
	}
	s := &Server{t}
	for _, a := range t.options.Addresses {
		if err := t.listen(a); err != nil {
			_ = t.Close()
			return nil, err
		}
	}
	return s, nil
}

// Listen accepts connections at a further address from now on; one where it does already is left as it is.
func (s *Server) Listen(a netip.Addr) error { return s.listen(a) }

// Leave ends the UE's connection without losing anything: what was sent is delivered, what the UE has sent until it closes its side is received, and
// OnClosed follows then. New connections of the UE are ignored, until Stay, so that its attempts reach the node where it goes on. Without a connection
// it tells false, and OnClosed does not follow: nothing of the UE is heard any more, and a connection that was just being opened comes to nothing.
func (s *Server) Leave(ue netip.Addr) bool {
	ue = ue.Unmap()
	w := s.worker(ue)
	w.mu.Lock()
	c := w.conns[ue]
	s.link.held.Store(ue, deaf(c == nil))
	w.mu.Unlock()
	if c == nil {
		return false
	}
	c.leaving.Store(true)
	c.NotifyEvent(0)
	return true
}

// Stay accepts new connections of the UE again. It gives the inner packet of the UE's latest attempt to open one that has come to nothing yet, nil when
// there was none: given to Input at the node where the UE goes on, it saves the UE the time after which TCP repeats it; and a UE that takes the connection
// for open, because it was answered, is told by that that it is not.
func (s *Server) Stay(ue netip.Addr) []byte {
	ue = ue.Unmap()
	if _, ok := s.link.held.LoadAndDelete(ue); !ok {
		return nil
	}
	if a := s.link.attemptFrom(ue, 0); a != nil {
		return a.packet
	}
	return nil
}

// Client makes NAS connections for UEs.
type Client struct{ *transport }

// NewClient makes a stack without addresses; those of the UEs come with Dial.
func NewClient(o Options) (*Client, error) {
	o.Addresses = nil
	t, err := newTransport(o, true)
	if err != nil {
		return nil, err
	}
	return &Client{t}, nil
}

// Dial starts to connect from a UE's inner address to the N3IWF's NAS address. The outcome comes as OnConnected or OnClosed;
// an older connection of that address is replaced.
func (c *Client) Dial(ue netip.Addr, server netip.AddrPort) error { return c.dial(ue, server) }

// Reset ends the UE's connection at once with RST, as when the UE has lost it; OnClosed follows with ErrReset. Without connection it gives ErrNotConnected.
func (c *Client) Reset(ue netip.Addr) error {
	ue = ue.Unmap()
	now := c.worker(ue).lookup(ue)
	if now == nil {
		return ErrNotConnected
	}
	now.ep.Abort()
	now.NotifyEvent(0)
	return nil
}

// Forget takes an inner address away from the stack when the UE has gone for good; its connection, if any, is closed.
func (c *Client) Forget(ue netip.Addr) {
	c.Disconnect(ue)
	// An address that is not there, or still used by the closing connection, is none of the caller's business.
	_ = c.stack.RemoveAddress(nicID, tcpip.AddrFromSlice(ue.Unmap().AsSlice()))
}
