// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type vector struct {
	name string
	b    []byte
}

// readVectors reads "name: hex" lines.
func readVectors(t testing.TB, file string) []vector {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var out []vector
	for s := bufio.NewScanner(f); s.Scan(); {
		name, h, ok := strings.Cut(s.Text(), ": ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		b, err := hex.DecodeString(h)
		require.NoError(t, err)
		out = append(out, vector{name, b})
	}
	require.NotEmpty(t, out)
	return out
}

func TestVectorPDUs(t *testing.T) {
	for _, v := range readVectors(t, "testdata/pdus.txt") {
		t.Run(v.name, func(t *testing.T) {
			p, err := Decode(v.b)
			require.NoError(t, err)
			require.Empty(t, p.Issues)
			name, _, _ := strings.Cut(v.name, " ")
			require.True(t, strings.HasPrefix(p.String(), name+"{"), p.String())
			b, err := Encode(p.Message)
			require.NoError(t, err)
			require.Equal(t, hex.EncodeToString(v.b), hex.EncodeToString(b))
			b, err = p.Encode()
			require.NoError(t, err)
			require.Equal(t, v.b, b)
		})
	}
}
