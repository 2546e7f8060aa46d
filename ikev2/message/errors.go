// SPDX-License-Identifier: Apache-2.0

package message

import (
	"errors"
	"fmt"
)

var (
	// ErrTruncated: a length field points beyond the end of what contains it. It is always
	// wrapped in a SyntaxError.
	ErrTruncated = errors.New("truncated")
	// ErrIntegrity: the ICV of an SK or SKF payload does not match, or the payload is too short
	// to have one. Anybody can cause it: drop the message silently (RFC 7296 2.21.4).
	ErrIntegrity = errors.New("ike message: integrity check failed")
	// ErrTooLong: a value does not fit its length field, so that it cannot be encoded.
	ErrTooLong = errors.New("ike message: value does not fit its length field")
)

// SyntaxError says that octets do not have the structure of RFC 7296 section 3. When it comes
// from inside a verified SK payload the answer is INVALID_SYNTAX, which ends the IKE SA.
type SyntaxError struct {
	Payload PayloadType // the payload that is broken; NoNextPayload for the header and the chain
	Err     error
}

func (e *SyntaxError) Error() string {
	if e.Payload == NoNextPayload {
		return fmt.Sprintf("ike message: %v", e.Err)
	}
	return fmt.Sprintf("ike message: %v payload: %v", e.Payload, e.Err)
}

func (e *SyntaxError) Unwrap() error { return e.Err }

// UnsupportedCritical says that a payload of an unknown type has its critical bit set. In a
// request the answer is UNSUPPORTED_CRITICAL_PAYLOAD with the type as its one octet of data and
// nothing else; a response that has one is of no use (RFC 7296 2.5).
type UnsupportedCritical struct{ Type PayloadType }

func (e *UnsupportedCritical) Error() string {
	return fmt.Sprintf("ike message: unknown payload type %d is critical", uint8(e.Type))
}

// UnsupportedVersion says that the major version is not 2. Only a higher one in a request may be
// answered, with INVALID_MAJOR_VERSION (RFC 7296 2.5).
type UnsupportedVersion struct{ Major, Minor uint8 }

func (e *UnsupportedVersion) Error() string {
	return fmt.Sprintf("ike message: version %d.%d, want 2", e.Major, e.Minor)
}

func syntax(t PayloadType, format string, args ...any) error {
	return &SyntaxError{Payload: t, Err: fmt.Errorf(format, args...)}
}

func truncated(t PayloadType) error { return &SyntaxError{Payload: t, Err: ErrTruncated} }
