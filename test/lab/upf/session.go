// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
)

// SessionConfig is what a PDU session is.
type SessionConfig struct {
	// Name is for logs.
	Name string
	// Flows are the QFIs, 0..63. The first is the default flow.
	Flows []uint8
	// DefaultDownlink sends everything on the default flow. Otherwise an answer leaves on the flow that the packet came with.
	DefaultDownlink bool
	// RQI sets the Reflective QoS Indication in every downlink packet.
	RQI bool
	// IPv6 gives the session an IPv6 prefix beside its IPv4 address.
	IPv6 bool
	// Layer2 makes a session of Ethernet or Unstructured type: the data network gives each PDU back, Ethernet frames to their sender.
	Layer2 Layer2
	// ByDSCP are flows for downlink packets from real hosts (Options.N6) by their DSCP; others come on the default flow.
	ByDSCP map[uint8]uint8
}

// Layer2 says that PDUs are not IP packets.
type Layer2 uint8

// The types of PDU sessions without IP.
const (
	NoLayer2 Layer2 = iota
	Ethernet
	Unstructured
)

// Session is a PDU session. Its methods may be called from any goroutine.
type Session struct {
	upf      *UPF
	config   SessionConfig
	flows    atomic.Uint64 // by QFI
	address  netip.Addr
	prefix   netip.Prefix // of IPv6
	teid     uint32
	conn     *udpbatch.Conn // of its worker
	downlink atomic.Pointer[downlink]
	wanted   atomic.Pointer[source] // the latest request, until it is run
	sourcing atomic.Bool            // serveSource runs
	done     chan struct{}
	count    counters

	interfaceID [8]byte
}

// downlink is the tunnel to the N3IWF.
type downlink struct {
	to   udpbatch.Address
	teid uint32
}

// Name is the one of the SessionConfig.
func (s *Session) Name() string { return s.config.Name }

// SetFlows changes the QoS flows that uplink packets may have; each QFI is 0..63.
func (s *Session) SetFlows(qfis ...uint8) {
	var flows uint64
	for _, qfi := range qfis {
		flows |= 1 << qfi
	}
	s.flows.Store(flows)
}

// Address is the UE's IPv4 address.
func (s *Session) Address() netip.Addr { return s.address }

// TEID is that of the uplink tunnel, which ends here.
func (s *Session) TEID() uint32 { return s.teid }

// SetDownlink tells the downlink tunnel: the N3IWF's address and TEID. The next packet takes it. An invalid address takes the tunnel away.
func (s *Session) SetDownlink(peer netip.Addr, teid uint32) {
	if !peer.IsValid() {
		s.downlink.Store(nil)
		return
	}
	s.downlink.Store(&downlink{to: udpbatch.Address{Remote: netip.AddrPortFrom(peer.Unmap(), s.upf.options.PeerPort)}, teid: teid})
}

// Downlink gives the downlink tunnel; the address is invalid when there is none.
func (s *Session) Downlink() (netip.Addr, uint32) {
	d := s.downlink.Load()
	if d == nil {
		return netip.Addr{}, 0
	}
	return d.to.Remote.Addr(), d.teid
}

// SendEndMarker tells the N3IWF that nothing more comes on the present downlink tunnel (TS 29.281 7.3.2); SetDownlink follows. Errors:
// ErrNoTunnel, and those of sending.
func (s *Session) SendEndMarker() error {
	d := s.downlink.Load()
	if d == nil {
		return fmt.Errorf("%w: session %q", ErrNoTunnel, s.config.Name)
	}
	if err := s.conn.WriteTo(&d.to, gtpu.AppendEndMarker(nil, d.teid), nil); err != nil {
		return fmt.Errorf("upf: end marker to %s: %w", d.to.Remote, err)
	}
	return nil
}

// Stats gives the counts.
func (s *Session) Stats() Traffic { return s.count.read() }

// Release ends the session; its source stops, its address may be given again. A second call does nothing.
func (s *Session) Release() {
	u := s.upf
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sessions[s.teid] != s {
		return
	}
	delete(u.sessions, s.teid)
	u.pool.give(s.address)
	u.pool6.give(s.prefix)
	u.n6.forget(s)
	close(s.done)
}

func (s *Session) drop(r Reason) {
	s.count.drops[r].Add(1)
	s.upf.count.drops[r].Add(1)
}

// flow gives the QFI of an answer to a packet of flow qfi.
func (s *Session) flow(qfi uint8) uint8 {
	if s.config.DefaultDownlink {
		return s.config.Flows[0]
	}
	return qfi
}
