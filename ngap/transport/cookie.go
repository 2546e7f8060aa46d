// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
)

// cookieLife is how long an INIT ACK may be answered (RFC 9260 16,
// Valid.Cookie.Life).
const cookieLife = 60 * time.Second

var (
	errCookieForged = errors.New("state cookie is not ours")
	errCookieStale  = errors.New("state cookie has expired")
)

// cookie holds all that a listener must know of an association that is being
// set up, so that it keeps nothing until the peer has shown that it receives
// at its address (RFC 9260 5.1.3).
type cookie struct {
	made     time.Time
	peer     netip.AddrPort // IP address and UDP port (0: raw)
	port     uint16         // the peer's SCTP port
	tag      uint32         // ours
	tsn      uint32         // ours
	peerTag  uint32
	peerTSN  uint32
	window   uint32 // the peer's
	out, in  uint16 // negotiated for us
	tieTag   uint32 // our tag of an association that existed when INIT came, or 0
	tiePeer  uint32 // and its peer tag
	peerAddr []netip.Addr
}

// cookieKey signs the cookies of one endpoint.
type cookieKey [sha256.Size]byte

func newCookieKey() (k cookieKey) {
	rand.Read(k[:]) //nolint:errcheck // crypto/rand.Read never fails
	return k
}

func (k *cookieKey) mac(b []byte) []byte {
	h := hmac.New(sha256.New, k[:])
	h.Write(b)
	return h.Sum(nil)
}

const cookieFixedLen = 8 + 16 + 2 + 2 + 4*5 + 2 + 2 + 4 + 4

func (k *cookieKey) seal(c cookie) []byte {
	b := make([]byte, 0, cookieFixedLen+16*maxPaths+sha256.Size)
	b = binary.BigEndian.AppendUint64(b, uint64(c.made.UnixNano()))
	ip := c.peer.Addr().As16()
	b = append(b, ip[:]...)
	for _, v := range []uint16{c.peer.Port(), c.port} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	for _, v := range []uint32{c.tag, c.tsn, c.peerTag, c.peerTSN, c.window} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	for _, v := range []uint16{c.out, c.in} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	for _, v := range []uint32{c.tieTag, c.tiePeer} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	for _, a := range c.peerAddr {
		ip := a.As16()
		b = append(b, ip[:]...)
	}
	return append(b, k.mac(b)...)
}

// open checks a cookie that came back at the time now. A stale one is returned
// together with errCookieStale.
func (k *cookieKey) open(b []byte, now time.Time) (c cookie, err error) {
	n := len(b) - sha256.Size
	if n < cookieFixedLen || n > cookieFixedLen+16*maxPaths || (n-cookieFixedLen)%16 != 0 {
		return c, errCookieForged
	}
	if !hmac.Equal(k.mac(b[:n]), b[n:]) {
		return c, errCookieForged
	}
	b = b[:n]
	c.made = time.Unix(0, int64(binary.BigEndian.Uint64(b)))
	ip := netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	u16 := func(off int) uint16 { return binary.BigEndian.Uint16(b[off:]) }
	u32 := func(off int) uint32 { return binary.BigEndian.Uint32(b[off:]) }
	c.peer, c.port = netip.AddrPortFrom(ip, u16(24)), u16(26)
	c.tag, c.tsn, c.peerTag, c.peerTSN, c.window = u32(28), u32(32), u32(36), u32(40), u32(44)
	c.out, c.in, c.tieTag, c.tiePeer = u16(48), u16(50), u32(52), u32(56)
	for rest := b[cookieFixedLen:]; len(rest) > 0; rest = rest[16:] {
		c.peerAddr = append(c.peerAddr, netip.AddrFrom16([16]byte(rest[:16])).Unmap())
	}
	if age := now.Sub(c.made); age > cookieLife || age < -time.Second {
		return c, errCookieStale
	}
	return c, nil
}
