// SPDX-License-Identifier: Apache-2.0

// Package udpbatch sends and receives UDP datagrams in batches (recvmmsg, sendmmsg), with the kernel's coalescing (UDP_GRO) and
// segmentation (UDP_SEGMENT) where it has them, and without allocating per packet. Wildcard sockets know the local address of each datagram
// and choose it when sending. A group of sockets on one port can be steered by the datagrams' bytes, so that a peer whose address changes
// stays with its worker. Sockets of a raw IP protocol (ESP) work in the same way. Linux only.
package udpbatch
