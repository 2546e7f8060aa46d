// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto/hmac"
	"crypto/sha256"
	"io"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// cookieLen is a version octet and half of an HMAC-SHA-256; RFC 7296 2.6 allows 1 to 64 octets.
const cookieLen = 1 + 16

// cookieJar makes and checks stateless cookies: version | HMAC(secret of that version, Ni | IPi | SPIi). Neither the
// proposals nor the key exchange are in it, because an initiator may repeat its cookie with another group.
type cookieJar struct {
	rand    io.Reader
	life    time.Duration
	version byte
	since   time.Time
	secrets [2][32]byte // by the lowest bit of the version
	known   int         // how many of the secrets were ever set
}

func (j *cookieJar) rotate(now time.Time) {
	if j.known > 0 && now.Sub(j.since) < j.life {
		return
	}
	if j.known > 0 && now.Sub(j.since) >= 2*j.life {
		j.known = 0 // the other secret is too old as well
	}
	j.version++
	mustRead(j.rand, j.secrets[j.version&1][:])
	j.since = now
	j.known = min(j.known+1, 2)
}

func (j *cookieJar) make(now time.Time, addr netip.Addr, spi message.SPI, nonce []byte) []byte {
	j.rotate(now)
	return j.compute(j.version, addr, spi, nonce)
}

// valid tells whether cookie was made by this jar for the same initiator with its present or its former secret.
func (j *cookieJar) valid(now time.Time, cookie []byte, addr netip.Addr, spi message.SPI, nonce []byte) bool {
	j.rotate(now)
	if len(cookie) != cookieLen {
		return false
	}
	age := j.version - cookie[0]
	if int(age) >= j.known {
		return false
	}
	return hmac.Equal(cookie, j.compute(cookie[0], addr, spi, nonce))
}

func (j *cookieJar) compute(version byte, addr netip.Addr, spi message.SPI, nonce []byte) []byte {
	mac := hmac.New(sha256.New, j.secrets[version&1][:])
	mac.Write(nonce)
	ip := addr.Unmap().As16()
	mac.Write(ip[:])
	mac.Write(spi.Bytes())
	return mac.Sum([]byte{version})[:cookieLen]
}

// mustRead fills b. A source of randomness that fails leaves no safe way on; crypto/rand ends the program as well.
func mustRead(r io.Reader, b []byte) {
	if _, err := io.ReadFull(r, b); err != nil {
		panic("ikev2: the source of randomness failed: " + err.Error())
	}
}
