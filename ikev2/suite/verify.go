// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

var (
	// ErrSignature: the signature does not match. The answer is AUTHENTICATION_FAILED.
	ErrSignature = errors.New("the signature of the AUTH payload does not match")
	// ErrSignatureMethod: the AUTH payload's method, algorithm or hash is not acceptable for the
	// peer's key. The answer is AUTHENTICATION_FAILED.
	ErrSignatureMethod = errors.New("the signature method of the AUTH payload is not acceptable")
)

const minRSABits = 2048

// VerifyOptions says what Verify accepts beyond SHA-2.
type VerifyOptions struct {
	// SHA1 accepts RSA with SHA-1 (method 1, and method 14 with that hash). Whoever can make
	// collisions of SHA-1 fast enough can then impersonate the peer.
	SHA1 bool
}

// Verify checks the AUTH payload of a peer with that public key over signed octets. Errors wrap
// ErrSignature or ErrSignatureMethod.
func Verify(public crypto.PublicKey, method message.AuthMethod, data, octets []byte, o VerifyOptions) error {
	switch method {
	case message.AuthRSA:
		return verifyAlgorithm(public, signatureAlgorithm{scheme: schemePKCS1, hash: crypto.SHA1}, data, octets, o)
	case message.AuthECDSA256, message.AuthECDSA384, message.AuthECDSA521:
		return verifyClassicECDSA(public, method, data, octets)
	case message.AuthDigitalSignature:
		if len(data) == 0 || len(data) < 1+int(data[0]) {
			return fmt.Errorf("%w: truncated", ErrSignatureMethod)
		}
		n := 1 + int(data[0])
		a := parseAlgorithm(data[1:n])
		if a.scheme == schemeUnknown {
			return fmt.Errorf("%w: unknown algorithm %x", ErrSignatureMethod, data[1:n])
		}
		return verifyAlgorithm(public, a, data[n:], octets, o)
	}
	return fmt.Errorf("%w: %v is no signature", ErrSignatureMethod, method)
}

func verifyClassicECDSA(public crypto.PublicKey, method message.AuthMethod, data, octets []byte) error {
	curve := map[message.AuthMethod]elliptic.Curve{
		message.AuthECDSA256: elliptic.P256(), message.AuthECDSA384: elliptic.P384(), message.AuthECDSA521: elliptic.P521(),
	}[method]
	key, ok := public.(*ecdsa.PublicKey)
	if !ok || key.Curve != curve {
		return fmt.Errorf("%w: %v with a key of another kind", ErrSignatureMethod, method)
	}
	c := ecdsaCurves[curve]
	der, ok := derECDSA(data, c.size)
	if !ok || !ecdsa.VerifyASN1(key, digest(hashes[c.hash], octets), der) {
		return ErrSignature
	}
	return nil
}

func verifyAlgorithm(public crypto.PublicKey, a signatureAlgorithm, sig, octets []byte, o VerifyOptions) error {
	if a.hash == crypto.SHA1 && !o.SHA1 {
		return fmt.Errorf("%w: SHA-1", ErrSignatureMethod)
	}
	ok := false
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits {
			return fmt.Errorf("%w: an RSA key of %d bits, at least %d are required", ErrSignatureMethod, bits, minRSABits)
		}
		switch a.scheme {
		case schemePKCS1:
			ok = rsa.VerifyPKCS1v15(key, a.hash, digest(a.hash, octets), sig) == nil
		case schemePSS:
			ok = rsa.VerifyPSS(key, a.hash, digest(a.hash, octets), sig, &rsa.PSSOptions{SaltLength: a.saltLen, Hash: a.hash}) == nil
		default:
			return fmt.Errorf("%w: the peer's key is RSA", ErrSignatureMethod)
		}
	case *ecdsa.PublicKey:
		if a.scheme != schemeECDSA || a.hash == crypto.SHA1 {
			return fmt.Errorf("%w: the peer's key is ECDSA", ErrSignatureMethod)
		}
		ok = ecdsa.VerifyASN1(key, digest(a.hash, octets), sig)
	case ed25519.PublicKey:
		if a.scheme != schemeEd25519 {
			return fmt.Errorf("%w: the peer's key is Ed25519", ErrSignatureMethod)
		}
		ok = len(key) == ed25519.PublicKeySize && ed25519.Verify(key, octets, sig)
	default:
		return fmt.Errorf("%w: the peer's key is of type %T", ErrSignatureMethod, public)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}
