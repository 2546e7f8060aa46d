// SPDX-License-Identifier: Apache-2.0

package message

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Traffic selector types (RFC 7296 3.13.1).
const (
	tsIPv4AddrRange = 7
	tsIPv6AddrRange = 8
	tsHeaderLen     = 8
)

// TrafficSelector is one range of addresses and ports. It is comparable.
type TrafficSelector struct {
	Protocol           uint8  // IP protocol number, 0 for any
	StartPort, EndPort uint16 // 0 and 65535 for any; 65535 and 0 for OPAQUE
	Start, End         netip.Addr
}

// TrafficSelectors is what TSi and TSr carry. Selectors of an unknown type are not in it: nothing
// can be narrowed to them. An empty list is possible and matches nothing.
type TrafficSelectors []TrafficSelector

// TSi is the side of the exchange initiator (RFC 7296 3.13).
type TSi struct{ TrafficSelectors }

// TSr is the side of the exchange responder.
type TSr struct{ TrafficSelectors }

func (*TSi) PayloadType() PayloadType { return PayloadTSi }
func (*TSr) PayloadType() PayloadType { return PayloadTSr }

// AddrSelector selects every packet of protocol (0 for any) of one address.
func AddrSelector(protocol uint8, a netip.Addr) TrafficSelector {
	return TrafficSelector{Protocol: protocol, EndPort: 65535, Start: a.Unmap(), End: a.Unmap()}
}

// AnyIPv4 and AnyIPv6 select every packet of the family.
var (
	AnyIPv4 = TrafficSelector{EndPort: 65535, Start: netip.IPv4Unspecified(), End: netip.AddrFrom4([4]byte{255, 255, 255, 255})}
	AnyIPv6 = TrafficSelector{EndPort: 65535, Start: netip.IPv6Unspecified(), End: netip.AddrFrom16([16]byte{
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})}
)

// Contains says whether the selector covers address a; protocol and ports are not looked at.
func (t TrafficSelector) Contains(a netip.Addr) bool {
	a = a.Unmap()
	return a.BitLen() == t.Start.BitLen() && t.Start.Compare(a) <= 0 && a.Compare(t.End) <= 0
}

func (t TrafficSelector) String() string {
	s := t.Start.String()
	if t.Start != t.End {
		s += "-" + t.End.String()
	}
	if t.Protocol != 0 {
		s += fmt.Sprintf("/proto %d", t.Protocol)
	}
	if t.StartPort != 0 || t.EndPort != 65535 {
		s += fmt.Sprintf("/ports %d-%d", t.StartPort, t.EndPort)
	}
	return s
}

// AppendBody appends the list. Start and End of each selector must be of the same family.
func (ts TrafficSelectors) AppendBody(dst []byte) ([]byte, error) {
	if len(ts) > 255 {
		return dst, ErrTooLong
	}
	dst = append(dst, byte(len(ts)), 0, 0, 0)
	for _, t := range ts {
		kind, n := byte(tsIPv4AddrRange), tsHeaderLen+2*4
		if !t.Start.Is4() {
			kind, n = tsIPv6AddrRange, tsHeaderLen+2*16
		}
		dst = append(dst, kind, t.Protocol, 0, byte(n))
		dst = binary.BigEndian.AppendUint16(dst, t.StartPort)
		dst = binary.BigEndian.AppendUint16(dst, t.EndPort)
		if t.Start.Is4() {
			start, end := t.Start.As4(), t.End.As4()
			dst = append(append(dst, start[:]...), end[:]...)
		} else {
			start, end := t.Start.As16(), t.End.As16()
			dst = append(append(dst, start[:]...), end[:]...)
		}
	}
	return dst, nil
}

func decodeTS(pt PayloadType, b []byte) (TrafficSelectors, error) {
	if len(b) < 4 {
		return nil, truncated(pt)
	}
	count := int(b[0])
	b = b[4:]
	if len(b) < 4*count {
		return nil, truncated(pt)
	}
	ts := make(TrafficSelectors, 0, count)
	for range count {
		if len(b) < 4 {
			return nil, truncated(pt)
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return nil, truncated(pt)
		}
		var addrLen int
		switch b[0] {
		case tsIPv4AddrRange:
			addrLen = 4
		case tsIPv6AddrRange:
			addrLen = 16
		}
		if addrLen != 0 {
			if n != tsHeaderLen+2*addrLen {
				return nil, syntax(pt, "traffic selector of type %d has %d octets", b[0], n)
			}
			start, _ := netip.AddrFromSlice(b[8 : 8+addrLen])
			end, _ := netip.AddrFromSlice(b[8+addrLen : n])
			ts = append(ts, TrafficSelector{
				Protocol: b[1], StartPort: binary.BigEndian.Uint16(b[4:]), EndPort: binary.BigEndian.Uint16(b[6:]),
				Start: start, End: end,
			})
		}
		b = b[n:]
	}
	if len(b) != 0 {
		return nil, syntax(pt, "%d octets after the last traffic selector", len(b))
	}
	return ts, nil
}
