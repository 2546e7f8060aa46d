// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// CertificateProver authenticates us with an X.509 certificate: by RFC 7427 where the peer knows it, otherwise with the
// classic method of the key.
type CertificateProver struct {
	Key crypto.Signer
	// Chain is our certificate and its intermediates, in DER. They are sent in this order.
	Chain [][]byte
	// Issuers are the authorities above Chain, which are not sent. A CertificateChoice finds this certificate by them.
	Issuers []*x509.Certificate
	// PSS makes RSA keys sign with RSASSA-PSS where the peer knows RFC 7427.
	PSS bool
}

// Prove implements Prover.
func (p *CertificateProver) Prove(ctx *AuthContext) (message.AuthMethod, []byte, error) {
	return suite.Sign(p.Key, ctx.Octets, suite.SignOptions{PeerHashes: ctx.PeerHashes, PSS: p.PSS}, rand.Reader)
}

// Certificates implements Prover.
func (p *CertificateProver) Certificates() [][]byte { return p.Chain }

// Inline implements Prover: signatures are expensive.
func (p *CertificateProver) Inline() bool { return false }

// CertificateVerifier accepts peers whose certificate comes from one of its authorities and names the peer's identity
// in its subjectAltName (or is its subject, for ID_DER_ASN1_DN). The chain must be valid at the time of the exchange, and
// the certificate must be one for signatures (keyUsage) and, where it has an extendedKeyUsage at all, for IKE or TLS
// (RFC 4945 5.1.3.2, 5.1.3.12).
type CertificateVerifier struct {
	// SHA1 accepts signatures with SHA-1 too; see suite.VerifyOptions.
	SHA1 bool

	roots  *x509.CertPool
	hashes [][]byte
}

// NewCertificateVerifier returns a verifier that trusts authorities.
func NewCertificateVerifier(authorities ...*x509.Certificate) *CertificateVerifier {
	v := &CertificateVerifier{roots: x509.NewCertPool(), hashes: [][]byte{}}
	for _, c := range authorities {
		v.roots.AddCert(c)
		v.hashes = append(v.hashes, authorityHash(c))
	}
	return v
}

// Verify implements Verifier.
func (v *CertificateVerifier) Verify(ctx *AuthContext, method message.AuthMethod, data []byte, certs [][]byte) error {
	if len(certs) == 0 {
		return errors.New("the peer sent no certificate")
	}
	leaf, err := x509.ParseCertificate(certs[0])
	if err != nil {
		return fmt.Errorf("the peer's certificate: %w", err)
	}
	intermediates := x509.NewCertPool()
	for _, der := range certs[1:] {
		if c, err := x509.ParseCertificate(der); err == nil && affordable(c) == nil {
			intermediates.AddCert(c)
		}
	}
	if err := affordable(leaf); err != nil {
		return err
	}
	if err := usable(leaf); err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: v.roots, Intermediates: intermediates, CurrentTime: ctx.Time,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("the peer's certificate: %w", err)
	}
	if !names(leaf, ctx.Prover) {
		return fmt.Errorf("the peer's certificate is not for %v", ctx.Prover)
	}
	return suite.Verify(leaf.PublicKey, method, data, ctx.Octets, suite.VerifyOptions{SHA1: v.SHA1})
}

// maxRSABits bounds the RSA keys of peers: trying a signature with a longer one, which anybody can send, would take too
// long.
const maxRSABits = 8192

// affordable refuses certificates with keys that are too long.
func affordable(c *x509.Certificate) error {
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return fmt.Errorf("the peer's certificate has an RSA key of %d bits; more than %d are not looked at", key.N.BitLen(), maxRSABits)
	}
	return nil
}

// Authorities implements Verifier.
func (v *CertificateVerifier) Authorities() [][]byte { return v.hashes }

// Inline implements Verifier: signatures are expensive.
func (v *CertificateVerifier) Inline() bool { return false }

// String prints the identity for a log, as message.Identification does.
func (id Identity) String() string { return id.payload().String() }
