// SPDX-License-Identifier: Apache-2.0

package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

const (
	headerLen  = 8 // SPI and sequence number
	trailerLen = 2 // pad length and next header
	saltLen    = 4 // of all AEADs here: RFC 4106 4, RFC 7634 2
	aeadIVLen  = 8
	aeadICVLen = 16
)

// Scratch is working memory of one goroutine, for any number of SAs.
type Scratch struct {
	nonce [12]byte
	aad   [12]byte
	sum   [64]byte
}

// transform is a keyed algorithm of one direction.
type transform struct {
	aead cipher.AEAD // or
	cbc  *cbcHMAC
	salt [saltLen]byte

	ivLen, icvLen int
	align         int // of payload, padding and trailer together
}

func newTransform(alg ipsec.Algorithms, keys ipsec.Keys, decrypt bool) (t transform, err error) {
	bad := func(what string, n int) (transform, error) {
		return transform{}, fmt.Errorf("%w: ENCR %d with INTEG %d: %s of %d octets", ipsec.ErrAlgorithm, alg.Encr, alg.Integ, what, n)
	}
	switch alg.Encr {
	case ipsec.EncrAESCBC:
		if n := len(keys.Encr); n != 16 && n != 24 && n != 32 {
			return bad("encryption key", n)
		}
		mac, ok := hmacs[alg.Integ]
		if !ok || len(keys.Integ) != mac.keyLen {
			return bad("integrity key", len(keys.Integ))
		}
		if t.cbc, err = newCBCHMAC(mac, keys, decrypt); err != nil {
			return transform{}, err
		}
		t.ivLen, t.icvLen, t.align = aes.BlockSize, mac.icvLen, aes.BlockSize
		return t, nil
	case ipsec.EncrAESGCM16, ipsec.EncrChaCha20Poly1305:
		n := len(keys.Encr) - saltLen
		if alg.Integ != ipsec.IntegNone || len(keys.Integ) != 0 {
			return bad("integrity key", len(keys.Integ))
		}
		if n != 32 && (alg.Encr == ipsec.EncrChaCha20Poly1305 || n != 16 && n != 24) {
			return bad("encryption key with salt", n+saltLen)
		}
		copy(t.salt[:], keys.Encr[n:])
		if alg.Encr == ipsec.EncrChaCha20Poly1305 {
			t.aead, err = chacha20poly1305.New(keys.Encr[:n])
		} else {
			var block cipher.Block
			if block, err = aes.NewCipher(keys.Encr[:n]); err == nil {
				t.aead, err = cipher.NewGCM(block)
			}
		}
		if err != nil {
			return transform{}, err
		}
		t.ivLen, t.icvLen, t.align = aeadIVLen, aeadICVLen, 4
		return t, nil
	}
	return bad("encryption key", len(keys.Encr))
}

// padding is how many pad octets follow n octets of payload.
func (t *transform) padding(n int) int {
	return (t.align - (n+trailerLen)%t.align) % t.align
}

// size is the length of the ESP packet for n octets of payload.
func (t *transform) size(n int) int {
	return headerLen + t.ivLen + n + t.padding(n) + trailerLen + t.icvLen
}

// Overhead is how many octets ESP adds at most to a packet under alg, and the alignment that padding brings it to: a packet of n octets
// becomes n + fixed, rounded so that n + 2 is a multiple of align.
func Overhead(alg ipsec.Algorithms) (fixed, align int) {
	if alg.Encr == ipsec.EncrAESCBC {
		return headerLen + aes.BlockSize + trailerLen + hmacs[alg.Integ].icvLen, aes.BlockSize
	}
	return headerLen + aeadIVLen + trailerLen + aeadICVLen, 4
}

// MaxInner is the longest inner packet whose ESP packet has at most n octets (without outer IP and UDP headers).
func MaxInner(alg ipsec.Algorithms, n int) int {
	fixed, align := Overhead(alg)
	room := n - fixed + trailerLen
	return max(room/align*align-trailerLen, 0)
}

// additional gives the additional authenticated data of an AEAD (RFC 4106 5, RFC 7634 2): SPI and sequence number, of 64 bits with ESN.
func additional(sc *Scratch, header []byte, seq uint64, esn bool) []byte {
	if !esn {
		return header
	}
	copy(sc.aad[:4], header[:4])
	putUint64(sc.aad[4:], seq)
	return sc.aad[:]
}

// nonce gives the AEAD's nonce: salt and explicit IV.
func (t *transform) nonce(sc *Scratch, iv []byte) []byte {
	copy(sc.nonce[:saltLen], t.salt[:])
	copy(sc.nonce[saltLen:], iv)
	return sc.nonce[:]
}
