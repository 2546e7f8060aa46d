// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// pki is an authority with a certificate for the UE and one for the gateway.
type pki struct {
	t    testing.TB
	ca   *x509.Certificate
	keys map[string]crypto.Signer
	ders map[string][]byte
}

// newPKI makes them; the kinds of the keys are "rsa" and "ec".
func newPKI(t testing.TB, ueKind, gwKind string) *pki {
	p := &pki{t: t, keys: map[string]crypto.Signer{"ue": newKey(t, ueKind), "gw": newKey(t, gwKind)}, ders: map[string][]byte{}}
	caKey := newKey(t, "ec")
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "interop CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, caKey.Public(), caKey)
	require.NoError(t, err)
	p.ca, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	for i, name := range []string{"ue", "gw"} {
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(2 + i)), Subject: pkix.Name{CommonName: name},
			NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		}
		if name == "ue" {
			leaf.EmailAddresses = []string{"ue@example.org"}
		} else {
			leaf.DNSNames = []string{"gw.example.org"}
		}
		p.ders[name], err = x509.CreateCertificate(rand.Reader, leaf, p.ca, p.keys[name].Public(), caKey)
		require.NoError(t, err)
	}
	return p
}

func newKey(t testing.TB, kind string) crypto.Signer {
	if kind == "rsa" {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		return key
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func (p *pki) prover(name string) *ikev2.CertificateProver {
	return &ikev2.CertificateProver{Key: p.keys[name], Chain: [][]byte{p.ders[name]}}
}

// give writes one side's key and certificates beside charon's configuration, where swanctl looks for them.
func (p *pki) give(c *charon, name string) {
	key, err := x509.MarshalPKCS8PrivateKey(p.keys[name])
	require.NoError(p.t, err)
	c.write("private/"+name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	c.write("x509/"+name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.ders[name]})))
	c.write("x509ca/ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.ca.Raw})))
}
