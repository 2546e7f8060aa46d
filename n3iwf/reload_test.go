// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
)

// certificateFiles writes a certificate for name and its key, and returns the certificate.
func certificateFiles(t *testing.T, dir, name string, expires time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name, "also." + name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: expires}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "chain.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	return der
}

// reread does what a reload does with the files of secrets.
func reread(nf *N3IWF) error {
	change, err := nf.reloadSecrets(nf.cfg, nf.cfg)
	if err == nil {
		change.Commit()
	}
	return err
}

// The certificate changes while the N3IWF runs, and only for one that UEs can use.
func TestReloadCertificates(t *testing.T) {
	dir, later := t.TempDir(), time.Now().Add(time.Hour)
	const name = "n3iwf.example.org"
	first := certificateFiles(t, dir, name, later)
	var log bytes.Buffer
	nf := &N3IWF{cfg: new(config.Config), log: slog.New(slog.NewTextHandler(&log, nil))}
	nf.cfg.NWu.IKE.Profile, nf.cfg.NWu.Identity = "default", name
	nf.cfg.NWu.Certificate = config.Certificate{Chain: filepath.Join(dir, "chain.pem"), Key: config.Secret(filepath.Join(dir, "key.pem"))}
	require.NoError(t, nf.openProof())
	options, err := nf.ikeOptions(nf.cfg)
	require.NoError(t, err)
	inUse := func() [][]byte { return options.Prove.Certificates() }
	require.Equal(t, [][]byte{first}, inUse())

	second := certificateFiles(t, dir, name, later)
	require.Equal(t, [][]byte{first}, inUse(), "not before it is asked for")
	require.NoError(t, reread(nf))
	require.Equal(t, [][]byte{second}, inUse())
	require.Contains(t, log.String(), "certificate reloaded")
	log.Reset()
	require.NoError(t, reread(nf))
	require.Empty(t, log.String(), "the same one again is no news")

	for what, spoil := range map[string]func(){
		"no subject alternative name": func() { certificateFiles(t, dir, "other.example.org", later) },
		"expired":                     func() { certificateFiles(t, dir, name, time.Now().Add(-time.Minute)) },
		"does not belong": func() {
			certificateFiles(t, dir, name, later)
			chain, err := os.ReadFile(nf.cfg.NWu.Certificate.Chain)
			require.NoError(t, err)
			certificateFiles(t, dir, name, later)
			require.NoError(t, os.WriteFile(nf.cfg.NWu.Certificate.Chain, chain, 0o600))
		},
		"holds no certificate": func() { require.NoError(t, os.WriteFile(nf.cfg.NWu.Certificate.Chain, []byte("nothing"), 0o600)) },
		"cannot be read":       func() { require.NoError(t, os.Remove(string(nf.cfg.NWu.Certificate.Key))) },
	} {
		spoil()
		require.ErrorContains(t, reread(nf), what)
		require.Equal(t, [][]byte{second}, inUse(), what)
		certificateFiles(t, dir, name, later)
	}
	// A new key and certificate sign together.
	require.NoError(t, reread(nf))
	ctx := &ikev2.AuthContext{Octets: []byte("octets"), Time: time.Now(), Prover: ikeIdentity(name)}
	method, data, err := options.Prove.Prove(ctx)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(inUse()[0])
	require.NoError(t, err)
	require.NoError(t, ikev2.NewCertificateVerifier(leaf).Verify(ctx, method, data, inUse()))
}
