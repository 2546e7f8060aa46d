// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPPKFile(t *testing.T) {
	dir := folder(t)
	secret := strings.Repeat("a5", 32)
	with := func(ppk string) (*Config, error) {
		return Parse(filepath.Join(dir, "n3iwf.yaml"), []byte(strings.Replace(minimal, "  uePools", "  ike: {ppk: "+ppk+"}\n  uePools", 1)))
	}
	write(t, dir, "ppk", "# of 2026\n\none "+secret+"\r\n  two\t"+secret+"ff  \n")
	c, err := with("{file: ppk, mandatory: true}")
	require.NoError(t, err)
	keys, err := c.NWu.IKE.PPK.Load()
	require.NoError(t, err)
	bytes := Secret(strings.Repeat("\xa5", 32))
	require.Equal(t, map[string]Secret{"one": bytes, "two": bytes + "\xff"}, keys)
	require.Contains(t, c.Files(), filepath.Join(dir, "ppk"))
	for text, want := range map[string]string{
		"one":                                   "line 1 has 1 words",
		"a " + secret + " b":                    "line 1 has 3 words",
		"a " + secret + "\nb xyz":               "line 2: the secret is not hexadecimal",
		"a a5a5":                                "line 1: the secret has 2 octets, less than 32",
		"a " + secret + "\na " + secret:         `line 2: the identity "a" stands twice`,
		strings.Repeat("a", 256) + " " + secret: "line 1: the identity has 256 octets",
		"# nothing":                             "holds no key",
	} {
		write(t, dir, "ppk", text)
		_, err := with("{file: ppk}")
		require.ErrorContains(t, err, "nwu.ike.ppk.file: "+want, text)
		require.NotContains(t, err.Error(), "a5a5")
	}
	_, err = with("{file: nowhere}")
	require.ErrorContains(t, err, "nwu.ike.ppk.file: cannot be read")
	_, err = with("{mandatory: true}")
	require.ErrorContains(t, err, "nwu.ike.ppk.mandatory: is true without a file")
}
