// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func TestChecksum(t *testing.T) {
	// RFC 3720 B.4's CRC32c of 32 zeros: here of a header with a zero checksum
	// field and 20 zeros behind it.
	require.EqualValues(t, 0x8a9136aa, checksum(make([]byte, 32)))
	b := seal(appendChunk(newPacket(1, 2, 3), chunkCookieAck, 0))
	var p packet
	require.NoError(t, p.parse(b, false))
	b[8] ^= 1
	require.ErrorIs(t, p.parse(b, false), errPacketChecksum)
	require.ErrorIs(t, p.parse(b, true), errPacketChecksum)
	copy(b[8:], []byte{0, 0, 0, 0})
	require.ErrorIs(t, p.parse(b, false), errPacketChecksum)
	require.NoError(t, p.parse(b, true))
}

func TestParsePacket(t *testing.T) {
	head := newPacket(7, 8, 9)
	for name, tc := range map[string]struct {
		b    []byte
		want error
		n    int
	}{
		"empty":            {nil, errPacketShort, 0},
		"header only":      {head, errPacketShort, 0},
		"source port 0":    {appendChunk(newPacket(0, 8, 9), 1, 0), errPacketPort, 0},
		"chunk length 0":   {append(newPacket(7, 8, 9), 0, 0, 0, 0), errChunkLength, 0},
		"chunk length 3":   {append(newPacket(7, 8, 9), 0, 0, 0, 3), errChunkLength, 0},
		"chunk too long":   {append(newPacket(7, 8, 9), 0, 0, 0, 5), errChunkLength, 0},
		"rest of 3 octets": {append(appendChunk(newPacket(7, 8, 9), 1, 0), 1, 2, 3), errChunkLength, 0},
		"unpadded last":    {append(newPacket(7, 8, 9), 1, 0, 0, 5, 0xaa), nil, 1},
		"padded":           {appendChunk(appendChunk(newPacket(7, 8, 9), 1, 2, []byte{1}), 3, 4), nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var p packet
			if len(tc.b) >= commonHeaderLen {
				seal(tc.b)
			}
			require.ErrorIs(t, p.parse(tc.b, false), tc.want)
			if tc.want == nil {
				require.Len(t, p.chunks, tc.n)
			}
		})
	}
}

// The value of an INIT as Linux 6.1 sends it: Supported Address Types (IPv4),
// ECN, Forward-TSN.
func TestInitFromLinux(t *testing.T) {
	c, err := parseInit(unhex(t, "d1a9f0c30001a000000affff5f1d2b7e"+"000c000600050000"+"80000004"+"c0000004"), false)
	require.NoError(t, err)
	require.Equal(t, initChunk{tag: 0xd1a9f0c3, window: 106496, out: 10, in: 65535, tsn: 0x5f1d2b7e, unrecognized: unhex(t, "c0000004")}, c)
}

func TestInitRoundTripAndLimits(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	in := initChunk{tag: 1, window: 2000, out: 3, in: 4, tsn: 5}
	b := appendInit(nil, in, []netip.Addr{v4, v6})
	got, err := parseInit(b[chunkHeaderLen:], false)
	require.NoError(t, err)
	require.Equal(t, in, got)

	in.cookie, in.unrecognized = []byte("cookie"), appendTLV(nil, 0xc000, nil)
	b = appendInit(nil, in, nil)
	require.EqualValues(t, chunkInitAck, b[0])
	got, err = parseInit(b[chunkHeaderLen:], true)
	require.NoError(t, err)
	require.Equal(t, in.cookie, got.cookie)
	require.Contains(t, string(b), string([]byte{0, paramUnrecognized, 0, 8, 0xc0, 0, 0, 4}))

	fixed := appendInit(nil, initChunk{tag: 1, window: 2000, out: 3, in: 4}, nil)[chunkHeaderLen:][:initFixedLen]
	with := func(tlv []byte) []byte { return append(append([]byte(nil), fixed...), tlv...) }
	_, err = parseInit(with(appendTLV(nil, paramHostName, []byte("x"))), false)
	require.ErrorIs(t, err, errInitHostName)
	_, err = parseInit(with([]byte{0, 5, 0, 9, 1}), false)
	require.ErrorIs(t, err, errInitShort)
	_, err = parseInit(fixed, true)
	require.ErrorIs(t, err, errInitCookie)
	_, err = parseInit(with(appendTLV(nil, paramStateCookie, make([]byte, maxCookie+1))), true)
	require.ErrorIs(t, err, errInitCookie)

	// An unknown type that says so ends the list; of addresses only usable and
	// only so many count; reports are bounded.
	got, err = parseInit(with(append(appendTLV(nil, 0x3fff, nil), appendTLV(nil, paramHostName, nil)...)), false)
	require.NoError(t, err)
	require.Empty(t, got.unrecognized)
	var many []byte
	for range 2 * maxPaths {
		many = appendTLV(many, paramIPv4, []byte{192, 0, 2, 1})
		many = appendTLV(many, paramIPv4, []byte{255, 255, 255, 255})
		many = appendTLV(many, paramIPv6, make([]byte, 16))
		many = appendTLV(many, paramIPv4, []byte{1, 2})
		many = appendTLV(many, 0xc123, make([]byte, 50))
	}
	got, err = parseInit(with(many), false)
	require.NoError(t, err)
	require.Len(t, got.addrs, maxPaths)
	require.LessOrEqual(t, len(got.unrecognized), maxReported)
}

func TestCookie(t *testing.T) {
	k, other := newCookieKey(), newCookieKey()
	now := time.Unix(1_700_000_000, 0)
	c := cookie{
		made: now, peer: netip.MustParseAddrPort("192.0.2.1:9899"), port: 5, tag: 1, tsn: 2, peerTag: 3, peerTSN: 4, window: 5, out: 6, in: 7,
		tieTag: 8, tiePeer: 9, peerAddr: []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.9")},
	}
	b := k.seal(c)
	got, err := k.open(b, now.Add(cookieLife))
	require.NoError(t, err)
	require.Equal(t, c, got)
	_, err = k.open(b, now.Add(cookieLife+1))
	require.ErrorIs(t, err, errCookieStale)
	_, err = other.open(b, now)
	require.ErrorIs(t, err, errCookieForged)
	for i := range b {
		bad := append([]byte(nil), b...)
		bad[i] ^= 0x10
		_, err = k.open(bad, now)
		require.ErrorIs(t, err, errCookieForged)
		_, err = k.open(b[:i], now)
		require.ErrorIs(t, err, errCookieForged)
	}
}

func TestDescribeCauses(t *testing.T) {
	require.Equal(t, "no cause given", describeCauses(nil))
	require.Equal(t, `stale cookie, user-initiated abort ("bye"), cause 999`,
		describeCauses(append(appendTLV(appendTLV(nil, causeStaleCookie, []byte{1}), causeUserInitiatedAbort, []byte("bye")), 0, 3, 231, 0, 4, 1)))
	require.LessOrEqual(t, len(describeCauses(appendTLV(nil, causeProtocolViolation, make([]byte, 60000)))), 200)
}

func TestModesAndAddresses(t *testing.T) {
	for _, m := range []Mode{ModeAuto, ModeKernel, ModeUDP, ModeRaw} {
		got, err := ParseMode(m.String())
		require.NoError(t, err)
		require.Equal(t, m, got)
	}
	_, err := ParseMode("tcp")
	require.ErrorContains(t, err, "auto, kernel, udp, raw")
	a := Addr{IPs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, Port: 38412}
	require.Equal(t, "192.0.2.1/[2001:db8::1]:38412", a.String())
	e := &LossError{Reason: ReasonPeerAbort, Peer: a, Detail: "out of resource", Err: errors.New("x")}
	require.Equal(t, "SCTP association with 192.0.2.1/[2001:db8::1]:38412: aborted by the peer: out of resource: x", e.Error())
}

func FuzzPacket(f *testing.F) {
	f.Add(seal(appendInit(newPacket(1, 2, 0), initChunk{tag: 1, window: 2000, out: 3, in: 4, cookie: []byte("c")}, nil)))
	f.Add(seal(appendChunk(appendChunk(newPacket(1, 2, 3), chunkData, 3, make([]byte, 20)), chunkAbort, 0, appendTLV(nil, causeUserInitiatedAbort, []byte("x")))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= commonHeaderLen {
			seal(b)
		}
		var p packet
		if p.parse(b, false) != nil {
			return
		}
		size := 0
		for _, c := range p.chunks {
			size += chunkHeaderLen + len(c.value)
			describeCauses(c.value)
			hasCause(c.value, causeStaleCookie)
			if i, err := parseInit(c.value, c.flags&1 != 0); err == nil {
				require.LessOrEqual(t, len(i.addrs), maxPaths)
				require.LessOrEqual(t, len(i.unrecognized), maxReported)
			}
			k := cookieKey{}
			_, err := k.open(c.value, time.Unix(0, 0))
			require.Error(t, err)
		}
		require.LessOrEqual(t, size, len(b))
	})
}
