// SPDX-License-Identifier: Apache-2.0

package message

import (
	"bytes"
	"encoding/binary"
)

// IntAuthOctets is what AUTH covers of an IKE_INTERMEDIATE message that we send with header h and inner payloads:
// IntAuth_A | IntAuth_P of RFC 9242 3.3.2, which is the message as if it had no IV, padding and ICV and were not in
// fragments. The only error is ErrTooLong.
func IntAuthOctets(h Header, inner []Payload) ([]byte, error) {
	b := appendHeader(make([]byte, 0, 512), h, PayloadSK)
	b = append(b, byte(firstType(inner)), 0, 0, 0)
	b, err := AppendPayloads(b, inner)
	if err != nil {
		return nil, err
	}
	return fixLengths(b, HeaderLen)
}

// IntAuthOctets is IntAuth_A | IntAuth_P of a message that was received, plain being what Decrypt gave.
func (p *Encrypted) IntAuthOctets(plain []byte) ([]byte, error) {
	return fixLengths(append(bytes.Clone(p.message[:p.offset]), plain...), p.offset-genericHeaderLen)
}

// IntAuthOctets is IntAuth_A | IntAuth_P of a message that was received in fragments. p is the first of them and plain
// the whole content that the Reassembler gave.
func (p *EncryptedFragment) IntAuthOctets(plain []byte) ([]byte, error) {
	generic := p.offset - fragmentHeaderLen - genericHeaderLen
	b := append(bytes.Clone(p.message[:generic+genericHeaderLen]), plain...)
	// As if it were not in fragments, the payload is SK and not SKF.
	next, off := 16, HeaderLen
	for off < generic {
		next, off = off, off+int(binary.BigEndian.Uint16(b[off+2:]))
	}
	b[next] = byte(PayloadSK)
	return fixLengths(b, generic)
}

// fixLengths makes the header and the generic header of SK at sk say that the message ends where b ends.
func fixLengths(b []byte, sk int) ([]byte, error) {
	if len(b)-sk > 0xffff || len(b) > MaxLen {
		return nil, ErrTooLong
	}
	binary.BigEndian.PutUint16(b[sk+2:], uint16(len(b)-sk))
	putLength(b, len(b))
	return b, nil
}
