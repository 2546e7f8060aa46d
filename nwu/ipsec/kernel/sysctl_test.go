// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nobody can write /proc/version, as nobody can write /proc/sys in a container.
func TestSysctl(t *testing.T) {
	const fixed = "/proc/version"
	text, err := os.ReadFile(fixed)
	require.NoError(t, err)
	require.NoError(t, setSysctl(fixed, string(text[:len(text)-1]), nil), "it is so already")
	require.NoError(t, setSysctl(fixed, "1", func(now string) bool { return now+"\n" == string(text) }), "it will do")
	require.ErrorContains(t, setSysctl(fixed, "1", nil), "cannot be changed")
	require.ErrorContains(t, setSysctl(fixed, "1", func(string) bool { return false }), "=1, in a container on its host")
	require.NoError(t, setSysctl("/proc/sys/net/none", "1", nil), "this kernel has none")

	file := filepath.Join(t.TempDir(), "setting")
	require.NoError(t, os.WriteFile(file, []byte("0\n"), 0o600))
	require.NoError(t, setSysctl(file, "1", nil))
	text, err = os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "1", string(text))
}
