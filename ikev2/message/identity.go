// SPDX-License-Identifier: Apache-2.0

package message

import (
	"fmt"
	"net/netip"
)

// IDType is the kind of an identity (RFC 7296 3.5).
type IDType uint8

// Identity types.
const (
	ID_IPV4_ADDR   IDType = 1
	ID_FQDN        IDType = 2
	ID_RFC822_ADDR IDType = 3
	ID_IPV6_ADDR   IDType = 5
	ID_DER_ASN1_DN IDType = 9
	ID_DER_ASN1_GN IDType = 10
	ID_KEY_ID      IDType = 11
)

func (t IDType) String() string {
	switch t {
	case ID_IPV4_ADDR:
		return "ID_IPV4_ADDR"
	case ID_FQDN:
		return "ID_FQDN"
	case ID_RFC822_ADDR:
		return "ID_RFC822_ADDR"
	case ID_IPV6_ADDR:
		return "ID_IPV6_ADDR"
	case ID_DER_ASN1_DN:
		return "ID_DER_ASN1_DN"
	case ID_DER_ASN1_GN:
		return "ID_DER_ASN1_GN"
	case ID_KEY_ID:
		return "ID_KEY_ID"
	}
	return fmt.Sprintf("ID type %d", uint8(t))
}

// Identification is what IDi and IDr carry (RFC 7296 3.5). Reserved is kept as received, because
// AUTH covers the whole body.
type Identification struct {
	Type     IDType
	Reserved [3]byte
	Data     []byte
}

// IDi is the identity of the initiator.
type IDi struct{ Identification }

// IDr is the identity of the responder.
type IDr struct{ Identification }

func (*IDi) PayloadType() PayloadType { return PayloadIDi }
func (*IDr) PayloadType() PayloadType { return PayloadIDr }

// AppendBody appends type, reserved octets and data.
func (id *Identification) AppendBody(dst []byte) ([]byte, error) {
	dst = append(dst, byte(id.Type), id.Reserved[0], id.Reserved[1], id.Reserved[2])
	return append(dst, id.Data...), nil
}

// Body returns a fresh copy of the payload body, which AUTH is computed over (RFC 7296 2.15).
func (id *Identification) Body() []byte {
	b, _ := id.AppendBody(make([]byte, 0, 4+len(id.Data)))
	return b
}

// String prints the identity for a log: text types as quoted text, addresses as such, everything
// else in hex.
func (id *Identification) String() string {
	switch id.Type {
	case ID_FQDN, ID_RFC822_ADDR:
		return fmt.Sprintf("%v:%q", id.Type, id.Data)
	case ID_IPV4_ADDR, ID_IPV6_ADDR:
		if a, ok := netip.AddrFromSlice(id.Data); ok {
			return fmt.Sprintf("%v:%v", id.Type, a)
		}
	}
	return fmt.Sprintf("%v:%x", id.Type, id.Data)
}

// AddrIdentification is the identity of an IP address.
func AddrIdentification(a netip.Addr) Identification {
	a = a.Unmap()
	if a.Is4() {
		return Identification{Type: ID_IPV4_ADDR, Data: a.AsSlice()}
	}
	return Identification{Type: ID_IPV6_ADDR, Data: a.AsSlice()}
}

func decodeID(t PayloadType, b []byte) (Identification, error) {
	if len(b) < 4 {
		return Identification{}, truncated(t)
	}
	return Identification{Type: IDType(b[0]), Reserved: [3]byte(b[1:4]), Data: b[4:]}, nil
}
