// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"fmt"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// algorithms are one direction's transforms under the kernel's names, with their keys.
type algorithms struct{ aead, crypt, auth *xfrm.Algorithm }

const icv16 = 128 // bits

var macs = map[uint16]struct {
	name string
	bits int
}{
	ipsec.IntegHMACSHA1_96:    {"hmac(sha1)", 96},
	ipsec.IntegHMACSHA256_128: {"hmac(sha256)", 128},
	ipsec.IntegHMACSHA384_192: {"hmac(sha384)", 192},
	ipsec.IntegHMACSHA512_256: {"hmac(sha512)", 256},
}

// newAlgorithms translates; lengths of keys are judged by package esp, which knows the same transforms.
func newAlgorithms(spi uint32, alg ipsec.Algorithms, keys ipsec.Keys, esn bool) (algorithms, error) {
	if _, err := esp.NewOutbound(spi, alg, keys, esn, 0); err != nil {
		return algorithms{}, err
	}
	key := bytes.Clone(keys.Encr)
	switch alg.Encr {
	case ipsec.EncrAESGCM16:
		return algorithms{aead: &xfrm.Algorithm{Name: "rfc4106(gcm(aes))", Key: key, Bits: icv16}}, nil
	case ipsec.EncrChaCha20Poly1305:
		return algorithms{aead: &xfrm.Algorithm{Name: "rfc7539esp(chacha20,poly1305)", Key: key, Bits: icv16}}, nil
	case ipsec.EncrAESCBC:
		if mac, ok := macs[alg.Integ]; ok {
			return algorithms{
				crypt: &xfrm.Algorithm{Name: "cbc(aes)", Key: key},
				auth:  &xfrm.Algorithm{Name: mac.name, Key: bytes.Clone(keys.Integ), Bits: mac.bits},
			}, nil
		}
	}
	return algorithms{}, fmt.Errorf("%w: encryption %d with integrity %d", ipsec.ErrAlgorithm, alg.Encr, alg.Integ)
}

// forget clears the keys.
func (a *algorithms) forget() {
	for _, x := range [3]*xfrm.Algorithm{a.aead, a.crypt, a.auth} {
		if x != nil {
			clear(x.Key)
		}
	}
}
