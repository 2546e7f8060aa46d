// SPDX-License-Identifier: Apache-2.0

package gtpu

import (
	"encoding/binary"
	"net/netip"
)

// Information elements (TS 29.281 8.1). Types below 128 have a fixed length, the others carry one.
const (
	ieRecovery      = 14
	ieTEIDDataI     = 16
	iePeerAddress   = 133
	ieExtensionList = 141 // the only one whose length is one octet
)

// AppendEchoRequest writes an Echo Request (TS 29.281 7.2.1).
func AppendEchoRequest(dst []byte, sequence uint16) []byte {
	m := Message{Type: EchoRequest, HasSequence: true, Sequence: sequence}
	return m.Append(dst)
}

// AppendEchoResponse writes the answer to an Echo Request of that sequence number. The Recovery element is mandatory; its
// value is zero and means nothing in GTP-U (TS 29.281 8.2).
func AppendEchoResponse(dst []byte, sequence uint16) []byte {
	m := Message{Type: EchoResponse, HasSequence: true, Sequence: sequence, Payload: recovery[:]}
	return m.Append(dst)
}

var recovery = [...]byte{ieRecovery, 0}

// AppendErrorIndication writes the answer to a G-PDU for a tunnel that does not exist (TS 29.281 7.3.1): its TEID, the
// address that it was sent to and the UDP port that it came from.
func AppendErrorIndication(dst []byte, teid uint32, address netip.Addr, udpPort uint16) []byte {
	var body [5 + 3 + 16]byte
	b := append(body[:0], ieTEIDDataI)
	b = binary.BigEndian.AppendUint32(b, teid)
	if address = address.Unmap(); address.Is4() {
		a := address.As4()
		b = append(append(b, iePeerAddress, 0, 4), a[:]...)
	} else {
		a := address.As16()
		b = append(append(b, iePeerAddress, 0, 16), a[:]...)
	}
	m := Message{Type: ErrorIndication, HasSequence: true, HasUDPPort: true, UDPPort: udpPort, Payload: b}
	return m.Append(dst)
}

// AppendSupportedExtensions writes the notification of the extension headers that this package understands (TS 29.281
// 7.2.3), the answer to DropExtension.
func AppendSupportedExtensions(dst []byte) []byte {
	m := Message{Type: SupportedExtensionHeaderNotification, HasSequence: true, Payload: supported[:]}
	return m.Append(dst)
}

var supported = [...]byte{ieExtensionList, 2, ExtUDPPort, ExtPDUSessionContainer}

// AppendEndMarker writes the End Marker of a tunnel (TS 29.281 7.3.2): nothing more will come for it on this path.
func AppendEndMarker(dst []byte, teid uint32) []byte {
	m := Message{Type: EndMarker, TEID: teid}
	return m.Append(dst)
}

// ErrorReport is what an Error Indication says.
type ErrorReport struct {
	TEID uint32     // of the tunnel that the peer does not have
	Peer netip.Addr // the address that the G-PDU was sent to
}

// DecodeErrorIndication reads the elements of an Error Indication. Both are mandatory; the error is DropElement.
func DecodeErrorIndication(payload []byte) (r ErrorReport, err error) {
	var hasTEID bool
	err = elements(payload, func(kind uint8, value []byte) error {
		switch kind {
		case ieTEIDDataI:
			r.TEID, hasTEID = binary.BigEndian.Uint32(value), true
		case iePeerAddress:
			a, ok := netip.AddrFromSlice(value)
			if !ok {
				return DropElement
			}
			r.Peer = a.Unmap()
		}
		return nil
	})
	if err != nil || !hasTEID || !r.Peer.IsValid() {
		return ErrorReport{}, DropElement
	}
	return r, nil
}

// DecodeSupportedExtensions gives the types in a Supported Extension Headers Notification, aliasing payload. The error is
// DropElement.
func DecodeSupportedExtensions(payload []byte) (types []byte, err error) {
	found := false
	err = elements(payload, func(kind uint8, value []byte) error {
		if kind == ieExtensionList {
			types, found = value, true
		}
		return nil
	})
	if err != nil || !found {
		return nil, DropElement
	}
	return types, nil
}

// elements walks over information elements. Unknown ones that carry a length are skipped; behind an unknown one of fixed
// length nothing can be read.
func elements(b []byte, each func(kind uint8, value []byte) error) error {
	for len(b) > 0 {
		kind, head, n := b[0], 1, 0
		switch {
		case kind == ieRecovery:
			n = 1
		case kind == ieTEIDDataI:
			n = 4
		case kind == ieExtensionList:
			if len(b) < 2 {
				return DropElement
			}
			head, n = 2, int(b[1])
		case kind >= 128:
			if len(b) < 3 {
				return DropElement
			}
			head, n = 3, int(binary.BigEndian.Uint16(b[1:]))
		default:
			return DropElement
		}
		if head+n > len(b) {
			return DropElement
		}
		if err := each(kind, b[head:head+n]); err != nil {
			return err
		}
		b = b[head+n:]
	}
	return nil
}
