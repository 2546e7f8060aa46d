// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ed25519Files writes a certificate with an Ed25519 key and that key, and returns the certificate.
func ed25519Files(t *testing.T, dir, name string) []byte {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := leaf()
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	write(t, dir, name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, dir, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	return der
}

// Several certificates, one of them with Ed25519, and their issuers.
func TestSeveralCertificates(t *testing.T) {
	dir := folder(t)
	ed := ed25519Files(t, dir, "ed")
	const one = "{chain: n3iwf.pem, key: n3iwf.key}"
	with := func(certificate string) (*Config, error) {
		return Parse(filepath.Join(dir, "n3iwf.yaml"), []byte(strings.Replace(minimal, one, certificate, 1)))
	}
	c, err := with("{chain: n3iwf.pem, key: n3iwf.key, further: [{chain: ed.pem, key: ed.key}, {chain: further.pem, key: further.key, issuers: root.pem}]}")
	require.NoError(t, err)
	all, err := c.NWu.LoadCertificates(time.Now())
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, ed, all[1].Chain[0].Raw)
	require.IsType(t, ed25519.PrivateKey{}, all[1].Key)
	require.Empty(t, all[1].Issuers)
	require.NoError(t, all[2].Chain[0].CheckSignatureFrom(all[2].Issuers[0]))
	require.Len(t, c.Files(), 7)

	_, err = c.NWu.LoadCertificates(time.Now().Add(2 * time.Hour))
	require.ErrorContains(t, err, "nwu.certificate.chain: expired")

	for text, want := range map[string]string{
		"{chain: n3iwf.pem, key: n3iwf.key, further: [{chain: further.pem, key: ed.key}]}":                            "nwu.certificate.further[0].key: does not belong",
		"{chain: n3iwf.pem, key: n3iwf.key, further: [{chain: ed.pem, key: ed.key}, {chain: nowhere}]}":               "nwu.certificate.further[1].chain: cannot be read",
		"{chain: n3iwf.pem, key: n3iwf.key, further: [{chain: further.pem, key: further.key, issuers: further.key}]}": "nwu.certificate.further[0].issuers: holds no certificate",
		"{chain: n3iwf.pem, key: n3iwf.key, issuers: nowhere}":                                                        "nwu.certificate.issuers: cannot be read",
	} {
		_, err = with(text)
		require.ErrorContains(t, err, want, text)
	}

	// Alone, Ed25519 shuts many UEs out.
	c, err = with("{chain: ed.pem, key: ed.key}")
	require.NoError(t, err)
	require.ErrorContains(t, Warnings("n3iwf.yaml", c, time.Now()), "RFC 8420")
	c, err = with("{chain: ed.pem, key: ed.key, further: [{chain: n3iwf.pem, key: n3iwf.key}]}")
	require.NoError(t, err)
	require.NotContains(t, Warnings("n3iwf.yaml", c, time.Now()).Error(), "RFC 8420")
}
