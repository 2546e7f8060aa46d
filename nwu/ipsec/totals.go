// SPDX-License-Identifier: Apache-2.0

package ipsec

import "github.com/open-n3iwf/n3iwf/internal/udpbatch"

// Totals are a data plane's counts since it was made. Those of SAs that are gone stay. A maker leaves at 0 what it cannot know.
type Totals struct {
	IKE, Keepalives, Dummies uint64
	Runts                    uint64 // datagrams too short for what they claim to be, dropped
	UnknownSPI               uint64 // ESP packets for no SA, dropped
	Drops                    InboundDrops
	Refused                  uint64 // outbound packets that the system did not take
	Overruns                 uint64 // inbound packets that found the queues of the workers full, dropped; of the kernel maker
	ReceiveErrors            uint64
	LostReports              uint64 // times that the kernel had more to tell than could be kept
	Panics                   uint64
	SAs                      int // generations installed, those in grace included
	Sockets                  []SocketStats
}

// SocketStats are the counts of one served address, all workers together.
type SocketStats struct {
	Socket
	udpbatch.Stats
}
