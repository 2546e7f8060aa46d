// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExample(t *testing.T) {
	c, err := LoadConfig("ue.example.yaml")
	require.NoError(t, err)
	require.Equal(t, "n3iwf.pem", c.Authority)
	c.Authority = "" // the file comes with the operator's N3IWF
	o, err := c.Options(slog.Default(), nil)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.3", o.N3IWF.String())
	require.Equal(t, byte(0x46), o.Subscriber.Key.K[0])
}

func TestWrongValues(t *testing.T) {
	example, err := os.ReadFile("ue.example.yaml")
	require.NoError(t, err)
	for _, test := range []struct{ old, new, want string }{
		{"local: 127.0.0.2", "", "local: give"},
		{"n3iwf: 127.0.0.3", "", "n3iwf: give"},
		{"n3iwf: 127.0.0.3", `n3iwf: "::1"`, "two IP families"},
		{"identity: n3iwf.lab.example", "", "identity: give"},
		{`mcc: "001"`, `mcc: "1"`, `subscriber.mcc: "1"`},
		{`mnc: "01"`, `mnc: "0a"`, `subscriber.mnc: "0a"`},
		{`imsi: "001`, `imsi: "002`, "subscriber.imsi"},
		{"ping: 192.0.2.1", "", "session.ping"},
		{"dataPlane: user", "dataPlane: kernal", `dataPlane: "kernal"`},
		{"timeout:", "timeuot:", `unknown field "timeuot"`},
	} {
		t.Run(test.want, func(t *testing.T) {
			require.Contains(t, string(example), test.old)
			file := filepath.Join(t.TempDir(), "ue.yaml")
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(example), test.old, test.new, 1)), 0o600))
			_, err := LoadConfig(file)
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, file)
		})
	}
}
