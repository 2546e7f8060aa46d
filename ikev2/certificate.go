// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// CertificateProver authenticates us with an X.509 certificate: by RFC 7427 where the peer knows it, otherwise with the
// classic method of the key.
type CertificateProver struct {
	Key crypto.Signer
	// Chain is our certificate and its intermediates, in DER.
	Chain [][]byte
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
// in its subjectAltName (or is its subject, for ID_DER_ASN1_DN).
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
		sum := sha1.Sum(c.RawSubjectPublicKeyInfo) // RFC 7296 3.7 wants this hash; nothing depends on its strength
		v.hashes = append(v.hashes, sum[:])
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
		if c, err := x509.ParseCertificate(der); err == nil {
			intermediates.AddCert(c)
		}
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

// Authorities implements Verifier.
func (v *CertificateVerifier) Authorities() [][]byte { return v.hashes }

// Inline implements Verifier: signatures are expensive.
func (v *CertificateVerifier) Inline() bool { return false }

// names tells whether the certificate is one of the identity (RFC 7296 4, RFC 4945 3.1).
func names(c *x509.Certificate, id Identity) bool {
	switch id.Type {
	case message.ID_FQDN:
		return c.VerifyHostname(string(id.Data)) == nil && !looksLikeIP(string(id.Data))
	case message.ID_RFC822_ADDR:
		return slices.Contains(c.EmailAddresses, string(id.Data))
	case message.ID_IPV4_ADDR, message.ID_IPV6_ADDR:
		return slices.ContainsFunc(c.IPAddresses, func(ip net.IP) bool {
			a, ok1 := netip.AddrFromSlice(ip)
			b, ok2 := netip.AddrFromSlice(id.Data)
			return ok1 && ok2 && a.Unmap() == b.Unmap()
		})
	case message.ID_DER_ASN1_DN:
		return bytes.Equal(c.RawSubject, id.Data)
	}
	return false
}

func looksLikeIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// String prints the identity for a log, as message.Identification does.
func (id Identity) String() string { return id.payload().String() }
