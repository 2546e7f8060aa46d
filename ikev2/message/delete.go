// SPDX-License-Identifier: Apache-2.0

package message

import "encoding/binary"

// Delete is the Delete payload (RFC 7296 3.11). For ESP and AH it lists the sender's inbound
// SPIs; for IKE there are none, the message's own IKE SA is meant.
type Delete struct {
	Protocol ProtocolID
	SPIs     []uint32
}

func (*Delete) PayloadType() PayloadType { return PayloadDelete }

func (p *Delete) AppendBody(dst []byte) ([]byte, error) {
	if p.Protocol == ProtocolIKE {
		return append(dst, byte(ProtocolIKE), 0, 0, 0), nil
	}
	if len(p.SPIs) > 0xffff {
		return dst, ErrTooLong
	}
	dst = append(dst, byte(p.Protocol), 4)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.SPIs)))
	for _, spi := range p.SPIs {
		dst = binary.BigEndian.AppendUint32(dst, spi)
	}
	return dst, nil
}

func decodeDelete(b []byte) (Payload, error) {
	if len(b) < 4 {
		return nil, truncated(PayloadDelete)
	}
	d := &Delete{Protocol: ProtocolID(b[0])}
	size, count := int(b[1]), int(binary.BigEndian.Uint16(b[2:]))
	b = b[4:]
	if len(b) != size*count {
		return nil, syntax(PayloadDelete, "%d SPIs of %d octets in %d octets", count, size, len(b))
	}
	if d.Protocol == ProtocolIKE {
		if len(b) != 0 {
			return nil, syntax(PayloadDelete, "SPIs of an IKE SA")
		}
		return d, nil
	}
	if size != 4 && count > 0 {
		return nil, syntax(PayloadDelete, "SPI size %d", size)
	}
	d.SPIs = make([]uint32, count)
	for i := range d.SPIs {
		d.SPIs[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return d, nil
}
