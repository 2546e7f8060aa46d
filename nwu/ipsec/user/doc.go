// SPDX-License-Identifier: Apache-2.0

// Package user is an ESP data plane inside the process: it needs no kernel support for IPsec and, with UDP encapsulation, no privilege but its
// ports. Receiving goroutines read datagrams in batches, find the SA by the slot number inside its SPI (no map, no lock), decrypt in place and
// hand whole batches of inner packets on. Writers encrypt straight into the memory that one system call sends. An SA's outer path is one
// pointer: a move swaps it, and sequence numbers, keys and replay window stay as they are.
package user
