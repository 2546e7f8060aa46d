// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestManagement(t *testing.T) {
	dir := folder(t)
	file := filepath.Join(dir, "n3iwf.yaml")
	for text, want := range map[string]string{
		"{}":                                    "",
		`{socket: "", observe: "0.0.0.0:9464"}`: "",
		`{observe: "9464"}`:                     "no address and port",
		`{listen: "127.0.0.1:8080"}`:            "would let everybody in",
		`{listen: "127.0.0.1:8080", token: 0123456789abcdef}`:                                            "",
		`{listen: "127.0.0.1:8080", tls: {clientCA: n3iwf.pem}}`:                                         "would let everybody in", // there is no TLS
		`{listen: "127.0.0.1:8080", token: short}`:                                                       "too short",
		`{listen: "192.0.2.1:8080", token: 0123456789abcdef}`:                                            "without TLS",
		`{listen: "192.0.2.1:8080", token: 0123456789abcdef, tls: {chain: n3iwf.pem, key: n3iwf.key}}`:   "",
		`{listen: "192.0.2.1:8080", tls: {chain: n3iwf.pem, key: n3iwf.key, clientCA: n3iwf.pem}}`:       "",
		`{listen: "192.0.2.1:8080", tls: {chain: n3iwf.pem, key: n3iwf.key, clientCA: n3iwf.key}}`:       "no certificate",
		`{listen: "192.0.2.1:8080", token: 0123456789abcdef, tls: {chain: n3iwf.pem, key: nothing.key}}`: "does not load",
		`{traces: {endpoint: "http://127.0.0.1:4318"}}`:                                                  "",
		`{traces: {endpoint: "https://[2001:db8::1]:4318/x", ca: n3iwf.pem, token: t, ratio: 0.01}}`:     "",
		`{traces: {endpoint: "127.0.0.1:4318"}}`:                                                         "no URL of a collector",
		`{traces: {endpoint: "grpc://127.0.0.1:4317"}}`:                                                  "no URL of a collector",
		`{traces: {endpoint: "http://me:secret@127.0.0.1"}}`:                                             "a password in it",
		`{traces: {endpoint: "http://127.0.0.1:4318", ca: n3iwf.pem}}`:                                   "is for https",
		`{traces: {endpoint: "https://127.0.0.1:4318", ca: nothing.pem}}`:                                "no certificate",
		`{traces: {endpoint: "http://127.0.0.1:4318", ratio: 2}}`:                                        "out of range",
		`{socket: "/` + strings.Repeat("s", 200) + `"}`:                                                  "too long",
	} {
		_, err := Parse(file, []byte(minimal+"management: "+text+"\n"))
		if want == "" {
			require.NoError(t, err, text)
		} else {
			require.ErrorContains(t, err, want, text)
		}
	}
}

func TestEnvironmentGivesSecrets(t *testing.T) {
	dir := folder(t)
	require.NoError(t, os.Rename(filepath.Join(dir, "n3iwf.key"), filepath.Join(dir, "elsewhere.key")))
	file := filepath.Join(dir, "n3iwf.yaml")
	require.NoError(t, os.WriteFile(file, []byte(minimal), 0o600))
	_, err := Load(file)
	require.ErrorContains(t, err, "nwu.certificate.key")
	t.Setenv("N3IWF_NWU_CERTIFICATE_KEY", "elsewhere.key")
	t.Setenv("N3IWF_MANAGEMENT_TOKEN", "0123456789abcdef")
	t.Setenv("N3IWF_MANAGEMENT_TLS_KEY", "")
	c, err := Load(file)
	require.NoError(t, err)
	require.Equal(t, "0123456789abcdef", string(c.Management.Token))
	require.Empty(t, c.Management.TLS.Key, "an empty variable gives nothing")
	require.NotContains(t, c.Redacted(), "0123456789abcdef")
}

func TestAMFName(t *testing.T) {
	dir := folder(t)
	file := filepath.Join(dir, "n3iwf.yaml")
	for amf, want := range map[string]string{
		"{name: amf.example.org}":                  "",
		"{name: amf-n2, port: 38413}":              "",
		"{name: \"amf:38412\"}":                    "is not a DNS name",
		"{name: a..b}":                             "is not a DNS name",
		"{name: amf, addresses: [192.0.2.1]}":      "either addresses or a name",
		"{name: " + strings.Repeat("a", 300) + "}": "is not a DNS name",
		"{port: 38412}":                            "is missing",
	} {
		_, err := Parse(file, []byte(strings.Replace(minimal, "- addresses: [192.0.2.10]", "- "+amf, 1)))
		if want == "" {
			require.NoError(t, err, amf)
		} else {
			require.ErrorContains(t, err, want, amf)
		}
	}
}
