// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Protector protects the messages of one direction of an IKE SA; it implements message.Protector.
// An AEAD's IVs count up from 0, so that one key must never be in two Protectors that seal. It is
// not safe for concurrent use.
type Protector struct {
	aead    cipher.AEAD
	salt    [aeadSaltLen]byte
	counter uint64

	block  cipher.Block
	mac    hash.Hash
	icvLen int
	random io.Reader
}

var _ message.Protector = (*Protector)(nil)

// NewProtector makes a Protector from SK_ei and SK_ai, or SK_er and SK_ar. random is the source of
// CBC IVs and not used by an AEAD. It fails when the algorithms do not exist or fit, or a key has
// the wrong length.
func NewProtector(e Encr, i IntegID, encrKey, integKey []byte, random io.Reader) (*Protector, error) {
	if !fits(e, i) || len(encrKey) != e.MaterialLen() || len(integKey) != i.KeyLen() {
		return nil, fmt.Errorf("suite: %v with %v and keys of %d and %d octets cannot protect IKE messages", e, i, len(encrKey), len(integKey))
	}
	if e.AEAD() {
		aead, err := newAEAD(e, encrKey[:e.KeyLen()])
		if err != nil {
			return nil, err
		}
		return &Protector{aead: aead, salt: [aeadSaltLen]byte(encrKey[e.KeyLen():])}, nil
	}
	block, err := aes.NewCipher(encrKey)
	if err != nil {
		return nil, err
	}
	return &Protector{block: block, mac: i.New(integKey), icvLen: i.ICVLen(), random: random}, nil
}

func newAEAD(e Encr, key []byte) (cipher.AEAD, error) {
	if e.ID == ENCR_CHACHA20_POLY1305 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// IVs is how many IVs of an AEAD's key are used; the next message takes this number. It is 0 without an AEAD.
func (p *Protector) IVs() uint64 { return p.counter }

// SkipIVs makes the next message take number n, for a key whose first n IVs another Protector has used. It never goes
// back.
func (p *Protector) SkipIVs(n uint64) { p.counter = max(p.counter, n) }

// Size implements message.Protector.
func (p *Protector) Size(n int) int {
	n++ // pad length octet
	if p.aead != nil {
		return aeadIVLen + n + aeadICVLen
	}
	return aesBlockLen + (n+aesBlockLen-1)/aesBlockLen*aesBlockLen + p.icvLen
}

var errIVsUsedUp = errors.New("suite: all IVs of this key are used")

// Seal implements message.Protector. Its errors are those of the source of random IVs.
func (p *Protector) Seal(msg, plaintext []byte) ([]byte, error) {
	if p.aead != nil {
		if p.counter == 1<<64-1 {
			return nil, errIVsUsedUp
		}
		aad := len(msg)
		msg = binary.BigEndian.AppendUint64(msg, p.counter)
		p.counter++
		start := len(msg)
		msg = append(append(msg, plaintext...), 0)
		nonce := p.nonce(msg[aad:start])
		return p.aead.Seal(msg[:start], nonce[:], msg[start:], msg[:aad]), nil
	}
	iv := len(msg)
	start := iv + aesBlockLen
	msg = append(msg, make([]byte, aesBlockLen)...)
	if _, err := io.ReadFull(p.random, msg[iv:]); err != nil {
		return nil, fmt.Errorf("suite: random IV: %w", err)
	}
	pad := aesBlockLen - 1 - len(plaintext)%aesBlockLen
	msg = append(msg, plaintext...)
	msg = append(msg, make([]byte, pad)...)
	msg = append(msg, byte(pad))
	cipher.NewCBCEncrypter(p.block, msg[iv:start]).CryptBlocks(msg[start:], msg[start:])
	return append(msg, p.icv(msg)...), nil
}

// Open implements message.Protector.
func (p *Protector) Open(msg []byte, offset int) ([]byte, error) {
	body := msg[offset:]
	var plain []byte
	if p.aead != nil {
		if len(body) < aeadIVLen+1+aeadICVLen {
			return nil, message.ErrIntegrity
		}
		nonce := p.nonce(body[:aeadIVLen])
		var err error
		if plain, err = p.aead.Open(nil, nonce[:], body[aeadIVLen:], msg[:offset]); err != nil {
			return nil, message.ErrIntegrity
		}
	} else {
		n := len(body) - aesBlockLen - p.icvLen
		if n < aesBlockLen || n%aesBlockLen != 0 {
			return nil, message.ErrIntegrity
		}
		end := len(msg) - p.icvLen
		if !hmac.Equal(p.icv(msg[:end]), msg[end:]) {
			return nil, message.ErrIntegrity
		}
		plain = make([]byte, n)
		cipher.NewCBCDecrypter(p.block, body[:aesBlockLen]).CryptBlocks(plain, body[aesBlockLen:aesBlockLen+n])
	}
	pad := int(plain[len(plain)-1])
	if pad >= len(plain) {
		// Only the peer itself can have made this; but it is no message either.
		return nil, message.ErrIntegrity
	}
	return plain[: len(plain)-1-pad : len(plain)-1-pad], nil
}

func (p *Protector) nonce(iv []byte) (nonce [aeadSaltLen + aeadIVLen]byte) {
	copy(nonce[:], p.salt[:])
	copy(nonce[aeadSaltLen:], iv)
	return nonce
}

func (p *Protector) icv(b []byte) []byte {
	p.mac.Reset()
	p.mac.Write(b)
	return p.mac.Sum(nil)[:p.icvLen]
}
