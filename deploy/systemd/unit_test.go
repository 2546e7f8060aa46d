// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// install puts the unit with drop-ins into a folder of units, under a name and with the program where it is here.
func install(t *testing.T, folder, name, program string, dropIns ...string) (unit string) {
	t.Helper()
	text, err := os.ReadFile("n3iwf.service")
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(text), "=/usr/bin/n3iwf "))
	unit = filepath.Join(folder, name+".service")
	require.NoError(t, os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "/usr/bin/n3iwf", program)), 0o644))
	for _, name := range dropIns {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(unit+".d", 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(unit+".d", name), text, 0o644))
	}
	return unit
}

// systemd has nothing to say about the units, and finds them closed as far as they can be. The numbers are tenths of its exposure level, from 0 (closed) to 100.
func TestUnit(t *testing.T) {
	analyze := testenv.NeedTool(t, "systemd-analyze", "systemd")
	for name, c := range map[string]struct {
		dropIns  []string
		exposure string
	}{
		"user space": {nil, "20"},
		"kernel":     {[]string{"kernel.conf"}, "30"},
	} {
		t.Run(name, func(t *testing.T) {
			unit := install(t, t.TempDir(), "n3iwf", "/bin/true", c.dropIns...)
			out, err := exec.CommandContext(t.Context(), analyze, "verify", unit).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Empty(t, string(out))
			out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--threshold="+c.exposure, unit).CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
	// A unit that is open is found.
	unit := install(t, t.TempDir(), "n3iwf", "/bin/true")
	text, err := os.ReadFile(unit)
	require.NoError(t, err)
	open := regexp.MustCompile(`(?m)^(Protect|Restrict|SystemCall|Capability).*\n`).ReplaceAllString(string(text), "")
	require.NoError(t, os.WriteFile(unit, []byte(strings.ReplaceAll(open, "PrivateTmp", "PrivateTemp")), 0o644))
	out, _ := exec.CommandContext(t.Context(), analyze, "verify", unit).CombinedOutput()
	require.Contains(t, string(out), "PrivateTemp")
	require.Error(t, exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=30", unit).Run())
}
