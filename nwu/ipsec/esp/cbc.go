// SPDX-License-Identifier: Apache-2.0

package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // HMAC-SHA1-96 for old UEs, only in a profile that must be chosen
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// mac is an integrity transform (RFC 2404, RFC 4868).
type mac struct {
	hash           func() hash.Hash
	keyLen, icvLen int
}

var hmacs = map[uint16]mac{
	ipsec.IntegHMACSHA1_96:    {sha1.New, 20, 12},
	ipsec.IntegHMACSHA256_128: {sha256.New, 32, 16},
	ipsec.IntegHMACSHA384_192: {sha512.New384, 48, 24},
	ipsec.IntegHMACSHA512_256: {sha512.New, 64, 32},
}

// cbcHMAC is AES-CBC (RFC 3602) with encrypt-then-MAC. Its chaining and hash states are kept over packets, so one packet at a time.
type cbcHMAC struct {
	mu    sync.Mutex
	block cipher.Block
	mode  interface {
		cipher.BlockMode
		SetIV(iv []byte)
	}
	mac   hash.Hash
	ivPad [aes.BlockSize]byte
}

func newCBCHMAC(m mac, keys ipsec.Keys, decrypt bool) (*cbcHMAC, error) {
	block, err := aes.NewCipher(keys.Encr)
	if err != nil {
		return nil, err
	}
	c := &cbcHMAC{block: block, mac: hmac.New(m.hash, keys.Integ)}
	if _, err := rand.Read(c.ivPad[:]); err != nil {
		return nil, err
	}
	mode := cipher.NewCBCEncrypter(block, c.ivPad[:])
	if decrypt {
		mode = cipher.NewCBCDecrypter(block, c.ivPad[:])
	}
	var ok bool
	if c.mode, ok = mode.(interface {
		cipher.BlockMode
		SetIV(iv []byte)
	}); !ok {
		return nil, fmt.Errorf("%w: this Go's AES-CBC cannot be reused", ipsec.ErrAlgorithm)
	}
	return c, nil
}

// freshIV writes an IV that nobody can predict and that never repeats: the sequence number, which never repeats under the key, masked and
// put through the cipher (NIST SP 800-38A appendix C, first method).
func (c *cbcHMAC) freshIV(iv []byte, seq uint64) {
	copy(iv, c.ivPad[:])
	binary.BigEndian.PutUint64(iv[8:], binary.BigEndian.Uint64(iv[8:])^seq)
	c.block.Encrypt(iv, iv)
}

// sum gives the MAC over the packet from the SPI to the end of the ciphertext, and the high half of the sequence number with ESN (RFC 4303 2.8).
func (c *cbcHMAC) sum(sc *Scratch, covered []byte, seq uint64, esn bool) []byte {
	c.mac.Reset()
	c.mac.Write(covered)
	if esn {
		binary.BigEndian.PutUint32(sc.aad[:], uint32(seq>>32))
		c.mac.Write(sc.aad[:4])
	}
	return c.mac.Sum(sc.sum[:0])
}

// seal encrypts pkt[headerLen+IV:] but the ICV in place and writes the ICV. The IV stands in the packet.
func (c *cbcHMAC) seal(sc *Scratch, pkt []byte, icvLen int, seq uint64, esn bool) {
	end := len(pkt) - icvLen
	c.mode.SetIV(pkt[headerLen : headerLen+aes.BlockSize])
	body := pkt[headerLen+aes.BlockSize : end]
	c.mode.CryptBlocks(body, body)
	copy(pkt[end:], c.sum(sc, pkt[:end], seq, esn)[:icvLen])
}

// open checks the ICV and decrypts in place; nil when the ICV is wrong.
func (c *cbcHMAC) open(sc *Scratch, pkt []byte, icvLen int, seq uint64, esn bool) []byte {
	end := len(pkt) - icvLen
	if subtle.ConstantTimeCompare(c.sum(sc, pkt[:end], seq, esn)[:icvLen], pkt[end:]) != 1 {
		return nil
	}
	c.mode.SetIV(pkt[headerLen : headerLen+aes.BlockSize])
	body := pkt[headerLen+aes.BlockSize : end]
	c.mode.CryptBlocks(body, body)
	return body
}
