// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	keyedhash "hash"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// cookieLen is a version octet and half of an HMAC-SHA-256; RFC 7296 2.6 allows 1 to 64 octets.
const cookieLen = 1 + 16

// cookieJar makes and checks stateless cookies: version | HMAC(secret of that version, IPi | SPIi | Ni). Neither the
// proposals nor the key exchange are in it, because an initiator may repeat its cookie with another group. It is safe
// for concurrent use, and takes a lock only to change the secret.
type cookieJar struct {
	rand io.Reader
	life atomic.Int64 // a time.Duration

	sent, verified, wrong atomic.Uint64

	mu      sync.Mutex // of a change of secrets
	current atomic.Pointer[cookieSecrets]
}

// cookieSecrets are the secret in use and the one before it; they do not change.
type cookieSecrets struct {
	since          time.Time
	present, older *cookieSecret // older is nil when it is too old
}

type cookieSecret struct {
	version byte
	pool    sync.Pool // of *cookieMAC
}

// cookieMAC is a keyed hash and where it works.
type cookieMAC struct {
	mac     keyedhash.Hash
	in, out [sha256.Size]byte
}

func newCookieSecret(version byte, random io.Reader) *cookieSecret {
	var key [32]byte
	mustRead(random, key[:])
	s := &cookieSecret{version: version}
	s.pool.New = func() any { return &cookieMAC{mac: hmac.New(sha256.New, key[:])} }
	return s
}

// secrets returns what is valid at the time, after a change if one is due.
func (j *cookieJar) secrets(now time.Time) *cookieSecrets {
	life := time.Duration(j.life.Load())
	if c := j.current.Load(); c != nil && now.Sub(c.since) < life {
		return c
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.current.Load()
	if c != nil && now.Sub(c.since) < life {
		return c
	}
	next := &cookieSecrets{since: now}
	if c == nil {
		next.present = newCookieSecret(1, j.rand)
	} else {
		next.present = newCookieSecret(c.present.version+1, j.rand)
		if now.Sub(c.since) < 2*life {
			next.older = c.present
		}
	}
	j.current.Store(next)
	return next
}

// append appends a cookie for the initiator.
func (j *cookieJar) append(dst []byte, now time.Time, addr netip.Addr, spi message.SPI, nonce []byte) []byte {
	return j.secrets(now).present.append(dst, addr, spi, nonce)
}

// valid tells whether cookie was made by this jar for the same initiator with its present or its former secret.
func (j *cookieJar) valid(now time.Time, cookie []byte, addr netip.Addr, spi message.SPI, nonce []byte) bool {
	if len(cookie) != cookieLen {
		return false
	}
	s := j.secrets(now)
	for _, secret := range [2]*cookieSecret{s.present, s.older} {
		if secret != nil && secret.version == cookie[0] {
			var want [cookieLen]byte
			return hmac.Equal(cookie, secret.append(want[:0], addr, spi, nonce))
		}
	}
	return false
}

func (s *cookieSecret) append(dst []byte, addr netip.Addr, spi message.SPI, nonce []byte) []byte {
	m := s.pool.Get().(*cookieMAC)
	ip := addr.As16() // IPv4 in its mapped form
	copy(m.in[:], ip[:])
	binary.BigEndian.PutUint64(m.in[16:], uint64(spi))
	m.mac.Reset()
	m.mac.Write(m.in[:24])
	m.mac.Write(nonce)
	sum := m.mac.Sum(m.out[:0])
	dst = append(append(dst, s.version), sum[:cookieLen-1]...)
	s.pool.Put(m)
	return dst
}

// mustRead fills b. A source of randomness that fails leaves no safe way on; crypto/rand ends the program as well.
func mustRead(r io.Reader, b []byte) {
	if _, err := io.ReadFull(r, b); err != nil {
		panic("ikev2: the source of randomness failed: " + err.Error())
	}
}
