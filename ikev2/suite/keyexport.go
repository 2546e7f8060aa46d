// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"crypto/mlkem"
	"math/big"
)

// Private is the private key, for RestoreKey at another node. It must travel encrypted.
func (k *KeyExchange) Private() []byte {
	switch {
	case k.modp != nil:
		return k.modp.Bytes()
	case k.kem != nil:
		return k.kem.Bytes()
	}
	return k.ec.Bytes()
}

// RestoreKey makes a key exchange from what Private gave. It fails when the octets are no private key of the group.
func RestoreKey(g GroupID, private []byte) (*KeyExchange, error) {
	if m := modpGroups[g]; m != nil {
		x := new(big.Int).SetBytes(private)
		if x.BitLen() != m.exponentBits {
			return nil, errPrivateKey
		}
		return &KeyExchange{group: g, modp: x, public: m.power(modpGenerator, x)}, nil
	}
	if kem, ok := kems[g]; ok {
		if len(private) != mlkem.SeedSize {
			return nil, errPrivateKey
		}
		key, public, err := kem.generate(bytes.NewReader(private))
		if err != nil {
			return nil, errPrivateKey
		}
		return &KeyExchange{group: g, kem: key, public: public}, nil
	}
	curve := ecdhCurve(g)
	if curve == nil {
		return nil, errGroup
	}
	key, err := curve.NewPrivateKey(private)
	if err != nil {
		return nil, errPrivateKey
	}
	return &KeyExchange{group: g, ec: key, public: publicOctets(g, key)}, nil
}
