// SPDX-License-Identifier: Apache-2.0

// Package nas is the NAS transport of NWu: TCP inside the signalling child SA, each NAS message in an envelope with a
// two-octet length (TS 24.502 9.4). One user-space TCP/IP stack serves all UEs, so that no TUN device and no privilege is
// needed: decrypted inner packets go in by Input, packets for a UE come out through a callback, and a UE is known by its
// inner address only, which the child SA vouches for. Server is the N3IWF's end, Client the UE's (one or many UEs in one
// process). There is no goroutine per connection: a few workers serve the connections that have something to do.
package nas
