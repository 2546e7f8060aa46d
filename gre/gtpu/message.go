// SPDX-License-Identifier: Apache-2.0

package gtpu

import "encoding/binary"

// Port is the registered UDP port of GTP-U (TS 29.281 4.4.2).
const Port = 2152

// MessageType is the second octet of a message (TS 29.281 6.1).
type MessageType uint8

// The messages of GTP-U.
const (
	EchoRequest                          MessageType = 1
	EchoResponse                         MessageType = 2
	ErrorIndication                      MessageType = 26
	SupportedExtensionHeaderNotification MessageType = 31
	EndMarker                            MessageType = 254
	GPDU                                 MessageType = 255
)

// Extension header types (TS 29.281 5.2.1, figure 5.2.1-3) that are understood here.
const (
	ExtNone                uint8 = 0x00
	ExtUDPPort             uint8 = 0x40
	ExtPDUSessionContainer uint8 = 0x85
)

// extComprehension: with this bit set, the endpoint that receives an extension header must understand it (TS 29.281 5.2.1).
const extComprehension = 0x80

const (
	headerLen   = 8
	optionalLen = 4 // sequence number, N-PDU number, next extension header type: there as a whole or not at all

	flagVersion1  = 0x20
	flagGTP       = 0x10 // PT: GTP, not GTP'
	flagExtension = 0x04
	flagSequence  = 0x02
	flagNPDU      = 0x01
	maskVersion   = 0xe0
)

// Message is a decoded message.
type Message struct {
	Type MessageType
	TEID uint32 // of the receiver's tunnel; 0 for path management and Error Indication

	HasSequence  bool
	HasNPDU      bool
	HasContainer bool
	HasUDPPort   bool

	NPDU      uint8
	Sequence  uint16
	UDPPort   uint16 // UDP Port extension header: source port of the G-PDU that an Error Indication is about
	Container Container

	// UnknownExtension is the type of the extension header that made Decode return DropExtension.
	UnknownExtension uint8
	// Payload is the user PDU of a G-PDU, the information elements of a signalling message. It aliases the input.
	Payload []byte
}

// Drop is the reason why an octet string is no message to act on. It is an error and, being small, an index for counters.
type Drop uint8

// The reasons. DropNone is not an error and never returned as one.
const (
	DropNone      Drop = iota
	DropShort          // shorter than the header that its flags announce
	DropVersion        // not GTP version 1
	DropProtocol       // GTP', the charging protocol
	DropLength         // the length field is more than there is
	DropChain          // an extension header of length zero, or one that runs over the end
	DropContainer      // a PDU Session Container of an unknown type, or too short
	DropExtension      // an extension header that must be understood and is not: answer with the list of supported ones
	DropElement        // an information element is missing or malformed
	NumDrops
)

var dropText = [NumDrops]string{
	DropNone:      "none",
	DropShort:     "short message",
	DropVersion:   "wrong version",
	DropProtocol:  "GTP prime",
	DropLength:    "wrong length",
	DropChain:     "malformed extension header",
	DropContainer: "malformed PDU session container",
	DropExtension: "unsupported extension header",
	DropElement:   "malformed information element",
}

// String names the reason in words fit for a log line or a metric label.
func (d Drop) String() string {
	if d < NumDrops {
		return dropText[d]
	}
	return "unknown"
}

// Error makes a Drop an error.
func (d Drop) Error() string { return "gtpu: " + d.String() }

// Decode reads one datagram. The error is a Drop; with DropExtension the message is filled as far as it was read, with
// UnknownExtension, and the rest of the chain was still checked. Octets after the stated length are ignored.
func Decode(b []byte) (m Message, err error) {
	if len(b) < headerLen {
		return Message{}, DropShort
	}
	flags := b[0]
	if flags&maskVersion != flagVersion1 {
		return Message{}, DropVersion
	}
	if flags&flagGTP == 0 {
		return Message{}, DropProtocol
	}
	end := headerLen + int(binary.BigEndian.Uint16(b[2:]))
	if end > len(b) {
		return Message{}, DropLength
	}
	m.Type = MessageType(b[1])
	m.TEID = binary.BigEndian.Uint32(b[4:])
	b = b[:end]
	at := headerLen
	if flags&(flagExtension|flagSequence|flagNPDU) == 0 {
		m.Payload = b[at:]
		return m, nil
	}
	if end < headerLen+optionalLen {
		return Message{}, DropShort
	}
	// A field whose flag is not set must not be evaluated (TS 29.281 5.1).
	if flags&flagSequence != 0 {
		m.HasSequence, m.Sequence = true, binary.BigEndian.Uint16(b[8:])
	}
	if flags&flagNPDU != 0 {
		m.HasNPDU, m.NPDU = true, b[10]
	}
	next := ExtNone
	if flags&flagExtension != 0 {
		next = b[11]
	}
	at += optionalLen
	unsupported := false
	for next != ExtNone {
		if at >= end {
			return Message{}, DropChain
		}
		n := int(b[at]) * 4
		if n == 0 || at+n > end {
			return Message{}, DropChain
		}
		content := b[at+1 : at+n-1]
		switch {
		case next == ExtPDUSessionContainer:
			c, ok := decodeContainer(content)
			if !ok {
				return Message{}, DropContainer
			}
			m.HasContainer, m.Container = true, c
		case next == ExtUDPPort:
			m.HasUDPPort, m.UDPPort = true, binary.BigEndian.Uint16(content)
		case next&extComprehension != 0 && !unsupported:
			unsupported, m.UnknownExtension = true, next
		}
		next = b[at+n-1]
		at += n
	}
	m.Payload = b[at:]
	if unsupported {
		return m, DropExtension
	}
	return m, nil
}

// Append writes the message behind dst: the PDU Session Container first, then the UDP port, where present. The payload must
// be short enough for the length field (65535 octets with all headers).
func (m *Message) Append(dst []byte) []byte {
	flags, next := byte(flagVersion1|flagGTP), ExtNone
	if m.HasUDPPort {
		flags, next = flags|flagExtension, ExtUDPPort
	}
	if m.HasContainer {
		flags, next = flags|flagExtension, ExtPDUSessionContainer
	}
	if m.HasSequence {
		flags |= flagSequence
	}
	if m.HasNPDU {
		flags |= flagNPDU
	}
	start := len(dst)
	dst = append(dst, flags, byte(m.Type), 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, m.TEID)
	if flags&(flagExtension|flagSequence|flagNPDU) != 0 {
		dst = binary.BigEndian.AppendUint16(dst, m.Sequence)
		dst = append(dst, m.NPDU, next)
	}
	if m.HasContainer {
		next = ExtNone
		if m.HasUDPPort {
			next = ExtUDPPort
		}
		dst = m.Container.append(dst, next)
	}
	if m.HasUDPPort {
		dst = append(dst, 1, byte(m.UDPPort>>8), byte(m.UDPPort), ExtNone)
	}
	dst = append(dst, m.Payload...)
	binary.BigEndian.PutUint16(dst[start+2:], uint16(len(dst)-start-headerLen))
	return dst
}
