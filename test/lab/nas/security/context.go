// SPDX-License-Identifier: Apache-2.0

// Package security protects NAS messages (TS 24.501 clause 4.4, TS 33.501 clause 6.4): integrity by NIA2,
// ciphering by NEA0 or NEA2, and counters in each direction with replay protection.
package security

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
)

// HeaderType is the security header type (TS 24.501 clause 9.3.1).
type HeaderType uint8

// Security header types.
const (
	Plain                HeaderType = 0
	Integrity            HeaderType = 1
	IntegrityCiphered    HeaderType = 2
	IntegrityNew         HeaderType = 3 // security mode command
	IntegrityCipheredNew HeaderType = 4 // security mode complete
)

func (t HeaderType) ciphered() bool { return t == IntegrityCiphered || t == IntegrityCipheredNew }

// Algorithm is the number of a NEA or NIA algorithm.
type Algorithm uint8

// NAS connection identifiers of the two kinds of access (TS 33.501 6.4.2.2).
const (
	Bearer3GPP    = 1
	BearerNon3GPP = 2
)

const (
	discriminator = 0x7e
	headerLength  = 7 // discriminator, header type, MAC, sequence number
)

var (
	// ErrMAC says that a message was not made with these keys, or was changed.
	ErrMAC = errors.New("nas security: MAC is wrong")
	// ErrReplay says that a message has the MAC of a COUNT that was already used.
	ErrReplay = errors.New("nas security: message is a replay")
	// ErrHeader says that a message is not a protected 5GMM message.
	ErrHeader = errors.New("nas security: no security header")
	// ErrExhausted says that a counter has come to its end.
	ErrExhausted = errors.New("nas security: NAS COUNT is exhausted")
)

// counter is a NAS COUNT: the value of the next message to send, or the lowest one to accept.
type counter uint32

const counterEnd = 1 << 24

// Context is the security context of one UE for one access, at the UE or at the AMF.
type Context struct {
	KSI       uint8
	KAMF      aka.Key
	Cipher    Algorithm // 0 or 2
	Integrity Algorithm // 2

	knasEnc  [16]byte
	knasInt  [16]byte
	bearer   uint8
	send     Direction
	sending  counter
	expected counter
}

// New returns the context with both counters at 0, as taken into use by the security mode command. send is
// Uplink at the UE and Downlink at the AMF. It fails for algorithms other than NEA0, NEA2 and NIA2.
func New(kamf aka.Key, ksi uint8, cipher, integrity Algorithm, bearer uint8, send Direction) (*Context, error) {
	if cipher != 0 && cipher != 2 {
		return nil, fmt.Errorf("nas security: ciphering algorithm NEA%d: only NEA0 and NEA2 exist here", cipher)
	}
	if integrity != 2 {
		return nil, fmt.Errorf("nas security: integrity algorithm NIA%d: only NIA2 exists here", integrity)
	}
	return &Context{
		KSI: ksi, KAMF: kamf, Cipher: cipher, Integrity: integrity,
		knasEnc: aka.KNASenc(kamf, uint8(cipher)), knasInt: aka.KNASint(kamf, uint8(integrity)),
		bearer: bearer, send: send,
	}, nil
}

// SendCount is the COUNT of the next message to send.
func (c *Context) SendCount() uint32 { return uint32(c.sending) }

// Protect returns the plain message with a security header and counts it.
func (c *Context) Protect(t HeaderType, plain []byte) ([]byte, error) {
	if c.sending >= counterEnd {
		return nil, ErrExhausted
	}
	count := uint32(c.sending)
	b := make([]byte, headerLength, headerLength+len(plain))
	b[0], b[1], b[6] = discriminator, byte(t), byte(count)
	b = append(b, plain...)
	if t.ciphered() && c.Cipher == 2 {
		NEA2(c.knasEnc, count, c.bearer, c.send, b[headerLength:])
	}
	mac := NIA2(c.knasInt, count, c.bearer, c.send, b[6:])
	copy(b[2:], mac[:])
	c.sending++
	return b, nil
}

// Type returns the security header type of a 5GMM message.
func Type(b []byte) (HeaderType, error) {
	if len(b) < 3 || b[0] != discriminator {
		return 0, ErrHeader
	}
	t := HeaderType(b[1] & 15)
	if t > IntegrityCipheredNew || t != Plain && len(b) < headerLength+1 {
		return 0, ErrHeader
	}
	return t, nil
}

// Inner returns the message inside a security header without any check; it is readable where it is not ciphered.
func Inner(b []byte) ([]byte, error) {
	if t, err := Type(b); err != nil || t == Plain {
		return nil, ErrHeader
	}
	return b[headerLength:], nil
}

// Unprotect checks MAC and COUNT of a protected message and returns the plain message and its COUNT. Only a
// message that passes moves the counter. COUNT is estimated from the sequence number: the lowest not yet
// accepted one that fits; when that one fails the MAC, a replay is told from a forgery by trying the one before.
func (c *Context) Unprotect(b []byte) (plain []byte, count uint32, err error) {
	t, err := Type(b)
	if err != nil || t == Plain {
		return nil, 0, ErrHeader
	}
	count = uint32(c.expected)&^0xff | uint32(b[6])
	if count < uint32(c.expected) {
		count += 0x100
	}
	if count >= counterEnd {
		return nil, 0, ErrExhausted
	}
	from := 1 - c.send
	if mac := NIA2(c.knasInt, count, c.bearer, from, b[6:]); subtle.ConstantTimeCompare(mac[:], b[2:6]) != 1 {
		if count >= 0x100 {
			if old := NIA2(c.knasInt, count-0x100, c.bearer, from, b[6:]); subtle.ConstantTimeCompare(old[:], b[2:6]) == 1 {
				return nil, 0, ErrReplay
			}
		}
		return nil, 0, ErrMAC
	}
	plain = append([]byte(nil), b[headerLength:]...)
	if t.ciphered() && c.Cipher == 2 {
		NEA2(c.knasEnc, count, c.bearer, from, plain)
	}
	c.expected = counter(count + 1)
	return plain, count, nil
}

// CipherContainer ciphers or deciphers the NAS message container of an initial message, which is ciphered by
// itself with the COUNT of the message that carries it (TS 24.501 clause 4.4.6). At the sender count is
// [Context.SendCount], at the receiver what [Context.Unprotect] returned.
func (c *Context) CipherContainer(d Direction, count uint32, container []byte) []byte {
	b := append([]byte(nil), container...)
	if c.Cipher == 2 {
		NEA2(c.knasEnc, count, c.bearer, d, b)
	}
	return b
}
