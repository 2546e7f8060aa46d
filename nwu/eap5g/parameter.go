// SPDX-License-Identifier: Apache-2.0

package eap5g

import (
	"encoding/binary"
	"fmt"
)

// ParameterType names an AN parameter (TS 24.502 clause 9.3.2.2.2).
type ParameterType uint8

// AN parameter types.
const (
	ParameterGUAMI              ParameterType = 1
	ParameterSelectedPLMN       ParameterType = 2
	ParameterRequestedNSSAI     ParameterType = 3
	ParameterEstablishmentCause ParameterType = 4
	ParameterSelectedNID        ParameterType = 5
	ParameterUEIdentity         ParameterType = 6
	ParameterOnboarding         ParameterType = 7
	ParameterGUAMIType          ParameterType = 8
)

func (t ParameterType) String() string {
	names := [...]string{1: "GUAMI", "selected PLMN", "requested NSSAI", "establishment cause", "selected NID",
		"UE identity", "onboarding indication", "GUAMI type"}
	if t > 0 && int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Parameter is one AN parameter as on the wire.
type Parameter struct {
	Type  ParameterType
	Value []byte
}

// decodeParameters reads a list whose entries have a length field of width octets.
func decodeParameters(b []byte, width int) ([]Parameter, error) {
	if len(b) > MaxParameters {
		return nil, ErrTooLong
	}
	var list []Parameter
	for len(b) > 0 {
		if len(b) < 1+width {
			return nil, ErrTruncated
		}
		n := int(b[1])
		if width == 2 {
			n = int(binary.BigEndian.Uint16(b[1:]))
		}
		t := ParameterType(b[0])
		b = b[1+width:]
		if len(b) < n {
			return nil, ErrTruncated
		}
		list = append(list, Parameter{Type: t, Value: b[:n]})
		b = b[n:]
	}
	return list, nil
}

func appendParameters(b []byte, list []Parameter, width int) ([]byte, error) {
	start := len(b)
	b = append(b, 0, 0)
	for _, p := range list {
		b = append(b, byte(p.Type))
		switch {
		case width == 2 && len(p.Value) <= 0xffff:
			b = binary.BigEndian.AppendUint16(b, uint16(len(p.Value)))
		case len(p.Value) <= 0xff:
			b = append(b, byte(len(p.Value)))
		default:
			return nil, ErrTooLong
		}
		b = append(b, p.Value...)
	}
	size := len(b) - start - 2
	if size > MaxParameters {
		return nil, ErrTooLong
	}
	binary.BigEndian.PutUint16(b[start:], uint16(size))
	return b, nil
}
