// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"fmt"
	"net/netip"
)

// ChildID names a child SA over all its generations and paths. The owner chooses it.
type ChildID uint64

// Encryption transforms that a maker may offer (IKEv2 transform type 1, IANA numbers).
const (
	EncrAESCBC           uint16 = 12
	EncrAESGCM16         uint16 = 20
	EncrChaCha20Poly1305 uint16 = 28
)

// Integrity transforms that a maker may offer (IKEv2 transform type 3, IANA numbers).
const (
	IntegNone           uint16 = 0
	IntegHMACSHA1_96    uint16 = 2
	IntegHMACSHA256_128 uint16 = 12
	IntegHMACSHA384_192 uint16 = 13
	IntegHMACSHA512_256 uint16 = 14
)

// Algorithms are the negotiated transforms of a child SA, by their IANA numbers. The key length of the cipher follows from the keys.
type Algorithms struct {
	Encr  uint16
	Integ uint16 // IntegNone with an AEAD
}

// Keys are one direction's part of KEYMAT (RFC 7296 2.17). For an AEAD, Encr ends with the 4 octets of salt.
type Keys struct {
	Encr  []byte
	Integ []byte
}

// Selector is one traffic selector of one side (RFC 7296 3.13.1).
type Selector struct {
	Protocol           uint8 // IP protocol; 0 is any
	StartPort, EndPort uint16
	From, To           netip.Addr // inclusive, same family
}

// AnyPort tells whether the ports restrict nothing. Both zero is read as "no port given" and restricts nothing either.
func (s Selector) AnyPort() bool { return s.StartPort == 0 && (s.EndPort == 0xffff || s.EndPort == 0) }

// PrefixSelector gives the selector that covers all addresses of p, for the given IP protocol (0 is any).
func PrefixSelector(p netip.Prefix, protocol uint8) Selector {
	p = p.Masked()
	last := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	to, _ := netip.AddrFromSlice(last)
	return Selector{Protocol: protocol, EndPort: 0xffff, From: p.Addr(), To: to}
}

// HostSelector gives the selector of one address.
func HostSelector(a netip.Addr, protocol uint8) Selector {
	return Selector{Protocol: protocol, EndPort: 0xffff, From: a, To: a}
}

// DefaultReplayWindow is the replay window in packets used when ChildSA.ReplayWindow is 0. 32 or 64 (RFC 4303 3.4.3) are too small for
// several receive queues, several DSCPs in one SA, and moves between paths of different delay.
const DefaultReplayWindow = 1024

// MaxReplayWindow is the largest replay window, in packets.
const MaxReplayWindow = 4096

// Lifetime limits what one generation of an SA may carry outbound. Zero fields take the maker's default: for packets, 75 % (soft) and 100 %
// (hard) of what the sequence number allows.
type Lifetime struct {
	SoftPackets, HardPackets uint64
	SoftBytes, HardBytes     uint64 // octets of ESP packets
}

// ChildSA is one generation of a child SA: a pair of SAs, inbound and outbound, in tunnel mode.
type ChildSA struct {
	ID          ChildID
	InboundSPI  uint32 // ours, from NewInboundSPI; names the generation
	OutboundSPI uint32 // the peer's
	Algorithms  Algorithms
	// InboundKeys protect what the peer sends, OutboundKeys what we send.
	InboundKeys, OutboundKeys Keys
	ESN                       bool
	ReplayWindow              int // packets; 0 is DefaultReplayWindow
	// Target is the path at installation. A later generation of the same ID takes the path that the ID has now; its Target is ignored.
	Target Target
	// Local and Remote are the inner selectors: an inbound packet must come from one of Remote and go to one of Local. Empty is no check.
	Local, Remote []Selector
	DSCP          uint8 // 6 bits, of the outer header; 0 is the default
	Lifetime      Lifetime
	// Resume goes on with an SA that another node has used until now, under the SPI that it has chosen; nil begins a new one. See Handover.
	Resume *Resume
	// Kept says how the SA is found that a predecessor has left in the kernel; only Succession.Bequest makes it. Nil where there is none.
	Kept []byte
	// Context is the owner's; it comes back with each inbound packet of this generation.
	Context any
}

// Validate tells what is wrong with the values that all makers need; keys are checked when the cipher is made.
func (sa *ChildSA) Validate() error {
	switch {
	case sa.InboundSPI < 256 || sa.OutboundSPI < 256:
		// RFC 4303 2.1: 0 must not be sent, 1 to 255 are reserved. The peer's choice is judged with leniency: see below.
		if sa.InboundSPI < 256 || sa.OutboundSPI == 0 {
			return fmt.Errorf("%w: SPIs %08x/%08x", ErrInvalid, sa.InboundSPI, sa.OutboundSPI)
		}
	case sa.ReplayWindow < 0 || sa.ReplayWindow > MaxReplayWindow:
		return fmt.Errorf("%w: replay window %d, allowed 1..%d", ErrInvalid, sa.ReplayWindow, MaxReplayWindow)
	case sa.DSCP > 63:
		return fmt.Errorf("%w: DSCP %d, allowed 0..63", ErrInvalid, sa.DSCP)
	}
	for _, list := range [2][]Selector{sa.Local, sa.Remote} {
		for _, s := range list {
			if !s.From.IsValid() || s.From.Is4() != s.To.Is4() || s.To.Less(s.From) || s.EndPort < s.StartPort {
				return fmt.Errorf("%w: selector %+v", ErrInvalid, s)
			}
		}
	}
	return nil
}
