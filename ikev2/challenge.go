// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Challenge is the first thing for a datagram that LocalSPI gave 0 for, when many come: while so many IKE SAs are
// half-open that every initiator must return a cookie, it appends the answer for one that has none to dst, and tells
// that the datagram needs nothing else. It neither allocates nor takes a lock nor looks at more than the headers of the
// payloads, so that a flood with forged addresses costs little; it can be called on the goroutine that receives, before
// the datagram is copied for Init. What is not an IKE_SA_INIT request is done with as well then, without an answer.
func (r *Responder) Challenge(now time.Time, from netip.AddrPort, data, dst []byte) (answer []byte, done bool) {
	answer, p := r.challenge(now, from, data, dst)
	return answer, p == proofMissing
}

// proof is what an initiator has shown of being where it says to be.
type proof byte

const (
	proofNotAsked proof = iota
	proofMissing        // of a cookie
	proofGiven
)

func (r *Responder) challenge(now time.Time, from netip.AddrPort, data, dst []byte) ([]byte, proof) {
	if r.count.Load() < int64(r.policy.Load().Limits.CookieTotal) {
		return dst, proofNotAsked
	}
	q, ok := sketchInit(data)
	if !ok {
		return dst, proofMissing
	}
	if q.cookie != nil {
		if r.cookies.valid(now, q.cookie, from.Addr(), q.spi, q.nonce) {
			return dst, proofGiven
		}
		r.cookies.wrong.Add(1)
	}
	return r.appendChallenge(dst, now, from, q.spi, q.nonce), proofMissing
}

// challengeLen is the length of the answer: header, one notify with a cookie.
const challengeLen = message.HeaderLen + 8 + cookieLen

// appendChallenge appends an IKE_SA_INIT response that holds only a cookie (RFC 7296 2.6).
func (r *Responder) appendChallenge(dst []byte, now time.Time, from netip.AddrPort, spi message.SPI, nonce []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(spi))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0,
		byte(message.PayloadNotify), 0x20, byte(message.IKE_SA_INIT), byte(message.FlagResponse),
		0, 0, 0, 0, 0, 0, 0, challengeLen,
		0, 0, 0, 8+cookieLen, 0, 0, byte(message.COOKIE>>8), byte(message.COOKIE&0xff))
	r.cookies.sent.Add(1)
	return r.cookies.append(dst, now, from.Addr(), spi, nonce)
}

// Cookies counts those of a responder since it was made.
type Cookies struct {
	Sent     uint64 // initiators told to return one, repetitions included
	Verified uint64 // IKE_SA_INIT requests that brought a good one where one was asked for
	Wrong    uint64 // and those that brought another one: too old, of another address, forged
}

// Cookies tells how many have been sent and returned.
func (r *Responder) Cookies() Cookies {
	return Cookies{Sent: r.cookies.sent.Load(), Verified: r.cookies.verified.Load(), Wrong: r.cookies.wrong.Load()}
}

// initSketch is what a cookie is made of and looked for in an IKE_SA_INIT request.
type initSketch struct {
	spi           message.SPI
	nonce, cookie []byte
}

// sketchInit goes through the payload headers of an IKE_SA_INIT request. ok is false for anything else, and for one
// that lacks what every request has.
func sketchInit(b []byte) (q initSketch, ok bool) {
	if len(b) < message.HeaderLen || b[17]>>4 != 2 || message.ExchangeType(b[18]) != message.IKE_SA_INIT ||
		message.Flags(b[19])&(message.FlagInitiator|message.FlagResponse) != message.FlagInitiator ||
		binary.BigEndian.Uint64(b[8:]) != 0 || binary.BigEndian.Uint32(b[20:]) != 0 || uint64(binary.BigEndian.Uint32(b[24:])) != uint64(len(b)) {
		return q, false
	}
	q.spi = message.SPI(binary.BigEndian.Uint64(b))
	var sa, ke bool
	next, off := message.PayloadType(b[16]), message.HeaderLen
	for next != message.NoNextPayload {
		if len(b)-off < 4 {
			return q, false
		}
		n := int(binary.BigEndian.Uint16(b[off+2:]))
		if n < 4 || n > len(b)-off {
			return q, false
		}
		body := b[off+4 : off+n]
		switch next {
		case message.PayloadSA:
			sa = true
		case message.PayloadKE:
			ke = true
		case message.PayloadNonce:
			q.nonce = body
		case message.PayloadNotify:
			if q.cookie == nil && len(body) > 4 && body[1] == 0 && message.NotifyType(binary.BigEndian.Uint16(body[2:])) == message.COOKIE {
				q.cookie = body[4:]
			}
		}
		next, off = message.PayloadType(b[off]), off+n
	}
	return q, off == len(b) && q.spi != 0 && sa && ke && len(q.nonce) >= message.MinNonceLen && len(q.nonce) <= message.MaxNonceLen
}
