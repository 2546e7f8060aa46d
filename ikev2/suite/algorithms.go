// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/mlkem"
	"fmt"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// EncrID is the transform ID of an encryption algorithm (transform type 1).
type EncrID uint16

// Encryption algorithms.
const (
	ENCR_AES_CBC           EncrID = 12 // RFC 3602
	ENCR_AES_GCM_16        EncrID = 20 // RFC 4106, RFC 5282
	ENCR_CHACHA20_POLY1305 EncrID = 28 // RFC 7634
)

// Encr is an encryption algorithm with its key size. KeyBits is the Key Length attribute: 128, 192
// or 256 for AES, 0 for ChaCha20-Poly1305, which has none.
type Encr struct {
	ID      EncrID
	KeyBits uint16
}

const (
	aeadSaltLen = 4
	aeadIVLen   = 8
	aeadICVLen  = 16
	aesBlockLen = 16
)

// Supported says whether the algorithm exists here with this key length.
func (e Encr) Supported() bool {
	switch e.ID {
	case ENCR_AES_CBC, ENCR_AES_GCM_16:
		return e.KeyBits == 128 || e.KeyBits == 192 || e.KeyBits == 256
	case ENCR_CHACHA20_POLY1305:
		return e.KeyBits == 0
	}
	return false
}

// AEAD says whether the algorithm protects integrity by itself.
func (e Encr) AEAD() bool { return e.ID == ENCR_AES_GCM_16 || e.ID == ENCR_CHACHA20_POLY1305 }

// KeyLen is the length in octets of the cipher key alone.
func (e Encr) KeyLen() int {
	if e.ID == ENCR_CHACHA20_POLY1305 {
		return 32
	}
	return int(e.KeyBits) / 8
}

// SaltLen is the length in octets of the salt that follows the cipher key in key material.
func (e Encr) SaltLen() int {
	if e.AEAD() {
		return aeadSaltLen
	}
	return 0
}

// MaterialLen is the length of SK_ei, SK_er or a Child SA's encryption key: key and salt.
func (e Encr) MaterialLen() int { return e.KeyLen() + e.SaltLen() }

// IVLen is the length in octets of the IV in every message or packet.
func (e Encr) IVLen() int {
	if e.AEAD() {
		return aeadIVLen
	}
	return aesBlockLen
}

// BlockLen is what the plaintext is padded to a multiple of: 16 for CBC, 1 for an AEAD in IKE (ESP
// itself still aligns to 4 octets, RFC 4303 2.4).
func (e Encr) BlockLen() int {
	if e.AEAD() {
		return 1
	}
	return aesBlockLen
}

// ICVLen is the length in octets of an AEAD's tag, and 0 for the others: theirs is IntegID.ICVLen.
func (e Encr) ICVLen() int {
	if e.AEAD() {
		return aeadICVLen
	}
	return 0
}

func (e Encr) String() string {
	switch e.ID {
	case ENCR_AES_CBC:
		return fmt.Sprintf("AES_CBC_%d", e.KeyBits)
	case ENCR_AES_GCM_16:
		return fmt.Sprintf("AES_GCM_16_%d", e.KeyBits)
	case ENCR_CHACHA20_POLY1305:
		return "CHACHA20_POLY1305"
	}
	return fmt.Sprintf("ENCR_%d_%d", uint16(e.ID), e.KeyBits)
}

// Transform is the algorithm as a transform of a proposal.
func (e Encr) Transform() message.Transform {
	return message.Transform{Type: message.TransformENCR, ID: uint16(e.ID), KeyLength: e.KeyBits}
}

// IntegID is the transform ID of an integrity algorithm (transform type 3).
type IntegID uint16

// Integrity algorithms.
const (
	AUTH_NONE              IntegID = 0  // with an AEAD
	AUTH_HMAC_SHA1_96      IntegID = 2  // RFC 2404; legacy-lab only
	AUTH_HMAC_SHA2_256_128 IntegID = 12 // RFC 4868
	AUTH_HMAC_SHA2_384_192 IntegID = 13 // RFC 4868
	AUTH_HMAC_SHA2_512_256 IntegID = 14 // RFC 4868
)

// Supported says whether the algorithm exists here; AUTH_NONE is none.
func (i IntegID) Supported() bool { return i.hash() != nil }

// KeyLen is the key length in octets.
func (i IntegID) KeyLen() int {
	switch i {
	case AUTH_HMAC_SHA1_96:
		return 20
	case AUTH_HMAC_SHA2_256_128:
		return 32
	case AUTH_HMAC_SHA2_384_192:
		return 48
	case AUTH_HMAC_SHA2_512_256:
		return 64
	}
	return 0
}

// ICVLen is the length in octets of the truncated MAC.
func (i IntegID) ICVLen() int {
	if i == AUTH_HMAC_SHA1_96 {
		return 12
	}
	return i.KeyLen() / 2
}

func (i IntegID) String() string {
	switch i {
	case AUTH_NONE:
		return "NONE"
	case AUTH_HMAC_SHA1_96:
		return "HMAC_SHA1_96"
	case AUTH_HMAC_SHA2_256_128:
		return "HMAC_SHA2_256_128"
	case AUTH_HMAC_SHA2_384_192:
		return "HMAC_SHA2_384_192"
	case AUTH_HMAC_SHA2_512_256:
		return "HMAC_SHA2_512_256"
	}
	return fmt.Sprintf("AUTH_%d", uint16(i))
}

// Transform is the algorithm as a transform of a proposal.
func (i IntegID) Transform() message.Transform {
	return message.Transform{Type: message.TransformINTEG, ID: uint16(i)}
}

// PRFID is the transform ID of a pseudorandom function (transform type 2).
type PRFID uint16

// Pseudorandom functions.
const (
	PRF_HMAC_SHA1     PRFID = 2 // RFC 2104; legacy-lab only
	PRF_HMAC_SHA2_256 PRFID = 5 // RFC 4868
	PRF_HMAC_SHA2_384 PRFID = 6 // RFC 4868
	PRF_HMAC_SHA2_512 PRFID = 7 // RFC 4868
)

// Supported says whether the function exists here.
func (p PRFID) Supported() bool { return p.hash() != nil }

// Len is the length in octets of the output and of the preferred key.
func (p PRFID) Len() int {
	switch p {
	case PRF_HMAC_SHA1:
		return 20
	case PRF_HMAC_SHA2_256:
		return 32
	case PRF_HMAC_SHA2_384:
		return 48
	case PRF_HMAC_SHA2_512:
		return 64
	}
	return 0
}

func (p PRFID) String() string {
	switch p {
	case PRF_HMAC_SHA1:
		return "PRF_HMAC_SHA1"
	case PRF_HMAC_SHA2_256:
		return "PRF_HMAC_SHA2_256"
	case PRF_HMAC_SHA2_384:
		return "PRF_HMAC_SHA2_384"
	case PRF_HMAC_SHA2_512:
		return "PRF_HMAC_SHA2_512"
	}
	return fmt.Sprintf("PRF_%d", uint16(p))
}

// Transform is the function as a transform of a proposal.
func (p PRFID) Transform() message.Transform {
	return message.Transform{Type: message.TransformPRF, ID: uint16(p)}
}

// GroupID is the transform ID of a key exchange method (transform type 4).
type GroupID uint16

// Key exchange methods.
const (
	GroupNone  GroupID = 0
	MODP_2048  GroupID = 14 // RFC 3526
	MODP_3072  GroupID = 15
	MODP_4096  GroupID = 16
	ECP_256    GroupID = 19 // RFC 5903
	ECP_384    GroupID = 20
	ECP_521    GroupID = 21
	CURVE25519 GroupID = 31 // RFC 8031
	// Key encapsulation, mostly as an additional key exchange (RFC 9370, draft-ietf-ipsecme-ikev2-mlkem).
	ML_KEM_768  GroupID = 36
	ML_KEM_1024 GroupID = 37
)

// Supported says whether the group exists here; GroupNone does not.
func (g GroupID) Supported() bool { return g.PublicLen() != 0 }

// PublicLen is the length in octets of the initiator's public value; 0 for a group that does not exist here. The
// responder's is as long, except with ML-KEM, where it is a ciphertext.
func (g GroupID) PublicLen() int {
	switch g {
	case MODP_2048:
		return 256
	case MODP_3072:
		return 384
	case MODP_4096:
		return 512
	case ECP_256:
		return 64
	case ECP_384:
		return 96
	case ECP_521:
		return 132
	case CURVE25519:
		return 32
	case ML_KEM_768:
		return mlkem.EncapsulationKeySize768
	case ML_KEM_1024:
		return mlkem.EncapsulationKeySize1024
	}
	return 0
}

// answerLen is the length of the responder's public value.
func (g GroupID) answerLen() int {
	switch g {
	case ML_KEM_768:
		return mlkem.CiphertextSize768
	case ML_KEM_1024:
		return mlkem.CiphertextSize1024
	}
	return g.PublicLen()
}

func (g GroupID) String() string {
	switch g {
	case GroupNone:
		return "NONE"
	case MODP_2048:
		return "MODP_2048"
	case MODP_3072:
		return "MODP_3072"
	case MODP_4096:
		return "MODP_4096"
	case ECP_256:
		return "ECP_256"
	case ECP_384:
		return "ECP_384"
	case ECP_521:
		return "ECP_521"
	case CURVE25519:
		return "CURVE25519"
	case ML_KEM_768:
		return "ML_KEM_768"
	case ML_KEM_1024:
		return "ML_KEM_1024"
	}
	return fmt.Sprintf("KE_%d", uint16(g))
}

// Transform is the group as a transform of a proposal.
func (g GroupID) Transform() message.Transform {
	return message.Transform{Type: message.TransformKE, ID: uint16(g)}
}

// Extended sequence numbers, the IDs of transform type 5.
const (
	esnNo  = 0
	esnYes = 1
)

func esnTransform(on bool) message.Transform {
	if on {
		return message.Transform{Type: message.TransformESN, ID: esnYes}
	}
	return message.Transform{Type: message.TransformESN, ID: esnNo}
}
