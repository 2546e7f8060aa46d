// SPDX-License-Identifier: Apache-2.0

// Package contract holds the tests that every maker of ipsec.DataPlane must pass. A maker gives an Environment: its data plane, the addresses
// that it serves, and a way to open sockets where the peer is. The peer is played by the suite with package esp over those sockets, so each
// packet is seen as it is on the wire.
package contract

import (
	"net/netip"
	"testing"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Environment is a data plane under test and the network between it and its peer.
type Environment struct {
	DataPlane ipsec.DataPlane
	// Local4 and Local6 are served NAT traversal addresses with ports. Local6 is invalid where there is no IPv6.
	Local4, Local6 netip.AddrPort
	// IKE4 is a served IKE address (without marker).
	IKE4 netip.AddrPort
	// Peer4 and Peer6 are addresses of the peer. Peer6 is invalid where there is no IPv6.
	Peer4 [2]netip.Addr
	Peer6 netip.Addr
	// PlainESP tells that the data plane serves IP protocol 50 on the address of Local4, and that the peer may open raw sockets.
	PlainESP bool
	// Listen opens a socket at the peer. The suite closes it.
	Listen func(udpbatch.Options) (*udpbatch.Conn, error)
	// Successor makes a data plane of the same options but for the sockets, in the place of DataPlane. The suite closes it.
	Successor func(t *testing.T, sink ipsec.Sink, estate *ipsec.Estate) (ipsec.DataPlane, error)
	Limits    Limits
}

// Limits are what a maker cannot do as the interface has it. The zero Limits are none.
type Limits struct {
	// OneState tells that an SA is received with on one local address and in one encapsulation, those of the path in use: another one is taken up
	// by the move to it, an address that is left is received on for a while, with a replay window of its own, an encapsulation that is left is not.
	OneState bool
	// SequenceMargin is how many outbound sequence numbers a move to another address of the peer leaves out.
	SequenceMargin uint64
	// Uncounted tells that inbound packets which cannot be decrypted to an IP packet, and sequence number 0, are dropped but not counted for the SA.
	Uncounted bool
	// Sampled tells that an unknown SPI is told when it comes again and again, not for a single packet.
	Sampled bool
}

// Maker makes a data plane that reports to sink. It cleans up with t.Cleanup, but Close of the data plane may have been called by then.
type Maker func(t *testing.T, sink ipsec.Sink) Environment

// Run runs the suite. Each test makes its own data plane.
func Run(t *testing.T, maker Maker) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, h *harness)
	}{
		{"Traffic", testTraffic},
		{"Errors", testErrors},
		{"SPI", testSPI},
		{"Rekey", testRekey},
		{"Move", testMove},
		{"MoveErrors", testMoveErrors},
		{"MoveUnderTraffic", testMoveUnderTraffic},
		{"Unproven", testUnproven},
		{"Room", testRoom},
		{"Hold", testHold},
		{"Rebind", testRebind},
		{"Liveness", testLiveness},
		{"Delete", testDelete},
		{"Replay", testReplay},
		{"ReplayWindows", testReplayWindows},
		{"ExtendedSequence", testExtendedSequence},
		{"Lifetime", testLifetime},
		{"LifetimeBytes", testLifetimeBytes},
		{"Selectors", testSelectors},
		{"IKE", testIKE},
		{"Hostile", testHostile},
		{"Succession", testSuccession},
		{"SuccessionEnds", testSuccessionEnds},
		{"SuccessionLifetime", testSuccessionLifetime},
		{"Close", testClose},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newHarness(t, maker)) })
	}
}
