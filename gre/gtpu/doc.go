// SPDX-License-Identifier: Apache-2.0

// Package gtpu is GTP-U version 1 as N3 uses it (TS 29.281, TS 38.415): a total decoder for every message, and writers that
// build a G-PDU's header in place in front of a PDU, or a signalling message behind a slice. Echo supervision of a path is a
// small state machine that is told the time. Nothing here allocates on the packet path, opens a socket or knows what a PDU
// session is, so that both ends of N3 can use it.
package gtpu
