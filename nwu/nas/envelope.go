// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"encoding/binary"
	"fmt"
)

// envelopeHeader is the length in front of a NAS message; it does not count itself (TS 24.502 9.4).
const envelopeHeader = 2

// Splitter cuts a TCP stream into NAS messages. Between calls it holds no more than one unfinished envelope, and never more
// octets than have come. The zero value accepts nothing; set Max.
type Splitter struct {
	Max  int // longest NAS message, in octets
	rest []byte
}

// Push takes the next octets of the stream and calls emit for each message that is complete; pdu is emit's own. It stops and
// returns ErrProtocol, with detail, at an envelope of length zero or above Max: the stream cannot be followed any further.
func (s *Splitter) Push(stream []byte, emit func(pdu []byte)) error {
	for {
		var err error
		var pdu []byte
		if stream, pdu, err = s.next(stream); err != nil || pdu == nil {
			return err
		}
		emit(pdu)
	}
}

// next takes what belongs to the first envelope from the stream and gives its message, nil while it is not complete.
func (s *Splitter) next(stream []byte) (left, pdu []byte, err error) {
	if len(s.rest) < envelopeHeader {
		n := min(envelopeHeader-len(s.rest), len(stream))
		s.rest = append(s.rest, stream[:n]...)
		if stream = stream[n:]; len(s.rest) < envelopeHeader {
			if len(s.rest) == 0 {
				s.rest = nil
			}
			return nil, nil, nil
		}
		if n := int(binary.BigEndian.Uint16(s.rest)); n == 0 || n > s.Max {
			return nil, nil, fmt.Errorf("%w: length %d, allowed 1..%d", ErrProtocol, n, s.Max)
		}
	}
	whole := envelopeHeader + int(binary.BigEndian.Uint16(s.rest))
	n := min(whole-len(s.rest), len(stream))
	s.rest = append(s.rest, stream[:n]...)
	if len(s.rest) < whole {
		return nil, nil, nil
	}
	pdu, s.rest = s.rest[envelopeHeader:whole:whole], nil
	return stream[n:], pdu, nil
}

// Buffered is how many octets of an unfinished envelope wait.
func (s *Splitter) Buffered() int { return len(s.rest) }

// AppendEnvelope writes a NAS message with its length behind dst. The message must have 1 to 65535 octets.
func AppendEnvelope(dst, pdu []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(pdu))), pdu...)
}
