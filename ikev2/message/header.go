// SPDX-License-Identifier: Apache-2.0

package message

import (
	"encoding/binary"
	"fmt"
)

// HeaderLen is the length of the IKE header in octets (RFC 7296 3.1).
const HeaderLen = 28

// MaxLen bounds a message that is decoded or reassembled, in octets: what one UDP datagram can
// carry.
const MaxLen = 65535

const version2 = 0x20

// SPI is the Security Parameter Index of an IKE SA; 0 stands for "not chosen yet".
type SPI uint64

func (s SPI) String() string { return fmt.Sprintf("%016x", uint64(s)) }

// Bytes returns the SPI as its eight octets on the wire.
func (s SPI) Bytes() []byte { return binary.BigEndian.AppendUint64(nil, uint64(s)) }

// ExchangeType is the exchange that a message belongs to.
type ExchangeType uint8

// Exchange types (IANA IKEv2 parameters).
const (
	IKE_SA_INIT        ExchangeType = 34
	IKE_AUTH           ExchangeType = 35
	CREATE_CHILD_SA    ExchangeType = 36
	INFORMATIONAL      ExchangeType = 37
	IKE_SESSION_RESUME ExchangeType = 38 // RFC 5723
	IKE_INTERMEDIATE   ExchangeType = 43 // RFC 9242
	IKE_FOLLOWUP_KE    ExchangeType = 44 // RFC 9370
)

func (t ExchangeType) String() string {
	switch t {
	case IKE_SA_INIT:
		return "IKE_SA_INIT"
	case IKE_AUTH:
		return "IKE_AUTH"
	case CREATE_CHILD_SA:
		return "CREATE_CHILD_SA"
	case INFORMATIONAL:
		return "INFORMATIONAL"
	case IKE_SESSION_RESUME:
		return "IKE_SESSION_RESUME"
	case IKE_INTERMEDIATE:
		return "IKE_INTERMEDIATE"
	case IKE_FOLLOWUP_KE:
		return "IKE_FOLLOWUP_KE"
	}
	return fmt.Sprintf("exchange %d", uint8(t))
}

// Flags of the header. Bits without a name are ignored on receipt and sent as 0.
type Flags uint8

const (
	// FlagInitiator is set in every message of the one that initiated this IKE SA (after a rekey:
	// the one that initiated the rekey), in requests and responses.
	FlagInitiator Flags = 0x08
	// FlagVersion says that the sender could speak a higher major version.
	FlagVersion Flags = 0x10
	// FlagResponse is set in responses.
	FlagResponse Flags = 0x20
)

// Header is the IKE header without what the codec works out by itself: version (sent as 2.0),
// next payload and length.
type Header struct {
	InitiatorSPI SPI
	ResponderSPI SPI
	Exchange     ExchangeType
	Flags        Flags
	MessageID    uint32
}

// Response says whether the message is a response.
func (h Header) Response() bool { return h.Flags&FlagResponse != 0 }

// FromInitiator says whether the sender is the initiator of this IKE SA.
func (h Header) FromInitiator() bool { return h.Flags&FlagInitiator != 0 }

func (h Header) String() string {
	kind := "request"
	if h.Response() {
		kind = "response"
	}
	return fmt.Sprintf("%v %s %d (%v %v)", h.Exchange, kind, h.MessageID, h.InitiatorSPI, h.ResponderSPI)
}

// DecodeHeader reads the header of a datagram without looking at the payloads: enough to find
// the IKE SA. With an *UnsupportedVersion the Header is valid too, so that it can be answered.
func DecodeHeader(b []byte) (Header, error) {
	h, _, err := decodeHeader(b)
	return h, err
}

func decodeHeader(b []byte) (h Header, first PayloadType, err error) {
	if len(b) < HeaderLen {
		return h, 0, truncated(NoNextPayload)
	}
	h = Header{
		InitiatorSPI: SPI(binary.BigEndian.Uint64(b)),
		ResponderSPI: SPI(binary.BigEndian.Uint64(b[8:])),
		Exchange:     ExchangeType(b[18]),
		Flags:        Flags(b[19]),
		MessageID:    binary.BigEndian.Uint32(b[20:]),
	}
	if major := b[17] >> 4; major != 2 {
		return h, 0, &UnsupportedVersion{Major: major, Minor: b[17] & 0x0f}
	}
	if n := binary.BigEndian.Uint32(b[24:]); uint64(n) != uint64(len(b)) {
		return h, 0, syntax(NoNextPayload, "header says %d octets, the datagram has %d", n, len(b))
	}
	return h, PayloadType(b[16]), nil
}

// appendHeader appends the header with length 0; putLength fills it in when it is known.
func appendHeader(dst []byte, h Header, first PayloadType) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.InitiatorSPI))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.ResponderSPI))
	dst = append(dst, byte(first), version2, byte(h.Exchange), byte(h.Flags))
	dst = binary.BigEndian.AppendUint32(dst, h.MessageID)
	return append(dst, 0, 0, 0, 0)
}

func putLength(message []byte, n int) {
	binary.BigEndian.PutUint32(message[24:], uint32(n))
}
