// SPDX-License-Identifier: Apache-2.0

// Package transport carries NGAP between an NG-RAN node and an AMF: SCTP
// associations (TS 38.412, RFC 9260) whose messages all have payload protocol
// identifier 60.
//
// Two makers stand behind one pair of interfaces. The kernel's SCTP is used
// where there is one. Where there is none, an endpoint in this process speaks
// SCTP over UDP (RFC 6951, no privilege needed) or over raw IP protocol 132
// (needs CAP_NET_RAW). In that endpoint everything that an unknown peer can
// reach is this package's own: packet validation, verification tags, the
// four-way handshake with a stateless cookie, heartbeats, shutdown and abort.
// Only DATA and SACK chunks that belong to an established association, already
// checked, are handed to the transfer engine of pion/sctp, which does
// fragmentation, ordering, retransmission and congestion control.
package transport
