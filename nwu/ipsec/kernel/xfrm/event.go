// SPDX-License-Identifier: Apache-2.0

package xfrm

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Event is a report of the kernel: *Mapping, *Expire or *Acquire.
type Event interface{ event() }

// Mapping tells that an authenticated packet of a UDP-encapsulated state came from another address or port than the state has.
type Mapping struct {
	ID       ID // without mark
	ReqID    uint32
	Old, New netip.AddrPort
}

// Expire tells that a state has reached a limit. After the hard one the state is gone.
type Expire struct {
	State *State
	Hard  bool
}

// Acquire tells that a policy had a packet to protect and no state for it.
type Acquire struct {
	Dst, Src netip.Addr // of the template
	Selector Selector   // of the packet
}

func (*Mapping) event() {}
func (*Expire) event()  {}
func (*Acquire) event() {}

// parseEvent reads a message of the kernel's multicast groups; nil for those of no interest here.
func parseEvent(kind uint16, b []byte) (Event, error) {
	switch kind {
	case msgMapping:
		if err := need(b, sizeMapping, "mapping"); err != nil {
			return nil, err
		}
		fam := host.Uint16(b[20:])
		if fam != familyIPv4 && fam != familyIPv6 {
			return nil, fmt.Errorf("%w: mapping of family %d", ErrMalformed, fam)
		}
		at := func(address, port int) netip.AddrPort {
			return netip.AddrPortFrom(addr(b[address:], fam), binary.BigEndian.Uint16(b[port:]))
		}
		return &Mapping{ID: parseSAID(b), ReqID: host.Uint32(b[24:]), Old: at(28, 60), New: at(44, 62)}, nil
	case msgExpire:
		if err := need(b, sizeExpire, "expiry"); err != nil {
			return nil, err
		}
		s, err := parseState(b[:sizeState])
		if err != nil {
			return nil, err
		}
		return &Expire{State: s, Hard: b[sizeState] != 0}, attrs(b[sizeExpire:], s.attribute)
	case msgAcquire:
		if err := need(b, sizeAcquire, "acquire"); err != nil {
			return nil, err
		}
		sel := parseSelector(b[40:])
		fam := host.Uint16(b[40+40:])
		return &Acquire{Dst: addr(b, fam), Src: addr(b[24:], fam), Selector: sel}, nil
	}
	return nil, nil
}
