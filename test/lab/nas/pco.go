// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"encoding/binary"
	"errors"
)

// Containers of the extended protocol configuration options (TS 24.008 clause 10.5.6.3).
const (
	OptionPCSCFv6       = 0x0001
	OptionDNSv6         = 0x0003
	OptionAddressViaNAS = 0x000a
	OptionPCSCFv4       = 0x000c
	OptionDNSv4         = 0x000d
	OptionMTUv4         = 0x0010
)

// Option is one container: empty from the UE when it asks, with data from the network.
type Option struct {
	ID   uint16
	Data []byte
}

// EncodeOptions returns the value of an ExtendedOptions element.
func EncodeOptions(options ...Option) []byte {
	b := []byte{0x80} // extension bit, configuration protocol PPP
	for _, o := range options {
		b = binary.BigEndian.AppendUint16(b, o.ID)
		b = append(append(b, byte(len(o.Data))), o.Data...)
	}
	return b
}

// DecodeOptions reads the value of an ExtendedOptions element.
func DecodeOptions(b []byte) ([]Option, error) {
	cut := errors.New("nas: protocol configuration options are cut off")
	if len(b) < 1 {
		return nil, cut
	}
	var list []Option
	for b = b[1:]; len(b) > 0; {
		if len(b) < 3 || len(b)-3 < int(b[2]) {
			return nil, cut
		}
		end := 3 + int(b[2])
		list, b = append(list, Option{ID: binary.BigEndian.Uint16(b), Data: b[3:end]}), b[end:]
	}
	return list, nil
}
