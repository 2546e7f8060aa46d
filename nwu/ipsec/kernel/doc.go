// SPDX-License-Identifier: Apache-2.0

// Package kernel is an ESP data plane over the Linux kernel's XFRM. The kernel encrypts, decrypts and counts; this package keeps its states and
// policies, one xfrm interface for all peers, and the UDP sockets through which the kernel takes encapsulated ESP and from which IKE comes.
//
// Inner packets pass through packet sockets on the interface, in batches. A mark tells them apart: an inbound state writes the number of its
// child SA and generation into the packet, and an outbound packet carries the number of the child SA that it shall go through. So several
// child SAs may have the same traffic selectors, and two peers behind one NAT the same SPI.
//
// A move never gives a sequence number twice. Where the peer's address changes, a second outbound state goes on where the first one is, the
// policy is switched to it in one step, and the first one goes later. Where only a port changes, the state is changed in place. Where only our
// address or the encapsulation changes, the kernel knows no difference between the two states, and one has to go before the other comes. For that
// moment Writers wait, and a Shortcut leaves its packets to them; those who cannot be made to wait, sockets of this host, are blocked. With a Shortcut
// or such sockets a move leaves out a margin of sequence numbers. It is more than a replay window holds, so that the peer drops what a packet from behind
// the margin has overtaken on the way. Linux 7.2 can move a state in one step (XFRM_MSG_MIGRATE_STATE); this package knows how to ask for that, and does
// not use it.
//
// SAs cannot go on at another node: a DataPlane is no ipsec.Handover, and the configuration refuses a cluster of N3IWFs with it.
//
// What the kernel cannot do, and package user can: an inbound state belongs to one local address and to one kind of encapsulation. So an SA has spare
// states for the other addresses that are served; see spare.go. Served by a wildcard socket, or in another encapsulation, packets are accepted
// from a Prepare or the move on, those of the path before for a grace (address) or not at all (encapsulation). Where packets came from is told by the
// kernel for UDP encapsulation only, and at most once in a while. An inner IPv6 packet that does not fit the path is dropped, where an inner IPv4 packet
// goes in outer fragments; PathMTU tells what fits.
//
// Packet sockets tell marks from Linux 5.19 on (SO_RCVMARK). On older kernels inner packets come from the packet log of nftables, which has always told
// them: a table of our own on the ingress of the xfrm interface logs each packet, whole, to a netlink socket (nflog.go, nftables.go). It is there for the
// marks alone. Nothing cheaper tells a child SA: the inner addresses are those of a UE, not of its child SA; a socket filter or fanout knows the mark and
// can choose a socket by it, but not hand it on, and a socket for each child SA is too many; a rule could write the mark into the packet's own header, and
// then what stood there could not be checked. It costs a copy of each packet in the kernel, which the packet socket does not make, and a walk through as
// many rules as there are workers, eight at most; reading is in batches as before, without allocating. With gre/ebpf only what the programs leave comes
// that way.
//
// This is tested on Linux 4.19, 5.10, 6.1 and 6.12. Linux 4.19 is the first one with xfrm interfaces and with inbound states that set marks
// (XFRMA_SET_MARK). Before 5.8 it has no ESP in UDP over IPv6: such a path is refused with ErrPath. Before 5.17 (5.10 and
// 5.15: before early 2022) it reports each packet from elsewhere, and not one in a while.
package kernel
