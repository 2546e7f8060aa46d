// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"crypto"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// AlgorithmIdentifiers in DER as RFC 7427 appendix A and RFC 8420 appendix A print them.
var (
	rsaIdentifiers = map[HashID][]byte{
		HashSHA1:     {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00},
		HashSHA2_256: {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00},
		HashSHA2_384: {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c, 0x05, 0x00},
		HashSHA2_512: {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d, 0x05, 0x00},
	}
	ecdsaIdentifiers = map[HashID][]byte{
		HashSHA1:     {0x30, 0x09, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01},
		HashSHA2_256: {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02},
		HashSHA2_384: {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03},
		HashSHA2_512: {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04},
	}
	algEd25519 = []byte{0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70}
)

var (
	oidPSS    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidHashes = map[HashID]asn1.ObjectIdentifier{
		HashSHA1:     {1, 3, 14, 3, 2, 26},
		HashSHA2_256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
		HashSHA2_384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
		HashSHA2_512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
	}
)

// pssIdentifier is the AlgorithmIdentifier of RSASSA-PSS with h, MGF1 with h and a salt as long as
// the output of h (RFC 4055 3.1).
func pssIdentifier(h HashID) []byte {
	hash := func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidHashes[h])
			b.AddASN1NULL()
		})
	}
	explicit := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).Constructed().ContextSpecific() }
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidPSS)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(explicit(0), hash)
			b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidMGF1)
					hash(b)
				})
			})
			b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(hashes[h].Size())) })
		})
	})
	return b.BytesOrPanic()
}

type signatureScheme uint8

const (
	schemeUnknown signatureScheme = iota
	schemePKCS1
	schemePSS
	schemeECDSA
	schemeEd25519
)

// signatureAlgorithm is what an AlgorithmIdentifier says.
type signatureAlgorithm struct {
	scheme  signatureScheme
	hash    crypto.Hash
	saltLen int // PSS
}

// parseAlgorithm reads the AlgorithmIdentifier of an AUTH payload of method 14.
func parseAlgorithm(der []byte) signatureAlgorithm {
	for h, id := range rsaIdentifiers {
		// Some leave the NULL parameters out, which RFC 4055 5 asks receivers to accept.
		if bytes.Equal(der, id) || len(der) == 13 && der[0] == 0x30 && der[1] == 11 && bytes.Equal(der[2:], id[2:13]) {
			return signatureAlgorithm{scheme: schemePKCS1, hash: hashes[h]}
		}
	}
	for h, id := range ecdsaIdentifiers {
		if bytes.Equal(der, id) {
			return signatureAlgorithm{scheme: schemeECDSA, hash: hashes[h]}
		}
	}
	if bytes.Equal(der, algEd25519) {
		return signatureAlgorithm{scheme: schemeEd25519}
	}
	return parsePSS(der)
}

// algorithmIdentifier is AlgorithmIdentifier of RFC 5280.
type algorithmIdentifier struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

// pssParameters is RSASSA-PSS-params of RFC 4055 3.1. Left-out fields mean SHA-1.
type pssParameters struct {
	Hash    algorithmIdentifier `asn1:"explicit,tag:0,optional"`
	MGF     algorithmIdentifier `asn1:"explicit,tag:1,optional"`
	SaltLen int                 `asn1:"explicit,tag:2,optional,default:20"`
	Trailer int                 `asn1:"explicit,tag:3,optional,default:1"`
}

// parsePSS only knows the sane form: MGF1 with the same SHA-2 hash.
func parsePSS(der []byte) signatureAlgorithm {
	var id, mgfHash algorithmIdentifier
	var p pssParameters
	if rest, err := asn1.Unmarshal(der, &id); err != nil || len(rest) > 0 || !id.Algorithm.Equal(oidPSS) {
		return signatureAlgorithm{}
	}
	if rest, err := asn1.Unmarshal(id.Parameters.FullBytes, &p); err != nil || len(rest) > 0 || !p.MGF.Algorithm.Equal(oidMGF1) {
		return signatureAlgorithm{}
	}
	if rest, err := asn1.Unmarshal(p.MGF.Parameters.FullBytes, &mgfHash); err != nil || len(rest) > 0 {
		return signatureAlgorithm{}
	}
	for h, oid := range oidHashes {
		if p.Hash.Algorithm.Equal(oid) && mgfHash.Algorithm.Equal(oid) && p.Trailer == 1 && p.SaltLen >= 0 && p.SaltLen <= 512 {
			return signatureAlgorithm{scheme: schemePSS, hash: hashes[h], saltLen: p.SaltLen}
		}
	}
	return signatureAlgorithm{}
}
