// SPDX-License-Identifier: Apache-2.0

package eap5g

import (
	"encoding/binary"
	"fmt"
)

// Code is the EAP Code (RFC 3748 clause 4).
type Code uint8

// EAP codes.
const (
	Request  Code = 1
	Response Code = 2
	Success  Code = 3
	Failure  Code = 4
)

func (c Code) String() string {
	switch c {
	case Request:
		return "Request"
	case Response:
		return "Response"
	case Success:
		return "Success"
	case Failure:
		return "Failure"
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// The expanded method of EAP-5G (TS 24.502 clause 9.3.2).
const (
	VendorID   = 10415 // 3GPP
	VendorType = 3     // EAP-5G

	typeNak      = 3
	typeExpanded = 254
)

const (
	headerLength   = 4  // code, identifier, length
	expandedLength = 12 // header, type, vendor id, vendor type
)

// Limits of what is decoded or encoded.
const (
	// MaxParameters is the largest list of AN parameters, in octets.
	MaxParameters = 1024
	// MaxNAS is the largest NAS PDU, in octets.
	MaxNAS = 65000
)

// Packet is one EAP packet of the method. Message is nil for Success and Failure.
type Packet struct {
	Code       Code
	Identifier uint8
	Message    Message
}

// Decode reads one EAP packet, which must fill b: IKEv2 carries exactly one in an EAP
// payload. The result aliases b. The error is one of the package's errors; a
// *[MethodError] for another EAP method still comes with Code and Identifier.
func Decode(b []byte) (Packet, error) {
	var p Packet
	if len(b) < headerLength {
		return p, ErrTruncated
	}
	p.Code, p.Identifier = Code(b[0]), b[1]
	if int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return p, ErrLength
	}
	switch p.Code {
	case Success, Failure:
		if len(b) != headerLength {
			return p, ErrLength
		}
		return p, nil
	case Request, Response:
	default:
		return p, ErrCode
	}
	body := b[headerLength:]
	if len(body) == 0 {
		return p, ErrTruncated
	}
	switch body[0] {
	case typeNak:
		if p.Code != Response {
			return p, ErrCode
		}
		p.Message = Nak{Desired: body[1:]}
		return p, nil
	case typeExpanded:
	default:
		return p, &MethodError{Type: body[0]}
	}
	if len(b) < expandedLength {
		return p, ErrTruncated
	}
	vendor := binary.BigEndian.Uint32(b[4:]) & 0xffffff
	vendorType := binary.BigEndian.Uint32(b[8:])
	if vendor == 0 && vendorType == typeNak && p.Code == Response {
		// An expanded Nak lists 8-octet methods; those of the IETF have vendor 0.
		nak := Nak{Expanded: true}
		for rest := b[expandedLength:]; len(rest) >= 8; rest = rest[8:] {
			nak.Desired = append(nak.Desired, rest[7])
		}
		p.Message = nak
		return p, nil
	}
	if vendor != VendorID || vendorType != VendorType {
		return p, &MethodError{Type: typeExpanded, Vendor: vendor, VendorType: vendorType}
	}
	var err error
	p.Message, err = decodeMessage(p.Code, b[expandedLength:])
	return p, err
}

// Append appends the packet to dst. It fails with [ErrCode] when the message does not
// exist in the packet's direction and with [ErrTooLong] beyond the limits.
func (p Packet) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, byte(p.Code), p.Identifier, 0, 0)
	switch m := p.Message.(type) {
	case nil:
		if p.Code != Success && p.Code != Failure {
			return nil, ErrCode
		}
	case Nak:
		if p.Code != Response {
			return nil, ErrCode
		}
		dst = m.append(dst)
	default:
		if !m.fits(p.Code) {
			return nil, ErrCode
		}
		dst = append(dst, typeExpanded, 0x00, 0x28, 0xaf, 0, 0, 0, VendorType, byte(m.ID()), 0)
		var err error
		if dst, err = m.appendBody(dst); err != nil {
			return nil, err
		}
	}
	size := len(dst) - start
	if size > 0xffff {
		return nil, ErrTooLong
	}
	binary.BigEndian.PutUint16(dst[start+2:], uint16(size))
	return dst, nil
}
