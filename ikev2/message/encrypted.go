// SPDX-License-Identifier: Apache-2.0

package message

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
)

// Protector is one direction of an IKE SA's keys. It is not safe for concurrent use: one that
// seals counts its IVs.
type Protector interface {
	// Size is the length in octets of IV, ciphertext and ICV for n octets of payloads.
	Size(n int) int
	// Seal encrypts and authenticates. message is everything from the IKE header to the end of the
	// generic header of SK (for SKF: of the fragment numbers), with all lengths already right;
	// IV, ciphertext and ICV of plaintext are appended to it.
	Seal(message, plaintext []byte) ([]byte, error)
	// Open verifies and decrypts. message is the whole datagram and IV, ciphertext and ICV begin
	// at offset. It must leave message unchanged and return fresh memory without the padding.
	// Its only error is ErrIntegrity.
	Open(message []byte, offset int) ([]byte, error)
}

// Encrypted is a closed SK payload (RFC 7296 3.14) of a decoded message.
type Encrypted struct {
	First   PayloadType // type of the first payload inside
	message []byte      // the whole datagram: all of it is authenticated
	offset  int         // of the IV
}

// EncryptedFragment is a closed SKF payload (RFC 7383 2.5) of a decoded message.
type EncryptedFragment struct {
	First   PayloadType // type of the first payload inside; only fragment 1 has it, the others NoNextPayload
	Number  uint16      // from 1 to Total
	Total   uint16
	message []byte
	offset  int
}

const fragmentHeaderLen = 4

func (*Encrypted) PayloadType() PayloadType         { return PayloadSK }
func (*EncryptedFragment) PayloadType() PayloadType { return PayloadSKF }

// AppendBody appends IV, ciphertext and ICV as received.
func (p *Encrypted) AppendBody(dst []byte) ([]byte, error) {
	return append(dst, p.message[p.offset:]...), nil
}

// AppendBody appends the fragment numbers, IV, ciphertext and ICV as received.
func (p *EncryptedFragment) AppendBody(dst []byte) ([]byte, error) {
	return append(dst, p.message[p.offset-fragmentHeaderLen:]...), nil
}

func decodeEncrypted(t, first PayloadType, b []byte, off int) (Payload, error) {
	if t == PayloadSK {
		return &Encrypted{First: first, message: b, offset: off}, nil
	}
	if len(b)-off < fragmentHeaderLen {
		return nil, truncated(t)
	}
	f := &EncryptedFragment{
		First: first, Number: binary.BigEndian.Uint16(b[off:]), Total: binary.BigEndian.Uint16(b[off+2:]),
		message: b, offset: off + fragmentHeaderLen,
	}
	if f.Number == 0 || f.Number > f.Total {
		return nil, syntax(t, "fragment %d of %d", f.Number, f.Total)
	}
	return f, nil
}

// Decrypt verifies the ICV and returns the encoded payloads inside. The only error is
// ErrIntegrity.
func (p *Encrypted) Decrypt(prot Protector) ([]byte, error) { return prot.Open(p.message, p.offset) }

// Open verifies, decrypts and decodes. ErrIntegrity: drop the message. *SyntaxError and
// *UnsupportedCritical: the peer itself sent this.
func (p *Encrypted) Open(prot Protector) ([]Payload, error) {
	plain, err := p.Decrypt(prot)
	if err != nil {
		return nil, err
	}
	return DecodePayloads(p.First, plain)
}

// Decrypt verifies the ICV and returns this fragment's piece of the encoded payloads, to be given
// to a Reassembler. The only error is ErrIntegrity.
func (p *EncryptedFragment) Decrypt(prot Protector) ([]byte, error) {
	return prot.Open(p.message, p.offset)
}

// Open decodes a whole datagram that must be one protected message in a single SK payload. It
// returns the clear part with the payloads of SK in the place of SK. Errors are those of Decode
// and of Encrypted.Open; a message without SK is a *SyntaxError.
func Open(datagram []byte, prot Protector) (*Message, error) {
	m, err := Decode(datagram)
	if err != nil {
		return nil, err
	}
	if len(m.Payloads) > 0 {
		last := len(m.Payloads) - 1
		if sk, ok := m.Payloads[last].(*Encrypted); ok {
			inner, err := sk.Open(prot)
			if err != nil {
				return nil, err
			}
			m.Payloads = append(m.Payloads[:last], inner...)
			return m, nil
		}
	}
	return nil, syntax(PayloadSK, "missing")
}

// scratch are buffers for what is encoded only to be sealed.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// encode encodes payloads in a buffer that done takes back, without what was in it.
func encode(inner []Payload) (plain []byte, done func(), err error) {
	buf := scratch.Get().(*[]byte)
	plain, err = AppendPayloads((*buf)[:0], inner)
	return plain, func() {
		clear(plain)
		*buf = plain[:0]
		scratch.Put(buf)
	}, err
}

// Seal appends to dst the message with header h whose only payload is SK with inner in it.
// Errors: ErrTooLong, and what the source of random IVs returns.
func Seal(dst []byte, h Header, inner []Payload, prot Protector) ([]byte, error) {
	plain, done, err := encode(inner)
	defer done()
	if err != nil {
		return dst, err
	}
	return sealPlain(dst, h, firstType(inner), plain, prot)
}

func sealPlain(dst []byte, h Header, first PayloadType, plain []byte, prot Protector) ([]byte, error) {
	start := len(dst)
	payloadLen := genericHeaderLen + prot.Size(len(plain))
	if HeaderLen+payloadLen > MaxLen {
		return dst, fmt.Errorf("SK payload: %w", ErrTooLong)
	}
	dst = slices.Grow(dst, HeaderLen+payloadLen)
	dst = appendHeader(dst, h, PayloadSK)
	dst = append(dst, byte(first), 0, byte(payloadLen>>8), byte(payloadLen))
	putLength(dst[start:], HeaderLen+payloadLen)
	return sealAt(dst, start, plain, prot)
}

// sealAt lets the Protector append to the message that begins at start of dst.
func sealAt(dst []byte, start int, plain []byte, prot Protector) ([]byte, error) {
	if start == 0 {
		return prot.Seal(dst, plain)
	}
	sealed, err := prot.Seal(dst[start:], plain)
	if err != nil {
		return dst[:start], err
	}
	return append(dst[:start], sealed...), nil
}

// SealFragments makes the message as one datagram with SK if that has at most maxLen octets, and
// as several with SKF of at most maxLen octets each otherwise (RFC 7383). maxLen counts the IKE
// message alone, without IP and UDP headers and non-ESP marker. Errors: those of Seal, and
// ErrTooLong when maxLen is too small to carry anything or there would be more than MaxFragments.
func SealFragments(h Header, inner []Payload, prot Protector, maxLen int) ([][]byte, error) {
	plain, done, err := encode(inner)
	defer done()
	if err != nil {
		return nil, err
	}
	first := firstType(inner)
	if whole := HeaderLen + genericHeaderLen + prot.Size(len(plain)); whole <= maxLen {
		b, err := sealPlain(make([]byte, 0, whole), h, first, plain, prot)
		if err != nil {
			return nil, err
		}
		return [][]byte{b}, nil
	}
	const overhead = HeaderLen + genericHeaderLen + fragmentHeaderLen
	piece := maxLen - overhead
	for piece > 0 && overhead+prot.Size(piece) > maxLen {
		piece--
	}
	if piece <= 0 {
		return nil, fmt.Errorf("IKE fragment of at most %d octets: %w", maxLen, ErrTooLong)
	}
	total := (len(plain) + piece - 1) / piece
	if total > MaxFragments {
		return nil, fmt.Errorf("%d IKE fragments: %w", total, ErrTooLong)
	}
	fragments := make([][]byte, 0, total)
	for n := 1; n <= total; n++ {
		part := plain[(n-1)*piece : min(n*piece, len(plain))]
		payloadLen := genericHeaderLen + fragmentHeaderLen + prot.Size(len(part))
		b := appendHeader(make([]byte, 0, HeaderLen+payloadLen), h, PayloadSKF)
		next := NoNextPayload
		if n == 1 {
			next = first
		}
		b = append(b, byte(next), 0, byte(payloadLen>>8), byte(payloadLen), byte(n>>8), byte(n), byte(total>>8), byte(total))
		putLength(b, HeaderLen+payloadLen)
		if b, err = prot.Seal(b, part); err != nil {
			return nil, err
		}
		fragments = append(fragments, b)
	}
	return fragments, nil
}
