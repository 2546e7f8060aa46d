// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const testFQDN = "n3iwf.5gc.mnc001.mcc001.pub.3gppnetwork.org"

// issue makes a certificate; a nil parent makes it self-signed.
func issue(t *testing.T, template *x509.Certificate, parent *x509.Certificate, parentKey crypto.Signer) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	template.SerialNumber = big.NewInt(1)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert, key
}

func leaf() *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "n3iwf"}, DNSNames: []string{testFQDN}, IPAddresses: []net.IP{net.ParseIP("192.0.2.1")},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func ca() *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
}

func certPEM(certs ...*x509.Certificate) string {
	var text []byte
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return string(text)
}

func keyPEM(t *testing.T, key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// folder has n3iwf.pem (leaf and CA) and n3iwf.key, as the example names them.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, rootKey := issue(t, ca(), nil, nil)
	cert, key := issue(t, leaf(), root, rootKey)
	write(t, dir, "n3iwf.pem", certPEM(cert, root))
	write(t, dir, "n3iwf.key", keyPEM(t, key))
	cert, key = issue(t, leaf(), root, rootKey)
	write(t, dir, "further.pem", certPEM(cert))
	write(t, dir, "further.key", keyPEM(t, key))
	write(t, dir, "root.pem", certPEM(root))
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

// minimal is the smallest configuration, as the package promises it.
const minimal = `n3iwf:
  supportedTAs:
    - tac: "000001"
      plmns:
        - plmn: {mcc: "001", mnc: "01"}
nwu:
  certificate: {chain: n3iwf.pem, key: n3iwf.key}
  uePools: {ipv4: [10.60.0.0/16]}
n2:
  amfs:
    - addresses: [192.0.2.10]
`
