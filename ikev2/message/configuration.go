// SPDX-License-Identifier: Apache-2.0

package message

import "encoding/binary"

// ConfigType is the direction of a Configuration payload (RFC 7296 3.15).
type ConfigType uint8

// Configuration types.
const (
	CFG_REQUEST ConfigType = 1
	CFG_REPLY   ConfigType = 2
	CFG_SET     ConfigType = 3
	CFG_ACK     ConfigType = 4
)

// ConfigAttributeType is the number of a configuration attribute (15 bits).
type ConfigAttributeType uint16

// Configuration attributes (RFC 7296 3.15.1).
const (
	INTERNAL_IP4_ADDRESS ConfigAttributeType = 1 // 0 or 4 octets
	INTERNAL_IP4_NETMASK ConfigAttributeType = 2 // 0 or 4 octets
	INTERNAL_IP4_DNS     ConfigAttributeType = 3
	INTERNAL_IP4_DHCP    ConfigAttributeType = 6
	APPLICATION_VERSION  ConfigAttributeType = 7
	INTERNAL_IP6_ADDRESS ConfigAttributeType = 8 // 0 or 17 octets: address and prefix length
	INTERNAL_IP6_DNS     ConfigAttributeType = 10
	INTERNAL_IP6_DHCP    ConfigAttributeType = 12
	INTERNAL_IP4_SUBNET  ConfigAttributeType = 13
	SUPPORTED_ATTRIBUTES ConfigAttributeType = 14
	INTERNAL_IP6_SUBNET  ConfigAttributeType = 15
)

// Configuration is the CP payload.
type Configuration struct {
	Type       ConfigType
	Attributes []ConfigAttribute
}

// ConfigAttribute is one attribute; an empty Value in a request asks for any.
type ConfigAttribute struct {
	Type  ConfigAttributeType
	Value []byte
}

func (*Configuration) PayloadType() PayloadType { return PayloadCP }

// Get returns the value of the first attribute of type t and whether there is one.
func (p *Configuration) Get(t ConfigAttributeType) ([]byte, bool) {
	for _, a := range p.Attributes {
		if a.Type == t {
			return a.Value, true
		}
	}
	return nil, false
}

func (p *Configuration) AppendBody(dst []byte) ([]byte, error) {
	dst = append(dst, byte(p.Type), 0, 0, 0)
	for _, a := range p.Attributes {
		if len(a.Value) > 0xffff || a.Type > 0x7fff {
			return dst, ErrTooLong
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(a.Type))
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(a.Value)))
		dst = append(dst, a.Value...)
	}
	return dst, nil
}

func decodeConfiguration(b []byte) (Payload, error) {
	if len(b) < 4 {
		return nil, truncated(PayloadCP)
	}
	cp := &Configuration{Type: ConfigType(b[0])}
	for b = b[4:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, truncated(PayloadCP)
		}
		n := 4 + int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			return nil, truncated(PayloadCP)
		}
		// The top bit is reserved and ignored on receipt (RFC 7296 3.15.1).
		t := ConfigAttributeType(binary.BigEndian.Uint16(b) & 0x7fff)
		cp.Attributes = append(cp.Attributes, ConfigAttribute{Type: t, Value: b[4:n:n]})
		b = b[n:]
	}
	return cp, nil
}
