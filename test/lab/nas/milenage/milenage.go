// SPDX-License-Identifier: Apache-2.0

// Package milenage is the MILENAGE algorithm set of TS 35.206 (f1 to f5*) and the authentication token that a
// USIM and its home network make with it (TS 33.102 clause 6.3).
package milenage

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// Subscriber has the long-term key and the operator's constant of one USIM.
type Subscriber struct {
	K   [16]byte
	OPc [16]byte
}

// OPc derives a subscriber's OPc from the operator's OP.
func OPc(k, op [16]byte) [16]byte {
	return xor(encrypt(k, op), op)
}

// Vector is what both sides derive from a challenge.
type Vector struct {
	RES [8]byte
	CK  [16]byte
	IK  [16]byte
	AK  [6]byte
}

// SQN is a 48-bit sequence number. Its low 5 bits are an index (TS 33.102 annex C.1.1.1).
type SQN uint64

// Bytes returns the six octets.
func (s SQN) Bytes() [6]byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(s)<<16)
	return [6]byte(b[:])
}

// ParseSQN reads six octets.
func ParseSQN(b [6]byte) SQN {
	return SQN(binary.BigEndian.Uint16(b[:]))<<32 | SQN(binary.BigEndian.Uint32(b[2:]))
}

// F1 returns MAC-A (f1) and MAC-S (f1*).
func (s Subscriber) F1(rand [16]byte, sqn SQN, amf [2]byte) (macA, macS [8]byte) {
	q := sqn.Bytes()
	var in [16]byte
	copy(in[0:], q[:])
	copy(in[6:], amf[:])
	copy(in[8:], in[:8])
	out := xor(encrypt(s.K, xor(s.temp(rand), rotate(xor(in, s.OPc), 8))), s.OPc)
	return [8]byte(out[:8]), [8]byte(out[8:])
}

// F2345 returns RES (f2), CK (f3), IK (f4) and AK (f5).
func (s Subscriber) F2345(rand [16]byte) Vector {
	two := s.out(rand, 0, 1)
	return Vector{RES: [8]byte(two[8:]), CK: s.out(rand, 4, 2), IK: s.out(rand, 8, 4), AK: [6]byte(two[:])}
}

// F5Star returns AK for resynchronisation (f5*).
func (s Subscriber) F5Star(rand [16]byte) [6]byte {
	five := s.out(rand, 12, 8)
	return [6]byte(five[:])
}

// out is OUT2 to OUT5: rotation in octets and the constant in the last octet.
func (s Subscriber) out(rand [16]byte, rotation int, constant byte) [16]byte {
	in := rotate(xor(s.temp(rand), s.OPc), rotation)
	in[15] ^= constant
	return xor(encrypt(s.K, in), s.OPc)
}

func (s Subscriber) temp(rand [16]byte) [16]byte { return encrypt(s.K, xor(rand, s.OPc)) }

// AUTN returns the authentication token of the network.
func (s Subscriber) AUTN(rand [16]byte, sqn SQN, amf [2]byte) [16]byte {
	mac, _ := s.F1(rand, sqn, amf)
	ak := s.F2345(rand).AK
	q := sqn.Bytes()
	var autn [16]byte
	for i := range q {
		autn[i] = q[i] ^ ak[i]
	}
	copy(autn[6:], amf[:])
	copy(autn[8:], mac[:])
	return autn
}

var (
	// ErrMAC says that a token was not made with this key, or was changed.
	ErrMAC = errors.New("milenage: MAC of the token is wrong")
	// ErrSynch says that the sequence number of a token is not fresh; the USIM answers with AUTS.
	ErrSynch = errors.New("milenage: sequence number is not fresh")
	// ErrSeparation says that the token is not for 5G: its AMF separation bit is 0.
	ErrSeparation = errors.New("milenage: separation bit of the AMF field is 0")
)

// CheckAUTN is what a USIM does with a challenge: it verifies the MAC and the separation bit and returns the
// sequence number, whose freshness the caller judges.
func (s Subscriber) CheckAUTN(rand, autn [16]byte) (SQN, Vector, error) {
	v := s.F2345(rand)
	var q [6]byte
	for i := range q {
		q[i] = autn[i] ^ v.AK[i]
	}
	sqn := ParseSQN(q)
	mac, _ := s.F1(rand, sqn, [2]byte(autn[6:]))
	if subtle.ConstantTimeCompare(mac[:], autn[8:]) != 1 {
		return 0, Vector{}, ErrMAC
	}
	if autn[6]&0x80 == 0 {
		return 0, Vector{}, ErrSeparation
	}
	return sqn, v, nil
}

// AUTS returns the token with which a USIM tells the network its own sequence number.
func (s Subscriber) AUTS(rand [16]byte, sqn SQN) [14]byte {
	_, mac := s.F1(rand, sqn, [2]byte{})
	ak := s.F5Star(rand)
	q := sqn.Bytes()
	var auts [14]byte
	for i := range q {
		auts[i] = q[i] ^ ak[i]
	}
	copy(auts[6:], mac[:])
	return auts
}

// CheckAUTS returns the sequence number that the USIM tells, or [ErrMAC].
func (s Subscriber) CheckAUTS(rand [16]byte, auts [14]byte) (SQN, error) {
	ak := s.F5Star(rand)
	var q [6]byte
	for i := range q {
		q[i] = auts[i] ^ ak[i]
	}
	sqn := ParseSQN(q)
	if s.AUTS(rand, sqn) != auts {
		return 0, ErrMAC
	}
	return sqn, nil
}

func encrypt(key, in [16]byte) (out [16]byte) {
	c, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 16 octets are a valid AES key
	}
	c.Encrypt(out[:], in[:])
	return out
}

func xor(a, b [16]byte) [16]byte {
	subtle.XORBytes(a[:], a[:], b[:])
	return a
}

// rotate turns x left by n octets.
func rotate(x [16]byte, n int) (out [16]byte) {
	for i := range x {
		out[i] = x[(i+n)%16]
	}
	return out
}
