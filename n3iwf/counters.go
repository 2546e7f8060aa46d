// SPDX-License-Identifier: Apache-2.0

package n3iwf

import "sync/atomic"

// Counters are counts since the start.
type Counters struct {
	UEs               atomic.Uint64 // IKE SAs begun
	Registered        atomic.Uint64 // UEs authenticated by both sides
	Refused           atomic.Uint64 // UEs turned away; RefusedFor has the reasons
	IKEClosed         atomic.Uint64
	IKEMalformed      atomic.Uint64 // too short to be IKE
	IKEOverload       atomic.Uint64 // dropped because an owner had too much to do
	IKERefused        atomic.Uint64 // IKE_SA_INIT answered with an error or dropped
	IKEUnknownSPI     atomic.Uint64
	IKENotSent        atomic.Uint64
	EAPErrors         atomic.Uint64
	ChildSAs          atomic.Uint64
	ChildRekeys       atomic.Uint64 // child SAs of them that replace others
	IKERekeys         atomic.Uint64
	RekeysFailed      atomic.Uint64
	Sessions          atomic.Uint64
	SessionsFailed    atomic.Uint64
	Moves             atomic.Uint64
	MovesRejected     atomic.Uint64
	RoutabilityProven atomic.Uint64
	RoutabilityFailed atomic.Uint64
	Rebinds           atomic.Uint64
	HandedOver        atomic.Uint64 // UEs that went to another node
	TakenOver         atomic.Uint64 // UEs that came from another node
	HandoverFailed    atomic.Uint64 // UEs that another node did not take
	Forwarded         atomic.Uint64 // messages and packets that came to the wrong node
	UnknownSPI        atomic.Uint64 // ESP
	NASNotSent        atomic.Uint64
	NGAPErrors        atomic.Uint64
	Panics            atomic.Uint64

	IKERefusedFor Tally     // IKE_SA_INIT requests not served, by reason
	Handshakes    Histogram // from the first IKE message to the IKE SA, EAP-5G and the core's work included
	RefusedFor    Tally     // UEs turned away, by reason
	ReleasedFor   Tally     // UE contexts released, by NGAP cause
	NGAPReceived  Tally     // NGAP messages of AMFs, by procedure
	NGAPSent      Tally
	SessionsLost  Tally     // PDU sessions refused or lost, by NGAP cause
	NGAPFaults    Tally     // error indications and unsuccessful outcomes, by Words of direction, procedure and cause
	MovesBy       Tally     // moves by Words of kind (address, port, family ...) and result (moved, refused, unproven)
	MoveTimes     Histogram // from the IKE SA's move to that of the child SAs: 0 where nothing had to be proven
}
