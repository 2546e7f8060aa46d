// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/hmac"
	"slices"
)

// keyPad is the text of RFC 7296 2.15 without a final zero.
var keyPad = []byte("Key Pad for IKEv2")

// SignedOctets is what an AUTH payload covers (RFC 7296 2.15): realMessage | nonce | prf(skP, idBody).
// For the initiator's AUTH realMessage is its IKE_SA_INIT request (the last one, with the cookie if
// there was one), nonce is Nr, skP is SK_pi and idBody the body of IDi; for the responder's it is
// the IKE_SA_INIT response, Ni, SK_pr and the body of IDr. p is the PRF of the IKE SA. intAuth comes behind them, when
// there were IKE_INTERMEDIATE exchanges (RFC 9242 3.3.2).
func (p PRFID) SignedOctets(realMessage, nonce, skP, idBody []byte, intAuth ...byte) []byte {
	return slices.Concat(realMessage, nonce, p.Sum(skP, idBody), intAuth)
}

// SharedKeyMIC is the AUTH data of method 2 (RFC 7296 2.15, with the MSK after EAP 2.16):
// prf(prf(secret, "Key Pad for IKEv2"), octets).
func (p PRFID) SharedKeyMIC(secret, octets []byte) []byte {
	return p.Sum(p.Sum(secret, keyPad), octets)
}

// VerifySharedKey says in constant time whether auth is the AUTH data of method 2.
func (p PRFID) VerifySharedKey(secret, octets, auth []byte) bool {
	return hmac.Equal(p.SharedKeyMIC(secret, octets), auth)
}
