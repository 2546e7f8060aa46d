// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

func parse(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	require.NotNil(t, block)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

func TestCert(t *testing.T) {
	dir := t.TempDir()
	for i, kind := range []string{"p256", "p384", "rsa2048", "rsa3072"} {
		require.NoError(t, errorOf(os.Remove(filepath.Join(dir, "n3iwf.pem"))))
		require.NoError(t, errorOf(os.Remove(filepath.Join(dir, "n3iwf.key"))))
		out, _, err := execute(nil, "cert", "--dir", dir, "--name", "n3iwf.example.org", "--name", "192.0.2.1", "--name", "2001:db8::1", "--key", kind)
		require.NoError(t, err)
		if i == 0 {
			require.Contains(t, out, "ca.key", "made with the first certificate")
		} else {
			require.NotContains(t, out, "ca.key", "used again")
		}
		ca, cert := parse(t, filepath.Join(dir, "ca.pem")), parse(t, filepath.Join(dir, "n3iwf.pem"))
		roots := pool(ca)
		for _, name := range []string{"n3iwf.example.org", "192.0.2.1", "2001:db8::1"} {
			_, err = cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
			require.NoError(t, err)
		}
		require.True(t, cert.UnknownExtKeyUsage[0].Equal(ipsecIKE))
		info, err := os.Stat(filepath.Join(dir, "n3iwf.key"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	_, _, err := execute(nil, "cert", "--dir", dir, "--name", "x")
	require.ErrorContains(t, err, "n3iwf.pem exists")
	_, _, err = execute(nil, "cert", "--dir", t.TempDir(), "--name", "x", "--key", "dsa")
	require.ErrorContains(t, err, "choose p256")
	_, _, err = execute(nil, "cert", "--dir", t.TempDir(), "--name", "x", "--days", "0")
	require.ErrorContains(t, err, "--days 0")
	_, _, err = execute(nil, "cert")
	require.ErrorContains(t, err, "name")
}

// A container gets a folder with what it needs, readable by its user alone; the CA stays outside.
func TestCertForAContainer(t *testing.T) {
	dir, ca := filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "ca")
	for _, owner := range []string{"nobody", "65532", "65532:", "-1:0", "0:4294967296"} {
		_, _, err := execute(nil, "cert", "--dir", dir, "--name", "x", "--owner", owner)
		require.ErrorContains(t, err, "--owner "+owner)
		require.NoDirExists(t, dir)
	}
	testenv.NeedRoot(t)
	_, _, err := execute(nil, "cert", "--dir", dir, "--ca", ca, "--name", "x", "--owner", "65532:65533")
	require.NoError(t, err)
	for folder, files := range map[string]map[string]uint32{dir: {"n3iwf.pem": 65532, "n3iwf.key": 65532}, ca: {"ca.pem": 0, "ca.key": 0}} {
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Len(t, entries, len(files))
		for file, owner := range files {
			info, err := os.Stat(filepath.Join(folder, file))
			require.NoError(t, err)
			require.Equal(t, owner, info.Sys().(*syscall.Stat_t).Uid, file)
			if filepath.Ext(file) == ".key" {
				require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
			}
		}
	}
	_, err = parse(t, filepath.Join(dir, "n3iwf.pem")).Verify(x509.VerifyOptions{Roots: pool(parse(t, filepath.Join(ca, "ca.pem")))})
	require.NoError(t, err)
}

func pool(c *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c)
	return p
}

// Another implementation reads and verifies what was made.
func TestCertByOpenSSL(t *testing.T) {
	testenv.NeedTool(t, "openssl", "openssl")
	dir := t.TempDir()
	_, _, err := execute(nil, "cert", "--dir", dir, "--name", "n3iwf.example.org")
	require.NoError(t, err)
	out, err := exec.Command("openssl", "verify", "-x509_strict", "-CAfile", filepath.Join(dir, "ca.pem"), "-verify_hostname", "n3iwf.example.org", filepath.Join(dir, "n3iwf.pem")).CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command("openssl", "x509", "-in", filepath.Join(dir, "n3iwf.pem"), "-noout", "-text").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "DNS:n3iwf.example.org")
	require.Contains(t, string(out), "ipsec Internet Key Exchange")
}

// errorOf takes a file that is not there for removed.
func errorOf(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
