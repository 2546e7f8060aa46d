// SPDX-License-Identifier: Apache-2.0

package eap5g

import (
	"errors"
	"fmt"
)

// Errors of the codec and the method. Whatever [Server.Receive] returns, except
// [ErrIdentifier] and [ErrUnexpected], ends the method: the UE is told by an
// EAP-Failure and the IKE SA is discarded (TS 24.502 clause 7.3.3).
var (
	// ErrTruncated says that a packet ends inside a field.
	ErrTruncated = errors.New("eap5g: packet ends inside a field")
	// ErrLength says that the EAP Length field is not the size of the packet.
	ErrLength = errors.New("eap5g: EAP length is not the size of the packet")
	// ErrCode says that the EAP Code is none of 1 to 4, or does not fit the message.
	ErrCode = errors.New("eap5g: EAP code does not fit")
	// ErrIdentifier says that a response does not answer the outstanding request. RFC 3748
	// clause 4.1 wants such a packet discarded.
	ErrIdentifier = errors.New("eap5g: response has not the identifier of the outstanding request")
	// ErrUnexpected says that a packet came, or a call was made, at a moment when the
	// method does not allow it. A packet is to be discarded.
	ErrUnexpected = errors.New("eap5g: not expected in this state")
	// ErrTooLong says that a message exceeds a limit of this package.
	ErrTooLong = errors.New("eap5g: message is too long")
)

// MethodError says that a packet is well-formed EAP of another method than EAP-5G.
// Vendor and VendorType are zero unless Type is 254, the expanded type.
type MethodError struct {
	Type       uint8
	Vendor     uint32
	VendorType uint32
}

func (e *MethodError) Error() string {
	if e.Type == typeExpanded {
		return fmt.Sprintf("eap5g: expanded EAP method of vendor %d type %d, want vendor %d type %d",
			e.Vendor, e.VendorType, VendorID, VendorType)
	}
	return fmt.Sprintf("eap5g: EAP method %d, want EAP-5G (254, vendor %d, type %d)", e.Type, VendorID, VendorType)
}

// MessageError says that an EAP-5G packet has a message id that is not defined, or not
// defined for its direction.
type MessageError struct {
	Code Code
	ID   MessageID
}

func (e *MessageError) Error() string {
	return fmt.Sprintf("eap5g: message %d is not defined for an EAP %s", e.ID, e.Code)
}

// ParameterError says that a known AN parameter has a value that the UE may not send.
type ParameterError struct {
	Type   ParameterType
	Reason string
}

func (e *ParameterError) Error() string {
	return fmt.Sprintf("eap5g: AN parameter %s: %s", e.Type, e.Reason)
}

// NakError says that the UE refused the EAP-5G method by an EAP-Nak (RFC 3748 clause 5.3).
// Desired are the methods that it asks for instead; they are never used.
type NakError struct {
	Desired []uint8
}

func (e *NakError) Error() string {
	return fmt.Sprintf("eap5g: the UE refused EAP-5G by EAP-Nak and asks for methods %v", e.Desired)
}
