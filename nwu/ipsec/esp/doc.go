// SPDX-License-Identifier: Apache-2.0

// Package esp is the ESP protocol (RFC 4303) without any I/O: one Outbound seals inner packets under an SA, one Inbound opens them. Both work
// in place on one packet, allocate nothing, and hold all state of the SA: keys, sequence numbers, replay window. Tunnel mode only in the sense
// that the payload is told by its next header; the package does not look into it.
package esp
