// SPDX-License-Identifier: Apache-2.0

// Package ebpf forwards user packets between NWu and N3 inside the kernel. Two classifiers at tc's ingress, one on the xfrm interface of
// nwu/ipsec/kernel and one on each N3 link, turn GRE into GTP-U and back (userplane.bpf.c). A packet that they are not sure of goes on as
// if they were not there, to the sockets of gre/relay: signalling, fragments, IP options, unknown TEIDs, what does not fit. The maps that
// they read are written from the same Config that the relay has, and nothing in them is an outer address of a UE: a move is none of their
// business.
//
// Where uplink packets leave, and to which next hop, user space finds out from the kernel's routes between our N3 address and the UPF, and again whenever
// the routing changes. Rules that look at a packet's TOS or mark are not asked.
//
// Programs and pinned maps stay when the process goes without Close, and user packets flow on; the next Open takes the maps over and
// replaces the programs in one step each.
//
// The kernel must be 5.10 or newer (bpf_redirect_neigh), and before 5.11 the process needs leave to lock memory, as which maps are counted there. Before
// 5.11 the programs take the time from the exact clock, which can be a slow device in virtual machines.
package ebpf
