// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Errors of the control calls.
var (
	ErrInvalid = errors.New("relay: invalid session")
	ErrNoTEID  = errors.New("relay: no free TEID")
	ErrRemoved = errors.New("relay: session is removed")
	ErrClosed  = errors.New("relay: closed")
)

// Options say how a Relay is made. Listen must be given; zero elsewhere takes the default in parentheses.
type Options struct {
	// Listen are the N3 addresses, one per family at most. Port 0 is any free port: N3 peers expect 2152.
	Listen []netip.AddrPort
	// Advertise are the addresses that peers are told, one for each of Listen (those of Listen; must be given where that is
	// unspecified).
	Advertise []netip.Addr
	// Workers is the number of sockets and receiving goroutines per N3 address (1, at most 16).
	Workers int
	// Node is this node's number among those whose sessions may go on here under their TEIDs, below 2^NodeBits (at most 6); it stands
	// in all TEIDs.
	Node, NodeBits int
	// Estate is that of a Relay in another process, with the same Listen and Workers, whose sockets and TEIDs are gone on with. Its files can be closed
	// once the Relay is made. nil: the sockets are new.
	Estate *Estate
	// Protocol is what the GRE header says of the PDU downlink (the EtherType).
	Protocol gre.ProtocolPolicy
	// Echo are the times of path supervision (60 s, 3 s, 5); a negative interval: none.
	Echo gtpu.EchoTimers
	// Quarantine is how long a TEID is not used again (60 s); negative: at once.
	Quarantine time.Duration
	// ErrorIndications is how many Error Indications and notifications of supported extension headers a socket may send in
	// a second (50).
	ErrorIndications int
	// Events is told what the owner must know; nil ignores it. It is called from receiving goroutines and must not block.
	Events func(Event)
	Logger *slog.Logger
	Rand   io.Reader        // for TEIDs (crypto/rand)
	Now    func() time.Time // (time.Now)
}

// Event is one of ErrorIndication, PathDown, PathUp and Fault.
type Event interface{ event() }

// ErrorIndication: the UPF says that it does not know the session's uplink tunnel. The session must be released.
type ErrorIndication struct {
	Session *Session
	TEID    uint32
	Peer    netip.Addr
}

// PathDown: a UPF has left N3 echo requests unanswered; that many sessions use it. Packets are still forwarded.
type PathDown struct {
	UPF      netip.AddrPort
	Sessions int
}

// PathUp: a UPF that was down answers again.
type PathUp struct{ UPF netip.AddrPort }

// Fault: handling a packet of the session failed (a defect, logged with its stack). The session is removed.
type Fault struct {
	Session *Session
	Err     error
}

func (ErrorIndication) event() {}
func (PathDown) event()        {}
func (PathUp) event()          {}
func (Fault) event()           {}

// Config is what a PDU session is to the relay. It is replaced as a whole by Update.
type Config struct {
	// Name is how errors call the session.
	Name string
	// LogAttrs tell whose session it is in every line of the log about it.
	LogAttrs []slog.Attr
	PDUType  gre.PDUType
	// UPF is where uplink packets go (port 0: 2152), UplinkTEID the UPF's tunnel.
	UPF        netip.AddrPort
	UplinkTEID uint32
	// TEID is a downlink TEID of another node, or of a predecessor, that the session goes on under; 0 chooses one. Only Add looks at it.
	TEID uint32
	// Flows are the QoS flows. Packets of others are dropped uplink, and go through Default downlink.
	Flows []Flow
	// Children are the installed child SAs of the session.
	Children []Child
	// Default is the child SA for downlink packets of flows that none lists; it must be one of Children, when there are any.
	Default ipsec.ChildID
	// Rates limit the flows that have no limits of their own, together; sessions of one UE share them (UE-AMBR, TS 23.501 5.7.2.6).
	Rates Rates
}

// Rates are limits of both directions; nil is no limit.
type Rates struct{ Uplink, Downlink *Limit }

// Flow is a QoS flow.
type Flow struct {
	QFI uint8
	// Child is the child SA that lists the flow; it must be one of Children. 0 with no such child leaves the flow to Default.
	Child ipsec.ChildID
	// Reflective: the flow has the reflective QoS attribute, so the RQI of N3 is passed on to the UE.
	Reflective bool
	// DSCP marks uplink packets on N3 (0..63).
	DSCP uint8
	// Rates are the flow's own limits (maximum flow bit rate of a GBR flow); with neither it is under Config.Rates.
	Rates Rates
}

// Child is a child SA of the session.
type Child struct {
	ID ipsec.ChildID
	// UE and UP are the inner addresses of the GRE packets: the UE's and the N3IWF's user-plane address of this child SA.
	UE, UP netip.Addr
	// DSCP marks the GRE delivery header downlink (0..63); the outer header is marked by the data plane.
	DSCP uint8
	// MaxPacket is the longest GRE packet with its IP header; a longer one is sent in IP fragments of at most that length. 0: no limit.
	MaxPacket int
}
