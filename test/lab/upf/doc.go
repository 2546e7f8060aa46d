// SPDX-License-Identifier: Apache-2.0

// Package upf is the lab's user plane function: GTP-U on N3, and behind it a data network that answers by itself, without a kernel interface.
// Every destination address of the data network answers ICMP echo and has an echo, a sink and a source of UDP packets. A UPF is as strict as
// a test wants it: what an N3IWF gets wrong in an uplink packet is dropped and counted by reason.
// Where Options.N6 says so, it reaches real hosts too.
package upf

// Ports of the UDP services that every address of the data network has.
const (
	PortEcho = 7
	// PortSink counts packets and IP octets per session. An empty datagram is not counted but answered with both counts, each a big-endian
	// 64-bit number.
	PortSink = 5001
	// PortSource sends packets to where its request came from. A request is, in big endian, packets per second (32 bits), duration in
	// milliseconds (32 bits, more than MaxSource counts as MaxSource) and size of the IP packets in octets (16 bits). The first eight octets
	// of the payload, where there are as many, are the packet's number from 0. A session has one source: another request ends the one before.
	PortSource = 5002
)
