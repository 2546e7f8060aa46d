// SPDX-License-Identifier: Apache-2.0

// Package suci conceals and reveals a subscriber's identity by ECIES profile A (TS 33.501 annex C.3).
package suci

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// SchemeA is the protection scheme identifier of profile A.
const SchemeA = 1

const (
	publicLength = 32
	tagLength    = 8
)

// ErrTag says that a scheme output was not made for this key, or was changed.
var ErrTag = errors.New("suci: MAC tag is wrong")

// Conceal returns the scheme output for the MSIN in BCD. ephemeral must be used once.
func Conceal(home *ecdh.PublicKey, ephemeral *ecdh.PrivateKey, msin []byte) ([]byte, error) {
	secret, err := ephemeral.ECDH(home)
	if err != nil {
		return nil, fmt.Errorf("suci: %w", err)
	}
	public := ephemeral.PublicKey().Bytes()
	stream, mac := keys(secret, public)
	out := append([]byte(nil), public...)
	out = append(out, msin...)
	stream.XORKeyStream(out[publicLength:], out[publicLength:])
	mac.Write(out[publicLength:])
	return append(out, mac.Sum(nil)[:tagLength]...), nil
}

// Reveal returns the MSIN in BCD.
func Reveal(home *ecdh.PrivateKey, output []byte) ([]byte, error) {
	if len(output) < publicLength+tagLength {
		return nil, fmt.Errorf("suci: scheme output of %d octets is too short", len(output))
	}
	peer, err := ecdh.X25519().NewPublicKey(output[:publicLength])
	if err != nil {
		return nil, fmt.Errorf("suci: %w", err)
	}
	secret, err := home.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("suci: %w", err)
	}
	text := append([]byte(nil), output[publicLength:len(output)-tagLength]...)
	stream, mac := keys(secret, output[:publicLength])
	mac.Write(text)
	if subtle.ConstantTimeCompare(mac.Sum(nil)[:tagLength], output[len(output)-tagLength:]) != 1 {
		return nil, ErrTag
	}
	stream.XORKeyStream(text, text)
	return text, nil
}

// keys derives cipher and MAC by the KDF of ANSI X9.63 with SHA-256: 16 octets of AES key, 16 of initial
// counter block, 32 of MAC key.
func keys(secret, public []byte) (cipher.Stream, hash.Hash) {
	var material []byte
	for i := range uint32(2) {
		in := binary.BigEndian.AppendUint32(append([]byte(nil), secret...), i+1)
		t := sha256.Sum256(append(in, public...))
		material = append(material, t[:]...)
	}
	block, err := aes.NewCipher(material[:16])
	if err != nil {
		panic(err) // 16 octets are a valid AES key
	}
	return cipher.NewCTR(block, material[16:32]), hmac.New(sha256.New, material[32:])
}
