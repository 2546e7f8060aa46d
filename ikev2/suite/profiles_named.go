// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// TS33210 is the IKEv2 and ESP profile of TS 33.210 5.3 and 5.4 (release 16 and later), which TS 33.501 and TS 33.402
// refer to: AES-GCM and AES-CBC with 128 or 256 bits, SHA-256 and SHA-384, the groups 19, 20 and 14.
func TS33210() Profile {
	gcm := []Encr{{ENCR_AES_GCM_16, 128}, {ENCR_AES_GCM_16, 256}}
	cbc := []Encr{{ENCR_AES_CBC, 128}, {ENCR_AES_CBC, 256}}
	integ := []IntegID{AUTH_HMAC_SHA2_256_128, AUTH_HMAC_SHA2_384_192}
	prf := []PRFID{PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384}
	ke := []GroupID{ECP_256, ECP_384, MODP_2048}
	return Profile{
		Name: Profile3GPP,
		IKE:  []message.Proposal{ikeProposal(gcm, nil, prf, ke), ikeProposal(cbc, integ, prf, ke)},
		ESP:  []message.Proposal{espProposal(gcm, nil), espProposal(cbc, integ)},
	}
}

var (
	cnsaEncr = []Encr{{ENCR_AES_GCM_16, 256}}
	cnsaIKE  = ikeProposal(cnsaEncr, nil, []PRFID{PRF_HMAC_SHA2_384}, []GroupID{ECP_384})
)

// CNSA is AES-256-GCM, SHA-384 and P-384 (RFC 9206), with ML-KEM-1024 after it for a peer that can.
func CNSA() Profile {
	p := CNSA2()
	p.Name = ProfileCNSA
	p.IKE = append(p.IKE, cnsaIKE)
	return p
}

// CNSA2 is CNSA and insists on ML-KEM-1024, the key establishment of CNSA 2.0, in a hybrid with P-384.
func CNSA2() Profile {
	return Profile{
		Name: ProfileCNSA2,
		IKE:  WithAdditional([]message.Proposal{cnsaIKE}, ML_KEM_1024),
		ESP:  []message.Proposal{espProposal(cnsaEncr, nil)},
	}
}

// HybridPQ is Default with ML-KEM-768 or ML-KEM-1024 after the first key exchange where the peer can (RFC 9370).
func HybridPQ() Profile {
	p := Default()
	p.Name = ProfileHybridPQ
	hybrid := []message.Proposal{
		ikeProposal(slices.Concat(aesGCM, chacha), nil, sha2PRF, []GroupID{CURVE25519, ECP_256, ECP_384}),
		ikeProposal(aesCBC, sha2Integ, sha2PRF, []GroupID{CURVE25519, ECP_256, ECP_384}),
	}
	p.IKE = append(WithAdditional(hybrid, ML_KEM_768, ML_KEM_1024), p.IKE...)
	return p
}
