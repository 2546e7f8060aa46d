// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"encoding/binary"
	"errors"
	"time"
)

// The structures that Linux exchanges with users of its SCTP (uapi
// linux/sctp.h, RFC 6458), as octets in native order, so that they can be
// checked on machines that have no SCTP.

// Kernel constants beside those of the sctp package.
const (
	solSCTP          = 132
	cmsgSndRcv       = 1 // SCTP_SNDRCV
	sndRcvInfoLen    = 32
	msgNotification  = 0x8000
	optRTOInfo       = 0
	optAssocInfo     = 1
	optInitMsg       = 2
	optNoDelay       = 3
	optPeerAddrParam = 9
	optEvents        = 11
	hbEnable         = 1 // SPP_HB_ENABLE

	// stateEstablished of sctp_status is Linux' own number; the constants of the
	// sctp package are those of RFC 6458's example, one higher.
	stateEstablished = 4

	noteAssocChange     = 0x8001
	notePeerAddrChange  = 0x8002
	notePartialDelivery = 0x8006
)

// States in an association change and in a peer address change.
const (
	commUp = iota
	commLost
	commRestart
	shutdownComp
	cantStart
)

const (
	addrAvailable = iota
	addrUnreachable
	addrRemoved
	addrAdded
	addrMadePrimary
)

// sndRcvInfo is struct sctp_sndrcvinfo: it goes with every message.
type sndRcvInfo struct {
	stream uint16
	flags  uint16
	ppid   uint32 // in host order here, in network order in the structure
}

var errControl = errors.New("control message does not fit struct sctp_sndrcvinfo")

func (i sndRcvInfo) encode() []byte {
	b := make([]byte, sndRcvInfoLen)
	binary.NativeEndian.PutUint16(b, i.stream)
	binary.NativeEndian.PutUint16(b[4:], i.flags)
	binary.BigEndian.PutUint32(b[8:], i.ppid)
	return b
}

func parseSndRcvInfo(b []byte) (sndRcvInfo, error) {
	if len(b) < sndRcvInfoLen {
		return sndRcvInfo{}, errControl
	}
	return sndRcvInfo{
		stream: binary.NativeEndian.Uint16(b),
		flags:  binary.NativeEndian.Uint16(b[4:]),
		ppid:   binary.BigEndian.Uint32(b[8:]),
	}, nil
}

// notification is what this package uses of union sctp_notification.
type notification struct {
	kind  uint16
	state int    // of an association or address change
	code  int    // an error cause (association) of the change
	info  []byte // what came with an association change: an ABORT's causes
}

var errNotification = errors.New("kernel SCTP notification is too short")

func parseNotification(b []byte) (n notification, err error) {
	if len(b) < 8 {
		return n, errNotification
	}
	n.kind = binary.NativeEndian.Uint16(b)
	switch n.kind {
	case noteAssocChange:
		if len(b) < 20 {
			return n, errNotification
		}
		n.state = int(binary.NativeEndian.Uint16(b[8:]))
		n.code = int(binary.NativeEndian.Uint16(b[10:]))
		n.info = b[20:]
	case notePeerAddrChange:
		if len(b) < 8+128+8 {
			return n, errNotification
		}
		n.state = int(int32(binary.NativeEndian.Uint32(b[136:])))
		n.code = int(int32(binary.NativeEndian.Uint32(b[140:])))
	}
	return n, nil
}

func u32s(v ...uint32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.NativeEndian.AppendUint32(b, x)
	}
	return b
}

func u16s(v ...uint16) []byte {
	var b []byte
	for _, x := range v {
		b = binary.NativeEndian.AppendUint16(b, x)
	}
	return b
}

func millis(d time.Duration) uint32 { return uint32(d.Milliseconds()) }

// sockOption is one setsockopt at level SOL_SCTP.
type sockOption struct {
	name  string
	opt   int
	value []byte
}

// kernelOptions are set on every socket before it is bound.
func kernelOptions(o Options) []sockOption {
	retries := uint16(min(o.HeartbeatMisses, 0xffff))
	// struct sctp_paddrparams is packed: association, address, then these.
	paths := append(u32s(0), make([]byte, 128)...)
	paths = append(paths, u32s(millis(o.HeartbeatInterval))...)
	paths = append(paths, u16s(retries)...)
	paths = append(paths, u32s(0, 0, hbEnable)...) // path MTU and SACK delay stay
	paths = append(paths, make([]byte, 2)...)      // up to the alignment of 4
	return []sockOption{
		{"SCTP_RTOINFO", optRTOInfo, u32s(0, millis(o.RTOInitial), millis(o.RTOMax), millis(o.RTOMin))},
		{"SCTP_ASSOCINFO", optAssocInfo, append(append(u32s(0), u16s(retries*max(1, uint16(len(o.Remote))), 0)...), u32s(0, 0, 0)...)},
		{"SCTP_INITMSG", optInitMsg, u16s(o.OutboundStreams, o.MaxInboundStreams, uint16(min(o.InitAttempts, 0xffff)), uint16(min(o.RTOMax.Milliseconds(), 0xffff)))},
		// Without it a small request waits for the answer to the one before.
		{"SCTP_NODELAY", optNoDelay, u32s(1)},
		{"SCTP_PEER_ADDR_PARAMS", optPeerAddrParam, paths},
		// Data information with each message, association and address changes,
		// partial delivery.
		{"SCTP_EVENTS", optEvents, []byte{1, 1, 1, 0, 0, 0, 1, 0}},
	}
}

// assembler puts a message together that the kernel delivers in parts: only
// the last one is marked (MSG_EOR). A message above the limit is let through
// without being kept.
type assembler struct {
	limit int
	buf   []byte
	over  bool
}

// add takes a part and returns the whole message after its last one; tooLarge
// says that there was one above the limit.
func (s *assembler) add(part []byte, last bool) (message []byte, tooLarge bool) {
	if s.over = s.over || len(s.buf)+len(part) > s.limit; s.over {
		s.buf = nil
	} else {
		s.buf = append(s.buf, part...)
	}
	if !last {
		return nil, false
	}
	message, tooLarge = s.buf, s.over
	s.reset()
	return message, tooLarge
}

// reset forgets a part whose rest will not come.
func (s *assembler) reset() { s.buf, s.over = nil, false }
