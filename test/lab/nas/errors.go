// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"errors"
	"fmt"
)

var (
	// ErrTruncated says that a message is too short to have a type; the receiver ignores it (TS 24.501 clause 7.2.1).
	ErrTruncated = errors.New("nas: message is too short")
	// ErrProtected says that a message is security protected: it is for nas/security first.
	ErrProtected = errors.New("nas: message is security protected")
	// ErrDiscriminator says that the message is neither 5GMM nor 5GSM.
	ErrDiscriminator = errors.New("nas: extended protocol discriminator is not of 5GS")
)

// Error says why a message does not decode or encode. Cause is what a 5GMM or 5GSM status message reports to
// the sender.
type Error struct {
	Cause   Cause
	Message MessageType
	IE      string // name of the information element, or empty
	Reason  string
}

func (e *Error) Error() string {
	if e.IE == "" {
		return fmt.Sprintf("nas: %s: %s (cause %d)", e.Message, e.Reason, uint8(e.Cause))
	}
	return fmt.Sprintf("nas: %s: %s: %s (cause %d)", e.Message, e.IE, e.Reason, uint8(e.Cause))
}
