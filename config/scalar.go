// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// TAC is a tracking area code, 24 bits (TS 23.003 19.4.2.3).
type TAC uint32

// UnmarshalText reads 6 hexadecimal digits.
func (t *TAC) UnmarshalText(text []byte) error {
	v, err := hex24(string(text))
	*t = TAC(v)
	return err
}

// MarshalText writes 6 hexadecimal digits.
func (t TAC) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// String returns 6 hexadecimal digits.
func (t TAC) String() string { return fmt.Sprintf("%06x", uint32(t)) }

// NID is an optional network identifier of an SNPN: 11 hexadecimal digits in lower case, or empty for none.
type NID string

// UnmarshalText reads 11 hexadecimal digits or nothing.
func (n *NID) UnmarshalText(text []byte) error {
	if len(text) > 0 && (len(text) != 11 || indexNot(strings.ToLower(string(text)), "0123456789abcdef") >= 0) {
		return fmt.Errorf("%q is not 11 hexadecimal digits", text)
	}
	*n = NID(strings.ToLower(string(text)))
	return nil
}

// Value returns the 44 bits, and false when there is no NID.
func (n NID) Value() (uint64, bool) {
	v, err := strconv.ParseUint(string(n), 16, 64)
	return v, err == nil
}

// SD is an optional slice differentiator: 6 hexadecimal digits in lower case, or empty for none.
type SD string

// UnmarshalText reads 6 hexadecimal digits or nothing.
func (s *SD) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = ""
		return nil
	}
	if _, err := hex24(string(text)); err != nil {
		return err
	}
	*s = SD(strings.ToLower(string(text)))
	return nil
}

// Value returns the 24 bits of the slice differentiator, and false when there is none.
func (s SD) Value() (uint32, bool) {
	v, err := hex24(string(s))
	return v, err == nil
}

func hex24(s string) (uint32, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 3 {
		return 0, errors.New("not 24 bits; write 6 hexadecimal digits in quotes, such as \"000001\"")
	}
	return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]), nil
}

const redacted = "[redacted]"

// Secret is text that no print, log or dump shows. Convert it to string to use it.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the value from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the value from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
