// SPDX-License-Identifier: Apache-2.0

package relay

import "net/netip"

// Offload forwards packets of sessions in another place, such as the kernel, before they come to the Relay's sockets and Uplinks. It may leave any
// packet to the Relay. Its methods may be called from any goroutine; calls about one TEID do not overlap.
type Offload interface {
	// Set makes a session, or replaces it; then packets that are held come to the Relay no more. The error tells why it is left to the Relay
	// altogether.
	Set(s Offloaded) error
	// Hold leaves downlink packets to the Relay from now on, until Set.
	Hold(teid uint32)
	// Remove leaves all packets to the Relay. Unknown TEIDs are ignored.
	Remove(teid uint32)
	// Traffic is what was forwarded and dropped there for a session, and Totals for all since the Relay was started.
	Traffic(teid uint32) Traffic
	Totals() Traffic
	// Flows is what was forwarded there for each flow that a session has.
	Flows(teid uint32) []FlowTraffic
}

// Offloaded is a session as an Offload gets it.
type Offloaded struct {
	Config
	TEID  uint32     // downlink
	Local netip.Addr // our N3 address
}

// Offload hands sessions to o from now on. It is called once, before the first Add.
func (r *Relay) Offload(o Offload) {
	r.offload = o
	if r.options.Estate == nil { // else the sockets are the other Relay's until Resume
		r.coalesce()
	}
}

// coalesce lets the kernel join packets for the sockets where they come anyway. An Offload sees each packet before them, and can do nothing with joined
// ones; N3 over IPv6 is not for it.
func (r *Relay) coalesce() {
	for _, group := range r.sockets {
		for _, c := range group {
			if err := c.Coalesce(r.offload == nil || c.LocalAddr().Addr().Is6()); err != nil {
				r.log.Warn("packets of N3 may come joined, or one by one, at some cost", "address", c.LocalAddr(), "error", err)
			}
		}
	}
}

// offloadSession tells the Offload what the session is now.
func (r *Relay) offloadSession(s *Session, c Config, v *view) {
	if r.offload == nil {
		return
	}
	c.UPF = v.to.Remote
	err := r.offload.Set(Offloaded{Config: c, TEID: s.teid, Local: r.advertise[v.family]})
	if err != nil {
		r.offload.Remove(s.teid)
	}
	if was := s.offloaded.Swap(err == nil); was != (err == nil) {
		if err == nil {
			r.offloaded.Add(1)
		} else {
			r.offloaded.Add(-1)
		}
	}
	if err != nil {
		r.about(v).Debug("a session is forwarded in user space", "reason", err)
	}
}

// unload takes the session back, with what was counted for it.
func (r *Relay) unload(s *Session) {
	if r.offload == nil {
		return
	}
	s.kept.Store(ptr(r.offload.Traffic(s.teid)))
	r.offload.Remove(s.teid)
	if s.offloaded.Swap(false) {
		r.offloaded.Add(-1)
	}
}

func ptr[T any](v T) *T { return &v }

// offloadTraffic is what the Offload has counted for the session.
func (s *Session) offloadTraffic() Traffic {
	if t := s.kept.Load(); t != nil {
		return *t
	}
	if s.relay.offload == nil {
		return Traffic{}
	}
	return s.relay.offload.Traffic(s.teid)
}

// Add adds other's counts.
func (t *Traffic) Add(other Traffic) {
	t.Uplink.Add(other.Uplink)
	t.Downlink.Add(other.Downlink)
	for i, n := range other.Drops {
		t.Drops[i] += n
	}
}

// Subtract takes earlier counts off.
func (t *Traffic) Subtract(earlier Traffic) {
	t.Uplink.Subtract(earlier.Uplink)
	t.Downlink.Subtract(earlier.Downlink)
	for i, n := range earlier.Drops {
		t.Drops[i] -= n
	}
}
