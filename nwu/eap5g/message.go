// SPDX-License-Identifier: Apache-2.0

package eap5g

import (
	"encoding/binary"
)

// MessageID tells the EAP-5G messages apart (TS 24.502 clause 9.3.2.2).
type MessageID uint8

// EAP-5G message ids.
const (
	MessageStart        MessageID = 1
	MessageNAS          MessageID = 2
	MessageNotification MessageID = 3
	MessageStop         MessageID = 4
)

// Message is what an EAP request or response of the method says: one of [Start], [NASRequest],
// [NASResponse], [NotificationRequest], [NotificationResponse], [Stop] and [Nak].
type Message interface {
	ID() MessageID
	fits(Code) bool
	appendBody([]byte) ([]byte, error)
}

// Start is the 5G-Start request, by which the N3IWF opens the method.
type Start struct{}

// NASRequest is the 5G-NAS request: a NAS message from the AMF.
type NASRequest struct {
	PDU []byte
}

// NASResponse is the 5G-NAS response: a NAS message to the AMF with the AN parameters. An empty PDU
// acknowledges a request to which the UE has no NAS answer. Parameters are the ordinary list, with
// one-octet lengths; Extended the list with two-octet lengths that follows the PDU. Both keep unknown
// parameters and the order on the wire; [NASResponse.AN] gives their meaning.
type NASResponse struct {
	Parameters []Parameter
	PDU        []byte
	Extended   []Parameter
}

// NotificationRequest is the 5G-Notification request, with which a TNGF tells the UE its address
// (parameter types 1 and 2: IPv4 and IPv6 contact). An N3IWF never sends it.
type NotificationRequest struct {
	Parameters []Parameter
}

// NotificationResponse acknowledges a NotificationRequest.
type NotificationResponse struct{}

// Stop is the 5G-Stop response: the UE gives up, for instance after a Registration Reject.
type Stop struct{}

// Nak is the EAP-Nak response (RFC 3748 clauses 5.3.1 and 5.3.2): the peer does not know the method.
// Desired are the IETF method types that it would accept; 0 is none.
type Nak struct {
	Expanded bool
	Desired  []uint8
}

// ID returns MessageStart.
func (Start) ID() MessageID { return MessageStart }

// ID returns MessageNAS.
func (NASRequest) ID() MessageID { return MessageNAS }

// ID returns MessageNAS.
func (NASResponse) ID() MessageID { return MessageNAS }

// ID returns MessageNotification.
func (NotificationRequest) ID() MessageID { return MessageNotification }

// ID returns MessageNotification.
func (NotificationResponse) ID() MessageID { return MessageNotification }

// ID returns MessageStop.
func (Stop) ID() MessageID { return MessageStop }

// ID returns 0: a Nak is no message of EAP-5G.
func (Nak) ID() MessageID { return 0 }

func (Start) fits(c Code) bool                { return c == Request }
func (NASRequest) fits(c Code) bool           { return c == Request }
func (NASResponse) fits(c Code) bool          { return c == Response }
func (NotificationRequest) fits(c Code) bool  { return c == Request }
func (NotificationResponse) fits(c Code) bool { return c == Response }
func (Stop) fits(c Code) bool                 { return c == Response }
func (Nak) fits(c Code) bool                  { return c == Response }

// decodeMessage reads what follows the vendor type: message id, spare octet, body. Octets after the
// last field are extensions of later releases and are skipped.
func decodeMessage(code Code, b []byte) (Message, error) {
	if len(b) < 2 {
		return nil, ErrTruncated
	}
	id, body := MessageID(b[0]), b[2:]
	switch {
	case id == MessageStart && code == Request:
		return Start{}, nil
	case id == MessageNAS && code == Request:
		pdu, _, err := cut16(body)
		if err == nil && len(pdu) > MaxNAS {
			err = ErrTooLong
		}
		if err != nil {
			return nil, err
		}
		return NASRequest{PDU: pdu}, nil
	case id == MessageNAS && code == Response:
		return decodeNASResponse(body)
	case id == MessageNotification && code == Request:
		list, _, err := cut16(body)
		if err != nil {
			return nil, err
		}
		params, err := decodeParameters(list, 1)
		if err != nil {
			return nil, err
		}
		return NotificationRequest{Parameters: params}, nil
	case id == MessageNotification && code == Response:
		return NotificationResponse{}, nil
	case id == MessageStop && code == Response:
		return Stop{}, nil
	}
	return nil, &MessageError{Code: code, ID: id}
}

func decodeNASResponse(b []byte) (Message, error) {
	var m NASResponse
	list, b, err := cut16(b)
	if err != nil {
		return nil, err
	}
	if m.Parameters, err = decodeParameters(list, 1); err != nil {
		return nil, err
	}
	if m.PDU, b, err = cut16(b); err != nil {
		return nil, err
	}
	if len(m.PDU) > MaxNAS {
		return nil, ErrTooLong
	}
	if len(b) == 0 {
		return m, nil
	}
	if list, _, err = cut16(b); err != nil {
		return nil, err
	}
	if m.Extended, err = decodeParameters(list, 2); err != nil {
		// Some senders write one-octet lengths in the extended list as well.
		var err1 error
		if m.Extended, err1 = decodeParameters(list, 1); err1 != nil {
			return nil, err
		}
	}
	return m, nil
}

func (Start) appendBody(b []byte) ([]byte, error)                { return b, nil }
func (NotificationResponse) appendBody(b []byte) ([]byte, error) { return b, nil }
func (Stop) appendBody(b []byte) ([]byte, error)                 { return b, nil }

func (m NASRequest) appendBody(b []byte) ([]byte, error) { return appendPDU(b, m.PDU) }

func (m NASResponse) appendBody(b []byte) ([]byte, error) {
	b, err := appendParameters(b, m.Parameters, 1)
	if err != nil {
		return nil, err
	}
	if b, err = appendPDU(b, m.PDU); err != nil {
		return nil, err
	}
	if len(m.Extended) == 0 {
		return b, nil
	}
	return appendParameters(b, m.Extended, 2)
}

func (m NotificationRequest) appendBody(b []byte) ([]byte, error) {
	return appendParameters(b, m.Parameters, 1)
}

func (m Nak) appendBody(b []byte) ([]byte, error) { return m.append(b), nil }

func (m Nak) append(b []byte) []byte {
	if !m.Expanded {
		return append(append(b, typeNak), m.Desired...)
	}
	b = append(b, typeExpanded, 0, 0, 0, 0, 0, 0, typeNak)
	for _, t := range m.Desired {
		b = append(b, typeExpanded, 0, 0, 0, 0, 0, 0, t)
	}
	return b
}

func appendPDU(b, pdu []byte) ([]byte, error) {
	if len(pdu) > MaxNAS {
		return nil, ErrTooLong
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(pdu)))
	return append(b, pdu...), nil
}

// cut16 cuts a field with a two-octet length from b.
func cut16(b []byte) (field, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, ErrTruncated
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b)-2 < n {
		return nil, nil, ErrTruncated
	}
	return b[2 : 2+n], b[2+n:], nil
}
