// SPDX-License-Identifier: Apache-2.0

package message

import "encoding/binary"

// KeyExchange is the Key Exchange payload (RFC 7296 3.4).
type KeyExchange struct {
	Group uint16 // key exchange method, the ID of a transform of type 4
	Data  []byte // public value, in the form that the group's RFC gives
}

func (*KeyExchange) PayloadType() PayloadType { return PayloadKE }

func (p *KeyExchange) AppendBody(dst []byte) ([]byte, error) {
	dst = binary.BigEndian.AppendUint16(dst, p.Group)
	return append(append(dst, 0, 0), p.Data...), nil
}

func decodeKE(b []byte) (Payload, error) {
	if len(b) < 4 {
		return nil, truncated(PayloadKE)
	}
	return &KeyExchange{Group: binary.BigEndian.Uint16(b), Data: b[4:]}, nil
}

// Nonce is the Nonce payload Ni or Nr (RFC 7296 3.9). The codec takes any length; a valid one has
// MinNonceLen to MaxNonceLen octets.
type Nonce struct{ Data []byte }

// Lengths of a valid nonce in octets (RFC 7296 3.9).
const (
	MinNonceLen = 16
	MaxNonceLen = 256
)

func (*Nonce) PayloadType() PayloadType                { return PayloadNonce }
func (p *Nonce) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Data...), nil }

// VendorID is the Vendor ID payload (RFC 7296 3.12).
type VendorID struct{ Data []byte }

func (*VendorID) PayloadType() PayloadType                { return PayloadVendorID }
func (p *VendorID) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Data...), nil }

// EAP is the EAP payload (RFC 7296 3.16): one whole EAP packet, not looked into.
type EAP struct{ Packet []byte }

func (*EAP) PayloadType() PayloadType                { return PayloadEAP }
func (p *EAP) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Packet...), nil }

// Unknown is a payload of a type that this package does not know. Decoders only return those
// that are not critical; skip them (RFC 7296 2.5).
type Unknown struct {
	Type     PayloadType
	Critical bool // sets the critical bit when encoded
	Body     []byte
}

func (p *Unknown) PayloadType() PayloadType              { return p.Type }
func (p *Unknown) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Body...), nil }
