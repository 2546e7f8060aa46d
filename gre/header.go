// SPDX-License-Identifier: Apache-2.0

package gre

import "encoding/binary"

// HeaderLen is the length of the GRE header on NWu: flags, protocol type and the key, nothing else (TS 24.502 9.3.3).
const HeaderLen = 8

// MaxQFI is the largest QoS flow identifier that the six bits of the key can carry (TS 38.415 5.5.3.3).
const MaxQFI = 63

// EtherTypes that a GRE header may name (RFC 2784, RFC 7676). TypeNone is what TS 24.502 asks for.
const (
	TypeNone     uint16 = 0x0000
	TypeIPv4     uint16 = 0x0800
	TypeIPv6     uint16 = 0x86DD
	TypeEthernet uint16 = 0x6558
)

const (
	flagKey     = 0x20       // K bit; every other bit of the first two octets must be zero
	keyQFI      = 0x3f       // in the first octet of the key
	keyRQI      = 0x80       // in the last octet of the key
	keyQFIShift = 24         // of the key as a number
	keyRQIBit   = 0x00000080 // of the key as a number
)

// Header is a GRE header on NWu.
type Header struct {
	Protocol uint16 // what the sender calls the PDU; meaningless on receipt (TS 24.502 9.3.3)
	QFI      uint8  // QoS flow, 0..63
	RQI      bool   // reflective QoS indication; has a meaning downlink only
}

// Key returns the key field: the QFI in bits 29..24, the RQI in bit 7 (TS 24.502 9.3.3).
func (h Header) Key() uint32 {
	key := uint32(h.QFI&keyQFI) << keyQFIShift
	if h.RQI {
		key |= keyRQIBit
	}
	return key
}

// Put writes the header into the first HeaderLen octets of b, which must be that long.
func (h Header) Put(b []byte) {
	_ = b[HeaderLen-1]
	b[0], b[1] = flagKey, 0
	binary.BigEndian.PutUint16(b[2:], h.Protocol)
	binary.BigEndian.PutUint32(b[4:], h.Key())
}

// DecodeHeader reads the GRE header at the start of b; the PDU is the rest. Spare bits of the key are ignored, as the
// protocol type is; flags other than K, or a version other than 0, are refused because they would change the length.
// The error is a Drop.
func DecodeHeader(b []byte) (h Header, pdu []byte, err error) {
	if len(b) < HeaderLen {
		return Header{}, nil, DropShort
	}
	if b[0] != flagKey || b[1] != 0 {
		if b[0]&flagKey == 0 {
			return Header{}, nil, DropNoKey
		}
		return Header{}, nil, DropFlags
	}
	h.Protocol = binary.BigEndian.Uint16(b[2:])
	h.QFI = b[4] & keyQFI
	h.RQI = b[7]&keyRQI != 0
	return h, b[HeaderLen:], nil
}
