// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"hash/fnv"
	"io"
	"math/big"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// Ed25519 keys and signatures follow from their seed alone, so a run with certificates repeats octet by octet.
func keyOf(name string) ed25519.PrivateKey {
	h := fnv.New64a()
	h.Write([]byte(name))
	r := rand.NewChaCha8(seedOf(h.Sum64()))
	seed := make([]byte, ed25519.SeedSize)
	io.ReadFull(r, seed) //nolint:errcheck // ChaCha8 does not fail
	return ed25519.NewKeyFromSeed(seed)
}

var pki = sync.OnceValue(func() *x509.Certificate {
	c, err := x509.ParseCertificate(issue("sim CA", nil))
	if err != nil {
		panic(err)
	}
	return c
})

// issue makes a certificate that the CA signs; the CA's own when ca is nil.
func issue(name string, ca *x509.Certificate) []byte {
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.Add(10000 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if ca == nil {
		tmpl.DNSNames, tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = nil, true, true, x509.KeyUsageCertSign
		ca = tmpl
	}
	der, err := x509.CreateCertificate(nil, tmpl, ca, keyOf(name).Public(), keyOf("sim CA"))
	if err != nil {
		panic(err)
	}
	return der
}

var issued sync.Map // identity: DER

func credentials(identity string) (ikev2.Prover, ikev2.Verifier) {
	der, ok := issued.Load(identity)
	if !ok {
		der, _ = issued.LoadOrStore(identity, issue(identity, pki()))
	}
	return &ikev2.CertificateProver{Key: keyOf(identity), Chain: [][]byte{der.([]byte)}}, ikev2.NewCertificateVerifier(pki())
}
