// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// Identity is the content of an IDi or IDr payload (RFC 7296 3.5).
type Identity struct {
	Type message.IDType
	Data []byte
}

// AuthContext is what an AUTH payload is made of and checked with (RFC 7296 2.15).
type AuthContext struct {
	// Octets are the signed octets of the side that sends the AUTH payload.
	Octets []byte
	// PRF is that of the IKE SA; shared-key AUTH payloads are made with it.
	PRF suite.PRFID
	// Time is now, for the validity of certificates.
	Time time.Time
	// Prover and Verifier are the identities of the sender and the receiver of the AUTH payload.
	Prover, Verifier Identity
	// PeerHashes are the hash algorithms of the peer's SIGNATURE_HASH_ALGORITHMS (RFC 7427 4); nil when it sent none,
	// and then only the classic methods may be used towards it.
	PeerHashes []suite.HashID
	// PeerAuthorities are the authorities of the peer's CERTREQ payloads: SHA-1 hashes of their SubjectPublicKeyInfo
	// (RFC 7296 3.7). Empty: any.
	PeerAuthorities [][]byte
}

// Prover makes our AUTH payloads. Implementations: *PSK, *CertificateProver, CertificateChoice, *ReloadableProver.
type Prover interface {
	// Prove makes the content of an AUTH payload. It runs as Work unless Inline is true.
	Prove(ctx *AuthContext) (method message.AuthMethod, data []byte, err error)
	// Certificates are the DER certificates to send when the peer asked for them, ours first.
	Certificates() [][]byte
	// Inline says that Prove is cheap.
	Inline() bool
}

// Verifier checks the peer's AUTH payload. Implementations: *PSK, *CertificateVerifier, *ReloadableVerifier.
type Verifier interface {
	// Verify returns nil when the AUTH payload proves ctx.Prover. certs are the DER certificates of the peer's CERT
	// payloads. It runs as Work unless Inline is true.
	Verify(ctx *AuthContext, method message.AuthMethod, data []byte, certs [][]byte) error
	// Authorities are the SHA-1 hashes of the trusted CAs' SubjectPublicKeyInfo for a CERTREQ payload; nil: none is sent.
	Authorities() [][]byte
	// Inline says that Verify is cheap.
	Inline() bool
}
