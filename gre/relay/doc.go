// SPDX-License-Identifier: Apache-2.0

// Package relay joins the child SAs of NWu and the tunnels of N3: uplink it takes decrypted GRE packets from the ESP data plane
// and sends them as G-PDUs to the UPF, downlink the other way round. A Session is one PDU session. Uplink the child SA says
// which one a packet belongs to, because it comes back with the packet as its Context; downlink the TEID does, by an array
// lookup, as it carries the session's slot. What a session needs for a packet is one immutable value behind an atomic
// pointer: it is replaced as a whole while packets flow, the packet path takes no lock and allocates nothing.
package relay
