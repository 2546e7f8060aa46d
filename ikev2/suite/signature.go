// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha1" // method 1
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// HashID is a hash algorithm in SIGNATURE_HASH_ALGORITHMS (RFC 7427 7, RFC 8420).
type HashID = uint16

// Hash algorithms.
const (
	HashSHA1     HashID = 1
	HashSHA2_256 HashID = 2
	HashSHA2_384 HashID = 3
	HashSHA2_512 HashID = 4
	HashIdentity HashID = 5 // the signature algorithm hashes by itself: EdDSA
)

// SignatureHashes is what we verify and therefore announce.
var SignatureHashes = []HashID{HashSHA2_256, HashSHA2_384, HashSHA2_512, HashIdentity}

// AppendHashes appends the data of a SIGNATURE_HASH_ALGORITHMS notify.
func AppendHashes(dst []byte, hashes []HashID) []byte {
	for _, h := range hashes {
		dst = binary.BigEndian.AppendUint16(dst, h)
	}
	return dst
}

// ParseHashes reads the data of a SIGNATURE_HASH_ALGORITHMS notify. The result is never nil when
// the data is well formed, so that it tells "sent" from "not sent".
func ParseHashes(data []byte) ([]HashID, error) {
	if len(data)%2 != 0 {
		return nil, fmt.Errorf("suite: SIGNATURE_HASH_ALGORITHMS of %d octets", len(data))
	}
	hashes := make([]HashID, 0, len(data)/2)
	for ; len(data) > 0; data = data[2:] {
		hashes = append(hashes, binary.BigEndian.Uint16(data))
	}
	return hashes, nil
}

// ErrNoSignatureMethod: our key cannot make a signature that the peer says it understands.
var ErrNoSignatureMethod = errors.New("our key and the peer have no signature method in common")

// SignOptions chooses the form of a signature.
type SignOptions struct {
	// PeerHashes is the peer's SIGNATURE_HASH_ALGORITHMS. Without one only the classic methods are
	// left: RSA with SHA-1, and ECDSA with the hash of its curve.
	PeerHashes []HashID
	// PSS makes RSA sign with RSASSA-PSS instead of PKCS #1 v1.5 where the peer speaks RFC 7427.
	PSS bool
}

// Sign makes the content of an AUTH payload from signed octets. Keys: RSA, ECDSA on P-256, P-384 or
// P-521, Ed25519. Errors: one that wraps ErrNoSignatureMethod, and those of key.
func Sign(key crypto.Signer, octets []byte, o SignOptions, random io.Reader) (message.AuthMethod, []byte, error) {
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		return signRSA(key, public, octets, o, random)
	case *ecdsa.PublicKey:
		return signECDSA(key, public, octets, o, random)
	case ed25519.PublicKey:
		if !slices.Contains(o.PeerHashes, HashIdentity) {
			return 0, nil, fmt.Errorf("%w: Ed25519 needs hash 5 (Identity), the peer has %v", ErrNoSignatureMethod, o.PeerHashes)
		}
		sig, err := key.Sign(random, octets, crypto.Hash(0))
		return message.AuthDigitalSignature, digitalSignature(algEd25519, sig), err
	default:
		return 0, nil, fmt.Errorf("%w: a key of type %T", ErrNoSignatureMethod, public)
	}
}

func signRSA(key crypto.Signer, public *rsa.PublicKey, octets []byte, o SignOptions, random io.Reader) (message.AuthMethod, []byte, error) {
	if o.PeerHashes == nil {
		// Who verifies SHA-1 bears its risk: what we sign begins with our own fresh random octets.
		sig, err := key.Sign(random, digest(crypto.SHA1, octets), crypto.SHA1)
		return message.AuthRSA, sig, err
	}
	best := HashSHA2_256
	if public.N.BitLen() > 3072 {
		best = HashSHA2_384
	}
	h, ok := pickHash(best, o.PeerHashes)
	if !ok {
		return 0, nil, fmt.Errorf("%w: RSA needs SHA-2, the peer has hashes %v", ErrNoSignatureMethod, o.PeerHashes)
	}
	hash := hashes[h]
	if o.PSS {
		sig, err := key.Sign(random, digest(hash, octets), &rsa.PSSOptions{SaltLength: hash.Size(), Hash: hash})
		return message.AuthDigitalSignature, digitalSignature(pssIdentifier(h), sig), err
	}
	sig, err := key.Sign(random, digest(hash, octets), hash)
	return message.AuthDigitalSignature, digitalSignature(rsaIdentifiers[h], sig), err
}

func signECDSA(key crypto.Signer, public *ecdsa.PublicKey, octets []byte, o SignOptions, random io.Reader) (message.AuthMethod, []byte, error) {
	c, ok := ecdsaCurves[public.Curve]
	if !ok {
		return 0, nil, fmt.Errorf("%w: an ECDSA key on %s", ErrNoSignatureMethod, public.Curve.Params().Name)
	}
	if o.PeerHashes == nil {
		sig, err := key.Sign(random, digest(hashes[c.hash], octets), hashes[c.hash])
		if err != nil {
			return 0, nil, err
		}
		raw, err := rawECDSA(sig, c.size)
		return c.method, raw, err
	}
	h, ok := pickHash(c.hash, o.PeerHashes)
	if !ok {
		return 0, nil, fmt.Errorf("%w: ECDSA needs SHA-2, the peer has hashes %v", ErrNoSignatureMethod, o.PeerHashes)
	}
	sig, err := key.Sign(random, digest(hashes[h], octets), hashes[h])
	return message.AuthDigitalSignature, digitalSignature(ecdsaIdentifiers[h], sig), err
}

// pickHash prefers best, then a longer one, then a shorter one.
func pickHash(best HashID, peer []HashID) (HashID, bool) {
	for _, h := range []HashID{best, HashSHA2_384, HashSHA2_512, HashSHA2_256} {
		if slices.Contains(peer, h) {
			return h, true
		}
	}
	return 0, false
}

var hashes = map[HashID]crypto.Hash{
	HashSHA1: crypto.SHA1, HashSHA2_256: crypto.SHA256, HashSHA2_384: crypto.SHA384, HashSHA2_512: crypto.SHA512,
}

func digest(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

// ecdsaCurves are the classic methods of RFC 4754.
var ecdsaCurves = map[elliptic.Curve]struct {
	method message.AuthMethod
	hash   HashID
	size   int // octets of r and of s
}{
	elliptic.P256(): {message.AuthECDSA256, HashSHA2_256, 32},
	elliptic.P384(): {message.AuthECDSA384, HashSHA2_384, 48},
	elliptic.P521(): {message.AuthECDSA521, HashSHA2_512, 66},
}

// rawECDSA turns a DER signature into r | s of size octets each (RFC 4754 7).
func rawECDSA(der []byte, size int) ([]byte, error) {
	var r, s big.Int
	in := cryptobyte.String(der)
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1Integer(&r) || !seq.ReadASN1Integer(&s) {
		return nil, errors.New("suite: the ECDSA key gave no DER signature")
	}
	raw := make([]byte, 2*size)
	r.FillBytes(raw[:size])
	s.FillBytes(raw[size:])
	return raw, nil
}

// derECDSA is the reverse of rawECDSA; it fails on a wrong length only.
func derECDSA(raw []byte, size int) ([]byte, bool) {
	if len(raw) != 2*size {
		return nil, false
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[:size]))
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[size:]))
	})
	der, err := b.Bytes()
	return der, err == nil
}

// digitalSignature is the AUTH data of method 14 (RFC 7427 3): length of the AlgorithmIdentifier,
// the AlgorithmIdentifier, the signature.
func digitalSignature(algorithm, signature []byte) []byte {
	b := append(make([]byte, 0, 1+len(algorithm)+len(signature)), byte(len(algorithm)))
	return append(append(b, algorithm...), signature...)
}
