// SPDX-License-Identifier: Apache-2.0

// Package gre is the user plane of NWu as it travels inside a child SA: a user's PDU behind a GRE header whose key names the
// QoS flow, behind the inner IP header that joins the UE's inner address and the N3IWF's user-plane address
// (TS 24.502 9.3.3). The package only reads and writes those octets: Decode judges a decrypted inner packet and names what
// is wrong with it, a Carrier writes the headers in front of a PDU that already lies in its buffer. Nothing here allocates,
// keeps state or does I/O, and the PDU itself is never looked into beyond the version of an IP packet.
package gre
