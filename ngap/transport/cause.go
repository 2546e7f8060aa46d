// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"fmt"
	"strings"
	"unicode"
)

// Error cause codes (RFC 9260 3.3.10).
const (
	causeInvalidStream      = 1
	causeStaleCookie        = 3
	causeOutOfResource      = 4
	causeUnresolvable       = 5
	causeUnrecognizedChunk  = 6
	causeInvalidMandatory   = 7
	causeNoUserData         = 9
	causeUserInitiatedAbort = 12
	causeProtocolViolation  = 13
)

var causeNames = map[uint16]string{
	causeInvalidStream:      "invalid stream identifier",
	2:                       "missing mandatory parameter",
	causeStaleCookie:        "stale cookie",
	causeOutOfResource:      "out of resource",
	causeUnresolvable:       "unresolvable address",
	causeUnrecognizedChunk:  "unrecognized chunk type",
	causeInvalidMandatory:   "invalid mandatory parameter",
	8:                       "unrecognized parameters",
	causeNoUserData:         "no user data",
	10:                      "cookie received while shutting down",
	11:                      "restart with new addresses",
	causeUserInitiatedAbort: "user-initiated abort",
	causeProtocolViolation:  "protocol violation",
}

// maxCauseText bounds what of a peer's own words goes into logs and errors.
const maxCauseText = 128

// describeCauses names the causes of an ABORT or ERROR chunk for operators.
func describeCauses(b []byte) string {
	var out []string
	for len(out) < 4 {
		code, value, rest, ok := nextTLV(b)
		if !ok {
			break
		}
		name, known := causeNames[code]
		if !known {
			name = fmt.Sprintf("cause %d", code)
		}
		if code == causeUserInitiatedAbort || code == causeProtocolViolation {
			if text := printable(value); text != "" {
				name += fmt.Sprintf(" (%q)", text)
			}
		}
		out = append(out, name)
		b = rest
	}
	if len(out) == 0 {
		return "no cause given"
	}
	return strings.Join(out, ", ")
}

// printable takes a peer's text as far as it is harmless text.
func printable(b []byte) string {
	if len(b) > maxCauseText {
		b = b[:maxCauseText]
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, string(b)))
}

// hasCause looks for an error cause in an ABORT or ERROR chunk.
func hasCause(b []byte, want uint16) bool {
	for {
		code, _, rest, ok := nextTLV(b)
		if !ok {
			return false
		}
		if code == want {
			return true
		}
		b = rest
	}
}
