// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"io"
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// IKEKeys is the key material of an IKE SA (RFC 7296 2.14). The letters i and r stand for the
// initiator and responder of the exchange that made the SA, as the I flag of its messages does.
type IKEKeys struct {
	D      []byte // SK_d, for the keys of children and of a rekey
	AI, AR []byte // SK_ai, SK_ar: integrity; empty with an AEAD
	EI, ER []byte // SK_ei, SK_er: cipher key, followed by the salt of an AEAD
	PI, PR []byte // SK_pi, SK_pr: for AUTH
}

// NewIKEKeys derives the keys of an IKE SA made by IKE_SA_INIT. secret is the shared secret of the
// key exchange, ni and nr the nonces without payload header.
func NewIKEKeys(s IKE, secret, ni, nr []byte, spiI, spiR message.SPI) *IKEKeys {
	nonces := append(append(make([]byte, 0, len(ni)+len(nr)), ni...), nr...)
	return expandIKE(s, s.PRF.Sum(nonces, secret), nonces, spiI, spiR)
}

// RekeyIKE derives the keys of an IKE SA made by rekeying another (RFC 7296 2.18): old is the PRF
// of the old SA and skD its SK_d; everything else is of the new one. more are the secrets of additional key exchanges
// (RFC 9370 2.2.4).
func RekeyIKE(old PRFID, skD []byte, s IKE, secret, ni, nr []byte, spiI, spiR message.SPI, more ...[]byte) *IKEKeys {
	nonces := append(append(make([]byte, 0, len(ni)+len(nr)), ni...), nr...)
	return expandIKE(s, old.Sum(skD, slices.Concat([][]byte{secret, nonces}, more)...), nonces, spiI, spiR)
}

func expandIKE(s IKE, skeyseed, nonces []byte, spiI, spiR message.SPI) *IKEKeys {
	p, a, e := s.PRF.Len(), s.Integ.KeyLen(), s.Encr.MaterialLen()
	material := s.PRF.Expand(3*p+2*a+2*e, skeyseed, nonces, spiI.Bytes(), spiR.Bytes())
	cut := func(n int) []byte {
		part := material[:n:n]
		material = material[n:]
		return part
	}
	return &IKEKeys{D: cut(p), AI: cut(a), AR: cut(a), EI: cut(e), ER: cut(e), PI: cut(p), PR: cut(p)}
}

// WithPPK returns the keys with a post-quantum preshared key mixed into SK_d, SK_pi and SK_pr (RFC 8784 3), prf being
// that of the IKE SA.
func (k *IKEKeys) WithPPK(prf PRFID, ppk []byte) *IKEKeys {
	mixed := *k
	mixed.D = prf.Expand(len(k.D), ppk, k.D)
	mixed.PI = prf.Expand(len(k.PI), ppk, k.PI)
	mixed.PR = prf.Expand(len(k.PR), ppk, k.PR)
	return &mixed
}

// Protectors returns what seals the messages that we send and opens those that we receive.
// initiator says that we are the initiator of this IKE SA (after a rekey: of the rekey). random is
// the source of CBC IVs.
func (k *IKEKeys) Protectors(s IKE, initiator bool, random io.Reader) (out, in *Protector, err error) {
	if out, err = NewProtector(s.Encr, s.Integ, k.EI, k.AI, random); err != nil {
		return nil, nil, err
	}
	if in, err = NewProtector(s.Encr, s.Integ, k.ER, k.AR, random); err != nil {
		return nil, nil, err
	}
	if !initiator {
		out, in = in, out
	}
	return out, in, nil
}

// ChildKeys is the key material of a Child SA (RFC 7296 2.17). Initiator keys protect what the
// initiator of the exchange that made the SA sends. Encr is the cipher key, followed by the salt of
// an AEAD; Integ is empty with an AEAD.
type ChildKeys struct {
	InitiatorEncr, InitiatorInteg []byte
	ResponderEncr, ResponderInteg []byte
}

// NewChildKeys derives the keys of a Child SA. prf and skD are those of the IKE SA; secret is the
// shared secret of this exchange's own key exchange, or nil; ni and nr are the nonces of this
// exchange, in IKE_AUTH those of IKE_SA_INIT. more are the secrets of additional key exchanges (RFC 9370 2.2.4).
func NewChildKeys(prf PRFID, skD []byte, s ESP, secret, ni, nr []byte, more ...[]byte) ChildKeys {
	e, a := s.Encr.MaterialLen(), s.Integ.KeyLen()
	m := prf.Expand(2*(e+a), skD, slices.Concat([][]byte{secret, ni, nr}, more)...)
	return ChildKeys{
		InitiatorEncr: m[:e:e], InitiatorInteg: m[e : e+a : e+a],
		ResponderEncr: m[e+a : 2*e+a : 2*e+a], ResponderInteg: m[2*e+a:],
	}
}
