// SPDX-License-Identifier: Apache-2.0

package message

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// PayloadType is the number of a payload in a Next Payload field.
type PayloadType uint8

// Payload types (RFC 7296 3.2, RFC 7383 2.5).
const (
	NoNextPayload     PayloadType = 0
	PayloadSA         PayloadType = 33
	PayloadKE         PayloadType = 34
	PayloadIDi        PayloadType = 35
	PayloadIDr        PayloadType = 36
	PayloadCERT       PayloadType = 37
	PayloadCERTREQ    PayloadType = 38
	PayloadAUTH       PayloadType = 39
	PayloadNonce      PayloadType = 40
	PayloadNotify     PayloadType = 41
	PayloadDelete     PayloadType = 42
	PayloadVendorID   PayloadType = 43
	PayloadTSi        PayloadType = 44
	PayloadTSr        PayloadType = 45
	PayloadSK         PayloadType = 46
	PayloadCP         PayloadType = 47
	PayloadEAP        PayloadType = 48
	PayloadSKF        PayloadType = 53
	criticalBit                   = 0x80
	genericHeaderLen              = 4
	maxPayloadsPerMsg             = 256 // far above any real message; keeps work per datagram small
)

var payloadNames = map[PayloadType]string{
	PayloadSA: "SA", PayloadKE: "KE", PayloadIDi: "IDi", PayloadIDr: "IDr", PayloadCERT: "CERT",
	PayloadCERTREQ: "CERTREQ", PayloadAUTH: "AUTH", PayloadNonce: "Nonce", PayloadNotify: "N",
	PayloadDelete: "D", PayloadVendorID: "V", PayloadTSi: "TSi", PayloadTSr: "TSr", PayloadSK: "SK",
	PayloadCP: "CP", PayloadEAP: "EAP", PayloadSKF: "SKF",
}

func (t PayloadType) String() string {
	if name, ok := payloadNames[t]; ok {
		return name
	}
	return fmt.Sprintf("payload %d", uint8(t))
}

// Payload is one payload of a message. The implementations are the pointer types of this
// package: *SecurityAssociation, *KeyExchange, *IDi, *IDr, *Certificate, *CertificateRequest,
// *Authentication, *Nonce, *Notify, *Delete, *VendorID, *TSi, *TSr, *Configuration, *EAP,
// *Unknown, and, only in what Decode returns, *Encrypted and *EncryptedFragment.
type Payload interface {
	// PayloadType is the payload's number in the chain.
	PayloadType() PayloadType
	// AppendBody appends the payload without its generic header to dst. The only error is
	// ErrTooLong.
	AppendBody(dst []byte) ([]byte, error)
}

// Message is an IKE message. In one that Decode returns the last payload may be *Encrypted or
// *EncryptedFragment.
type Message struct {
	Header
	Payloads []Payload
}

// Decode reads the header and the clear payloads of a datagram (without the non-ESP marker). SK
// and SKF stay closed. The result aliases b.
// Errors: *SyntaxError, *UnsupportedCritical, *UnsupportedVersion. With the last two the header of
// the returned message is valid, so that they can be answered; otherwise the message is nil.
func Decode(b []byte) (*Message, error) {
	if len(b) > MaxLen {
		return nil, syntax(NoNextPayload, "%d octets, at most %d", len(b), MaxLen)
	}
	m := &Message{}
	h, first, err := decodeHeader(b)
	if err == nil {
		m.Payloads, err = decodeChain(first, b, HeaderLen, true)
	}
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		return nil, err
	}
	m.Header = h
	return m, err
}

// DecodePayloads reads a chain of payloads whose first is of type first: the plaintext of an SK
// payload. The result aliases b. Errors: *SyntaxError, *UnsupportedCritical.
func DecodePayloads(first PayloadType, b []byte) ([]Payload, error) {
	return decodeChain(first, b, 0, false)
}

func decodeChain(next PayloadType, b []byte, off int, outer bool) ([]Payload, error) {
	if next == NoNextPayload && off == len(b) {
		return nil, nil
	}
	payloads := make([]Payload, 0, 8)
	for next != NoNextPayload {
		if len(payloads) == maxPayloadsPerMsg {
			return nil, syntax(next, "more than %d payloads", maxPayloadsPerMsg)
		}
		if len(b)-off < genericHeaderLen {
			return nil, truncated(next)
		}
		n := int(binary.BigEndian.Uint16(b[off+2:]))
		if n < genericHeaderLen || n > len(b)-off {
			return nil, truncated(next)
		}
		following, critical := PayloadType(b[off]), b[off+1]&criticalBit != 0
		body := b[off+genericHeaderLen : off+n : off+n]
		if next == PayloadSK || next == PayloadSKF {
			if !outer {
				return nil, syntax(next, "inside an encrypted payload")
			}
			if off+n != len(b) {
				return nil, syntax(next, "not the last payload")
			}
			p, err := decodeEncrypted(next, following, b, off+genericHeaderLen)
			if err != nil {
				return nil, err
			}
			return append(payloads, p), nil
		}
		p, err := decodePayload(next, critical, body)
		if err != nil {
			return nil, err
		}
		payloads = append(payloads, p)
		off += n
		next = following
	}
	if off != len(b) {
		return nil, syntax(NoNextPayload, "%d octets after the last payload", len(b)-off)
	}
	return payloads, nil
}

func decodePayload(t PayloadType, critical bool, body []byte) (Payload, error) {
	switch t {
	case PayloadSA:
		return decodeSA(body)
	case PayloadKE:
		return decodeKE(body)
	case PayloadIDi:
		id, err := decodeID(t, body)
		return &IDi{id}, err
	case PayloadIDr:
		id, err := decodeID(t, body)
		return &IDr{id}, err
	case PayloadCERT:
		return decodeCertificate(body)
	case PayloadCERTREQ:
		return decodeCertificateRequest(body)
	case PayloadAUTH:
		return decodeAuthentication(body)
	case PayloadNonce:
		return &Nonce{Data: body}, nil
	case PayloadNotify:
		return decodeNotify(body)
	case PayloadDelete:
		return decodeDelete(body)
	case PayloadVendorID:
		return &VendorID{Data: body}, nil
	case PayloadTSi:
		ts, err := decodeTS(t, body)
		return &TSi{ts}, err
	case PayloadTSr:
		ts, err := decodeTS(t, body)
		return &TSr{ts}, err
	case PayloadCP:
		return decodeConfiguration(body)
	case PayloadEAP:
		return &EAP{Packet: body}, nil
	}
	if critical {
		return nil, &UnsupportedCritical{Type: t}
	}
	return &Unknown{Type: t, Body: body}, nil
}

// Append appends the encoded message to dst. An SK or SKF payload is appended as it was received;
// new ones are made with Seal. The only error is ErrTooLong.
func (m *Message) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = appendHeader(dst, m.Header, firstType(m.Payloads))
	dst, err := AppendPayloads(dst, m.Payloads)
	if err != nil {
		return dst[:start], err
	}
	if len(dst)-start > MaxLen {
		return dst[:start], ErrTooLong
	}
	putLength(dst[start:], len(dst)-start)
	return dst, nil
}

// AppendPayloads appends the chain of payloads with their generic headers; the type of the first
// one belongs into the Next Payload field of whatever comes before.
func AppendPayloads(dst []byte, payloads []Payload) ([]byte, error) {
	for i, p := range payloads {
		start := len(dst)
		var flags byte
		next := firstType(payloads[i+1:])
		switch p := p.(type) {
		case *Unknown:
			if p.Critical {
				flags = criticalBit
			}
		case *Encrypted:
			next = p.First
		case *EncryptedFragment:
			next = p.First
		}
		dst = append(dst, byte(next), flags, 0, 0)
		var err error
		if dst, err = p.AppendBody(dst); err != nil {
			return dst, fmt.Errorf("%v payload: %w", p.PayloadType(), err)
		}
		n := len(dst) - start
		if n > 0xffff {
			return dst, fmt.Errorf("%v payload: %w", p.PayloadType(), ErrTooLong)
		}
		binary.BigEndian.PutUint16(dst[start+2:], uint16(n))
	}
	return dst, nil
}

func firstType(payloads []Payload) PayloadType {
	if len(payloads) == 0 {
		return NoNextPayload
	}
	return payloads[0].PayloadType()
}

// Get returns the first payload of type T, as in Get[*KeyExchange](m.Payloads), and whether there
// is one.
func Get[T Payload](payloads []Payload) (T, bool) {
	for _, p := range payloads {
		if t, ok := p.(T); ok {
			return t, true
		}
	}
	var none T
	return none, false
}

// All returns every payload of type T, in order.
func All[T Payload](payloads []Payload) []T {
	var all []T
	for _, p := range payloads {
		if t, ok := p.(T); ok {
			all = append(all, t)
		}
	}
	return all
}
