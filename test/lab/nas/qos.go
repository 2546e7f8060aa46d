// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// BitRate is a rate as unit and value (clause 9.11.4.14): unit 1 is 1 kbit/s, each next one four times more,
// except that 6, 11, 16 and 21 start at 1 Mbit/s, Gbit/s, Tbit/s and Pbit/s.
type BitRate struct {
	Unit  uint8
	Value uint16
}

// BitsPerSecond returns the rate, 0 for unit 0 or one above 20.
func (r BitRate) BitsPerSecond() uint64 {
	if r.Unit == 0 || r.Unit > 20 {
		return 0
	}
	return unitRate(r.Unit) * uint64(r.Value)
}

func unitRate(unit uint8) uint64 {
	rate := uint64(1000)
	for range (unit - 1) / 5 {
		rate *= 1000
	}
	return rate << (2 * ((unit - 1) % 5))
}

// NewBitRate returns the rate in the finest unit that can hold it, rounded down, at least 1 kbit/s.
func NewBitRate(bitsPerSecond uint64) BitRate {
	for _, unit := range [...]uint8{1, 6, 11, 16} {
		if v := bitsPerSecond / unitRate(unit); v <= 0xffff {
			return BitRate{Unit: unit, Value: uint16(max(v, 1))}
		}
	}
	return BitRate{Unit: 16, Value: 0xffff}
}

func (r BitRate) append(b []byte) []byte {
	return binary.BigEndian.AppendUint16(append(b, r.Unit), r.Value)
}

func readBitRate(b []byte) BitRate {
	return BitRate{Unit: b[0], Value: binary.BigEndian.Uint16(b[1:])}
}

// AMBR is the aggregate maximum bit rate of a session (clause 9.11.4.14).
type AMBR struct{ Downlink, Uplink BitRate }

func (a AMBR) appendNAS(b []byte) ([]byte, error) { return a.Uplink.append(a.Downlink.append(b)), nil }

func (a *AMBR) decodeNAS(b []byte) error {
	if len(b) < 6 {
		return fmt.Errorf("session AMBR of %d octets", len(b))
	}
	*a = AMBR{Downlink: readBitRate(b), Uplink: readBitRate(b[3:])}
	return nil
}

// Rule operations (clause 9.11.4.13).
const (
	RuleCreate         = 1
	RuleDelete         = 2
	RuleAddFilters     = 3
	RuleReplaceFilters = 4
	RuleDeleteFilters  = 5
	RuleModify         = 6
)

// QoSRule puts packets of some filters into a QoS flow (clause 9.11.4.13). Precedence and QFI are nil where the
// operation has none.
type QoSRule struct {
	ID         uint8
	Operation  uint8
	Default    bool
	Filters    []PacketFilter // at most 15
	Precedence *uint8
	QFI        *uint8
}

// QoSRules is a list of rules.
type QoSRules []QoSRule

// Directions of a packet filter.
const (
	Downlink = 1
	Uplink   = 2
	BothWays = 3
)

// PacketFilter is a set of conditions that a packet must all meet. When filters are deleted only ID counts.
type PacketFilter struct {
	Direction  uint8
	ID         uint8
	Components []FilterComponent
}

// FilterComponent is one condition.
type FilterComponent struct {
	Type  uint8
	Value []byte
}

// Component types of which this package knows the meaning; sizes of all are in componentSize.
const (
	MatchAll         = 0x01
	IPv4Remote       = 0x10 // address, mask
	IPv4Local        = 0x11
	IPv6Remote       = 0x21 // address, prefix length
	IPv6Local        = 0x23
	ProtocolNext     = 0x30
	LocalPort        = 0x40
	LocalPortRange   = 0x41
	RemotePort       = 0x50
	RemotePortRange  = 0x51
	SecurityIndex    = 0x60
	TypeOfService    = 0x70 // value, mask
	FlowLabel        = 0x80
	DestinationMAC   = 0x81
	SourceMAC        = 0x82
	EthertypeMatches = 0x87
)

var componentSize = map[uint8]int{MatchAll: 0, IPv4Remote: 8, IPv4Local: 8, IPv6Remote: 17, IPv6Local: 17,
	ProtocolNext: 1, LocalPort: 2, LocalPortRange: 4, RemotePort: 2, RemotePortRange: 4, SecurityIndex: 4,
	TypeOfService: 2, FlowLabel: 3, DestinationMAC: 6, SourceMAC: 6, 0x83: 2, 0x84: 2, 0x85: 1, 0x86: 1, EthertypeMatches: 2}

func (l QoSRules) appendNAS(b []byte) ([]byte, error) {
	for _, r := range l {
		if len(r.Filters) > 15 {
			return nil, fmt.Errorf("QoS rule %d has %d filters, at most 15", r.ID, len(r.Filters))
		}
		at := len(b)
		b = append(b, r.ID, 0, 0, r.Operation<<5|byte(len(r.Filters)))
		if r.Default {
			b[len(b)-1] |= 0x10
		}
		for _, f := range r.Filters {
			if r.Operation == RuleDeleteFilters {
				b = append(b, f.ID&15)
				continue
			}
			head := len(b)
			b = append(b, f.Direction&BothWays<<4|f.ID&15, 0)
			for _, c := range f.Components {
				b = append(append(b, c.Type), c.Value...)
			}
			if len(b)-head-2 > 0xff {
				return nil, fmt.Errorf("filter %d of QoS rule %d is longer than 255 octets", f.ID, r.ID)
			}
			b[head+1] = byte(len(b) - head - 2)
		}
		if r.Precedence != nil {
			b = append(b, *r.Precedence)
			if r.QFI != nil {
				b = append(b, *r.QFI&0x3f)
			}
		}
		binary.BigEndian.PutUint16(b[at+1:], uint16(len(b)-at-3))
	}
	return b, nil
}

func (l *QoSRules) decodeNAS(b []byte) error {
	*l = QoSRules{}
	for len(b) > 0 {
		if len(b) < 4 {
			return errors.New("QoS rule is cut off")
		}
		n := int(binary.BigEndian.Uint16(b[1:]))
		if n < 1 || len(b)-3 < n {
			return errors.New("QoS rule runs past the list")
		}
		r := QoSRule{ID: b[0], Operation: b[3] >> 5, Default: b[3]&0x10 != 0}
		rest := b[4 : 3+n]
		for range b[3] & 15 {
			var f PacketFilter
			var err error
			if f, rest, err = decodeFilter(rest, r.Operation == RuleDeleteFilters); err != nil {
				return err
			}
			r.Filters = append(r.Filters, f)
		}
		if len(rest) > 0 {
			r.Precedence = &[]uint8{rest[0]}[0]
		}
		if len(rest) > 1 {
			r.QFI = &[]uint8{rest[1] & 0x3f}[0]
		}
		if len(rest) > 2 || r.Operation == RuleCreate && len(rest) < 2 {
			return fmt.Errorf("QoS rule %d has %d octets after its filters", r.ID, len(rest))
		}
		*l, b = append(*l, r), b[3+n:]
	}
	return nil
}

func decodeFilter(b []byte, onlyID bool) (f PacketFilter, rest []byte, err error) {
	if len(b) < 1 {
		return f, nil, errors.New("packet filter is cut off")
	}
	f.ID = b[0] & 15
	if onlyID {
		return f, b[1:], nil
	}
	f.Direction = b[0] >> 4 & BothWays
	if len(b) < 2 || len(b)-2 < int(b[1]) {
		return f, nil, errors.New("packet filter runs past the rule")
	}
	rest = b[2+int(b[1]):]
	for b = b[2 : 2+int(b[1])]; len(b) > 0; {
		n, ok := componentSize[b[0]]
		if !ok || len(b)-1 < n {
			return f, nil, fmt.Errorf("packet filter component %02x is unknown or cut off", b[0])
		}
		f.Components = append(f.Components, FilterComponent{Type: b[0], Value: append([]byte(nil), b[1:1+n]...)})
		b = b[1+n:]
	}
	return f, rest, nil
}

// Flow description operations and parameters (clause 9.11.4.12).
const (
	FlowCreate = 1
	FlowDelete = 2
	FlowModify = 3

	Flow5QI  = 1
	FlowGFUL = 2
	FlowGFDL = 3
	FlowMFUL = 4
	FlowMFDL = 5
)

// FlowDescription is a QoS flow and its parameters. Extended is the E bit: with create, parameters follow; with
// modify, they replace the old ones.
type FlowDescription struct {
	QFI        uint8
	Operation  uint8
	Extended   bool
	Parameters []FlowParameter // at most 63
}

// FlowParameter is one parameter of a QoS flow.
type FlowParameter struct {
	ID    uint8
	Value []byte
}

// FlowDescriptions is a list of QoS flows.
type FlowDescriptions []FlowDescription

func (l FlowDescriptions) appendNAS(b []byte) ([]byte, error) {
	for _, f := range l {
		if len(f.Parameters) > 63 {
			return nil, fmt.Errorf("QoS flow %d has %d parameters, at most 63", f.QFI, len(f.Parameters))
		}
		b = append(b, f.QFI&0x3f, f.Operation<<5, byte(len(f.Parameters)))
		if f.Extended {
			b[len(b)-1] |= 0x40
		}
		for _, p := range f.Parameters {
			if len(p.Value) > 0xff {
				return nil, fmt.Errorf("parameter %d of QoS flow %d is longer than 255 octets", p.ID, f.QFI)
			}
			b = append(append(b, p.ID, byte(len(p.Value))), p.Value...)
		}
	}
	return b, nil
}

func (l *FlowDescriptions) decodeNAS(b []byte) error {
	*l = FlowDescriptions{}
	for len(b) > 0 {
		if len(b) < 3 {
			return errors.New("QoS flow description is cut off")
		}
		f := FlowDescription{QFI: b[0] & 0x3f, Operation: b[1] >> 5, Extended: b[2]&0x40 != 0}
		n := b[2] & 0x3f
		b = b[3:]
		for range n {
			if len(b) < 2 || len(b)-2 < int(b[1]) {
				return fmt.Errorf("parameter of QoS flow %d is cut off", f.QFI)
			}
			f.Parameters = append(f.Parameters, FlowParameter{ID: b[0], Value: append([]byte(nil), b[2:2+int(b[1])]...)})
			b = b[2+int(b[1]):]
		}
		*l = append(*l, f)
	}
	return nil
}

// FiveQI returns the 5QI of the flow.
func (f FlowDescription) FiveQI() (uint8, bool) {
	for _, p := range f.Parameters {
		if p.ID == Flow5QI && len(p.Value) == 1 {
			return p.Value[0], true
		}
	}
	return 0, false
}
