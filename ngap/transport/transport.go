// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

const (
	// Port is the SCTP port of an AMF (TS 38.412 7, IANA).
	Port = 38412
	// PPID is the SCTP payload protocol identifier of NGAP (TS 38.412 7, IANA).
	PPID = 60
	// UDPEncapsulationPort is the default UDP port of SCTP over UDP (RFC 6951 6).
	UDPEncapsulationPort = 9899
	// EphemeralPort, as a UDP port in Options, lets the system choose one.
	EphemeralPort = -1
	// NonUEStream is the stream of all procedures that concern no single UE
	// (TS 38.412 7: a dedicated stream pair).
	NonUEStream = 0
)

// Mode says which SCTP carries the association.
type Mode uint8

const (
	// ModeAuto takes the kernel's SCTP when there is one and ModeUDP otherwise;
	// the choice and its reason are logged.
	ModeAuto Mode = iota
	// ModeKernel is the operating system's SCTP.
	ModeKernel
	// ModeUDP is user-space SCTP in UDP datagrams (RFC 6951). The peer must
	// speak UDP encapsulation too.
	ModeUDP
	// ModeRaw is user-space SCTP on raw IP protocol 132; needs CAP_NET_RAW. The
	// machine's kernel must not have SCTP loaded, or it answers every packet
	// with an ABORT of its own.
	ModeRaw
)

var modeNames = [...]string{"auto", "kernel", "udp", "raw"}

func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// ParseMode reads the words that String writes.
func ParseMode(s string) (Mode, error) {
	for i, name := range modeNames {
		if s == name {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("unknown SCTP mode %q; use one of %s", s, strings.Join(modeNames[:], ", "))
}

// Options describe an association to be opened (Dial) or awaited (Listen). The
// zero value of every field but Remote is a working default.
type Options struct {
	Mode Mode

	// Local addresses to bind. They share one SCTP port (0: chosen by the
	// system for Dial, Port for Listen). Empty means any address. User-space
	// modes bind the first one only.
	Local []netip.AddrPort
	// Remote addresses of the peer, all with the same SCTP port (0: Port); for
	// Dial only. The kernel uses all of them as paths of one association;
	// user-space modes try them in turn until one answers, and then fail over
	// among the addresses that the peer names in its INIT ACK.
	Remote []netip.AddrPort

	// UDPPort is the local UDP port in ModeUDP. 0 means EphemeralPort for Dial
	// and UDPEncapsulationPort for Listen.
	UDPPort int
	// RemoteUDPPort is the peer's UDP port in ModeUDP for Dial; 0 means
	// UDPEncapsulationPort.
	RemoteUDPPort int

	// OutboundStreams to ask for, and MaxInboundStreams to allow the peer;
	// default 16 and 64.
	OutboundStreams   uint16
	MaxInboundStreams uint16

	// HeartbeatInterval is the time between two probes of a path (default 5 s)
	// and HeartbeatMisses how many in a row may stay without an answer before
	// the peer counts as gone (default 3).
	HeartbeatInterval time.Duration
	HeartbeatMisses   int
	// RTOInitial, RTOMin and RTOMax are the retransmission timeout's start value
	// and bounds (RFC 9260 16; defaults 1 s, 500 ms, 5 s). User-space modes use
	// RTOInitial and RTOMax for their handshake and shutdown and RTOMax for data.
	RTOInitial, RTOMin, RTOMax time.Duration
	// InitAttempts bounds the INITs (and, separately, COOKIE ECHOs) that Dial
	// sends; default 8.
	InitAttempts int
	// ShutdownTimeout bounds Close; after it the association is aborted. Default 5 s.
	ShutdownTimeout time.Duration

	// MaxMessageSize in octets, in both directions; default 256 KiB. A larger
	// one from the peer is dropped and counted when it fits ReceiveBuffer.
	MaxMessageSize int
	// ReceiveBuffer and SendBuffer in octets, default 1 MiB each. A full receive
	// buffer closes the peer's window; a full send buffer makes Send wait.
	ReceiveBuffer, SendBuffer int

	// MTU is the largest SCTP packet in octets that user-space modes send,
	// without IP and UDP headers; default 1228, which every IPv6 path carries.
	MTU int
	// AcceptZeroChecksum takes inbound packets whose CRC32c field is zero. Linux
	// peers on the same machine or a virtual link leave it to be filled in by a
	// network card that is not there. For ModeRaw and ModeUDP in such labs only.
	AcceptZeroChecksum bool
	// MaxAssociations of a user-space listener; default 1024.
	MaxAssociations int

	// Logger for operators; default slog.Default().
	Logger *slog.Logger
}

// Message is one NGAP PDU as received.
type Message struct {
	Stream uint16
	PPID   uint32
	Data   []byte // owned by the receiver
}

// Stats of one association since it was opened.
type Stats struct {
	Mode               Mode
	MessagesSent       uint64
	MessagesReceived   uint64
	OctetsSent         uint64 // of NGAP
	OctetsReceived     uint64
	DroppedPPID        uint64 // messages with another PPID than 60
	DroppedTooLarge    uint64 // messages above MaxMessageSize
	DroppedStream      uint64 // chunks on a stream that was not negotiated
	DroppedPackets     uint64 // packets and chunks that failed validation (user-space modes)
	HeartbeatsSent     uint64 // user-space modes
	HeartbeatsAnswered uint64 // answers to ours (user-space modes)
	PathChanges        uint64
}

// Association is one established SCTP association. All methods may be called
// from any goroutine. Messages of one stream arrive complete, once and in the
// order of their Sends.
type Association interface {
	// Send queues one NGAP PDU for the stream (below Streams), waiting while
	// the send buffer is full. Data may be reused at once. It fails with
	// ErrStream, ErrMessageSize, ctx's error or the association's *LossError.
	Send(ctx context.Context, stream uint16, data []byte) error
	// Receive returns the next PDU. After the association has ended it first
	// returns what had arrived before, then the association's *LossError.
	Receive(ctx context.Context) (Message, error)
	// Streams is how many outbound streams there are, 1 at least.
	Streams() int
	LocalAddr() Addr
	RemoteAddr() Addr
	// Done is closed when the association has ended, for whatever reason; Err
	// then says why (a *LossError) and is nil before.
	Done() <-chan struct{}
	Err() error
	Stats() Stats
	// Close delivers what was sent, shuts the association down (RFC 9260 9.2)
	// and returns nil when the peer agreed; after Options.ShutdownTimeout it
	// aborts and returns an error. No goroutine is left behind.
	Close() error
	// Abort ends the association at once and tells the peer why (RFC 9260 9.1),
	// in ModeKernel without the words.
	// What has not been delivered is lost.
	Abort(reason string) error
}

// Listener accepts associations.
type Listener interface {
	Accept(ctx context.Context) (Association, error)
	Addr() Addr
	Mode() Mode
	// Close stops listening. Associations that were accepted live on.
	Close() error
}

// Addr is one side of an association: its IP addresses, the primary one first,
// and its ports.
type Addr struct {
	IPs     []netip.Addr
	Port    uint16 // SCTP
	UDPPort uint16 // 0 unless encapsulated in UDP
}

// Network is "sctp", as net.Addr asks.
func (a Addr) Network() string { return "sctp" }

// String is for logs, as in 192.0.2.1/192.0.2.2:38412 (udp 9899).
func (a Addr) String() string {
	var b strings.Builder
	for i, ip := range a.IPs {
		if i > 0 {
			b.WriteByte('/')
		}
		if ip.Is4() {
			b.WriteString(ip.String())
		} else {
			b.WriteString("[" + ip.String() + "]")
		}
	}
	fmt.Fprintf(&b, ":%d", a.Port)
	if a.UDPPort != 0 {
		fmt.Fprintf(&b, " (udp %d)", a.UDPPort)
	}
	return b.String()
}

// AddrPorts gives every address with the SCTP port, in the form that
// Options.Remote takes.
func (a Addr) AddrPorts() []netip.AddrPort {
	out := make([]netip.AddrPort, len(a.IPs))
	for i, ip := range a.IPs {
		out[i] = netip.AddrPortFrom(ip, a.Port)
	}
	return out
}
