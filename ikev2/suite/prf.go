// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

func (p PRFID) hash() func() hash.Hash {
	switch p {
	case PRF_HMAC_SHA1:
		return sha1.New
	case PRF_HMAC_SHA2_256:
		return sha256.New
	case PRF_HMAC_SHA2_384:
		return sha512.New384
	case PRF_HMAC_SHA2_512:
		return sha512.New
	}
	return nil
}

func (i IntegID) hash() func() hash.Hash {
	switch i {
	case AUTH_HMAC_SHA1_96:
		return sha1.New
	case AUTH_HMAC_SHA2_256_128:
		return sha256.New
	case AUTH_HMAC_SHA2_384_192:
		return sha512.New384
	case AUTH_HMAC_SHA2_512_256:
		return sha512.New
	}
	return nil
}

// New returns the integrity algorithm as a keyed hash; its Sum is to be cut to ICVLen octets.
// The algorithm must be Supported.
func (i IntegID) New(key []byte) hash.Hash { return hmac.New(i.hash(), key) }

// Sum is prf(key, data[0] | data[1] | ...). The function must be Supported.
func (p PRFID) Sum(key []byte, data ...[]byte) []byte {
	mac := hmac.New(p.hash(), key)
	for _, d := range data {
		mac.Write(d)
	}
	return mac.Sum(nil)
}

// Expand is the first n octets of prf+(key, seed[0] | seed[1] | ...) (RFC 7296 2.13). n is at most
// 255 times Len; more panics, because no suite needs it.
func (p PRFID) Expand(n int, key []byte, seed ...[]byte) []byte {
	if n > 255*p.Len() {
		panic("suite: prf+ is not defined for so much key material")
	}
	out := make([]byte, 0, n+p.Len())
	mac := hmac.New(p.hash(), key)
	for i := byte(1); len(out) < n; i++ {
		mac.Reset()
		if i > 1 {
			mac.Write(out[len(out)-p.Len():])
		}
		for _, s := range seed {
			mac.Write(s)
		}
		mac.Write([]byte{i})
		out = mac.Sum(out)
	}
	return out[:n:n]
}
