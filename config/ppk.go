// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// minPPK is the least length of a PPK in octets: 256 bits (RFC 8784 6).
const minPPK = 32

// maxPPKFile bounds the file of PPKs, in octets.
const maxPPKFile = 64 << 20

// Load reads the keys, by identity. Errors name the line, and never a secret.
func (p PPK) Load() (map[string]Secret, error) {
	if info, err := os.Stat(p.File); err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	} else if info.Size() > maxPPKFile {
		return nil, fmt.Errorf("has %d octets, more than %d", info.Size(), maxPPKFile)
	}
	text, err := os.ReadFile(p.File)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	keys := map[string]Secret{}
	number := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("line %d has %d words", number, len(fields))
		}
		secret, err := hex.DecodeString(fields[1])
		switch _, twice := keys[fields[0]]; {
		case err != nil:
			return nil, fmt.Errorf("line %d: the secret is not hexadecimal", number)
		case len(secret) < minPPK:
			return nil, fmt.Errorf("line %d: the secret has %d octets, less than %d", number, len(secret), minPPK)
		case twice:
			return nil, fmt.Errorf("line %d: the identity %q stands twice", number, fields[0])
		case len(fields[0]) > 255:
			return nil, fmt.Errorf("line %d: the identity has %d octets, more than 255", number, len(fields[0]))
		}
		keys[fields[0]] = Secret(secret)
	}
	if len(keys) == 0 {
		return nil, errors.New("holds no key")
	}
	return keys, nil
}
