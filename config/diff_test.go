// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiff(t *testing.T) {
	file := filepath.Join(folder(t), "n3iwf.yaml")
	parse := func(text string) *Config {
		c, err := Parse(file, []byte(text))
		require.NoError(t, err)
		return c
	}
	base := parse(minimal)
	require.Empty(t, Diff(base, parse(minimal)))
	for more, want := range map[string][]string{
		"limits: {maxUEs: 5}\n":                        {"limits.maxUEs"},
		"timers: {release: 7s}\nlog: {level: debug}\n": {"timers.release", "log.level"},
		"management: {token: 0123456789abcdef}\n":      {"management.token"},
		"n3: {addresses: [127.0.0.1]}\n":               {"n3.addresses"},
	} {
		require.Equal(t, want, Diff(base, parse(minimal+more)), more)
	}
	require.Equal(t, []string{"n2.amfs[0].addresses"}, Diff(base, parse(strings.Replace(minimal, "192.0.2.10", "192.0.2.11", 1))))
	require.Equal(t, []string{"n2.amfs"}, Diff(base, parse(minimal+"    - addresses: [192.0.2.11]\n")))
}
