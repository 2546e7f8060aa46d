// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// Direction of a message (TS 33.501 annex D).
type Direction uint8

// Directions.
const (
	Uplink   Direction = 0
	Downlink Direction = 1
)

// inputs are the first octets of what NEA2 and NIA2 take: COUNT, BEARER, DIRECTION.
func inputs(count uint32, bearer uint8, d Direction) [8]byte {
	var b [8]byte
	binary.BigEndian.PutUint32(b[:], count)
	b[4] = bearer<<3 | byte(d)<<2
	return b
}

// NEA2 ciphers or deciphers b in place (TS 33.501 annex D.2.1.3).
func NEA2(key [16]byte, count uint32, bearer uint8, d Direction, b []byte) {
	var counter [16]byte
	in := inputs(count, bearer, d)
	copy(counter[:], in[:])
	cipher.NewCTR(block(key), counter[:]).XORKeyStream(b, b)
}

// NIA2 returns the MAC over the parts in succession (TS 33.501 annex D.3.1.3).
func NIA2(key [16]byte, count uint32, bearer uint8, d Direction, parts ...[]byte) [4]byte {
	in := inputs(count, bearer, d)
	msg := in[:]
	for _, p := range parts {
		msg = append(msg, p...)
	}
	mac := cmac(block(key), msg)
	return [4]byte(mac[:])
}

func block(key [16]byte) cipher.Block {
	c, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 16 octets are a valid AES key
	}
	return c
}

// cmac is AES-CMAC (RFC 4493).
func cmac(c cipher.Block, msg []byte) (mac [16]byte) {
	var sub [16]byte
	c.Encrypt(sub[:], sub[:])
	double(&sub)
	for len(msg) > 16 {
		subtle.XORBytes(mac[:], mac[:], msg[:16])
		c.Encrypt(mac[:], mac[:])
		msg = msg[16:]
	}
	subtle.XORBytes(mac[:], mac[:], msg)
	if len(msg) < 16 {
		mac[len(msg)] ^= 0x80
		double(&sub)
	}
	subtle.XORBytes(mac[:], mac[:], sub[:])
	c.Encrypt(mac[:], mac[:])
	return mac
}

// double multiplies by x in GF(2^128).
func double(b *[16]byte) {
	carry := b[0] >> 7
	for i := range 15 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[15] = b[15]<<1 ^ carry*0x87
}
