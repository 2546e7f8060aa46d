// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"slices"
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// A Chooser is a Prover that becomes another one for each handshake: one of several, or one that is replaced at run
// time. The certificates and the proof of a handshake come from the same one.
type Chooser interface {
	Prover
	// Choose must be cheap. The result is not asked to choose again.
	Choose(ctx *AuthContext) Prover
}

// choose finds the prover of this handshake.
func choose(p Prover, ctx *AuthContext) Prover {
	if c, ok := p.(Chooser); ok {
		return c.Choose(ctx)
	}
	return p
}

// CertificateChoice is several certificates, the preferred one first. A peer gets the first that its CERTREQ asks for
// and whose signature it understands; then the first that it understands; then the first (RFC 7296 3.7: CERTREQ is a
// hint).
type CertificateChoice []*CertificateProver

// Choose implements Chooser.
func (c CertificateChoice) Choose(ctx *AuthContext) Prover {
	var best *CertificateProver
	score := -1
	for _, p := range c {
		n := 0
		if understood(p.Key.Public(), ctx.PeerHashes) {
			n = 1
			if p.requested(ctx.PeerAuthorities) {
				n = 2
			}
		}
		if n > score {
			best, score = p, n
		}
	}
	return best
}

// Prove implements Prover.
func (c CertificateChoice) Prove(ctx *AuthContext) (message.AuthMethod, []byte, error) {
	return c.Choose(ctx).Prove(ctx)
}

// Certificates implements Prover: those of the preferred one.
func (c CertificateChoice) Certificates() [][]byte { return c[0].Certificates() }

// Inline implements Prover.
func (c CertificateChoice) Inline() bool { return false }

// understood tells whether a peer with these hashes can verify a signature of the key.
func understood(public crypto.PublicKey, hashes []suite.HashID) bool {
	switch public.(type) {
	case ed25519.PublicKey:
		return slices.Contains(hashes, suite.HashIdentity)
	case *ecdsa.PublicKey, *rsa.PublicKey:
		return hashes == nil || slices.ContainsFunc(hashes, func(h suite.HashID) bool {
			return h == suite.HashSHA2_256 || h == suite.HashSHA2_384 || h == suite.HashSHA2_512
		})
	}
	return false
}

// requested tells whether one of the authorities is above the certificate.
func (p *CertificateProver) requested(authorities [][]byte) bool {
	above := slices.Clone(p.Issuers)
	for _, der := range p.Chain[min(1, len(p.Chain)):] {
		if c, err := x509.ParseCertificate(der); err == nil {
			above = append(above, c)
		}
	}
	return slices.ContainsFunc(above, func(c *x509.Certificate) bool {
		sum := authorityHash(c)
		return slices.ContainsFunc(authorities, func(a []byte) bool { return bytes.Equal(a, sum) })
	})
}

// authorityHash is what CERTREQ calls an authority (RFC 7296 3.7). Nothing depends on the strength of the hash.
func authorityHash(c *x509.Certificate) []byte {
	sum := sha1.Sum(c.RawSubjectPublicKeyInfo)
	return sum[:]
}

// maxAuthorities bounds what is kept of a peer's CERTREQ payloads.
const maxAuthorities = 64

// learnRequest takes a CERTREQ payload.
func (hs *handshake) learnRequest(p *message.CertificateRequest) {
	hs.certWanted = true
	if p.Encoding != message.CertX509Signature || len(p.Authorities)%sha1.Size != 0 {
		return
	}
	for a := range slices.Chunk(p.Authorities, sha1.Size) {
		if len(hs.authorities) == maxAuthorities {
			return
		}
		hs.authorities = append(hs.authorities, bytes.Clone(a))
	}
}

// ReloadableProver is a Prover that can be replaced while sessions use it: handshakes from then on use the new one,
// those under way finish with theirs, and established sessions notice nothing.
type ReloadableProver struct{ current atomic.Pointer[Prover] }

// NewReloadableProver returns one that starts with p.
func NewReloadableProver(p Prover) *ReloadableProver {
	r := new(ReloadableProver)
	r.Store(p)
	return r
}

// Store replaces the prover. It is safe at any time and from any goroutine.
func (r *ReloadableProver) Store(p Prover) { r.current.Store(&p) }

// Load is the present prover.
func (r *ReloadableProver) Load() Prover { return *r.current.Load() }

// Choose implements Chooser.
func (r *ReloadableProver) Choose(ctx *AuthContext) Prover { return choose(r.Load(), ctx) }

// Prove implements Prover.
func (r *ReloadableProver) Prove(ctx *AuthContext) (message.AuthMethod, []byte, error) {
	return r.Choose(ctx).Prove(ctx)
}

// Certificates implements Prover.
func (r *ReloadableProver) Certificates() [][]byte { return r.Load().Certificates() }

// Inline implements Prover.
func (r *ReloadableProver) Inline() bool { return r.Load().Inline() }

// ReloadableVerifier is a Verifier that can be replaced while sessions use it.
type ReloadableVerifier struct{ current atomic.Pointer[Verifier] }

// NewReloadableVerifier returns one that starts with v.
func NewReloadableVerifier(v Verifier) *ReloadableVerifier {
	r := new(ReloadableVerifier)
	r.Store(v)
	return r
}

// Store replaces the verifier. It is safe at any time and from any goroutine.
func (r *ReloadableVerifier) Store(v Verifier) { r.current.Store(&v) }

// Verify implements Verifier.
func (r *ReloadableVerifier) Verify(ctx *AuthContext, method message.AuthMethod, data []byte, certs [][]byte) error {
	return (*r.current.Load()).Verify(ctx, method, data, certs)
}

// Authorities implements Verifier.
func (r *ReloadableVerifier) Authorities() [][]byte { return (*r.current.Load()).Authorities() }

// Inline implements Verifier.
func (r *ReloadableVerifier) Inline() bool { return (*r.current.Load()).Inline() }
