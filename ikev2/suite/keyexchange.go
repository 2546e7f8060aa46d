// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"math/big"
)

var (
	// ErrPublicValue: the peer's public value has the wrong length, is not in the group, or gives
	// a shared secret that everybody knows. The exchange fails with INVALID_SYNTAX (RFC 7296 2.21).
	ErrPublicValue = errors.New("invalid public value of the key exchange")
	errGroup       = errors.New("suite: key exchange method does not exist here")
	errPrivateKey  = errors.New("suite: not a private key of the key exchange method")
)

// KeyExchange is our half of one key exchange: a fresh private key. Public values have the form of
// the group's RFC: MODP left-padded to the length of the modulus, ECP x|y, Curve25519 as is, ML-KEM
// the encapsulation key (initiator) and the ciphertext (responder).
type KeyExchange struct {
	group  GroupID
	public []byte
	ec     *ecdh.PrivateKey
	modp   *big.Int
	kem    decapsulator
}

// GenerateKey draws a private key of a supported group from random.
func GenerateKey(g GroupID, random io.Reader) (*KeyExchange, error) {
	if m := modpGroups[g]; m != nil {
		x, err := m.exponent(random)
		if err != nil {
			return nil, err
		}
		return &KeyExchange{group: g, modp: x, public: m.power(modpGenerator, x)}, nil
	}
	if kem, ok := kems[g]; ok {
		key, public, err := kem.generate(random)
		if err != nil {
			return nil, err
		}
		return &KeyExchange{group: g, kem: key, public: public}, nil
	}
	curve := ecdhCurve(g)
	if curve == nil {
		return nil, errGroup
	}
	// Not curve.GenerateKey: it takes no notice of the reader any more, and a run from a seed
	// must be reproducible.
	size, mask := scalarSize(g)
	scalar := make([]byte, size)
	for range 64 { // the order of P-256 leaves out one scalar in 2^32, the others fewer
		if _, err := io.ReadFull(random, scalar); err != nil {
			return nil, fmt.Errorf("suite: key exchange: %w", err)
		}
		scalar[0] &= mask
		key, err := curve.NewPrivateKey(scalar)
		if err != nil {
			continue
		}
		return &KeyExchange{group: g, ec: key, public: publicOctets(g, key)}, nil
	}
	return nil, errors.New("suite: key exchange: the random source gives no valid private key")
}

// publicOctets is the data of the KE payload.
func publicOctets(g GroupID, key *ecdh.PrivateKey) []byte {
	public := key.PublicKey().Bytes()
	if g != CURVE25519 {
		public = public[1:] // without the octet that says "uncompressed" (RFC 5903 7)
	}
	return public
}

// Group is the key exchange method.
func (k *KeyExchange) Group() GroupID { return k.group }

// Public is the data of our KE payload.
func (k *KeyExchange) Public() []byte { return k.public }

// Shared computes the shared secret (g^ir) with the data of the peer's KE payload: for MODP as long
// as the modulus, for ECP the x coordinate. Error: ErrPublicValue. A wrong ciphertext of ML-KEM gives
// no error but another secret (FIPS 203 6.3): the peers find out at the next message.
func (k *KeyExchange) Shared(peer []byte) ([]byte, error) {
	if len(peer) != k.group.answerLen() {
		return nil, ErrPublicValue
	}
	if k.kem != nil {
		return k.kem.Decapsulate(peer)
	}
	if k.modp != nil {
		m := modpGroups[k.group]
		y, err := m.publicValue(peer)
		if err != nil {
			return nil, err
		}
		return m.power(y, k.modp), nil
	}
	if k.group != CURVE25519 {
		peer = append([]byte{4}, peer...)
	}
	public, err := ecdhCurve(k.group).NewPublicKey(peer)
	if err != nil {
		return nil, ErrPublicValue
	}
	secret, err := k.ec.ECDH(public)
	if err != nil { // Curve25519 gave zero
		return nil, ErrPublicValue
	}
	return secret, nil
}

// Respond is a responder's whole key exchange: a fresh key, its public value and the shared secret
// with the peer's. ML-KEM takes no randomness from random, crypto/mlkem has its own. Error:
// ErrPublicValue, or that of random.
func Respond(g GroupID, random io.Reader, peer []byte) (public, secret []byte, err error) {
	if kem, ok := kems[g]; ok {
		if secret, public, err = kem.encapsulate(peer); err != nil {
			return nil, nil, ErrPublicValue
		}
		return public, secret, nil
	}
	k, err := GenerateKey(g, random)
	if err != nil {
		return nil, nil, err
	}
	secret, err = k.Shared(peer)
	return k.Public(), secret, err
}

// RespondFull is Respond for peers that drop leading zero octets of MODP values (Profile.FullMODP):
// it draws again until neither the public value nor the shared secret begins with one, which is 1
// time in 128. Other groups are not affected.
func RespondFull(g GroupID, random io.Reader, peer []byte) (public, secret []byte, err error) {
	for range 32 {
		if public, secret, err = Respond(g, random, peer); err != nil {
			return nil, nil, err
		}
		if modpGroups[g] == nil || public[0] != 0 && secret[0] != 0 {
			break
		}
	}
	return public, secret, nil
}

func ecdhCurve(g GroupID) ecdh.Curve {
	switch g {
	case ECP_256:
		return ecdh.P256()
	case ECP_384:
		return ecdh.P384()
	case ECP_521:
		return ecdh.P521()
	case CURVE25519:
		return ecdh.X25519()
	}
	return nil
}

// scalarSize is the length of a private key and the bits of its first octet that may be set.
func scalarSize(g GroupID) (size int, mask byte) {
	switch g {
	case ECP_384:
		return 48, 0xff
	case ECP_521:
		return 66, 0x01
	}
	return 32, 0xff
}
