// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
)

// Reason is why a packet was dropped: one of the constants here, or a gre.Drop or gtpu.Drop behind them.
type Reason uint8

// The relay's own reasons.
const (
	NoSession   Reason = iota // uplink: the packet's child SA belongs to no session, or to a removed one
	NoChild                   // the child SA is not one of the session's; downlink: the session has none for the flow
	UnknownQFI                // uplink: the QoS flow is not one of the session's
	UnknownTEID               // downlink: answered with Error Indication
	NoContainer               // downlink without PDU Session Container, and the session has several flows
	Direction                 // downlink with an uplink container
	EmptyPDU                  // nothing behind the headers
	TooLong                   // longer than a packet can be
	NoSocket                  // uplink: no N3 socket of the UPF's address family
	NotSent                   // downlink: the data plane refused it; its counters tell why
	UnknownType               // a GTP-U message that has no meaning here
	Panicked                  // a defect, see Fault
	RateLimit                 // above the UE-AMBR or the maximum bit rate of the flow
	greBase
	gtpuBase   = greBase + Reason(gre.NumDrops)
	NumReasons = gtpuBase + Reason(gtpu.NumDrops)
)

var reasonText = [greBase]string{
	NoSession: "no session", NoChild: "no child SA", UnknownQFI: "unknown QFI", UnknownTEID: "unknown TEID",
	NoContainer: "no PDU session container", Direction: "uplink container from the UPF", EmptyPDU: "empty PDU",
	TooLong: "too long", NoSocket: "no socket of that family", NotSent: "refused by the data plane",
	UnknownType: "unknown message type", Panicked: "defect",
	RateLimit: "above the bit rate",
}

// String names the reason in words fit for a log line or a metric label.
func (r Reason) String() string {
	switch {
	case r < greBase:
		return reasonText[r]
	case r < gtpuBase:
		return "gre: " + gre.Drop(r-greBase).String()
	case r < NumReasons:
		return "gtpu: " + gtpu.Drop(r-gtpuBase).String()
	}
	return "unknown"
}

func greReason(d gre.Drop) Reason   { return greBase + Reason(d) }
func gtpuReason(d gtpu.Drop) Reason { return gtpuBase + Reason(d) }

// GRE is the Reason for a gre.Drop.
func GRE(d gre.Drop) Reason { return greReason(d) }
