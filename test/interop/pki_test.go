// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// keyKind is a kind of private key.
type keyKind string

const (
	rsa2048 keyKind = "RSA-2048"
	p256    keyKind = "ECDSA P-256"
	p384    keyKind = "ECDSA P-384"
	ed      keyKind = "Ed25519"
)

// pki is a root, possibly an authority below it for each end, and certificates for the UE and the gateway.
type pki struct {
	t             testing.TB
	root          *x509.Certificate
	intermediates map[string]*x509.Certificate // empty: the root issued the leaves
	keys          map[string]crypto.Signer
	leaves        map[string]*x509.Certificate
}

// rsaKeys are made once: they take long, and no scenario depends on the keys being different ones.
var rsaKeys = [2]func() *rsa.PrivateKey{sync.OnceValue(newRSA), sync.OnceValue(newRSA)}

func newRSA() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func newKey(t testing.TB, kind keyKind, which int) crypto.Signer {
	var key crypto.Signer
	var err error
	switch kind {
	case rsa2048:
		key = rsaKeys[which]()
	case p256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case p384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ed:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	require.NoError(t, err)
	return key
}

// newPKI makes it; with chain each leaf comes from an authority of its own below the root.
func newPKI(t testing.TB, ue, gw keyKind, chain bool) *pki {
	p := &pki{
		t: t, keys: map[string]crypto.Signer{"ue": newKey(t, ue, 0), "gw": newKey(t, gw, 1)},
		leaves: map[string]*x509.Certificate{}, intermediates: map[string]*x509.Certificate{},
	}
	authority := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{Organization: []string{"interop"}, CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
	}
	rootKey := newKey(t, p256, 0)
	p.root = p.issue(authority(1, "root"), nil, rootKey.Public(), rootKey)
	for name, leaf := range map[string]*x509.Certificate{
		"ue": {SerialNumber: big.NewInt(3), EmailAddresses: []string{"ue@example.org"}, IPAddresses: []net.IP{net.ParseIP(ueAddr1)}},
		"gw": {
			SerialNumber: big.NewInt(4), DNSNames: []string{"gw.example.org"},
			IPAddresses: []net.IP{net.ParseIP(gwAddr), net.ParseIP(gwAddr6)},
		},
	} {
		leaf.Subject = pkix.Name{Organization: []string{"interop"}, CommonName: name}
		leaf.NotBefore, leaf.NotAfter, leaf.KeyUsage = p.root.NotBefore, p.root.NotAfter, x509.KeyUsageDigitalSignature
		issuer, issuerKey := p.root, rootKey
		if chain {
			issuerKey = newKey(t, p256, 0)
			issuer = p.issue(authority(10+leaf.SerialNumber.Int64(), "intermediate of "+name), p.root, issuerKey.Public(), rootKey)
			p.intermediates[name] = issuer
		}
		p.leaves[name] = p.issue(leaf, issuer, p.keys[name].Public(), issuerKey)
	}
	return p
}

// issue signs a certificate; a nil issuer is the certificate itself.
func (p *pki) issue(c, issuer *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	if issuer == nil {
		issuer = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, public, key)
	require.NoError(p.t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(p.t, err)
	return c
}

func (p *pki) prover(name string) *ikev2.CertificateProver {
	chain := [][]byte{p.leaves[name].Raw}
	if above := p.intermediates[name]; above != nil {
		chain = append(chain, above.Raw)
	}
	return &ikev2.CertificateProver{Key: p.keys[name], Chain: chain}
}

// give writes one side's key and certificates beside charon's configuration, where swanctl looks for them. The authority
// below the root is among charon's own certificates, which it sends; the peer's is not.
func (p *pki) give(c *charon, name string) {
	key, err := x509.MarshalPKCS8PrivateKey(p.keys[name])
	require.NoError(p.t, err)
	certificate := func(cert *x509.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	c.write("private/"+name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	c.write("x509/"+name+".pem", certificate(p.leaves[name]))
	c.write("x509ca/root.pem", certificate(p.root))
	if above := p.intermediates[name]; above != nil {
		c.write("x509/intermediate.pem", certificate(above))
	}
}
