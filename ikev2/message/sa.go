// SPDX-License-Identifier: Apache-2.0

package message

import (
	"encoding/binary"
	"fmt"
)

// ProtocolID names the protocol of an SA in proposals, notifies and deletes (RFC 7296 3.3.1).
type ProtocolID uint8

// Protocol IDs. ProtocolNone is used where a notify concerns no existing SA.
const (
	ProtocolNone ProtocolID = 0
	ProtocolIKE  ProtocolID = 1
	ProtocolAH   ProtocolID = 2
	ProtocolESP  ProtocolID = 3
)

func (p ProtocolID) String() string {
	switch p {
	case ProtocolNone:
		return "none"
	case ProtocolIKE:
		return "IKE"
	case ProtocolAH:
		return "AH"
	case ProtocolESP:
		return "ESP"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// TransformType is the kind of algorithm that a transform names (RFC 7296 3.3.2).
type TransformType uint8

// Transform types.
const (
	TransformENCR  TransformType = 1
	TransformPRF   TransformType = 2
	TransformINTEG TransformType = 3
	TransformKE    TransformType = 4 // key exchange method, formerly Diffie-Hellman group
	TransformESN   TransformType = 5
	// 6 to 12 are the additional key exchanges of RFC 9370.
	TransformADDKE1 TransformType = 6
	TransformADDKE7 TransformType = 12
)

func (t TransformType) String() string {
	switch t {
	case TransformENCR:
		return "ENCR"
	case TransformPRF:
		return "PRF"
	case TransformINTEG:
		return "INTEG"
	case TransformKE:
		return "KE"
	case TransformESN:
		return "ESN"
	}
	if t >= TransformADDKE1 && t <= TransformADDKE7 {
		return fmt.Sprintf("ADDKE%d", t-TransformADDKE1+1)
	}
	return fmt.Sprintf("transform type %d", uint8(t))
}

// SecurityAssociation is the SA payload (RFC 7296 3.3): alternatives in the sender's order of
// preference, or the one that was chosen.
type SecurityAssociation struct{ Proposals []Proposal }

// Proposal is one alternative: one transform of each type that it lists.
type Proposal struct {
	Number     uint8
	Protocol   ProtocolID
	SPI        []byte // the sender's inbound SPI: 4 octets for ESP, 8 for an IKE rekey, none in IKE_SA_INIT
	Transforms []Transform
}

// Transform names one algorithm. It is comparable.
type Transform struct {
	Type      TransformType
	ID        uint16
	KeyLength uint16 // Key Length attribute in bits; 0 when there is none
	// Extra is every other attribute, in wire form. A transform that has one must not be chosen
	// (RFC 7296 3.3.6).
	Extra string
}

const (
	attrKeyLength   = 14
	attrTV          = 0x8000 // attribute format bit: two octets of value instead of a length
	proposalHdrLen  = 8
	transformHdrLen = 8
	moreProposals   = 2 // "last substructure" octet when another proposal follows
	moreTransforms  = 3
)

func (*SecurityAssociation) PayloadType() PayloadType { return PayloadSA }

func (p *SecurityAssociation) AppendBody(dst []byte) ([]byte, error) {
	for i := range p.Proposals {
		prop := &p.Proposals[i]
		if len(prop.SPI) > 255 || len(prop.Transforms) > 255 {
			return dst, ErrTooLong
		}
		start := len(dst)
		var more byte
		if i < len(p.Proposals)-1 {
			more = moreProposals
		}
		dst = append(dst, more, 0, 0, 0, prop.Number, byte(prop.Protocol), byte(len(prop.SPI)), byte(len(prop.Transforms)))
		dst = append(dst, prop.SPI...)
		for j, t := range prop.Transforms {
			var err error
			if dst, err = t.append(dst, j == len(prop.Transforms)-1); err != nil {
				return dst, err
			}
		}
		n := len(dst) - start
		if n > 0xffff {
			return dst, ErrTooLong
		}
		binary.BigEndian.PutUint16(dst[start+2:], uint16(n))
	}
	return dst, nil
}

func (t Transform) append(dst []byte, last bool) ([]byte, error) {
	n := transformHdrLen + len(t.Extra)
	if t.KeyLength != 0 {
		n += 4
	}
	if n > 0xffff {
		return dst, ErrTooLong
	}
	more := byte(moreTransforms)
	if last {
		more = 0
	}
	dst = append(dst, more, 0, byte(n>>8), byte(n), byte(t.Type), 0, byte(t.ID>>8), byte(t.ID))
	if t.KeyLength != 0 {
		dst = binary.BigEndian.AppendUint16(dst, attrTV|attrKeyLength)
		dst = binary.BigEndian.AppendUint16(dst, t.KeyLength)
	}
	return append(dst, t.Extra...), nil
}

func decodeSA(b []byte) (Payload, error) {
	sa := &SecurityAssociation{}
	for more := byte(moreProposals); more != 0; {
		if len(b) < proposalHdrLen {
			return nil, truncated(PayloadSA)
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < proposalHdrLen || n > len(b) {
			return nil, truncated(PayloadSA)
		}
		if more = b[0]; more != 0 && more != moreProposals {
			return nil, syntax(PayloadSA, "last substructure octet of a proposal is %d", more)
		}
		prop, err := decodeProposal(b[:n:n])
		if err != nil {
			return nil, err
		}
		sa.Proposals = append(sa.Proposals, prop)
		b = b[n:]
	}
	if len(b) != 0 {
		return nil, syntax(PayloadSA, "%d octets after the last proposal", len(b))
	}
	return sa, nil
}

func decodeProposal(b []byte) (Proposal, error) {
	spiLen, count := int(b[6]), int(b[7])
	if spiLen > len(b)-proposalHdrLen {
		return Proposal{}, truncated(PayloadSA)
	}
	p := Proposal{Number: b[4], Protocol: ProtocolID(b[5])}
	p.SPI = b[proposalHdrLen : proposalHdrLen+spiLen : proposalHdrLen+spiLen]
	b = b[proposalHdrLen+spiLen:]
	if len(b) < count*transformHdrLen {
		return Proposal{}, truncated(PayloadSA)
	}
	p.Transforms = make([]Transform, 0, count)
	for i := range count {
		if len(b) < transformHdrLen {
			return Proposal{}, truncated(PayloadSA)
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < transformHdrLen || n > len(b) {
			return Proposal{}, truncated(PayloadSA)
		}
		if last := i == count-1; last != (b[0] == 0) || !last && b[0] != moreTransforms {
			return Proposal{}, syntax(PayloadSA, "last substructure octet of transform %d of %d is %d", i+1, count, b[0])
		}
		t, err := decodeTransform(b[:n])
		if err != nil {
			return Proposal{}, err
		}
		p.Transforms = append(p.Transforms, t)
		b = b[n:]
	}
	if len(b) != 0 {
		return Proposal{}, syntax(PayloadSA, "%d octets after the last transform", len(b))
	}
	return p, nil
}

func decodeTransform(b []byte) (Transform, error) {
	t := Transform{Type: TransformType(b[4]), ID: binary.BigEndian.Uint16(b[6:])}
	for b = b[transformHdrLen:]; len(b) > 0; {
		if len(b) < 4 {
			return t, truncated(PayloadSA)
		}
		kind, value := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		n := 4
		if kind&attrTV == 0 {
			n += int(value)
		}
		if n > len(b) {
			return t, truncated(PayloadSA)
		}
		if kind == attrTV|attrKeyLength && t.KeyLength == 0 && value != 0 {
			t.KeyLength = value
		} else {
			t.Extra += string(b[:n])
		}
		b = b[n:]
	}
	return t, nil
}
