// SPDX-License-Identifier: Apache-2.0

package ipsec

// Event is one of Rebind, Expire, UnknownSPI and Fault.
type Event interface{ event() }

// Rebind tells that an authenticated packet, not a replay, came from another path than the SA's own: the NAT mapping changed, the peer moved, or
// somebody forwards its packets. It is given at most once per 100 ms and ID, and not for the path that the SA was just moved away from.
type Rebind struct {
	ID   ChildID
	SPI  uint32 // inbound
	From Path   // where the packet came from, seen from us
}

// Expire tells that a generation has used up its soft or hard outbound lifetime, once for each. After the hard one nothing is sent with it.
type Expire struct {
	ID   ChildID
	SPI  uint32 // inbound, names the generation
	Hard bool
}

// UnknownSPI tells that ESP came for an SPI that is not installed. Rate-limited over all peers.
type UnknownSPI struct {
	SPI  uint32
	Path Path
}

// Fault tells that handling a packet of an SA failed inside the data plane (a defect, logged with its stack); that generation has ended.
type Fault struct {
	ID  ChildID
	SPI uint32
	Err error
}

func (Rebind) event()     {}
func (Expire) event()     {}
func (UnknownSPI) event() {}
func (Fault) event()      {}
