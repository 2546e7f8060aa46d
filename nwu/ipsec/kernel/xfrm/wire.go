// SPDX-License-Identifier: Apache-2.0

package xfrm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Message types (linux/xfrm.h).
const (
	msgNewSA        = 0x10
	msgDelSA        = 0x11
	msgGetSA        = 0x12
	msgNewPolicy    = 0x13
	msgDelPolicy    = 0x14
	msgGetPolicy    = 0x15
	msgAcquire      = 0x17
	msgExpire       = 0x18
	msgUpdPolicy    = 0x19
	msgUpdSA        = 0x1a
	msgNewAE        = 0x1e
	msgMapping      = 0x26
	msgMigrateState = 0x29
)

// Attributes.
const (
	attrEncap         = 4
	attrTemplates     = 5
	attrReplay        = 10
	attrSrcAddr       = 13
	attrAEAD          = 18
	attrAuthTrunc     = 20
	attrCrypt         = 2
	attrMark          = 21
	attrReplayESN     = 23
	attrExtraFlags    = 24
	attrLastUsed      = 15
	attrSetMark       = 29
	attrSetMarkMask   = 30
	attrIfID          = 31
	attrMappingThresh = 32
	attrDirection     = 33
)

// Sizes of the kernel's structures.
const (
	sizeSelector = 56
	sizeState    = 224
	sizePolicy   = 168
	sizeTemplate = 64
	sizeEncap    = 24
	sizeReplay   = 24 // without the bitmap
	sizeMapping  = 64
	sizeExpire   = sizeState + 8
	sizeAcquire  = 280
	sizeSAID     = 24
	sizePolicyID = 64
	sizeAEventID = 48
)

const (
	protocolESP = 50
	modeTunnel  = 1
	shareAny    = 0
	encapUDP    = 2 // UDP_ENCAP_ESPINUDP
	infinite    = ^uint64(0)

	familyIPv4 = 2
	familyIPv6 = 10
)

// ErrMalformed tells that the kernel's message is not what it should be.
var ErrMalformed = errors.New("malformed XFRM message")

// The kernel's numbers have the host's order; SPIs and ports have the network's.
var host = binary.NativeEndian

func family(a netip.Addr) uint16 {
	switch {
	case a.Is4():
		return familyIPv4
	case a.Is6():
		return familyIPv6
	}
	return 0
}

func putAddr(b []byte, a netip.Addr) {
	if a.Is4() {
		v := a.As4()
		copy(b, v[:])
	} else if a.IsValid() {
		v := a.As16()
		copy(b, v[:])
	}
}

// addr reads an address of 16 octets; the zero Addr when the family has none.
func addr(b []byte, fam uint16) netip.Addr {
	switch fam {
	case familyIPv4:
		return netip.AddrFrom4([4]byte(b))
	case familyIPv6:
		return netip.AddrFrom16([16]byte(b))
	}
	return netip.Addr{}
}

// wildcard gives an address of the family that stands for any.
func wildcard(a netip.Addr) netip.Addr {
	if !a.IsValid() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// attr appends an attribute.
func attr(b []byte, kind uint16, payload []byte) []byte {
	b = host.AppendUint16(b, uint16(4+len(payload)))
	b = host.AppendUint16(b, kind)
	b = append(b, payload...)
	return append(b, make([]byte, -len(payload)&3)...)
}

func attr32(b []byte, kind uint16, v uint32) []byte { return attr(b, kind, host.AppendUint32(nil, v)) }

// attrs calls f for each attribute in b.
func attrs(b []byte, f func(kind uint16, payload []byte) error) error {
	for len(b) >= 4 {
		n := int(host.Uint16(b))
		if n < 4 || n > len(b) {
			return fmt.Errorf("%w: attribute of %d octets in %d", ErrMalformed, n, len(b))
		}
		if err := f(host.Uint16(b[2:])&0x3fff, b[4:n]); err != nil {
			return err
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}

func need(b []byte, n int, what string) error {
	if len(b) < n {
		return fmt.Errorf("%w: %s of %d octets, needs %d", ErrMalformed, what, len(b), n)
	}
	return nil
}

// Mark restricts a state or a policy to packets whose mark, under Mask, is Value. The zero Mark is for all packets.
type Mark struct{ Value, Mask uint32 }

func (m Mark) append(b []byte, kind uint16) []byte {
	if m == (Mark{}) {
		return b
	}
	return attr(b, kind, host.AppendUint32(host.AppendUint32(nil, m.Value), m.Mask))
}

func parseMark(b []byte) (Mark, error) {
	if err := need(b, 8, "mark"); err != nil {
		return Mark{}, err
	}
	return Mark{host.Uint32(b), host.Uint32(b[4:])}, nil
}

// Selector is what a policy or state is for. Invalid prefixes are any address. Ports are for protocols that have them; 0 is any.
type Selector struct {
	Src, Dst         netip.Prefix
	Protocol         uint8
	SrcPort, DstPort uint16
}

func (s *Selector) put(b []byte) {
	putAddr(b, s.Dst.Addr())
	putAddr(b[16:], s.Src.Addr())
	port := func(b []byte, p uint16) {
		if p != 0 {
			binary.BigEndian.PutUint16(b, p)
			binary.BigEndian.PutUint16(b[2:], 0xffff)
		}
	}
	port(b[32:], s.DstPort)
	port(b[36:], s.SrcPort)
	fam := family(s.Dst.Addr())
	if fam == 0 {
		fam = family(s.Src.Addr())
	}
	host.PutUint16(b[40:], fam)
	b[42], b[43], b[44] = byte(max(s.Dst.Bits(), 0)), byte(max(s.Src.Bits(), 0)), s.Protocol
}

func parseSelector(b []byte) Selector {
	fam := host.Uint16(b[40:])
	prefix := func(b []byte, bits byte) netip.Prefix {
		p, err := addr(b, fam).Prefix(int(bits))
		if err != nil {
			return netip.Prefix{}
		}
		return p
	}
	return Selector{
		Dst: prefix(b, b[42]), Src: prefix(b[16:], b[43]), Protocol: b[44],
		DstPort: binary.BigEndian.Uint16(b[32:]), SrcPort: binary.BigEndian.Uint16(b[36:]),
	}
}

// Limits end a state's life. Zero is no limit. Octets are those of inner packets.
type Limits struct{ SoftBytes, HardBytes, SoftPackets, HardPackets uint64 }

func (l *Limits) put(b []byte) {
	for i, v := range [4]uint64{l.SoftBytes, l.HardBytes, l.SoftPackets, l.HardPackets} {
		if v == 0 {
			v = infinite
		}
		host.PutUint64(b[8*i:], v)
	}
}

func parseLimits(b []byte) Limits {
	v := func(i int) uint64 {
		if n := host.Uint64(b[8*i:]); n != infinite {
			return n
		}
		return 0
	}
	return Limits{v(0), v(1), v(2), v(3)}
}
