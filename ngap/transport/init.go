// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Parameters of INIT and INIT ACK (RFC 9260 3.3.2, 3.3.3).
const (
	paramIPv4         = 5
	paramIPv6         = 6
	paramStateCookie  = 7
	paramUnrecognized = 8
	paramHostName     = 11
	paramAddressTypes = 12
)

const (
	initFixedLen = 16 // of INIT's value, before the parameters
	// minWindow is the least receive window that INIT may give (RFC 9260 3.3.2).
	minWindow = 1500
	// maxPaths bounds the addresses of one peer that are remembered and probed.
	maxPaths = 8
	// maxReported bounds the unrecognized parameters sent back, so that an INIT
	// ACK does not amplify.
	maxReported = 256
	// maxCookie bounds the cookie that is kept and sent back; those of Linux
	// have a few hundred octets.
	maxCookie = 4096
)

var (
	errInitShort     = errors.New("INIT is too short or its parameters do not fit")
	errInitTag       = errors.New("INIT has initiate tag 0")
	errInitMandatory = errors.New("INIT offers no streams or too small a window")
	errInitHostName  = errors.New("INIT has a host name address")
	errInitCookie    = errors.New("INIT ACK has no usable state cookie")
)

// initChunk is the body of an INIT or INIT ACK.
type initChunk struct {
	tag          uint32
	window       uint32
	out, in      uint16 // outbound streams wanted, inbound streams allowed
	tsn          uint32
	addrs        []netip.Addr // listed ones, maxPaths at most
	cookie       []byte       // INIT ACK only
	unrecognized []byte       // whole TLVs that must be reported (RFC 9260 3.2.1)
}

// parseInit reads the value of an INIT (or INIT ACK with ack). On error c holds
// what was read so far; the tag is needed to answer with an ABORT.
func parseInit(b []byte, ack bool) (c initChunk, err error) {
	if len(b) < initFixedLen {
		return c, errInitShort
	}
	c.tag, c.window = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	c.out, c.in = binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])
	c.tsn = binary.BigEndian.Uint32(b[12:])
	if c.tag == 0 {
		return c, errInitTag
	}
	if c.out == 0 || c.in == 0 || c.window < minWindow {
		return c, errInitMandatory
	}
	for b = b[initFixedLen:]; len(b) > 0; {
		typ, value, rest, ok := nextTLV(b)
		if !ok {
			return c, errInitShort
		}
		switch typ {
		case paramIPv4, paramIPv6:
			if ip, ok := netip.AddrFromSlice(value); ok && len(c.addrs) < maxPaths && usable(ip) {
				c.addrs = append(c.addrs, ip.Unmap())
			}
		case paramStateCookie:
			c.cookie = value
		case paramHostName:
			return c, errInitHostName
		case paramUnrecognized, paramAddressTypes, 9: // 9: cookie preservative
		default:
			if typ&0x4000 != 0 {
				c.unrecognized = appendReport(c.unrecognized, typ, value)
			}
			if typ&0x8000 == 0 {
				return c.checked(ack) // stop here, as the type asks
			}
		}
		b = rest
	}
	return c.checked(ack)
}

func (c initChunk) checked(ack bool) (initChunk, error) {
	if ack && (len(c.cookie) == 0 || len(c.cookie) > maxCookie) {
		return c, errInitCookie
	}
	return c, nil
}

func usable(ip netip.Addr) bool {
	return !ip.IsUnspecified() && !ip.IsMulticast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func appendReport(b []byte, typ uint16, value []byte) []byte {
	if len(b)+padded(chunkHeaderLen+len(value)) > maxReported {
		return b
	}
	return appendTLV(b, typ, value)
}

// appendInit adds c as an INIT or, with a cookie, an INIT ACK to a packet.
// Each unrecognized parameter goes out in a parameter of its own.
func appendInit(b []byte, c initChunk, families []netip.Addr) []byte {
	v := binary.BigEndian.AppendUint32(nil, c.tag)
	v = binary.BigEndian.AppendUint32(v, c.window)
	v = binary.BigEndian.AppendUint16(v, c.out)
	v = binary.BigEndian.AppendUint16(v, c.in)
	v = binary.BigEndian.AppendUint32(v, c.tsn)
	if c.cookie == nil {
		var types []byte
		for _, ip := range families {
			if ip.Is4() {
				types = binary.BigEndian.AppendUint16(types, paramIPv4)
			} else {
				types = binary.BigEndian.AppendUint16(types, paramIPv6)
			}
		}
		return appendChunk(b, chunkInit, 0, appendTLV(v, paramAddressTypes, types))
	}
	v = appendTLV(v, paramStateCookie, c.cookie)
	for rest := c.unrecognized; ; {
		_, value, next, ok := nextTLV(rest)
		if !ok {
			break
		}
		v = appendTLV(v, paramUnrecognized, rest[:chunkHeaderLen+len(value)])
		rest = next
	}
	return appendChunk(b, chunkInitAck, 0, v)
}
