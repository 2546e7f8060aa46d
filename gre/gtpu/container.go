// SPDX-License-Identifier: Apache-2.0

package gtpu

import "encoding/binary"

// ContainerType tells the direction of a PDU Session Container (TS 38.415 5.5.3.1).
type ContainerType uint8

// The PDU types of TS 38.415.
const (
	DownlinkInformation ContainerType = 0
	UplinkInformation   ContainerType = 1
)

// MaxQFI is the largest QoS flow identifier (TS 38.415 5.5.3.3).
const MaxQFI = 63

const (
	containerQFI = 0x3f
	containerRQI = 0x40 // downlink; uplink the bit says that more indicators follow
)

// Container is a PDU Session Container: the PDU session user plane protocol of TS 38.415. Only type, QFI and RQI are
// interpreted; timestamps, sequence numbers, paging policy and padding stay octets.
type Container struct {
	Type ContainerType
	// Flags are the low four bits of the first octet: which optional fields follow.
	Flags uint8
	// Indicators are bits 8 and 7 of the second octet, in place: downlink 0x80 is PPP and 0x40 is RQI.
	Indicators uint8
	QFI        uint8  // 0..63
	Optional   []byte // what follows the second octet, with padding; aliases the input
}

// RQI tells whether the packet asks for reflective QoS; downlink only.
func (c Container) RQI() bool { return c.Type == DownlinkInformation && c.Indicators&containerRQI != 0 }

func decodeContainer(b []byte) (Container, bool) {
	if len(b) < 2 || b[0]>>4 > byte(UplinkInformation) {
		return Container{}, false
	}
	return Container{
		Type: ContainerType(b[0] >> 4), Flags: b[0] & 0x0f,
		Indicators: b[1] &^ containerQFI, QFI: b[1] & containerQFI, Optional: b[2:],
	}, true
}

// append writes the extension header; optional fields are padded to a multiple of four octets with zeros.
func (c *Container) append(dst []byte, next uint8) []byte {
	units := (4 + len(c.Optional) + 3) / 4
	dst = append(dst, byte(units), byte(c.Type)<<4|c.Flags&0x0f, c.Indicators&^containerQFI|c.QFI&containerQFI)
	dst = append(dst, c.Optional...)
	for range units*4 - 4 - len(c.Optional) {
		dst = append(dst, 0)
	}
	return append(dst, next)
}

// GPDUHeaderLen is the length of the header of a G-PDU with a PDU Session Container without optional fields.
const GPDUHeaderLen = headerLen + optionalLen + 4

// MaxPDU is the largest PDU that a G-PDU with such a header can carry over UDP and IPv4, in octets.
const MaxPDU = 65507 - GPDUHeaderLen

// PutUplink writes the header of an uplink G-PDU (RAN to UPF) for a PDU of n octets, at most MaxPDU, into the first
// GPDUHeaderLen octets of b.
func PutUplink(b []byte, teid uint32, qfi uint8, n int) {
	put(b, teid, uint16(UplinkInformation)<<12|uint16(qfi&containerQFI), n)
}

// PutDownlink writes the header of a downlink G-PDU (UPF to RAN) in the same way.
func PutDownlink(b []byte, teid uint32, qfi uint8, rqi bool, n int) {
	information := uint16(DownlinkInformation)<<12 | uint16(qfi&containerQFI)
	if rqi {
		information |= containerRQI
	}
	put(b, teid, information, n)
}

func put(b []byte, teid uint32, information uint16, n int) {
	_ = b[GPDUHeaderLen-1]
	b[0], b[1] = flagVersion1|flagGTP|flagExtension, byte(GPDU)
	binary.BigEndian.PutUint16(b[2:], uint16(GPDUHeaderLen-headerLen+n))
	binary.BigEndian.PutUint32(b[4:], teid)
	binary.BigEndian.PutUint32(b[8:], uint32(ExtPDUSessionContainer)) // sequence and N-PDU number are not evaluated
	b[12] = 1
	binary.BigEndian.PutUint16(b[13:], information)
	b[15] = ExtNone
}
