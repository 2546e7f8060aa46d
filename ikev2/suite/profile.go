// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Profile is a named policy: what is accepted as responder and offered as initiator, best first.
// Proposals have no number and no SPI; Number and the SPI are filled in by Offer.
type Profile struct {
	Name string
	IKE  []message.Proposal
	ESP  []message.Proposal
	// FullMODP makes a responder redraw its MODP exponent until neither its public value nor the
	// shared secret begins with a zero octet; see RespondFull.
	FullMODP bool
}

// Names of the profiles.
const (
	ProfileDefault   = "default"
	ProfileLegacyLab = "legacy-lab"
	Profile3GPP      = "3gpp-33.210"
	ProfileCNSA      = "cnsa"
	ProfileCNSA2     = "cnsa-2.0"
	ProfileHybridPQ  = "hybrid-pq"
)

var profiles = map[string]func() Profile{
	ProfileDefault:   Default,
	ProfileLegacyLab: LegacyLab,
	Profile3GPP:      TS33210,
	ProfileCNSA:      CNSA,
	ProfileCNSA2:     CNSA2,
	ProfileHybridPQ:  HybridPQ,
}

// ByName returns the profile of that name.
func ByName(name string) (Profile, error) {
	if profile, ok := profiles[name]; ok {
		return profile(), nil
	}
	return Profile{}, fmt.Errorf("unknown IKE profile %q; known are %s", name, strings.Join(ProfileNames(), ", "))
}

// ProfileNames returns the names of all profiles, sorted.
func ProfileNames() []string {
	var names []string
	for name := range profiles {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var (
	aesGCM = []Encr{{ENCR_AES_GCM_16, 256}, {ENCR_AES_GCM_16, 128}, {ENCR_AES_GCM_16, 192}}
	chacha = []Encr{{ENCR_CHACHA20_POLY1305, 0}}
	aesCBC = []Encr{{ENCR_AES_CBC, 256}, {ENCR_AES_CBC, 128}, {ENCR_AES_CBC, 192}}

	sha2Integ = []IntegID{AUTH_HMAC_SHA2_256_128, AUTH_HMAC_SHA2_384_192, AUTH_HMAC_SHA2_512_256}
	sha2PRF   = []PRFID{PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384, PRF_HMAC_SHA2_512}
	groups    = []GroupID{CURVE25519, ECP_256, ECP_384, ECP_521, MODP_3072, MODP_2048, MODP_4096}
)

// Default is everything that RFC 8247 and RFC 8221 leave in good standing.
func Default() Profile {
	return Profile{
		Name: ProfileDefault,
		IKE: []message.Proposal{
			ikeProposal(slices.Concat(aesGCM, chacha), nil, sha2PRF, groups),
			ikeProposal(aesCBC, sha2Integ, sha2PRF, groups),
		},
		ESP: []message.Proposal{
			espProposal(slices.Concat(aesGCM, chacha), nil),
			espProposal(aesCBC, sha2Integ),
		},
	}
}

// LegacyLab is Default with HMAC-SHA1 after everything else, for UE simulators that offer only
// that. SHA-1 is not allowed for IKE and ESP in production any more (RFC 8247, RFC 8221).
func LegacyLab() Profile {
	p := Default()
	p.Name = ProfileLegacyLab
	p.IKE = append(p.IKE, ikeProposal(aesCBC, []IntegID{AUTH_HMAC_SHA1_96}, []PRFID{PRF_HMAC_SHA1}, groups))
	p.ESP = append(p.ESP, espProposal(aesCBC, []IntegID{AUTH_HMAC_SHA1_96}))
	p.FullMODP = true
	return p
}

func ikeProposal(encr []Encr, integ []IntegID, prf []PRFID, ke []GroupID) message.Proposal {
	p := message.Proposal{Protocol: message.ProtocolIKE}
	p.Transforms = appendTransforms(p.Transforms, encr)
	p.Transforms = appendTransforms(p.Transforms, prf)
	p.Transforms = appendTransforms(p.Transforms, integ)
	p.Transforms = appendTransforms(p.Transforms, ke)
	return p
}

// espProposal leaves the key exchange out: whether a Child SA gets one is up to its exchange, see
// WithGroups.
func espProposal(encr []Encr, integ []IntegID) message.Proposal {
	p := message.Proposal{Protocol: message.ProtocolESP}
	p.Transforms = appendTransforms(p.Transforms, encr)
	p.Transforms = appendTransforms(p.Transforms, integ)
	p.Transforms = append(p.Transforms, esnTransform(true), esnTransform(false))
	return p
}

func appendTransforms[T interface{ Transform() message.Transform }](dst []message.Transform, all []T) []message.Transform {
	for _, a := range all {
		dst = append(dst, a.Transform())
	}
	return dst
}

// Offer returns the proposals as an initiator sends them: numbered from 1 and with spi (empty in
// IKE_SA_INIT).
func Offer(proposals []message.Proposal, spi []byte) []message.Proposal {
	offer := slices.Clone(proposals)
	for i := range offer {
		offer[i].Number = uint8(i + 1)
		offer[i].SPI = spi
	}
	return offer
}

// WithGroups returns ESP proposals with these key exchange methods in each, for perfect forward
// secrecy of Child SAs made by CREATE_CHILD_SA. GroupNone among them makes it optional. Groups
// that the proposals had are replaced; none at all removes them.
func WithGroups(proposals []message.Proposal, groups ...GroupID) []message.Proposal {
	out := slices.Clone(proposals)
	for i := range out {
		kept := slices.DeleteFunc(slices.Clone(out[i].Transforms), func(t message.Transform) bool { return t.Type == message.TransformKE })
		out[i].Transforms = appendTransforms(kept, groups)
	}
	return out
}
