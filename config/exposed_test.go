// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExposedSecrets(t *testing.T) {
	dir := folder(t)
	file := filepath.Join(dir, "n3iwf.yaml")
	text := strings.Replace(minimal, "key: n3iwf.key}", "key: n3iwf.key, further: [{chain: further.pem, key: further.key}]}", 1) +
		"management: {listen: \"127.0.0.1:8080\", token: 0123456789abcdef, tls: {chain: n3iwf.pem, key: api.key}}\n"
	key, err := os.ReadFile(filepath.Join(dir, "n3iwf.key"))
	require.NoError(t, err)
	write(t, dir, "api.key", string(key))
	write(t, dir, "n3iwf.yaml", text)
	c, err := Load(file)
	require.NoError(t, err)
	require.Empty(t, Exposed(file, c))
	for _, name := range []string{"n3iwf.key", "further.key", "api.key", "n3iwf.pem"} { // a certificate is no secret
		require.NoError(t, os.Chmod(filepath.Join(dir, name), 0o644))
	}
	found := Exposed(file, c)
	require.Len(t, found, 3)
	all := found.Error()
	for _, want := range []string{":7: nwu.certificate.key: ", ":7: nwu.certificate.further[0].key: ", ":12: management.tls.key: ", "n3iwf.key (mode 0644); chmod o-r"} {
		require.Contains(t, all, want)
	}
	require.Contains(t, Warnings(file, c, time.Now()).Error(), "every user of this machine can read")
	require.NoError(t, os.Chmod(filepath.Join(dir, "n3iwf.key"), 0o640))
	require.Len(t, Exposed(file, c), 2, "a group may")
}
