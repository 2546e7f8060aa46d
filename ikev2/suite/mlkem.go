// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/mlkem"
	"fmt"
	"io"
)

// decapsulator is the initiator's private key of a key encapsulation.
type decapsulator interface {
	Decapsulate(ciphertext []byte) (secret []byte, err error)
	Bytes() []byte // the seed
}

// kem is a key encapsulation in the place of a Diffie-Hellman group.
type kem struct {
	generate    func(random io.Reader) (key decapsulator, public []byte, err error)
	encapsulate func(public []byte) (secret, ciphertext []byte, err error)
}

var kems = map[GroupID]kem{
	ML_KEM_768: {
		generate: func(random io.Reader) (decapsulator, []byte, error) {
			seed, err := kemSeed(random)
			if err != nil {
				return nil, nil, err
			}
			key, err := mlkem.NewDecapsulationKey768(seed)
			if err != nil {
				return nil, nil, err
			}
			return key, key.EncapsulationKey().Bytes(), nil
		},
		encapsulate: func(public []byte) ([]byte, []byte, error) {
			key, err := mlkem.NewEncapsulationKey768(public)
			if err != nil {
				return nil, nil, err
			}
			secret, ciphertext := key.Encapsulate()
			return secret, ciphertext, nil
		},
	},
	ML_KEM_1024: {
		generate: func(random io.Reader) (decapsulator, []byte, error) {
			seed, err := kemSeed(random)
			if err != nil {
				return nil, nil, err
			}
			key, err := mlkem.NewDecapsulationKey1024(seed)
			if err != nil {
				return nil, nil, err
			}
			return key, key.EncapsulationKey().Bytes(), nil
		},
		encapsulate: func(public []byte) ([]byte, []byte, error) {
			key, err := mlkem.NewEncapsulationKey1024(public)
			if err != nil {
				return nil, nil, err
			}
			secret, ciphertext := key.Encapsulate()
			return secret, ciphertext, nil
		},
	},
}

func kemSeed(random io.Reader) ([]byte, error) {
	seed := make([]byte, mlkem.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("suite: key exchange: %w", err)
	}
	return seed, nil
}
